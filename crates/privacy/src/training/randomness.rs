//! Where coins and noise come from.

use crate::PrivacyError;
use rand::rngs::{StdRng, SysRng};
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The source of a private run's coins and noise.
///
/// Epsilon speaks of an adversary who knows neither. Who knows a run's key knows both and can take
/// the noise away, and the folder of a run holds its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Randomness {
    /// The run's key, by Philox 4x32-10: the run replays and resumes bit for bit. The generator is
    /// **not cryptographic**, and the key is written beside the weights: for studies and tests, not
    /// for weights that others get.
    #[default]
    Keyed,
    /// ChaCha with twelve rounds, with a seed of the operating system that nothing keeps: for
    /// weights that others get. Such a run does **not** replay: one that resumes goes on with other
    /// numbers.
    System,
}

/// A cryptographic generator that the operating system has seeded. Its clones draw one stream, so
/// that no number is drawn twice.
#[derive(Clone)]
pub(super) struct SystemRandom(Arc<Mutex<StdRng>>);

impl SystemRandom {
    pub fn new() -> Result<Self, PrivacyError> {
        let generator = StdRng::try_from_rng(&mut SysRng)
            .map_err(|error| PrivacyError::Randomness { reason: error.to_string() })?;
        Ok(Self(Arc::new(Mutex::new(generator))))
    }

    /// Words of 64 bits.
    pub fn words(&self, n: usize) -> Vec<u64> {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (0..n).map(|_| generator.next_u64()).collect()
    }

    /// Values of the standard normal law.
    pub fn normal(&self, n: usize) -> Vec<f32> {
        let mut generator = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let draw = |_| {
            let value: f64 = StandardNormal.sample(&mut *generator);
            value as f32
        };
        (0..n).map(draw).collect()
    }
}

impl fmt::Debug for SystemRandom {
    /// Without its state, which is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemRandom")
    }
}
