//! The defaults of a configuration.

use crate::updates::{Optimizer, Schedule, Sgd};
use cni_noise::Key;
use cni_ops::Precision;

pub(super) fn batch_size() -> usize {
    128
}

pub(super) fn one() -> usize {
    1
}

pub(super) fn optimizer() -> Optimizer {
    Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4, ..Sgd::default() }.into()
}

pub(super) fn schedule() -> Schedule {
    Schedule::cosine(0.1)
}

pub(super) fn validation_draws() -> usize {
    5
}

pub(super) fn precision() -> Precision {
    Precision::Full
}

pub(super) fn key() -> Key {
    Key::new(0)
}

pub(super) fn keep_last() -> usize {
    2
}
