use crate::RegistrationError;
use crate::error::positive;
use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;
use serde::{Deserialize, Deserializer, Serialize};

/// The losses of a discriminator and of the network that it judges, by name. `T` and `P` are its
/// logits of true and of predicted fields, σ is the logistic function, means are over a batch.
///
/// | name | discriminator | network |
/// | --- | --- | --- |
/// | Jensen-Shannon | `−mean log σ(T) − mean log(1 − σ(P))` | `mean log(1 − σ(P))` |
/// | non-saturating | the same | `−mean log σ(P)` |
/// | least squares | `½ mean (T − 1)² + ½ mean P²` | `½ mean (P − 1)²` |
/// | Wasserstein | `mean P − mean T` | `−mean P` |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "loss", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdversarialLoss {
    /// The minimax game (Goodfellow et al., arXiv 1406.2661, eq. 1). The best discriminator has the
    /// loss `2 log 2 − 2 JS`, with the Jensen-Shannon divergence of the two laws. The network's
    /// gradient fades where the discriminator is sure.
    #[serde(deserialize_with = "no_fields")]
    JensenShannon,
    /// The same game with the network's loss of section 3 there, whose gradient does not fade.
    #[serde(deserialize_with = "no_fields")]
    NonSaturating,
    /// Least squares (Mao et al., arXiv 1611.04076, eq. 9).
    #[serde(deserialize_with = "no_fields")]
    LeastSquares,
    /// The Wasserstein distance, up to a factor, by a discriminator whose weights are clipped
    /// (Arjovsky et al., arXiv 1701.07875, algorithm 1). A gradient penalty would need second
    /// derivatives, which Burn does not have.
    Wasserstein {
        /// The largest absolute value of a weight; 0.01 in the paper.
        clip: f64,
    },
}

/// Reads a loss without settings, which serde would let have any beside its name.
fn no_fields<'de, D: Deserializer<'de>>(from: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NoFields {}
    NoFields::deserialize(from).map(|NoFields {}| ())
}

impl AdversarialLoss {
    /// Refuses a clip that is not above 0.
    pub(crate) fn check(&self) -> Result<(), RegistrationError> {
        self.clip().map_or(Ok(()), |clip| positive("clip", clip).map(|_| ()))
    }

    /// The largest absolute value of the discriminator's weights, if there is one.
    pub fn clip(&self) -> Option<f64> {
        match self {
            Self::Wasserstein { clip } => Some(*clip),
            _ => None,
        }
    }

    /// The discriminator's loss, `[1]`, from its logits `[batch]` of true and of predicted fields.
    pub fn discriminator(&self, on_true: Tensor<1>, on_predicted: Tensor<1>) -> Tensor<1> {
        match self {
            Self::JensenShannon | Self::NonSaturating => {
                (log_sigmoid(on_true).mean() + log_sigmoid(on_predicted.neg()).mean()).neg()
            }
            Self::LeastSquares => {
                let of_true = on_true.sub_scalar(1.0).square().mean();
                (of_true + on_predicted.square().mean()).mul_scalar(0.5)
            }
            Self::Wasserstein { .. } => on_predicted.mean() - on_true.mean(),
        }
    }

    /// The network's loss, `[1]`, from the discriminator's logits `[batch]` of predicted fields.
    pub fn network(&self, on_predicted: Tensor<1>) -> Tensor<1> {
        match self {
            Self::JensenShannon => log_sigmoid(on_predicted.neg()).mean(),
            Self::NonSaturating => log_sigmoid(on_predicted).mean().neg(),
            Self::LeastSquares => on_predicted.sub_scalar(1.0).square().mean().mul_scalar(0.5),
            Self::Wasserstein { .. } => on_predicted.mean().neg(),
        }
    }
}
