//! Differential privacy of noisy training: how much of its data a training with clipped gradients
//! and normal noise can give away, such a training, and attacks that ask for the data.
//!
//! The book has a chapter on it: [Private training][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/privacy.md
//!
//! ```
//! use cni_privacy::{Accountant, Budget, PoissonPlan, noise_multiplier_for};
//!
//! let plan = PoissonPlan::new(50_000, 512, 30)?;
//! let budget = Budget::new(3.0, 1e-5)?;
//! let rdp = Accountant::rdp();
//! let sigma = noise_multiplier_for(budget, plan.sample_rate(), plan.steps(), &rdp)?;
//! let ledger = [plan.phase(sigma)?].into_iter().collect();
//! assert!(rdp.epsilon(&ledger, 1e-5)? <= 3.0);
//! # Ok::<(), cni_privacy::PrivacyError>(())
//! ```
//!
//! - [`Mechanism`], [`Phase`], [`Ledger`]: the private steps that a training took;
//! - [`PoissonPlan`]: sampling rate and steps from examples, expected batch and epochs;
//! - [`Accountant`]: epsilon at delta, by [RDP](RdpAccountant), [GDP](GdpAccountant) or
//!   [PRV](PrvAccountant); [`Spent`], its result with all that it rests on;
//! - [`Budget`], [`noise_multiplier_for`], [`steps_for`]: the noise or the steps for an epsilon.
//!
//! With the feature `training`, which is on by default and brings Burn:
//!
//! - [`PrivateSgd`], [`PrivateRun`]: private SGD on the trainer of `cni-training`, within a budget;
//!   [`PrivateGradient`], its rule, for a loop of one's own; [`Randomness`] of its coins and noise;
//! - [`NoisyWeights`]: a published rule whose claimed epsilon does not hold for what it stores;
//! - [`membership`]: attacks that tell members of the training from others, and what a privacy
//!   allows them.
//!
//! An accountant believes its ledger. It proves nothing about the sampler, the clipping, the random
//! numbers or the arithmetic of an implementation, so epsilon is **not a certified guarantee**.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accountant;
mod error;
mod files;
#[cfg(feature = "training")]
pub mod membership;
#[cfg(feature = "training")]
mod training;

pub use accountant::{
    Accountant, Budget, Conversion, GdpAccountant, LEDGER_VERSION, Ledger, MAX_SIGMA, MIN_SIGMA,
    Mechanism, OrderWarning, Orders, Phase, PoissonPlan, PrvAccountant, PrvEpsilon, RdpAccountant,
    RdpEpsilon, SIGMA_TOLERANCE, Spent, noise_multiplier_for, steps_for,
};
pub use error::PrivacyError;
#[cfg(feature = "training")]
pub use training::{
    LEDGER_FILE, NoisyWeights, PRIVACY_FILE, PrivateGradient, PrivateRun, PrivateSgd, Randomness,
    SPENT_FILE, ledger_of_run, spent_of_run,
};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
