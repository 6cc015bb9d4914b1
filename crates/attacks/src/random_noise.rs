//! Random perturbation: the baseline that every attack must beat.

use crate::attack::Selection;
use crate::error::at_least_one;
use crate::{
    Adversarial, Attack, AttackError, Classifier, Goal, Loss, Passes, Threat, checked_images,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The best of several points uniform in the ball, clipped to the box.
///
/// It uses no gradient. A model that it breaks more often than a gradient attack does hides its gradients (Carlini et
/// al., arXiv 1902.06705, section 5). Points are scored by their mean [`Loss::Margin`] under the same draws of the
/// model's noise; a single point needs no score and no pass through the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "random_noise")]
pub struct RandomNoise {
    threat: Threat,
    samples: usize,
    draws: usize,
}

impl RandomNoise {
    /// One point.
    pub fn new(threat: Threat) -> Self {
        Self { threat, samples: 1, draws: 1 }
    }

    /// The number of points; an error where it is zero.
    pub fn with_samples(self, samples: usize) -> Result<Self, AttackError> {
        Ok(Self { samples: at_least_one("samples", samples)?, ..self })
    }

    /// The number of draws of the model's noise behind each score; an error where it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }
}

impl Attack for RandomNoise {
    /// `Random-{samples}`, with several draws `EOT-Random-{samples}x{draws}`.
    fn name(&self) -> String {
        match self.draws {
            1 => format!("Random-{}", self.samples),
            draws => format!("EOT-Random-{}x{draws}", self.samples),
        }
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn perturb(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        goal: &Goal,
        key: Key,
        first_example: u64,
    ) -> Result<Adversarial, AttackError> {
        let clean = checked_images(images, goal)?;
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        let point = |sample: u64| {
            let change = norm.random_start(key.child(sample), &clean, epsilon, first_example);
            norm.project(clean.clone() + change, &clean, epsilon)
        };
        if self.samples == 1 {
            return Ok(Adversarial { images: point(0), passes: Passes::default() });
        }
        let mut selection = Selection {
            classifier,
            goal,
            loss: Loss::Margin,
            draws: self.draws,
            key: key.named("score"),
            first_example,
            best: None,
            passes: Passes::default(),
        };
        for sample in 0..self.samples as u64 {
            selection.offer(point(sample))?;
        }
        let images = selection.best.map_or(clean, |(images, _)| images);
        Ok(Adversarial { images, passes: selection.passes })
    }

    fn spec(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("names and finite numbers have a JSON form")
    }
}
