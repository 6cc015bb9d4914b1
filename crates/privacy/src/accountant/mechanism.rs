use crate::PrivacyError;
use crate::error::{checked_steps, within};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The Poisson-subsampled Gaussian mechanism: one step of private SGD.
///
/// Every example enters the batch by itself with probability q, the sampling rate. The gradients
/// of the batch, each clipped to a norm of at most C, are summed, and normal noise with standard
/// deviation σ C is added to every coordinate of the sum, where σ is the noise multiplier. Two data
/// sets are neighbours if one has one example more than the other.
///
/// Epsilon holds for a sampler and a step that really do so. This value cannot know; a batch of a
/// shuffled epoch, for example, is not Poisson-sampled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MechanismFields")]
pub struct Mechanism {
    noise_multiplier: f64,
    sample_rate: f64,
}

/// The fields of a mechanism as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MechanismFields {
    noise_multiplier: f64,
    sample_rate: f64,
}

impl TryFrom<MechanismFields> for Mechanism {
    type Error = PrivacyError;

    fn try_from(fields: MechanismFields) -> Result<Self, PrivacyError> {
        Self::new(fields.noise_multiplier, fields.sample_rate)
    }
}

impl Mechanism {
    /// A mechanism with the noise multiplier σ > 0 and the sampling rate q in (0, 1].
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if σ is not finite and above 0, or q not in (0, 1].
    pub fn new(noise_multiplier: f64, sample_rate: f64) -> Result<Self, PrivacyError> {
        let sigma = within("noise_multiplier", noise_multiplier, |s| s > 0.0, "a number above 0")?;
        let q = within("sample_rate", sample_rate, |q| q > 0.0 && q <= 1.0, "a number in (0, 1]")?;
        Ok(Self { noise_multiplier: sigma, sample_rate: q })
    }

    /// The noise multiplier σ: standard deviation of the noise over the clipping norm.
    pub fn noise_multiplier(&self) -> f64 {
        self.noise_multiplier
    }

    /// The sampling rate q: the probability with which an example enters a batch.
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { noise_multiplier, sample_rate } = self;
        write!(f, "noise multiplier {noise_multiplier} at sampling rate {sample_rate}")
    }
}

/// A phase of a training: so many steps of one mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PhaseFields")]
pub struct Phase {
    pub(super) mechanism: Mechanism,
    pub(super) steps: u64,
}

/// The fields of a phase as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseFields {
    mechanism: Mechanism,
    steps: u64,
}

impl TryFrom<PhaseFields> for Phase {
    type Error = PrivacyError;

    fn try_from(fields: PhaseFields) -> Result<Self, PrivacyError> {
        Self::new(fields.mechanism, fields.steps)
    }
}

impl Phase {
    /// A phase of at least one step.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Count`] if there is no step.
    pub fn new(mechanism: Mechanism, steps: u64) -> Result<Self, PrivacyError> {
        Ok(Self { mechanism, steps: checked_steps(steps)? })
    }

    /// The mechanism of every step.
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The number of steps, at least 1.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}
