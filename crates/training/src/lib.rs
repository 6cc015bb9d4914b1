//! Adversarial training of Burn models, on Burn's own trainer.
//!
//! A run is a function of its configuration: data order, augmentation, attacks and noise come from
//! keys, so that a run that was killed and resumed ends with the same weights, bit for bit, as one
//! that was not.
//!
//! ```no_run
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use cni_attacks::{Pgd, Threat};
//! use cni_noise::Key;
//! use cni_data::{Split, digits};
//! use cni_training::{Objective, Start, Trainer, TrainingConfig};
//!
//! let device = Device::flex().autodiff();
//! let model = LinearConfig::new(64, 10).init(&device);
//! let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
//! let (train, validation) = digits(Split::Train).split_validation(200, Key::new(1))?;
//! let objective = Objective::adversarial(Pgd::training(Threat::linf(0.1)?));
//! let config = TrainingConfig::new(10, objective);
//! let trained = Trainer::new(config, "runs/linear")?
//!     .run(model, forward, train, validation, &device, Start::Fresh)?;
//! println!("best epoch: {}", trained.best);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Objective`], [`Adversarial`]: what a step minimises;
//! - [`Sgd`], [`Schedule`], [`clip_by_norm`]: PyTorch's SGD, learning rates by step or epoch,
//!   clipping by the global norm;
//! - [`Progress`], [`Bar`]: how a run is shown;
//! - [`Trainer`]: the run, with checkpoints, exact resume, progress and a history of its epochs,
//!   [`EpochRow`];
//! - [`load_checkpoint`], [`checkpoint_info`]: a run's model, and what is known of it;
//! - [`Devices`]: one device or several, and what [`Parallel`] training on them is and is not.

mod bar;
mod checkpoint;
mod config;
mod devices;
mod error;
mod finite;
mod history;
mod identity;
mod metrics;
mod objective;
mod optimizer;
mod probe;
mod progress;
mod replica;
mod restore;
mod schedule;
mod shelf;
mod start;
mod stop;
mod trainee;
mod trainer;
mod watch;

pub use bar::Bar;
pub use config::TrainingConfig;
pub use devices::{Devices, Parallel};
pub use error::{CheckpointFault, StopReason, TrainingError};
pub use history::{EpochRow, Scores};
pub use objective::{Adversarial, Labels, Objective};
pub use optimizer::{Sgd, clip_by_norm};
pub use progress::Progress;
pub use restore::{CheckpointInfo, Which, checkpoint_info, load_checkpoint};
pub use schedule::{By, Schedule};
pub use start::Start;
pub use trainer::{Trained, Trainer};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
