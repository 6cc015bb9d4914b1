//! Places that images come from, one file each.

mod cifar;
mod digits;
#[cfg(feature = "download")]
mod download;
mod folder;
mod memory;

pub use cifar::{cifar10, cifar100};
pub use digits::digits;
#[cfg(feature = "download")]
pub use download::{download_cifar10, download_cifar100};
pub use folder::{ImageFolder, image_folder};

/// A part of a data set, as its publishers cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The examples to train on.
    Train,
    /// The examples to report numbers on.
    Test,
}
