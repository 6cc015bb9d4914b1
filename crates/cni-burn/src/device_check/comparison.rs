//! One thing that is computed on both devices.

use super::finding::{self, Finding, Outcome};
use crate::panics::caught;
use burn::tensor::{Device, Shape, Tensor, TensorData};
use cni_noise::{Key, host_normal};
use cni_ops::{Precision, autocast};
use serde::Serialize;
use std::error::Error;

/// The results of a computation, by name.
pub type Parts = Vec<(String, Vec<f32>)>;

type Compute = dyn Fn(&Device) -> Result<Parts, Box<dyn Error>> + Send + Sync;

/// The difference that two results may have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// Each value by this share of the largest of its part, or of a thousandth of the largest of
    /// all parts, if that is more: a part that is next to nothing consists of rounding. Zero: not
    /// at all.
    Relative(f64),
    /// This share of the values of each part in any way, the others by 1e-5: where rounding decides
    /// between two values that are far apart, such as the sign of a gradient that is next to
    /// nothing.
    Share(f64),
}

impl Tolerance {
    /// At least this difference, if it is one of values.
    fn at_least(self, least: f64) -> Self {
        match self {
            Self::Relative(most) => Self::Relative(most.max(least)),
            Self::Share(_) => self,
        }
    }
}

/// A computation that is to give the same on two devices.
pub struct Comparison {
    name: String,
    tolerance: Tolerance,
    precision: Precision,
    multiplies: bool,
    compute: Box<Compute>,
}

impl Comparison {
    /// The results of `compute` on a device.
    pub fn new(
        name: impl Into<String>,
        tolerance: Tolerance,
        compute: impl Fn(&Device) -> Result<Parts, Box<dyn Error>> + Send + Sync + 'static,
    ) -> Self {
        let (precision, multiplies) = (Precision::Full, false);
        Self { name: name.into(), tolerance, precision, multiplies, compute: Box::new(compute) }
    }

    /// Sets the precision of the layers' products. A device that lacks it is not compared.
    pub fn in_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Widens the tolerance to the device's rounding of matrix products, where that is more.
    pub fn of_products(mut self) -> Self {
        self.multiplies = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn multiplies(&self) -> bool {
        self.multiplies
    }

    /// Compares two devices, of which the first rounds matrix products by `rounding`.
    pub(super) fn run(&self, device: &Device, reference: &Device, rounding: f64) -> Finding {
        let tolerance = match self.multiplies {
            true => self.tolerance.at_least(rounding),
            false => self.tolerance,
        };
        let outcome = if !self.precision.works_on(device) {
            Outcome::Noted(format!("not compared, the device lacks {}", self.precision))
        } else {
            match (self.on(device), self.on(reference)) {
                (Err(reason), _) => Outcome::Failed(reason),
                (_, Err(reason)) => Outcome::Failed(format!("on the reference: {reason}")),
                (Ok(got), Ok(wanted)) => finding::compare(&got, &wanted, tolerance),
            }
        };
        Finding { name: self.name.clone(), tolerance, outcome }
    }

    pub(super) fn on(&self, device: &Device) -> Result<Parts, String> {
        caught(|| {
            autocast(self.precision, || (self.compute)(device)).map_err(|error| error.to_string())
        })?
    }
}

/// Normal values that are the same on every device, since the host draws them.
pub fn values<const D: usize>(seed: u64, shape: impl Into<Shape>, device: &Device) -> Tensor<D> {
    let shape = shape.into();
    let all = host_normal(Key::new(seed).named("device check"), 0..shape.num_elements() as u64);
    Tensor::from_data(TensorData::new(all, shape), device)
}

/// The values of a tensor.
pub(super) fn list<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, Box<dyn Error>> {
    Ok(x.try_to_vec_as()?)
}

/// A part of results.
pub(super) fn part<const D: usize>(
    name: impl Into<String>,
    x: Tensor<D>,
) -> Result<(String, Vec<f32>), Box<dyn Error>> {
    Ok((name.into(), list(x)?))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A comparison whose first result is larger by this share.
    fn off_by(share: f32) -> Comparison {
        let first = AtomicBool::new(true);
        Comparison::new("value", Tolerance::Relative(5e-5), move |_| {
            let factor = if first.swap(false, Ordering::Relaxed) { 1.0 + share } else { 1.0 };
            Ok(vec![("value".to_string(), vec![factor])])
        })
    }

    #[test]
    fn only_products_may_differ_by_their_rounding() {
        let device = Device::flex();
        let agrees = |comparison: Comparison| comparison.run(&device, &device, 1e-3).agrees();
        assert!(agrees(off_by(5e-4).of_products()));
        assert!(!agrees(off_by(5e-3).of_products()));
        assert!(!agrees(off_by(5e-4)));
    }

    #[test]
    fn a_precision_is_in_force_while_its_comparison_runs() {
        let seen = Comparison::new("precision", Tolerance::Relative(0.0), |_| {
            let half = cni_ops::current_precision() == Precision::Bf16;
            Ok(vec![("half".to_string(), vec![f32::from(half)])])
        });
        let parts = seen.in_precision(Precision::Bf16).on(&Device::flex()).unwrap();
        assert_eq!(parts[0].1, [1.0]);
    }
}
