//! Random perturbation: the baseline that every attack must beat.

use crate::attack::spec;
use crate::error::at_least_one;
use crate::knobs::knobs;
use crate::methods::shared::best::KeepBest;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{Access, Attack, AttackBatch, AttackError, Eot, ModelAccess, Norm, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};
use serde::{Deserialize, Serialize};

/// The law of random perturbations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseLaw {
    /// Uniform in the ball.
    #[default]
    Uniform,
    /// Gaussian: in Linf of standard deviation ε, cut off at ±ε; in L2 and L1 scaled to the length
    /// ε.
    Gaussian,
}

/// The best of several random points of the ball, clipped to the box.
///
/// It uses no gradient. If it breaks a model more often than a gradient attack does, the model
/// masks its gradients (Carlini et al., arXiv 1902.06705, section 5). Points are compared under the
/// same draws of the model's noise, by those in which the goal is reached and then by their mean
/// [`Loss::Margin`](crate::Loss::Margin); a single point needs no comparison and no pass through
/// the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "random_noise")]
pub struct RandomNoise {
    threat: Threat,
    law: NoiseLaw,
    samples: usize,
    #[serde(flatten)]
    eot: Eot,
}

impl RandomNoise {
    /// One point, uniform in the ball.
    pub fn new(threat: Threat) -> Self {
        Self { threat, law: NoiseLaw::Uniform, samples: 1, eot: Eot::ONE }
    }

    /// One Gaussian point.
    pub fn gaussian(threat: Threat) -> Self {
        Self { law: NoiseLaw::Gaussian, ..Self::new(threat) }
    }

    /// The number of points; an error if it is zero.
    pub fn with_samples(self, samples: usize) -> Result<Self, AttackError> {
        Ok(Self { samples: at_least_one("samples", samples)?, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each score; an error if it is
    /// zero. A run refuses several draws for a single point, which has no score.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    fn point(&self, batch: &AttackBatch, key: Key) -> Tensor<4> {
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        let (clean, examples) = (&batch.images, &batch.examples);
        let change = match (self.law, norm) {
            (NoiseLaw::Uniform, _) => norm.random_start(key, clean, epsilon, examples),
            (NoiseLaw::Gaussian, Norm::Linf) => {
                normal_rows(key, examples, clean).mul_scalar(epsilon)
            }
            (NoiseLaw::Gaussian, _) => {
                norm.unit(normal_rows(key, examples, clean)).mul_scalar(epsilon)
            }
        };
        norm.project(clean.clone() + change, clean, epsilon)
    }
}

impl FromSpec for RandomNoise {
    const NAME: &'static str = "random_noise";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let threat = of.need("threat")?;
        let law = of.take("law")?.unwrap_or_default();
        of.only_mean_loss()?;
        let attack = Self { law, ..Self::new(threat) };
        let attack = of.set(attack, "samples", Self::with_samples)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(RandomNoise);

impl Attack for RandomNoise {
    /// `Random-{samples}` or `Gaussian-{samples}`, with several draws
    /// `EOT-Random-{samples}x{draws}`.
    fn name(&self) -> String {
        let law = match self.law {
            NoiseLaw::Uniform => "Random",
            NoiseLaw::Gaussian => "Gaussian",
        };
        self.eot.name(format!("{law}-{}", self.samples))
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::None
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    fn check(&self) -> Result<(), AttackError> {
        match (self.samples, self.eot.draws) {
            (1, draws) if draws > 1 => Err(AttackError::Unused {
                field: "draws",
                got: draws.to_string(),
                wanted: "1: a single point needs no comparison, and no pass of the model",
            }),
            _ => Ok(()),
        }
    }

    // The knob for steps sets the number of points.
    knobs! {
        Steps(samples) => Self::with_samples,
        Draws(eot.draws) => Self::with_draws,
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let points = if self.samples == 1 { 0 } else { self.samples };
        Some(Passes { forwards: (points * self.eot.draws) as u64, backwards: 0 })
    }

    /// The draws that compare points.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        match self.samples {
            1 => Vec::new(),
            _ => vec![(key.named("score"), self.eot.draws)],
        }
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let mut image = self.point(batch, key.child(0));
        if self.samples == 1 {
            return Ok(image);
        }
        let mut selection = KeepBest::new(&batch.goal, self.eot, key.named("score"));
        for sample in 0..self.samples as u64 {
            if !access.affords_scores(1, self.eot) {
                break;
            }
            image = self.point(batch, key.child(sample));
            let scores = selection.consider(access, &image, &batch.examples)?;
            if !access.proceed(batch, &image, &scores, self.threat.norm()) {
                break;
            }
        }
        Ok(selection.into_images(image))
    }
}
