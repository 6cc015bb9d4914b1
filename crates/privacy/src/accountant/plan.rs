use super::{Mechanism, Phase};
use crate::PrivacyError;
use serde::{Deserialize, Serialize};

/// A plan of Poisson-sampled training in the terms of a trainer: the number of examples n, the
/// expected batch b and the epochs. It gives the sampling rate b / n and the number of steps.
///
/// An epoch is n / b steps, rounded up: at least as many as draw n examples on average. It is not a
/// pass over the data: a batch has b examples only on average, it can be empty, and an epoch
/// [touches](Self::touched_in_an_epoch) only about 63.2 % of the examples, some of them twice.
///
/// ```
/// use cni_privacy::PoissonPlan;
///
/// let plan = PoissonPlan::new(60_000, 32, 10)?;
/// assert_eq!((plan.sample_rate(), plan.steps()), (32.0 / 60_000.0, 18_750));
/// assert!((plan.touched_in_an_epoch() - 0.632).abs() < 1e-3);
/// # Ok::<(), cni_privacy::PrivacyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlanFields")]
pub struct PoissonPlan {
    examples: u64,
    expected_batch: u64,
    epochs: u64,
}

/// The fields of a plan as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFields {
    examples: u64,
    expected_batch: u64,
    epochs: u64,
}

impl TryFrom<PlanFields> for PoissonPlan {
    type Error = PrivacyError;

    fn try_from(fields: PlanFields) -> Result<Self, PrivacyError> {
        Self::new(fields.examples, fields.expected_batch, fields.epochs)
    }
}

impl PoissonPlan {
    /// A plan for `examples` examples in batches of `expected_batch` on average.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Count`] if there are no examples or no epochs, if the expected batch is not
    /// in 1 to `examples`, or if there are more steps than a `u64` holds.
    pub fn new(examples: u64, expected_batch: u64, epochs: u64) -> Result<Self, PrivacyError> {
        let refused = |field, got, wanted: String| Err(PrivacyError::Count { field, got, wanted });
        if examples == 0 {
            return refused("examples", examples, "at least 1".into());
        }
        if expected_batch == 0 || expected_batch > examples {
            let wanted = format!("1 to the number of examples, {examples}");
            return refused("expected_batch", expected_batch, wanted);
        }
        let per_epoch = examples.div_ceil(expected_batch);
        if epochs == 0 || epochs.checked_mul(per_epoch).is_none() {
            let wanted = format!("1 to {}", u64::MAX / per_epoch);
            return refused("epochs", epochs, wanted);
        }
        Ok(Self { examples, expected_batch, epochs })
    }

    /// The number of examples n.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// The expected batch b. A step divides its noisy sum of gradients by this number, never by the
    /// size of the batch drawn, which is private.
    pub fn expected_batch(&self) -> u64 {
        self.expected_batch
    }

    /// The epochs.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// The sampling rate q = b / n.
    pub fn sample_rate(&self) -> f64 {
        self.expected_batch as f64 / self.examples as f64
    }

    /// The steps of an epoch: n / b, rounded up, as private training takes them.
    pub fn steps_per_epoch(&self) -> u64 {
        self.examples.div_ceil(self.expected_batch)
    }

    /// The number of steps: those of all epochs.
    pub fn steps(&self) -> u64 {
        self.epochs * self.steps_per_epoch()
    }

    /// Refuses a delta of one over the number of examples or more: it would allow a training that
    /// gives one whole example away.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Delta`].
    pub fn check_delta(&self, delta: f64) -> Result<(), PrivacyError> {
        match delta * (self.examples as f64) < 1.0 {
            true => Ok(()),
            false => Err(PrivacyError::Delta { got: delta, examples: self.examples }),
        }
    }

    /// The expected share of the examples in at least one of n / b batches, those of an epoch,
    /// 1 − (1 − q)^(1/q). It is at least 1 − 1/e, 63.2 %, and about that for small q.
    pub fn touched_in_an_epoch(&self) -> f64 {
        let q = self.sample_rate();
        -((-q).ln_1p() / q).exp_m1()
    }

    /// The whole training as one phase with the noise multiplier σ.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if σ is not finite and above 0.
    pub fn phase(&self, noise_multiplier: f64) -> Result<Phase, PrivacyError> {
        let mechanism = Mechanism::new(noise_multiplier, self.sample_rate())?;
        Phase::new(mechanism, self.steps())
    }
}
