use super::folder::steps_counted;
use super::randomness::SystemRandom;
use crate::error::within;
use crate::{Ledger, MAX_SIGMA, Mechanism, Phase, PoissonPlan, PrivacyError};
use burn::tensor::{Tensor, TensorData};
use cni_attacks::Passes;
use cni_noise::normal;
use cni_training::{
    GradientRule, Objective, ParameterValues, PerExampleClip, RuleState, Step, StepError,
    StepGradients, StepInfo, TrainingError,
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The gradient of private SGD (Abadi et al., arXiv 1607.00133, algorithm 1): the sum of the
/// gradients of single examples, each clipped to the norm C, with normal noise of standard
/// deviation σ C on every coordinate, divided by the **expected** batch b = q n.
///
/// b is a constant, so that the noise has the same size in every step and the step tells nothing of
/// how many examples it had; the size of the batch is private. The gradient is unbiased in the
/// sense that its mean over batches is the mean over all examples of their clipped gradients. In a
/// batch of exactly b examples and without noise it is that of [`PerExampleClip`], whose divisor is
/// the size of the batch.
///
/// Every trainable parameter gets noise in every step, also in the step of an empty batch and also
/// one that no example reaches. The noise is the same for a batch and for the sum of its parts,
/// since it is added once, in [`finish`](GradientRule::finish).
///
/// Noise on weights or activations is no part of the privacy: it is drawn without the data, and
/// whatever it is, an example adds a gradient of norm C at most. For that its gradient must not
/// depend on the other examples: what is drawn for it is drawn by its position in the data set, and
/// a run refuses a model, an attack or an objective that takes examples together, such as an attack
/// on a model whose noise a whole batch scales.
#[derive(Clone, Debug)]
pub struct PrivateGradient {
    clip: PerExampleClip,
    mechanism: Mechanism,
    expected_batch: usize,
    /// The steps that the budget allows.
    allowed: u64,
    steps_per_epoch: u64,
    /// The source of the noise, if it is not the key.
    system: Option<SystemRandom>,
    /// The file that the steps are counted in.
    ledger: Option<PathBuf>,
}

impl PrivateGradient {
    pub(super) const NAME: &str = "private_sgd";

    /// The gradient for `examples` examples, of which `expected_batch` are in a batch on average,
    /// with the noise multiplier σ.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Count`] if there are no examples, or the expected batch is not in 1 to their
    /// number; [`PrivacyError::Value`] if σ is not finite and above 0 and at most [`MAX_SIGMA`], or
    /// the norm is not in 1e-6 to 1e6: the arithmetic is in single precision.
    pub fn new(
        clip: PerExampleClip,
        noise_multiplier: f64,
        examples: usize,
        expected_batch: usize,
    ) -> Result<Self, PrivacyError> {
        let epoch = PoissonPlan::new(examples as u64, expected_batch as u64, 1)?;
        let wanted = "a number from 1e-6 to 1e6";
        within("max_norm", clip.max_norm, |norm| (1e-6..=1e6).contains(&norm), wanted)?;
        let wanted = "a number above 0 and at most 1e6";
        within("noise_multiplier", noise_multiplier, |s| s > 0.0 && s <= MAX_SIGMA, wanted)?;
        Ok(Self {
            clip,
            mechanism: Mechanism::new(noise_multiplier, epoch.sample_rate())?,
            expected_batch,
            allowed: u64::MAX,
            steps_per_epoch: epoch.steps_per_epoch(),
            system: None,
            ledger: None,
        })
    }

    /// Refuses every step after this many: those that a budget allows.
    pub fn with_steps(self, allowed: u64) -> Self {
        Self { allowed, ..self }
    }

    /// Draws the noise from the operating system.
    pub(super) fn with_system(self, system: Option<SystemRandom>) -> Self {
        Self { system, ..self }
    }

    /// Counts the steps in a file, those of an epoch before the first of them is taken.
    pub(super) fn with_ledger(self, path: PathBuf) -> Self {
        Self { ledger: Some(path), ..self }
    }

    /// One step, for accountants.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The steps of an epoch: n / b, rounded up.
    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    /// The standard deviation of the noise on every coordinate of the gradient: σ C / b. In the
    /// weights after a step of plain SGD it is this times the learning rate.
    pub fn noise_std(&self) -> f64 {
        self.mechanism.noise_multiplier() * self.clip.max_norm / self.expected_batch as f64
    }

    /// Counts the steps of an epoch before its first, and refuses a step beyond the budget. The
    /// ledger only grows.
    fn count(&self, step: u64) -> Result<(), PrivacyError> {
        self.check_allowed(step + 1)?;
        let Some(path) = self.ledger.as_ref().filter(|_| step.is_multiple_of(self.steps_per_epoch))
        else {
            return Ok(());
        };
        let before = steps_counted(path, self.mechanism)?;
        let steps = match self.system {
            // The same coins and noise once more are the same steps.
            None => before.max(step + self.steps_per_epoch),
            // Others are further steps, whatever has become of those before.
            Some(_) => before.saturating_add(self.steps_per_epoch),
        };
        self.check_allowed(steps)?;
        Ledger::from_iter([Phase::new(self.mechanism, steps)?]).save(path)
    }

    fn check_allowed(&self, steps: u64) -> Result<(), PrivacyError> {
        if steps <= self.allowed {
            return Ok(());
        }
        let wanted = format!("at most {}, which the budget allows", self.allowed);
        Err(PrivacyError::Count { field: "steps", got: steps, wanted })
    }

    /// Standard normal noise for a parameter.
    fn noise(&self, info: &StepInfo, path: &str, like: &Tensor<1>) -> Tensor<1> {
        let ([n], device) = (like.dims(), like.device());
        match &self.system {
            Some(system) => Tensor::from_data(TensorData::new(system.normal(n), [n]), &device),
            None => {
                // The number of the step, since by some samplers an empty batch has the key of the
                // one after it.
                let key = info.key.named(Self::NAME).child(info.step as u64);
                normal(key.named(path), [n], &device)
            }
        }
    }
}

impl GradientRule for PrivateGradient {
    fn spec(&self) -> Value {
        json!({
            "gradient": Self::NAME,
            "max_norm": self.clip.max_norm,
            "per_layer": self.clip.per_layer,
            "mechanism": self.mechanism,
            "expected_batch": self.expected_batch,
            "steps": self.allowed,
            "randomness": if self.system.is_some() { "system" } else { "keyed" },
        })
    }

    fn check(&self) -> Result<(), TrainingError> {
        self.clip.check()
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let step = step.by_index();
        let StepGradients { gradients, losses } = self.clip.gradients(objective, &step)?;
        let factor = step.batch().whole as f64 / self.expected_batch as f64;
        let gradients =
            step.weights().map(|parameter, weight| match gradients.get(&parameter.path) {
                Some(gradient) => gradient.clone().mul_scalar(factor),
                None => weight.zeros_like(),
            });
        Ok(StepGradients { gradients, losses })
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn separates_examples(&self) -> bool {
        true
    }

    fn bounds_examples(&self) -> bool {
        true
    }

    fn extra_passes(&self, objective: &Objective) -> Passes {
        self.clip.extra_passes(objective)
    }

    fn scores(&self) -> Vec<String> {
        self.clip.scores()
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        self.count(info.step as u64).map_err(StepError::custom)?;
        let std = self.noise_std();
        Ok(gradients.map(|parameter, gradient| {
            let noise = self.noise(info, &parameter.path, &gradient);
            gradient + noise.mul_scalar(std)
        }))
    }
}
