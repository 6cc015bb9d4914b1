//! The points that runs start from.

use super::Pgd;
use crate::error::within;
use crate::threat::Ball;
use crate::{AttackBatch, AttackError, Norm};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key, normal_rows};
use serde::{Deserialize, Serialize};

/// The random start of a run: none, uniform in the ball or in a smaller one, or Gaussian.
///
/// `true` and `false` are short forms of [`uniform`](Self::uniform) and [`none`](Self::none). A
/// start is a function of the key and of its example's number, and is projected to ball and box.
///
/// ```
/// use cni_attacks::{Attack, Pgd, RandomStart, Threat, attack_from_spec};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// let trades = Pgd::new(threat).with_random_start(RandomStart::gaussian(0.001)?);
/// assert_eq!(trades.spec()["random_start"], serde_json::json!({ "gaussian": 0.001 }));
/// assert_eq!(attack_from_spec(&trades.spec())?.spec(), trades.spec());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct RandomStart(Law);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    None,
    Uniform,
    Within(f64),
    Gaussian(f64),
}

/// The start as files have it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "wanted true, false, {\"uniform\": radius} or {\"gaussian\": standard deviation}"
)]
enum Written {
    Any(bool),
    Within { uniform: f64 },
    Gaussian { gaussian: f64 },
}

impl RandomStart {
    /// The image itself.
    pub const fn none() -> Self {
        Self(Law::None)
    }

    /// A point uniform in the ball of the threat (Madry et al., arXiv 1706.06083).
    pub const fn uniform() -> Self {
        Self(Law::Uniform)
    }

    /// A point uniform in the ball of another radius, in units of the pixel range. A run refuses
    /// one above the radius of the threat. [`Knob::Epsilon`](crate::Knob::Epsilon) scales it with
    /// that radius.
    ///
    /// # Errors
    ///
    /// Unless the radius is finite and positive.
    pub fn uniform_within(radius: f64) -> Result<Self, AttackError> {
        Ok(Self(Law::Within(positive(radius)?)))
    }

    /// The image with independent normal values of this standard deviation added to its pixels, as
    /// TRADES has it (Zhang et al., arXiv 1901.08573, algorithm 1).
    ///
    /// # Errors
    ///
    /// Unless the standard deviation is finite and positive.
    pub fn gaussian(std: f64) -> Result<Self, AttackError> {
        Ok(Self(Law::Gaussian(positive(std)?)))
    }

    /// The start of [`Pgd::trades`].
    pub(super) const fn gaussian_of_trades() -> Self {
        Self(Law::Gaussian(0.001))
    }

    /// True unless a run starts at the image itself.
    pub fn is_random(self) -> bool {
        self.0 != Law::None
    }

    /// True if a run starts in a ball of its own radius.
    pub(super) fn has_radius(self) -> bool {
        matches!(self.0, Law::Within(_))
    }

    /// The same at another radius of the threat.
    pub(super) fn at_radius(self, scaled: impl FnOnce(f64) -> f64) -> Self {
        match self.0 {
            Law::Within(radius) => Self(Law::Within(scaled(radius))),
            _ => self,
        }
    }

    /// The start of [`Pgd::n_fgsm`], in a ball whose radius need not be finite or positive yet.
    pub(super) fn within_unchecked(radius: f64) -> Self {
        Self(Law::Within(radius))
    }

    /// Refuses a start that is not in the ball of radius `epsilon`.
    pub(super) fn check(self, epsilon: f64) -> Result<(), AttackError> {
        match self.0 {
            Law::Within(got) if got > epsilon => {
                let wanted = "a radius of at most that of the threat";
                Err(AttackError::Setting { field: "random_start", got, wanted })
            }
            _ => Ok(()),
        }
    }

    /// The changes that lead from images to the start, shaped as `images`; `None` if it is at them.
    fn change(
        self,
        norm: Norm,
        epsilon: f64,
        key: Key,
        images: &Tensor<4>,
        examples: &ExampleIds,
    ) -> Option<Tensor<4>> {
        match self.0 {
            Law::None => None,
            Law::Uniform => Some(norm.random_start(key, images, epsilon, examples)),
            Law::Within(radius) => Some(norm.random_start(key, images, radius, examples)),
            Law::Gaussian(std) => Some(normal_rows(key, examples, images).mul_scalar(std)),
        }
    }
}

fn positive(got: f64) -> Result<f64, AttackError> {
    within("random_start", got, |value| value > 0.0, "a finite number above 0")
}

impl From<bool> for RandomStart {
    fn from(random: bool) -> Self {
        if random { Self::uniform() } else { Self::none() }
    }
}

impl From<RandomStart> for Written {
    fn from(start: RandomStart) -> Self {
        match start.0 {
            Law::None => Self::Any(false),
            Law::Uniform => Self::Any(true),
            Law::Within(uniform) => Self::Within { uniform },
            Law::Gaussian(gaussian) => Self::Gaussian { gaussian },
        }
    }
}

impl TryFrom<Written> for RandomStart {
    type Error = AttackError;

    fn try_from(written: Written) -> Result<Self, AttackError> {
        match written {
            Written::Any(random) => Ok(random.into()),
            Written::Within { uniform } => Self::uniform_within(uniform),
            Written::Gaussian { gaussian } => Self::gaussian(gaussian),
        }
    }
}

impl Pgd {
    pub(super) fn start(&self, batch: &AttackBatch, ball: &Ball, key: Key) -> Tensor<4> {
        let clean = &batch.images;
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        match self.random_start.change(norm, epsilon, key, clean, &batch.examples) {
            Some(change) => ball.project(clean.clone() + change),
            None => clean.clone(),
        }
    }
}
