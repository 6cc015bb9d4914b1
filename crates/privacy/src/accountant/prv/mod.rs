//! The accountant by numerical composition of privacy losses.

mod chernoff;
mod discrete;
mod loss;
mod sum;

use self::discrete::Discrete;
use self::loss::{Direction, PrivacyLoss};
use self::sum::Sum;
use super::{Ledger, Phase};
use crate::PrivacyError;
use crate::error::{checked_delta, within};
use serde::{Deserialize, Serialize};

/// The most points of a discrete privacy loss: 2^24, which take about 1 GB for the transform.
const MAX_POINTS: usize = 1 << 24;

/// The shares of the error of delta: for the rounding of losses to the mesh, for clamping their far
/// tails, and for adding them up in a window of finite length and with finite digits.
const FOR_ROUNDING: f64 = 0.5;
const FOR_CLAMPING: f64 = 0.125;
const FOR_THE_SUM: f64 = 0.375;

/// The accountant by numerical composition of privacy loss random variables (PRV). It gives bounds
/// of epsilon on both sides, as close as asked for.
///
/// The method is that of Gopi, Lee, Wutschitz 2021 (arXiv 2106.02848, theorem 5.5):
/// the privacy loss of a step is rounded to a mesh, moved so that its mean stays, and added up over
/// all steps by a fast Fourier transform. Both directions, with and without the example, are
/// computed and the worse one counts.
///
/// # Error
///
/// With ε̃ the error of epsilon and δ̃ that of delta, the computed curve satisfies
/// computed(ε + ε̃) − δ̃ ≤ delta(ε) ≤ computed(ε − ε̃) + δ̃. Over k steps the errors of rounding
/// have mean zero and lie within half a mesh h, so by Hoeffding's inequality their sum exceeds ε̃
/// with probability at most exp(−2 ε̃² / k h²); the mesh is chosen so that this is δ̃ / 2. Clamping
/// the far tails of all steps costs at most δ̃ / 8. The rest pays for the window of the
/// transform and for rounding in double precision, of which a bound is computed; if it is exceeded,
/// the answer is an error, not a number.
///
/// # Deviations
///
/// - The window of the transform comes from Chernoff bounds on the cumulants of the discrete loss.
///   The paper takes them from the Rényi divergence, which is the cumulant of the continuous loss.
/// - The transform runs on a tilted law, for small delta. The paper does not treat rounding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PrvFields")]
pub struct PrvAccountant {
    epsilon_error: f64,
    delta_error_share: f64,
}

/// The fields of an accountant as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrvFields {
    epsilon_error: f64,
    delta_error_share: f64,
}

impl TryFrom<PrvFields> for PrvAccountant {
    type Error = PrivacyError;

    fn try_from(fields: PrvFields) -> Result<Self, PrivacyError> {
        Self::new(fields.epsilon_error, fields.delta_error_share)
    }
}

impl Default for PrvAccountant {
    /// The errors of Opacus: 0.01 of epsilon and a thousandth of delta. For an epsilon below 1 a
    /// smaller error is worth its time.
    fn default() -> Self {
        Self { epsilon_error: 0.01, delta_error_share: 1e-3 }
    }
}

/// The epsilon of a [`PrvAccountant`]: `lower` ≤ true epsilon ≤ `upper`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrvEpsilon {
    /// The lower bound, at least 0.
    pub lower: f64,
    /// The estimate between the bounds. It is far closer than they are, which no theorem says.
    pub estimate: f64,
    /// The upper bound.
    pub upper: f64,
    /// The error of epsilon within the bounds.
    pub epsilon_error: f64,
    /// The error of delta within the bounds, no share but an absolute number.
    pub delta_error: f64,
}

impl PrvAccountant {
    /// An accountant with an error of epsilon, and an error of delta as a share of delta. The work
    /// grows as one over the error of epsilon.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if the error of epsilon is not finite and above 0, or the share not
    /// between 0 and 1.
    pub fn new(epsilon_error: f64, delta_error_share: f64) -> Result<Self, PrivacyError> {
        let wanted = "a finite number above 0";
        within("epsilon_error", epsilon_error, |e| e > 0.0, wanted)?;
        let wanted = "a number between 0 and 1, ends excluded";
        within("delta_error_share", delta_error_share, |s| s > 0.0 && s < 1.0, wanted)?;
        Ok(Self { epsilon_error, delta_error_share })
    }

    /// The error of epsilon.
    pub fn epsilon_error(&self) -> f64 {
        self.epsilon_error
    }

    /// The error of delta as a share of delta.
    pub fn delta_error_share(&self) -> f64 {
        self.delta_error_share
    }

    /// The bounds of epsilon of all steps at delta. If there is no step, all are 0.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if delta is not between 0 and 1, [`PrivacyError::Points`] if there
    /// is too little noise for the mesh, [`PrivacyError::Precision`] if double precision does
    /// not reach the error of delta. The latter takes a delta below about 1e-8 at a sampling rate
    /// below about 1e-4, where the losses have heavy tails, or a tiny share.
    pub fn epsilon(&self, ledger: &Ledger, delta: f64) -> Result<PrvEpsilon, PrivacyError> {
        let delta = checked_delta(delta)?;
        let (epsilon_error, delta_error) = (self.epsilon_error, self.delta_error_share * delta);
        let bounds = |lower: f64, estimate: f64, upper: f64| PrvEpsilon {
            lower: lower.max(0.0),
            estimate: estimate.max(0.0),
            upper: upper.max(0.0),
            epsilon_error,
            delta_error,
        };
        let phases = ledger.phases();
        let mut worst = bounds(0.0, 0.0, 0.0);
        if phases.is_empty() {
            return Ok(worst);
        }
        // Without subsampling both directions have the same loss.
        let symmetric = phases.iter().all(|phase| phase.mechanism().sample_rate() == 1.0);
        let directions: &[Direction] = match symmetric {
            true => &[Direction::Remove],
            false => &[Direction::Remove, Direction::Add],
        };
        for &direction in directions {
            let losses = self.discrete(phases, direction, delta_error)?;
            let sum = Sum::of(&losses, delta)?;
            let deltas = [delta - delta_error, delta, delta + delta_error];
            let [high, middle, low] = sum.epsilons(deltas);
            let computed = sum.error_at(low.max(-epsilon_error), delta + delta_error);
            if computed.is_nan() || computed > FOR_THE_SUM * delta_error {
                let wanted = computed / FOR_THE_SUM;
                return Err(PrivacyError::Precision { got: delta_error, wanted });
            }
            let next = bounds(low - epsilon_error, middle, high + epsilon_error);
            worst.lower = worst.lower.max(next.lower);
            worst.estimate = worst.estimate.max(next.estimate);
            worst.upper = worst.upper.max(next.upper);
        }
        Ok(worst)
    }

    /// The discrete losses of the phases, on a mesh for the errors of epsilon and delta.
    fn discrete(
        &self,
        phases: &[Phase],
        direction: Direction,
        delta_error: f64,
    ) -> Result<Vec<Discrete>, PrivacyError> {
        let steps: f64 = phases.iter().map(|phase| phase.steps() as f64).sum();
        // A thousandth of the error is left for the means, which rounding and clamping move.
        let rounding = 0.999 * self.epsilon_error;
        let exponent = -(FOR_ROUNDING * delta_error).ln();
        let mesh = rounding * (2.0 / (steps * exponent)).sqrt();
        let of_phase = |phase: &Phase| {
            let sigma = phase.mechanism().noise_multiplier();
            // The loss changes by at most 1/σ for each σ of the output, so what is clamped moves
            // the mean by at most its probability over σ.
            let clamped =
                (FOR_CLAMPING * delta_error).min(5e-4 * self.epsilon_error * sigma) / steps;
            let reach = (-2.0 * clamped.ln()).sqrt();
            let loss = PrivacyLoss::new(phase.mechanism(), direction);
            Discrete::new(loss, phase.steps(), mesh, reach)
        };
        phases.iter().map(of_phase).collect()
    }
}
