use crate::{Accountant, Ledger, Mechanism, Phase, PoissonPlan, PrivacyError};
use cni_attacks::Passes;
use cni_noise::normal;
use cni_training::{
    GradientRule, Objective, PerExampleClip, Step, StepError, StepGradients, TrainingError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Clipped gradients at noisy weights, as published for "private" training (arXiv 2006.10919): in
/// each step all weights are drawn as w + n, with normal n of standard deviation η C σ / B, the
/// gradients of the examples at these weights are clipped to the norm C and averaged, and the
/// optimizer steps from w. **It is not private**: the noise is not written to w.
///
/// The paper's epsilon is that of noise which accumulates in the weights,
/// [`claimed_epsilon`](Self::claimed_epsilon). What is stored and published are weights without
/// noise. If the gradient does not depend on the weights, as with a linear loss, these are a
/// function of the examples alone, and one example more is seen for certain:
/// [`released_epsilon`](Self::released_epsilon). [`PrivateSgd`](crate::PrivateSgd) adds the noise
/// to the gradient, so that the weights have it.
///
/// The published networks normalize by the statistics of the batch, without a scale, a shift or
/// running statistics, which lets one example change the gradients of all others; a later version
/// takes these statistics from public images. Batch norm in training is refused here.
/// `GroupNormConfig::new(g, c).with_affine(false)` is the norm without a scale and a shift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyWeights {
    /// The norm C that the gradient of each example is clipped to.
    pub max_norm: f64,
    /// The noise multiplier σ.
    pub noise_multiplier: f64,
    /// The learning rate η that the size of the noise is for.
    pub lr: f64,
    /// The size B of a batch.
    pub batch_size: usize,
}

impl NoisyWeights {
    pub(super) const NAME: &str = "noisy_weights";

    /// The standard deviation of the noise of a weight, η C σ / B.
    pub fn noise_std(&self) -> f64 {
        self.lr * self.max_norm * self.noise_multiplier / self.batch_size as f64
    }

    /// The epsilon that the paper claims: of as many steps of private SGD, whose noise is in the
    /// weights.
    ///
    /// # Errors
    ///
    /// Those of the plan and of the accountant.
    pub fn claimed_epsilon(
        &self,
        plan: PoissonPlan,
        delta: f64,
        accountant: &Accountant,
    ) -> Result<f64, PrivacyError> {
        let mechanism = Mechanism::new(self.noise_multiplier, plan.sample_rate())?;
        let ledger = Ledger::from_iter([Phase::new(mechanism, plan.steps())?]);
        accountant.epsilon(&ledger, delta)
    }

    /// The epsilon of the weights that are stored: infinite, whatever σ is, since there are models
    /// for which they hold no noise at all.
    pub fn released_epsilon(&self) -> f64 {
        f64::INFINITY
    }

    fn clip(&self) -> PerExampleClip {
        PerExampleClip::new(self.max_norm)
    }
}

impl GradientRule for NoisyWeights {
    fn spec(&self) -> Value {
        json!({
            "gradient": Self::NAME,
            "max_norm": self.max_norm,
            "noise_multiplier": self.noise_multiplier,
            "lr": self.lr,
            "batch_size": self.batch_size,
        })
    }

    fn check(&self) -> Result<(), TrainingError> {
        self.clip().check()?;
        for (field, got) in [("noise_multiplier", self.noise_multiplier), ("lr", self.lr)] {
            if !(got.is_finite() && got > 0.0) {
                return Err(TrainingError::setting(field, got, "a finite number above 0"));
            }
        }
        match self.batch_size {
            0 => Err(TrainingError::setting("batch_size", 0, "at least 1")),
            _ => Ok(()),
        }
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let (key, std) = (step.key(Self::NAME), self.noise_std());
        let noisy = step.weights().map(|parameter, weight| {
            let noise = normal(key.named(&parameter.path), weight.dims(), &weight.device());
            weight + noise.mul_scalar(std)
        });
        self.clip().gradients(objective, &step.at(noisy))
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn separates_examples(&self) -> bool {
        true
    }

    fn extra_passes(&self, objective: &Objective) -> Passes {
        self.clip().extra_passes(objective)
    }

    fn scores(&self) -> Vec<String> {
        self.clip().scores()
    }
}
