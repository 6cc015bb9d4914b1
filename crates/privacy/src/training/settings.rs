use super::{PrivateRun, Randomness};
use crate::{Accountant, Budget, PrivacyError};
use cni_training::TrainingConfig;
use serde::{Deserialize, Serialize};

/// The settings of private SGD: what a run may spend, and how it clips and draws.
///
/// ```
/// use cni_privacy::{Budget, PrivateSgd};
/// use cni_training::{Objective, TrainingConfig};
///
/// let private = PrivateSgd::new(Budget::new(3.0, 1e-4)?, 1.0);
/// let mut config = TrainingConfig::new(10, Objective::clean());
/// config.batch_size = 100;
/// let run = private.plan(config, 1000)?;
/// assert_eq!((run.steps_per_epoch(), run.steps()), (10, 100));
/// assert!(run.planned().epsilon <= 3.0);
/// # Ok::<(), cni_privacy::PrivacyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateSgd {
    /// The privacy that the run may spend. It is never exceeded.
    pub budget: Budget,
    /// The norm C that the gradient of each example is clipped to, above 0.
    pub max_norm: f64,
    /// True if every parameter tensor is clipped by itself, to C / √m with m tensors.
    #[serde(default)]
    pub per_layer: bool,
    /// The noise multiplier σ; without one the least for which all epochs stay within the budget.
    #[serde(default)]
    pub noise_multiplier: Option<f64>,
    /// The accountant, by default PRV. It must give an upper bound.
    #[serde(default = "Accountant::prv")]
    pub accountant: Accountant,
    /// The source of coins and noise, by default the run's key.
    #[serde(default)]
    pub randomness: Randomness,
}

impl PrivateSgd {
    /// Gradients clipped to the norm `max_norm` over all parameters together, and the least noise
    /// for the budget.
    pub fn new(budget: Budget, max_norm: f64) -> Self {
        Self {
            budget,
            max_norm,
            per_layer: false,
            noise_multiplier: None,
            accountant: Accountant::prv(),
            randomness: Randomness::default(),
        }
    }

    /// Clips every parameter tensor by itself.
    pub fn per_layer(self) -> Self {
        Self { per_layer: true, ..self }
    }

    /// Sets the noise multiplier. The run ends before the epoch that would exceed the budget.
    pub fn with_noise_multiplier(self, noise_multiplier: f64) -> Self {
        Self { noise_multiplier: Some(noise_multiplier), ..self }
    }

    /// Sets the accountant.
    pub fn with_accountant(self, accountant: Accountant) -> Self {
        Self { accountant, ..self }
    }

    /// Sets the source of coins and noise.
    pub fn with_randomness(self, randomness: Randomness) -> Self {
        Self { randomness, ..self }
    }

    /// The run of a configuration on so many examples. `batch_size` is the expected size of a
    /// batch, and an epoch has examples / batch size steps, rounded up.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Setting`] for a configuration that cannot be private: a sampler other than
    /// `epochs`, in whose place the Poisson one comes; a gradient rule; a watch for overfitting,
    /// which decides by training images; and for an accountant without an upper bound.
    /// [`PrivacyError::Count`] for a batch of more than all examples, and for a budget that allows
    /// no epoch. Those of the accountant, and of a system without random numbers.
    pub fn plan(
        &self,
        config: TrainingConfig,
        examples: usize,
    ) -> Result<PrivateRun, PrivacyError> {
        PrivateRun::new(self, config, examples)
    }
}
