//! Adversarial attacks on any Burn model, deterministic or stochastic, from FGSM to AutoAttack.
//!
//! The book has a chapter on it: [Attack it][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/attacks.md
//!
//! Two lines attack a model: one says what the attacker may change, one runs the attack.
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use cni_attacks::{Attack, FrozenModel, Pgd, Threat};
//! # let device = Device::flex();
//! # let linear = LinearConfig::new(12, 2).init(&device);
//! # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let forward = |linear: &Linear, x: Tensor<4>| linear.forward(x.flatten::<2>(1, 3));
//! let model = FrozenModel::new(&linear, forward);
//!
//! let threat = Threat::linf(8.0 / 255.0)?;
//! let found = Pgd::new(threat).on(&model).run(images, labels)?;
//!
//! assert_eq!(found.images.dims(), [5, 3, 2, 2]);
//! println!("robust accuracy {:.1} %", 100.0 * found.robust_accuracy());
//! # Ok::<(), cni_attacks::AttackError>(())
//! ```
//!
//! Images are `[batch, channels, height, width]` with pixels in [0, 1], and ε has the same unit; a
//! model that needs normalized inputs normalizes in its first layer. The result depends on the
//! model, the images and a key, and on nothing else.
//!
//! # Options, curves, other goals
//!
//! ```
//! # use burn::tensor::{Device, Tensor};
//! use cni_attacks::{Apgd, Attack, Ddn, Goal, Norm, Square, Targets, Threat};
//! use cni_noise::Key;
//! # let device = Device::flex();
//! # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
//! # let images = || Tensor::<4>::full([5, 1, 2, 2], 0.5, &device);
//! # let labels = || Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let threat = Threat::linf(8.0 / 255.0)?;
//! // A key, chunks that fit the memory, EOT on a stochastic model.
//! let attack = Apgd::cross_entropy(threat).with_draws(20)?;
//! attack.on(&model).with_key(Key::new(7)).with_chunk(256)?.run(images(), labels())?;
//! // Robust accuracy over radii; an attack of minimum norm answers all of them by one run.
//! let curve = Ddn::new(Threat::unbounded(Norm::L2))?;
//! for at in curve.on(&model).epsilons([0.1, 0.25, 0.5]).run(images(), labels())? {
//!     println!("{} {}", at.epsilon, at.robust_accuracy);
//! }
//! // Towards the least likely class; out of the two most likely ones.
//! let goal = Targets::least_likely().goal(&model, images(), labels(), 0)?;
//! attack.on(&model).run(images(), goal)?;
//! let square = Square::new(threat).with_queries(100)?;
//! square.on(&model).run(images(), Goal::outside_top(2, labels())?)?;
//! # Ok::<(), cni_attacks::AttackError>(())
//! ```
//!
//! # From rows to attacks
//!
//! Each part uses only the parts before it:
//!
//! - [`rows`]: choosing rows of a batch, putting them back, reading them from the device;
//! - [`Threat`], [`Norm`]: what the attacker may change, and the geometry of the norms;
//! - [`Classifier`], [`FrozenModel`], [`AnyRank`], [`FixedNoise`], [`bpda`]: the models: for
//!   images, for inputs of any rank, with their noise held fixed, and with gradients through parts
//!   that have none;
//! - [`Goal`], [`Loss`], [`LossFn`], [`Objective`], [`Eot`]: what the attacker wants and which loss
//!   it raises, custom functions included; [`input_gradient`] and [`score`] are expectations over
//!   draws of the model's noise (EOT);
//! - [`ModelAccess`]: the model as an attack sees it, which counts and checks every pass and keeps
//!   to a [`Budget`];
//! - [`Attack`], [`Runner`], [`Adversarial`]: an attack, its run on a model, and the result for
//!   each example;
//! - [`methods`], [`Suite`]: the attacks, AutoAttack, and custom suites;
//! - [`weights`]: perturbations of a model's weights in place of its images.
//!
//! [`UniversalPerturbation`] finds one perturbation for a whole set of images, and is therefore not
//! an [`Attack`]. [`attack_from_spec`] reads an attack from a record or a configuration file.
//!
//! # Panics
//!
//! A device that is lost or out of memory cannot be read: Burn panics at its next operation, and so
//! does every function here that waits for one of its values. No input causes this. Wrong input
//! gives an [`AttackError`].

mod access;
mod adversarial;
mod attack;
mod autoattack;
mod batch;
mod error;
mod knobs;
mod load;
pub mod methods;
mod model;
mod objective;
mod pointers;
pub mod rows;
mod run;
mod runner;
mod spec;
mod sweep;
mod targets;
mod threat;
pub mod weights;

pub use access::{
    Budget, DrawPredictions, ModelAccess, Progress, ROUNDING, Severity, TracePoint, differing_share,
};
pub use adversarial::{Adversarial, Perturbed};
pub use attack::{Access, AsAttack, Attack, check_classes};
pub use autoattack::Suite;
pub use batch::{AttackBatch, check_images};
pub use error::{AttackError, at_least_one, within};
pub use knobs::{Iterate, Knob, Knobs};
pub use load::attack_from_spec;
pub use methods::*;
pub use model::{AnyRank, Classifier, FixedNoise, FrozenModel, bpda, straight_through};
pub use objective::{
    Eot, Expectation, Goal, InputGradient, Loss, LossFn, Objective, PairLoss, Passes, Scores,
    draw_scope, input_gradient, score,
};
pub use rows::Rows;
pub use runner::Runner;
pub use sweep::{AtRadius, Sweep};
pub use targets::Targets;
pub use threat::{Ball, Epsilon, Norm, Threat};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
