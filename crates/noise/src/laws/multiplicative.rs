//! Multiplicative noise with a floor on its scale.

use super::{
    Covariance, Draws, Granularity, HostParameters, LawError, LawParameters, NoiseLaw,
    NoiseParameters, NoiseScale, Rows, TensorShape, VectorSpec,
};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Multiplicative noise `v ⊙ (μ + σ ⊙ e)` with `σ = floor + |ρ|`: CTRW, constrained trainable
/// random weights (Ma, Dong and Xu, NeurIPS 2023).
///
/// Its parameters are `mean`, μ, and `excess`, ρ: what the scale is above its floor. Without a
/// floor training removes the noise. The authors' code lifts every σ below the floor before a draw;
/// here no σ can be below it.
///
/// The size is in proportion to the tensor by definition, so that there is no absolute scale. With
/// noise off the mean stays, `v ⊙ μ`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiplicative {
    /// The elements that share μ and σ. CTRW: each has its own.
    pub granularity: Granularity,
    /// Initial μ. CTRW: 1.
    pub mean: f64,
    /// Initial ρ, above 0. CTRW: what a σ of 1 is above the floor.
    pub excess: f64,
    /// The least σ, at least 0.
    pub floor: f64,
}

impl Multiplicative {
    pub(super) const NAME: &'static str = "multiplicative";

    /// Noise with this floor, and CTRW's initial μ and σ of 1.
    pub const fn new(granularity: Granularity, floor: f64) -> Self {
        Self { granularity, mean: 1.0, excess: 1.0 - floor, floor }
    }

    /// CTRW's noise for a tensor of so many elements: the least scales sum to 2048.
    ///
    /// It fits tensors of more than 2048 elements: below, the floor is above the initial scale.
    pub fn ctrw(elements: usize) -> Self {
        Self::new(Granularity::Element, 2048.0 / elements as f64)
    }

    /// `σ`.
    fn scale(&self, excess: f64) -> f64 {
        self.floor + excess.abs()
    }
}

/// One for each element, and one for each channel without a floor.
pub(super) fn examples(_: &TensorShape) -> [Multiplicative; 2] {
    [(Granularity::Element, 0.25), (Granularity::Channel, 0.0)]
        .map(|(granularity, floor)| Multiplicative::new(granularity, floor))
}

impl NoiseLaw for Multiplicative {
    fn name(&self) -> String {
        Self::NAME.to_string()
    }

    fn spec(&self) -> Value {
        json!({ Self::NAME: self })
    }

    fn parameters(&self, shape: &TensorShape) -> LawParameters {
        let len = self.granularity.parameters(shape);
        let vector = |name, initial| VectorSpec { name, len, initial };
        let excess = vector("excess", self.excess);
        LawParameters { vectors: vec![vector("mean", self.mean), excess], factor: None }
    }

    fn check(&self, scale: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        if self.floor.is_nan() || self.floor < 0.0 {
            return Err(LawError::new("floor", self.floor, "a number of at least 0"));
        }
        if self.excess.is_nan() || self.excess <= 0.0 {
            let wanted = format!("a number above 0, beside the floor of {}", self.floor);
            return Err(LawError::new("excess", self.excess, wanted));
        }
        match scale {
            NoiseScale::Absolute => {
                let wanted = "reference or relative for multiplicative noise";
                Err(LawError::new("scale", scale, wanted))
            }
            NoiseScale::Reference | NoiseScale::Relative => Ok(()),
        }
    }

    fn granularity(&self) -> Granularity {
        self.granularity
    }

    fn is_amplitude(&self, vector: &str) -> bool {
        vector == "excess"
    }

    /// A floor does not grow.
    fn degree(&self, vector: &str) -> Option<i32> {
        match self.is_amplitude(vector) {
            true => (self.floor == 0.0).then_some(1),
            false => Some(0),
        }
    }

    fn has_mean(&self) -> bool {
        true
    }

    fn mean(&self, parameters: &NoiseParameters, rows: Tensor<2>) -> Tensor<2> {
        let [mean, _] = parameters.vectors();
        rows * parameters.spread(mean)
    }

    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2> {
        let ([_, excess], [e]) = (parameters.vectors(), draws.streams());
        rows.values() * (parameters.spread(excess.abs() + self.floor) * e)
    }

    fn covariance(
        &self,
        parameters: &HostParameters,
        std: f64,
        values: Option<&[f64]>,
    ) -> Covariance {
        let [_, excess] = parameters.vectors();
        let size = |i: usize| values.map_or(std, |values| values[i]);
        let std = |i| self.scale(parameters.entry(excess, i)) * size(i);
        Covariance::independent((0..parameters.shape.elements()).map(|i| std(i).powi(2)).collect())
    }

    /// The mean of `σ`.
    fn amplitude(&self, parameters: &HostParameters) -> f64 {
        let [_, excess] = parameters.vectors();
        excess.iter().map(|excess| self.scale(*excess)).sum::<f64>() / excess.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoiseKind;

    fn shape() -> TensorShape {
        TensorShape::new(&[3, 2], 0)
    }

    #[test]
    fn its_covariance_is_the_square_of_scale_times_value() {
        let values = [0.5, -0.4, 0.0, 2.0, 1.0, -1.5];
        let (mean, excess, floor) = (1.5, [1.5, -0.25, 0.0], 0.25);
        for (granularity, len) in [(Granularity::Element, 6), (Granularity::Channel, 3)] {
            let excess: Vec<f64> = (0..len).map(|i| excess[i % 3] - 0.1 * i as f64).collect();
            let entry = |i: usize| if len == 6 { excess[i] } else { excess[i / 2] };
            let parameters = HostParameters {
                scale: NoiseScale::Reference,
                shape: shape(),
                vectors: vec![vec![mean; len], excess.clone()],
                factor: Vec::new(),
                rank: 0,
            };
            let law = Multiplicative::new(granularity, floor);
            let found = law.covariance(&parameters, 0.7, Some(&values));
            let unknown = law.covariance(&parameters, 0.7, None);
            for (i, j) in (0..6).flat_map(|i| (0..6).map(move |j| (i, j))) {
                let scale = floor + entry(i).abs();
                let wanted = |value: f64| if i == j { (scale * value).powi(2) } else { 0.0 };
                assert!((found.at(i, j) - wanted(values[i])).abs() < 1e-15);
                assert!((unknown.at(i, j) - wanted(0.7)).abs() < 1e-15);
            }
            assert!(law.amplitude(&parameters) >= floor);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let ctrw = Multiplicative::ctrw(3 * 32 * 32);
        assert!((ctrw.floor - 2.0 / 3.0).abs() < 1e-12);
        let cases = [
            (
                Multiplicative { floor: -1.0, ..ctrw },
                "floor: got -1, wanted a number of at least 0",
            ),
            (Multiplicative { mean: f64::NAN, ..ctrw }, "mean: got NaN, wanted a finite number"),
            (
                Multiplicative::ctrw(1024),
                "excess: got -1, wanted a number above 0, beside the floor of 2",
            ),
            (
                Multiplicative { excess: 0.0, floor: 0.5, ..ctrw },
                "excess: got 0, wanted a number above 0, beside the floor of 0.5",
            ),
        ];
        for (law, message) in cases {
            let error = NoiseKind::from(law).validate(NoiseScale::Relative, &shape()).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let [reference, relative, absolute] =
            [NoiseScale::Reference, NoiseScale::Relative, NoiseScale::Absolute]
                .map(|scale| NoiseKind::from(ctrw).validate(scale, &shape()));
        assert!(reference.is_ok() && relative.is_ok());
        let message = "scale: got absolute, wanted reference or relative for multiplicative noise";
        assert_eq!(absolute.unwrap_err().to_string(), message);
    }
}
