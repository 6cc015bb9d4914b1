use crate::PrivacyError;
use cni_noise::Key;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// A model that the attacker trained like the one under attack, on examples of which some are those
/// in question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShadowModel {
    /// True for each example that the model was trained on.
    pub members: Vec<bool>,
    /// The [`logit_confidence`](super::logit_confidence) of the model in each example.
    pub confidences: Vec<f64>,
}

/// The likelihood-ratio attack on shadow models, LiRA (Carlini et al., S&P 2022, arXiv 2112.03570,
/// algorithm 1): how likely is the confidence of the model under attack among those of models that
/// were trained on the example, and of models that were not? Both are taken to be normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikelihoodRatio {
    /// True for both kinds of models, false for those without the example alone.
    pub online: bool,
    /// True for one variance of all examples, which a few shadow models give better than one for
    /// each (section VI-B): for fewer than about 64 of them.
    pub pooled: bool,
}

impl LikelihoodRatio {
    /// The attack with models on both sides. Its score is the logarithm of the likelihood ratio.
    pub fn online() -> Self {
        Self { online: true, pooled: false }
    }

    /// The attack with models that were not trained on the example. Its score is by how many
    /// standard deviations the confidence is above theirs.
    pub fn offline() -> Self {
        Self { online: false, pooled: false }
    }

    /// Takes one variance for all examples.
    pub fn pooled(self) -> Self {
        Self { pooled: true, ..self }
    }

    /// The name: `lira-online` or `lira-offline`.
    pub fn name(self) -> &'static str {
        if self.online { "lira-online" } else { "lira-offline" }
    }

    /// The score of each example, from the confidences of the model under attack and of the shadow
    /// models.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Setting`] for a shadow model of another number of examples;
    /// [`PrivacyError::Count`] for an example with fewer than two shadow models of a kind that the
    /// attack needs.
    pub fn scores(
        self,
        confidences: &[f64],
        shadows: &[ShadowModel],
    ) -> Result<Vec<f64>, PrivacyError> {
        let examples = confidences.len();
        for shadow in shadows {
            for got in [shadow.members.len(), shadow.confidences.len()] {
                if got != examples {
                    let wanted = format!("the {examples} under attack");
                    return Err(PrivacyError::setting(
                        "shadows",
                        format!("{got} examples"),
                        wanted,
                    ));
                }
            }
        }
        let outside = Normals::of(shadows, examples, false, self.pooled)?;
        let inside = match self.online {
            true => Some(Normals::of(shadows, examples, true, self.pooled)?),
            false => None,
        };
        let score = |(example, confidence): (usize, &f64)| match &inside {
            None => outside.standard(example, *confidence),
            Some(inside) => {
                inside.log_density(example, *confidence) - outside.log_density(example, *confidence)
            }
        };
        Ok(confidences.iter().enumerate().map(score).collect())
    }
}

/// The normal laws of the confidences of shadow models of one kind.
struct Normals {
    means: Vec<f64>,
    variances: Vec<f64>,
}

impl Normals {
    fn of(
        shadows: &[ShadowModel],
        examples: usize,
        members: bool,
        pooled: bool,
    ) -> Result<Self, PrivacyError> {
        let (mut means, mut variances, mut degrees) = (Vec::new(), Vec::new(), 0.0);
        for example in 0..examples {
            let of_kind = shadows.iter().filter(|shadow| shadow.members[example] == members);
            let values: Vec<f64> = of_kind.map(|shadow| shadow.confidences[example]).collect();
            if values.len() < 2 {
                let kind = if members { "trained on" } else { "trained without" };
                return Err(PrivacyError::Count {
                    field: "shadows",
                    got: values.len() as u64,
                    wanted: format!("at least 2 models {kind} example {example}"),
                });
            }
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            means.push(mean);
            variances.push(squares / (n - 1.0));
            degrees += n - 1.0;
        }
        if pooled {
            let counts = (0..examples).map(|example| {
                let of_kind = shadows.iter().filter(|shadow| shadow.members[example] == members);
                of_kind.count() as f64 - 1.0
            });
            let sum: f64 = variances.iter().zip(counts).map(|(variance, n)| variance * n).sum();
            variances = vec![sum / degrees; examples];
        }
        // Models that agree to the last bit leave no scale.
        variances.iter_mut().for_each(|variance| *variance = variance.max(1e-30));
        Ok(Self { means, variances })
    }

    fn standard(&self, example: usize, value: f64) -> f64 {
        (value - self.means[example]) / self.variances[example].sqrt()
    }

    /// The logarithm of the density, up to a constant.
    fn log_density(&self, example: usize, value: f64) -> f64 {
        let standard = self.standard(example, value);
        -0.5 * (standard * standard + self.variances[example].ln())
    }
}

/// Whether each example is a member of a training, by independent fair coins of the key: what the
/// model under attack and shadow models are trained on.
pub fn fair_members(key: Key, examples: usize) -> Vec<bool> {
    let mut coins = key.named("members").generator();
    (0..examples).map(|_| coins.next_u32() >> 31 == 1).collect()
}
