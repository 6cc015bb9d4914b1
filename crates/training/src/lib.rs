//! Adversarial training of Burn models, on Burn's own trainer.
//!
//! The book has a chapter on it: [Train it robust][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/training.md
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
//! use cni_training::{Objective, Trainer, TrainingConfig};
//!
//! let device = Device::flex().autodiff();
//! let model = LinearConfig::new(64, 10).init(&device);
//! let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
//! let (train, validation) = digits(Split::Train).split_validation(200, Key::new(1))?;
//! let objective = Objective::half_and_half(Pgd::training(Threat::linf(0.1)?));
//! let trained = Trainer::new(TrainingConfig::new(10, objective), "runs/linear")?
//!     .with_validation(validation)
//!     .run(model, forward, train)?;
//! println!("best epoch: {}", trained.best_epoch);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A step has five slots, and a method is a value in one of them:
//!
//! | slot | value | custom | answers |
//! | --- | --- | --- | --- |
//! | sampler | [`Sampler`] | [`SamplerRule`] | which examples are in a batch |
//! | objective | [`Objective`] | [`ObjectiveRule`] | the loss of each example |
//! | gradient | [`Gradient`] | [`GradientRule`] | how a loss becomes a gradient |
//! | update | [`Optimizer`], [`Schedule`], [`Update`] | [`UpdateRule`] | the step, and what follows |
//! | average | [`Average`] | [`AverageRule`] | the model that is judged and kept |
//!
//! [`Sampler`]: cni_data::Sampler
//! [`SamplerRule`]: cni_data::SamplerRule
//!
//! Beside them:
//!
//! - [`TrainingConfig`]: all of a run, as a value that is saved and loaded;
//! - [`Recipe`]: a training as a file, and the built-in ones;
//! - [`Trainer`]: the run, with checkpoints, exact resume, progress and a history of its epochs,
//!   [`EpochRow`];
//! - [`load_run`], [`load_checkpoint`], [`checkpoint_info`]: a run's model, and what is known of
//!   it;
//! - [`EarlyStopping`], [`OverfittingWatch`]: what ends a run early, or sends it back;
//! - [`Progress`], [`Bar`]: how a run is shown;
//! - [`Devices`]: one device or several, and what [`Parallel`] training on them is and is not;
//! - [`EpsilonRamp`], [`LabelNoise`], [`AttackLabels`]: settings that objectives share;
//! - [`kl_divergence`], [`Step::perturb_from`]: the parts of objectives that compare predictions;
//! - [`Step`], [`Schedule::scheduler`], [`clip_by_norm`]: the parts for a custom loop or for Burn's
//!   `Learner`.

mod averages;
mod bar;
mod checkpoint;
mod config;
mod devices;
mod early_stopping;
mod error;
mod gradients;
mod history;
mod objectives;
mod overfitting;
mod parameters;
mod recipes;
mod state;
mod step;
mod stop;
mod trainer;
mod updates;

pub use averages::{Average, AverageRule, BatchStatistics, Ema, Swa};
pub use bar::Bar;
pub use checkpoint::{
    CheckpointInfo, CheckpointSelector, Run, checkpoint_info, load_checkpoint, load_run,
    publish_checkpoint,
};
pub use config::TrainingConfig;
pub use devices::{Devices, Parallel};
pub use early_stopping::EarlyStopping;
pub use error::{CheckpointFault, StepError, StopReason, TrainingError};
pub use gradients::{Awp, Gradient, GradientRule, PerExampleClip, clip_by_norm};
pub use history::{EpochRow, Scores};
pub use objectives::{
    AttackLabels, Clean, Elle, EpsilonRamp, Free, HalfAndHalf, LabelNoise, Madry, Mart, Objective,
    ObjectiveRule, Rotation, Trades,
};
pub use overfitting::{Fall, Overfitting, OverfittingWatch, Remedy};
pub use parameters::{Parameter, ParameterValues, parameter_ids};
pub use recipes::{Recipe, RecipeError};
pub use state::RuleState;
pub use step::{Losses, Step, StepGradients, StepInfo, kl_divergence};
pub use trainer::{EndOfEpoch, Progress, Trained, Trainer};
pub use updates::{
    By, Clamp, CustomOptimizer, CustomSchedule, NoiseFloor, NoisePenalty, Optimizer,
    ParameterGroup, Schedule, Scheduler, Sgd, Update, UpdateRule,
};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
