//! Adversarial attacks on Burn models, and an evaluation that is honest about stochastic defences.
//!
//! Images are `[batch, channels, height, width]` with pixels in [0, 1], and ε is in the same unit: normalization is the
//! model's first layer. An attack is a loop over a [`Norm`], a [`Loss`] and a [`Goal`], an immutable value whose result
//! is a function of the model, the images and a key.
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use cni_attacks::{Attack, Goal, Pgd, Threat, Victim};
//! use cni_noise::Key;
//!
//! let device = Device::flex();
//! let model = LinearConfig::new(12, 2).init(&device);
//! let victim = Victim::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
//! let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! let goal = Goal::Misclassify(Tensor::from_ints([0, 1, 0, 1, 0], &device));
//!
//! let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_steps(20)?;
//! let adversarial = attack.perturb(&victim, images, &goal, Key::new(1), 0)?;
//! assert_eq!(adversarial.images.dims(), [5, 3, 2, 2]);
//! # Ok::<(), cni_attacks::AttackError>(())
//! ```
//!
//! - [`Threat`] and [`Norm`]: what the attacker may change, and the geometry of it;
//! - [`Goal`] and [`Loss`]: what it wants, and what it climbs to get it;
//! - [`Classifier`] and [`Victim`]: what is attacked;
//! - [`input_gradient`]: the gradient of a stochastic model, averaged over draws of its noise;
//! - [`Attack`]: [`Pgd`] with FGSM and EOT-PGD as settings of it, and [`RandomNoise`] as the baseline;
//! - [`evaluation`]: clean and robust accuracy of stochastic models, with intervals and a record.

mod apgd;
mod attack;
mod bpda;
mod carlini_wagner;
mod classifier;
mod ddn;
mod deepfool;
mod disk;
mod error;
pub mod evaluation;
mod fab;
mod goal;
mod gradient;
mod hop_skip_jump;
mod loss;
mod minimum_norm;
mod nattack;
mod norm;
mod objective;
mod oracle;
mod pgd;
mod problem;
mod random_noise;
mod ranked;
mod runner;
mod spsa;
mod square;
mod suite;
mod targets;
mod threat;
mod transfer;

pub use apgd::Apgd;
pub use attack::{Access, Adversarial, Attack, Passes};
pub use bpda::{bpda, straight_through};
pub use carlini_wagner::CarliniWagner;
pub use classifier::{Classifier, Victim};
pub use ddn::Ddn;
pub use deepfool::DeepFool;
pub use error::AttackError;
pub use fab::Fab;
pub use goal::Goal;
pub use gradient::{
    Eot, Expectation, InputGradient, Scores, draw_scope, input_gradient, score,
};
pub use hop_skip_jump::HopSkipJump;
pub use loss::{Loss, PairLoss};
pub use nattack::NAttack;
pub use norm::Norm;
pub use objective::Objective;
pub use oracle::{Budget, Oracle, Progress, TracePoint};
pub use pgd::{Iterate, Pgd};
pub use problem::{Problem, Rows};
pub use random_noise::{NoiseLaw, RandomNoise};
pub use ranked::Ranked;
pub use runner::Runner;
pub use spsa::Spsa;
pub use square::Square;
pub use suite::{Flag, Outcome, Stage, Suite, SuiteReport, SuiteRun};
pub use threat::Threat;
pub use transfer::{FixedNoise, Transfer};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
