//! Adversarial attacks on Burn models, and an evaluation that is honest about stochastic defences.
//!
//! Images are `[batch, channels, height, width]` with pixels in [0, 1], and ε is in the same unit: normalization is the
//! model's first layer. An attack is a loop over a [`Norm`], a [`Loss`] and a [`Goal`], an immutable value whose result
//! is a function of the model, the images and a key.
//!
//! ```
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor};
//! use cni_attacks::{Attack, Goal, Pgd, Threat, FrozenModel};
//! use cni_noise::Key;
//!
//! let device = Device::flex();
//! let model = LinearConfig::new(12, 2).init(&device);
//! let frozen = FrozenModel::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
//! let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! let goal = Goal::Misclassify(Tensor::from_ints([0, 1, 0, 1, 0], &device));
//!
//! let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_steps(20)?;
//! let adversarial = attack.perturb(&frozen, images, &goal, Key::new(1), 0)?;
//! assert_eq!(adversarial.images.dims(), [5, 3, 2, 2]);
//! # Ok::<(), cni_attacks::AttackError>(())
//! ```
//!
//! - [`Threat`] and [`Norm`]: what the attacker may change, and the geometry of it;
//! - [`Goal`], [`Loss`] and [`Objective`]: what it wants, and what it climbs to get it;
//! - [`Classifier`], [`FrozenModel`] and [`AnyRank`]: what is attacked, images or inputs of any rank;
//! - [`input_gradient`] and [`score`]: gradient and score of a stochastic model, in expectation over draws of its noise, of
//!   which there are three kinds: [`Expectation`];
//! - [`Attack`] and [`Runner`]: an attack, and how it is carried out: in chunks, within a [`Budget`], watched, traced;
//! - [`Suite`]: attacks in a row, each on what those before it have left;
//! - [`UniversalPerturbation`]: one perturbation for a whole set of images, in L∞ and L2, and how many it fools;
//! - [`bpda`], [`straight_through`]: gradients through what has none; [`FixedNoise`]: a noisy model with its noise held;
//!
//! # Attacks
//!
//! Every attack knows misclassification and, but for DeepFool and the untargeted FAB, target classes; every one but the
//! suites takes `with_draws` to face a stochastic model in expectation (EOT). Those of minimum norm give the nearest
//! adversarial image if it is within ε, else the image itself. Gradients, scores, decisions: what an attack asks of the
//! model.
//!
//! | attack | norms | access | defaults | source |
//! | --- | --- | --- | --- | --- |
//! | [`Pgd::fgsm`] | L∞ L2 L1 | gradients | one step of ε | arXiv 1412.6572 |
//! | [`Pgd::random_fgsm`] | L∞ L2 L1 | gradients | random start, one step of 1.25 ε | arXiv 2001.03994 |
//! | [`Pgd::bim`] | L∞ L2 L1 | gradients | 10 steps of ε/4 | arXiv 1607.02533 |
//! | [`Pgd::mi_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/10, momentum 1 | arXiv 1710.06081 |
//! | [`Pgd::di_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/4, resized to 0.9 or more with probability 0.5 | arXiv 1803.06978 |
//! | [`Pgd::ti_fgsm`] | L∞ L2 L1 | gradients | 10 steps of ε/4, Gaussian kernel of length 15 | arXiv 1904.02884 |
//! | [`Pgd::new`] | L∞ L2 L1 | gradients | random start, 10 steps of ε/4; in L1 sparse steps | arXiv 1706.06083, 1904.13000 |
//! | [`Apgd::cross_entropy`] | L∞ L2 L1 | gradients | 100 iterations, ρ 0.75 | arXiv 2003.01690, 2103.01208 |
//! | [`Apgd::dlr`] | L∞ L2 L1 | gradients | as above; three classes or more | arXiv 2003.01690 |
//! | [`Apgd::targeted`] | L∞ L2 L1 | gradients | as above, 9 targets; four classes or more | arXiv 2003.01690 |
//! | [`Fab::new`] | L∞ L2 L1 | gradients | 100 iterations, α 0.1, η 1.05, β 0.9; minimum norm | arXiv 1907.02044 |
//! | [`Fab::targeted`] | L∞ L2 L1 | gradients | as above, 9 targets | arXiv 1907.02044 |
//! | [`DeepFool::new`] | L∞ L2 | gradients | 50 iterations, overshoot 0.02, 10 classes; minimum norm | arXiv 1511.04599 |
//! | [`Ddn::new`] | L2 | gradients | 100 iterations, γ 0.05; minimum norm | arXiv 1811.09600 |
//! | [`CarliniWagner::new`] | L2 | gradients | 9 searches of 1000 iterations, Adam 0.01; minimum norm | arXiv 1608.04644 |
//! | [`CarliniWagnerLinf::new`] | L∞ | gradients | 1000 iterations a bound, Adam 0.005; minimum norm | arXiv 1608.04644 |
//! | [`Square::new`] | L∞ L2 L1 | scores | 5000 queries, p 0.8 | arXiv 1912.00049, 2103.01208 |
//! | [`Spsa::new`] | L∞ L2 L1 | scores | 100 iterations of 128 samples, Adam 0.01 | arXiv 1802.05666 |
//! | [`NAttack::new`] | L∞ | scores | 500 iterations of 300 samples, σ 0.1 | arXiv 1905.00441 |
//! | [`HopSkipJump::new`] | L∞ L2 | decisions | 40 iterations; minimum norm | arXiv 1904.02144 |
//! | [`BoundaryAttack::new`] | L2 | decisions | 25 000 steps; minimum norm | arXiv 1712.04248 |
//! | [`Transfer::new`] | L∞ L2 L1 | transfer | those of its attack; one candidate | arXiv 1605.07277 |
//! | [`RandomNoise::new`] | L∞ L2 L1 | none | one point, uniform in the ball | arXiv 1902.06705 |
//! | [`RandomNoise::gaussian`] | L∞ L2 L1 | none | one Gaussian point | arXiv 1902.06705 |
//! | [`Suite::standard`] | L∞ L2 L1 | gradients | AutoAttack's | arXiv 2003.01690 |
//! | [`Suite::plus`] | L∞ L2 L1 | gradients | AutoAttack's | arXiv 2003.01690 |
//! | [`Suite::rand`] | L∞ L2 L1 | gradients | AutoAttack's, 20 draws | arXiv 2003.01690 |
//! | [`Suite::rand_plus`] | L∞ L2 L1 | gradients | `rand` and EOT-Square | arXiv 2003.01690 |
//!
//! # Panics
//!
//! A device that is lost, or out of memory, cannot be read: Burn panics at its next operation, and
//! so does everything here that waits for a value of it. No input leads there. What input can be
//! wrong about is an [`AttackError`].

mod access;
mod adversarial;
mod attack;
mod autoattack;
mod batch;
mod error;
mod knobs;
mod methods;
mod model;
mod objective;
mod pointers;
pub mod rows;
mod runner;
mod threat;

pub use access::{
    Budget, DrawPredictions, ModelAccess, Progress, ROUNDING, Severity, TracePoint, differing_share,
};
pub use adversarial::Adversarial;
pub use attack::{Access, Attack, check_classes};
pub use autoattack::Suite;
pub use batch::{AttackBatch, check_images};
pub use error::{AttackError, at_least_one, within};
pub use knobs::{Iterate, Knob, Knobs};
pub use methods::*;
pub use model::{AnyRank, Classifier, FixedNoise, FrozenModel, bpda, straight_through};
pub use objective::{
    Eot, Expectation, Goal, InputGradient, Loss, Objective, PairLoss, Passes, Scores, draw_scope,
    input_gradient, score,
};
pub use rows::Rows;
pub use runner::Runner;
pub use threat::{Norm, Threat};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
