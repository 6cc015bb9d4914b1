//! Training of a registration network, with or without an adversary, by two optimizers.
//!
//! A step in the terms of `cni-training`, whose trainer is one of classifiers:
//!
//! - **sampler**: examples in an order that is drawn anew for each epoch, and one label of each by
//!   chance, as in label-reg;
//! - **objective**: label similarity + weight · penalty + weight · adversarial loss of the network;
//! - **gradient**: backward, first of the discriminator's loss on true and predicted fields, then
//!   of the network's objective, with the discriminator as it is after its update;
//! - **update**: an optimizer for each of the two networks, and the clip of the discriminator's
//!   weights that a Wasserstein loss asks for;
//! - **average**: none.
//!
//! Everything drawn is a function of the configuration's key and the step, so that a training that
//! is saved and resumed gives the same weights as one without a break.

mod checkpoint;
mod config;
mod history;
mod pairs;
mod trainer;

pub use config::{AdversaryConfig, Optimization, RegistrationConfig, WeightedPenalty};
pub use history::StepLosses;
pub use pairs::{Batch, Pairs};
pub use trainer::RegistrationTrainer;
