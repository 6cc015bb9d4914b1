//! Labelled images: where they come from, how they are augmented, and the batches a training run
//! sees.
//!
//! ```
//! use burn::data::dataloader::DataLoader;
//! use burn::tensor::Device;
//! use cni_noise::Key;
//! use cni_data::{Loader, Split, digits};
//!
//! let device = Device::flex();
//! let (train, validation) = digits(Split::Train).split_validation(200, Key::new(1))?;
//! let loader = Loader::new(train, 64, Key::new(2), &device)?;
//! for batch in loader.iter() {
//!     assert_eq!(batch?.images.dims()[1..], [1, 8, 8]);
//! }
//! for batch in validation.batches(50, &device) {
//!     let (images, labels) = batch?;
//!     assert_eq!((images.dims(), labels.dims()), ([50, 1, 8, 8], [50]));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`ImageData`]: a set of images, in memory or read when they are needed, and parts of it;
//! - [`cifar10`], [`cifar100`], [`digits`], [`image_folder`], [`ImageFolder`]: the sources of this
//!   crate. [`ImageData::from_dataset`] adapts any Burn `Dataset`, [`ImageSource`] is the contract
//!   of a source of your own;
//! - [`Augmentation`]: keyed random changes of images; [`AugmentationRule`] is the contract of your
//!   own;
//! - [`Loader`]: keyed, resumable batches for Burn's trainer, read and augmented ahead of the step;
//! - [`Sampler`]: which examples make a batch; [`SamplerRule`] is the contract of your own.
//!
//! With the feature `download`, `download_cifar10` and `download_cifar100` fetch the CIFAR
//! archives.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod augment;
mod error;
mod image_data;
mod loader;
mod prefetch;
#[doc(hidden)]
pub mod reading;
mod samplers;
#[doc(hidden)]
pub mod slots;
mod source;
mod sources;

pub use augment::{
    Augmentation, AugmentationRule, AutoAugment, Crop, CropFlip, Cutout, Flip, TrivialAugment,
};
pub use error::DataError;
pub use image_data::{Batches, ImageData, ImageItem};
pub use loader::{Batch, Epoch, Loader, Shares};
pub use samplers::{Epochs, Mixture, Poisson, Replays, Sampler, SamplerRule, Sequential};
pub use source::ImageSource;
pub use sources::{ImageFolder, Split, cifar10, cifar100, digits, image_folder};
#[cfg(feature = "download")]
pub use sources::{download_cifar10, download_cifar100};

/// The lower-case hexadecimal digits of a hash.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
