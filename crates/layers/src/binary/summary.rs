//! The size of a model with binary weights.

use crate::parameters::{Found, ParameterRole};
use burn::module::Module;
use serde::Serialize;
use std::fmt;

/// The numbers of a model's values, and what they take where each has the bits that it needs: one
/// for a binary weight, 32 for all others. Running statistics count, as in Larq's summaries;
/// constants of a normalization do not.
///
/// ```
/// # use burn::{nn::conv::Conv2dConfig, tensor::Device};
/// use cni_layers::binary::{BinaryConv2dConfig, BinarySummary};
/// let layer = BinaryConv2dConfig::new(Conv2dConfig::new([64, 64], [3, 3])).init(&Device::flex());
/// assert_eq!(BinarySummary::of(&layer).bytes(), 64 * 64 * 9 / 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BinarySummary {
    /// Binary weights.
    pub binary: usize,
    /// Values in single precision: other parameters, and running statistics.
    pub full: usize,
}

impl BinarySummary {
    /// Counts the values of a module.
    pub fn of<M: Module>(model: &M) -> Self {
        let found = Found::of(model);
        let mut summary = Self { binary: 0, full: 0 };
        for parameter in &found.parameters {
            match parameter.role {
                ParameterRole::Constant => {}
                _ if found.signs.iter().any(|(path, _)| *path == parameter.path) => {
                    summary.binary += parameter.elements()
                }
                _ => summary.full += parameter.elements(),
            }
        }
        summary
    }

    /// All values.
    pub fn values(&self) -> usize {
        self.binary + self.full
    }

    /// Bytes, with eight binary weights in one.
    pub fn bytes(&self) -> usize {
        self.binary.div_ceil(8) + 4 * self.full
    }
}

impl fmt::Display for BinarySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{} binary weights, {} values in single precision: {:.2} MiB in place of {:.2}",
            self.binary,
            self.full,
            mebibytes(self.bytes()),
            mebibytes(4 * self.values())
        )
    }
}
