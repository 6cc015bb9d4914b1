//! The adversary: a discriminator that tells predicted fields from true ones, and the losses of
//! both sides.
//!
//! The published study (Hu et al., arXiv 1805.10665) names neither the loss nor the architecture
//! nor the weight of its adversary, and its code was not released. Those here are **choices of this
//! library**: a convolutional discriminator on the displacement field alone, and losses of the
//! literature by their names.

mod discriminator;
mod loss;

pub use discriminator::{Discriminator, DiscriminatorConfig};
pub use loss::AdversarialLoss;
