//! White noise: independent elements.

use super::{
    Covariance, Draws, Granularity, HostParameters, LawError, LawParameters, NoiseLaw,
    NoiseParameters, NoiseScale, Rows, TensorShape, VectorSpec,
};
use burn::tensor::Tensor;
use cni_ops::{Amplitude, FusedNoise, NoiseForm, StdPower};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// White noise `α s ⊙ e`: PNI (He, Rakin and Fan, CVPR 2019, eq. 3).
///
/// Its parameter is `alpha`: one, one a channel or one an element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct White {
    /// The elements that share an α.
    pub granularity: Granularity,
    /// Initial α. PNI: 0.25.
    pub alpha: f64,
}

impl White {
    pub(super) const NAME: &'static str = "white";

    /// White noise with PNI's initial α of 0.25.
    pub const fn new(granularity: Granularity) -> Self {
        Self { granularity, alpha: 0.25 }
    }
}

/// One of each granularity.
pub(super) fn examples(_: &TensorShape) -> [White; 3] {
    [Granularity::Layer, Granularity::Channel, Granularity::Element].map(White::new)
}

impl NoiseLaw for White {
    fn name(&self) -> String {
        Self::NAME.to_string()
    }

    fn spec(&self) -> Value {
        json!({ Self::NAME: self })
    }

    fn parameters(&self, shape: &TensorShape) -> LawParameters {
        let len = self.granularity.parameters(shape);
        let alpha = VectorSpec { name: "alpha", len, initial: self.alpha };
        LawParameters { vectors: vec![alpha], factor: None }
    }

    fn check(&self, _: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        Ok(())
    }

    fn degree(&self, _: &str) -> Option<i32> {
        Some(1)
    }

    fn granularity(&self) -> Granularity {
        self.granularity
    }

    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2> {
        let ([alpha], [e]) = (parameters.vectors(), draws.streams());
        let alpha = parameters.spread(alpha);
        e * match parameters.scale {
            NoiseScale::Reference => alpha * rows.constant_std(),
            NoiseScale::Relative => alpha * rows.std(),
            NoiseScale::Absolute => alpha,
        }
    }

    fn covariance(&self, parameters: &HostParameters, std: f64, _: Option<&[f64]>) -> Covariance {
        let [alpha] = parameters.vectors();
        let std = if parameters.scale == NoiseScale::Absolute { 1.0 } else { std };
        let variance = |i| (parameters.entry(alpha, i) * std).powi(2);
        Covariance::independent((0..parameters.shape.elements()).map(variance).collect())
    }

    /// The mean of `|α|`.
    fn amplitude(&self, parameters: &HostParameters) -> f64 {
        let [alpha] = parameters.vectors();
        alpha.iter().map(|alpha| alpha.abs()).sum::<f64>() / alpha.len() as f64
    }

    fn fused(&self, parameters: &NoiseParameters) -> Option<FusedNoise> {
        let [amplitudes] = parameters.vectors();
        let independent = match parameters.scale {
            NoiseScale::Absolute => StdPower::Zero,
            _ => StdPower::One,
        };
        let stride = match self.granularity {
            Granularity::Channel => parameters.shape.stride(),
            _ => 1,
        };
        Some(FusedNoise {
            form: NoiseForm { amplitude: Amplitude::Value, independent, factor_by_std: false },
            through_std: parameters.scale == NoiseScale::Relative,
            amplitudes,
            stride,
            factor: None,
        })
    }
}
