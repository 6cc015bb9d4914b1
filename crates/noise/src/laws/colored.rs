//! Colored noise: a diagonal and a low-rank part.

use super::rows::sqrt_or_zero;
use super::{
    Covariance, Draws, FactorSpec, HostParameters, LawError, LawParameters, NoiseLaw,
    NoiseParameters, NoiseScale, Rows, TensorShape, VectorSpec,
};
use burn::tensor::Tensor;
use cni_ops::{Amplitude, FusedNoise, NoiseForm, StdPower};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Colored noise, `√|s a| ⊙ e + F e_f` at the reference's scale: CNI (arXiv 2003.02188, as in the
/// authors' code).
///
/// Its parameters are `diagonal`, the variance `a` of each element, of which only the absolute
/// value counts, and `factor`, the matrix `F`, `[elements, rank]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colored {
    /// Columns of the factor `F`; 0 leaves the diagonal alone.
    pub rank: usize,
    /// Initial diagonal `a`, a variance. CNI: 0.25² = 0.0625.
    pub diagonal: f64,
    /// Initial value of every entry of `F`. CNI: 0.01.
    pub factor: f64,
}

impl Colored {
    pub(super) const NAME: &'static str = "colored";

    /// Colored noise with CNI's initial values, a = 0.0625 and F = 0.01. The reference uses rank 5.
    pub const fn new(rank: usize) -> Self {
        Self { rank, diagonal: 0.0625, factor: 0.01 }
    }
}

/// One without a factor and one with the reference's.
pub(super) fn examples(_: &TensorShape) -> [Colored; 2] {
    [Colored::new(0), Colored::new(5)]
}

/// The factors of the diagonal's and of the low-rank part's covariance.
fn scales(scale: NoiseScale, std: f64) -> [f64; 2] {
    match scale {
        NoiseScale::Reference => [std, 1.0],
        NoiseScale::Relative => [std * std; 2],
        NoiseScale::Absolute => [1.0; 2],
    }
}

impl NoiseLaw for Colored {
    fn name(&self) -> String {
        format!("colored, rank {}", self.rank)
    }

    fn spec(&self) -> Value {
        json!({ Self::NAME: self })
    }

    fn parameters(&self, shape: &TensorShape) -> LawParameters {
        let Self { rank, diagonal, factor } = *self;
        let diagonal = VectorSpec { name: "diagonal", len: shape.elements(), initial: diagonal };
        let factor = (rank > 0).then_some(FactorSpec { rank, initial: factor });
        LawParameters { vectors: vec![diagonal], factor }
    }

    fn check(&self, _: NoiseScale, shape: &TensorShape) -> Result<(), LawError> {
        let elements = shape.elements();
        match self.rank <= elements {
            true => Ok(()),
            false => {
                let wanted = format!("at most its {elements} elements");
                Err(LawError::new("rank", self.rank, wanted))
            }
        }
    }

    /// The diagonal is a variance.
    fn degree(&self, _: &str) -> Option<i32> {
        Some(2)
    }

    /// `e`, and `e_f` if there is a factor.
    fn draws(&self, elements: usize) -> Vec<usize> {
        if self.rank > 0 { vec![elements, self.rank] } else { vec![elements] }
    }

    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2> {
        let [diagonal] = parameters.vectors();
        let a = diagonal.abs().unsqueeze::<2>();
        let (e, color) = match parameters.factor.clone() {
            Some(factor) => {
                let [e, e_f] = draws.streams();
                (e, Some(e_f.matmul(factor.transpose())))
            }
            None => {
                let [e] = draws.streams();
                (e, None)
            }
        };
        let with_color = |noise: Tensor<2>| match color {
            Some(color) => noise + color,
            None => noise,
        };
        match parameters.scale {
            NoiseScale::Reference => with_color(sqrt_or_zero(rows.std() * a) * e),
            NoiseScale::Relative => rows.std() * with_color(sqrt_or_zero(a) * e),
            NoiseScale::Absolute => with_color(sqrt_or_zero(a) * e),
        }
    }

    fn covariance(&self, parameters: &HostParameters, std: f64, _: Option<&[f64]>) -> Covariance {
        let [diagonal] = parameters.vectors();
        let [of_diagonal, of_factor] = scales(parameters.scale, std);
        let scale = of_factor.sqrt();
        Covariance {
            diagonal: diagonal.iter().map(|a| a.abs() * of_diagonal).collect(),
            factor: parameters.factor.iter().map(|f| f * scale).collect(),
            rank: parameters.rank,
        }
    }

    /// The mean of `√|a|`.
    fn amplitude(&self, parameters: &HostParameters) -> f64 {
        let [diagonal] = parameters.vectors();
        diagonal.iter().map(|a| a.abs().sqrt()).sum::<f64>() / diagonal.len() as f64
    }

    fn fused(&self, parameters: &NoiseParameters) -> Option<FusedNoise> {
        let [amplitudes] = parameters.vectors();
        let independent = match parameters.scale {
            NoiseScale::Reference => StdPower::Half,
            NoiseScale::Relative => StdPower::One,
            NoiseScale::Absolute => StdPower::Zero,
        };
        let factor_by_std = parameters.scale == NoiseScale::Relative;
        Some(FusedNoise {
            form: NoiseForm { amplitude: Amplitude::Root, independent, factor_by_std },
            through_std: parameters.scale != NoiseScale::Absolute,
            amplitudes,
            stride: 1,
            factor: parameters.factor.clone(),
        })
    }
}
