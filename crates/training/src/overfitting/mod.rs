//! Overfitting to the attack of training, and models that do not learn at all: what the trainer
//! sees of both.

mod chance;
mod watch;

pub(crate) use chance::{Sizes, stays_at_chance};
pub(crate) use watch::{Consequence, has_fallen_back};
pub use watch::{Fall, Overfitting, OverfittingWatch, Remedy};
