use super::FieldSource;
use crate::RegistrationError;
use crate::axes::{AxisMap, along_all};
use crate::error::not_negative;
use crate::fields::grid::{check_sizes, shape};
use burn::config::Config;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use serde::{Deserialize, Serialize};

/// Random B-splines: free-form deformations (Rueckert et al., IEEE TMI 1999) whose coefficients are
/// independent and normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplineFields {
    /// The size of the fields.
    pub size: Vec<usize>,
    /// The degree of the splines, 1 (linear) to 3 (cubic).
    pub degree: usize,
    /// The intervals between knots along each axis, at least 1; there are `intervals + degree`
    /// coefficients.
    pub intervals: usize,
    /// The standard deviation of a coefficient, in voxels, at least 0. That of a displacement is at
    /// most this.
    pub amplitude: f64,
}

impl Config for SplineFields {}

impl SplineFields {
    /// Cubic splines.
    pub fn new(size: impl Into<Vec<usize>>, intervals: usize, amplitude: f64) -> Self {
        Self { size: size.into(), degree: 3, intervals, amplitude }
    }
}

impl<const R: usize> FieldSource<R> for SplineFields {
    fn draw(
        &self,
        key: Key,
        count: usize,
        device: &Device,
    ) -> Result<Tensor<R>, RegistrationError> {
        check_sizes::<R>("size", &self.size, 1)?;
        crate::error::at_least("intervals", self.intervals, 1)?;
        not_negative("amplitude", self.amplitude)?;
        if !(1..=3).contains(&self.degree) {
            let wanted = "1 to 3".into();
            return Err(RegistrationError::Count { field: "degree", got: self.degree, wanted });
        }
        let coefficients = self.intervals + self.degree;
        let grid = vec![coefficients; R - 2];
        let drawn = normal::<R>(key, shape::<R>(count, R - 2, &grid), device);
        let map = |axis: usize, from: usize| {
            let last = self.size[axis].saturating_sub(1).max(1) as f64;
            AxisMap::new(from, self.size[axis], |coefficient, voxel| {
                // The place of the voxel in intervals, from the first knot of this coefficient.
                let place = voxel as f64 / last * self.intervals as f64;
                basis(self.degree, place - coefficient as f64 + self.degree as f64)
            })
        };
        Ok(along_all(drawn, map).mul_scalar(self.amplitude))
    }
}

/// The B-spline of a degree with knots at 0, 1, .., degree + 1, by Cox and de Boor's recursion.
fn basis(degree: usize, x: f64) -> f64 {
    match degree {
        0 => f64::from((0.0..1.0).contains(&x)),
        n => {
            let of = n as f64;
            (x * basis(n - 1, x) + (of + 1.0 - x) * basis(n - 1, x - 1.0)) / of
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At any place the splines add up to 1, and so do they to the place itself with their centers
    /// as coefficients.
    #[test]
    fn splines_add_up_to_one_and_reproduce_lines() {
        for degree in 1..=3 {
            for step in 0..40 {
                let place = f64::from(step) / 10.0;
                let at = |i: usize| basis(degree, place - i as f64 + degree as f64);
                let sum: f64 = (0..5 + degree).map(at).sum();
                let center = |i: usize| i as f64 - (degree as f64 - 1.0) / 2.0;
                let line: f64 = (0..5 + degree).map(|i| center(i) * at(i)).sum();
                assert!(
                    (sum - 1.0).abs() < 1e-12 && (line - place).abs() < 1e-12,
                    "{degree} {place}"
                );
            }
        }
        assert!((basis(3, 2.0) - 2.0 / 3.0).abs() < 1e-12);
    }
}
