//! The noise or the steps that a budget allows.

use super::{Accountant, GdpAccountant, Ledger, Mechanism, Phase};
use crate::PrivacyError;
use crate::error::{checked_delta, checked_epsilon, checked_steps};
use serde::{Deserialize, Serialize};

/// The smallest noise multiplier of the search.
pub const MIN_SIGMA: f64 = 0.01;

/// The largest noise multiplier of the search.
pub const MAX_SIGMA: f64 = 1e6;

/// The tolerance of the search for a noise multiplier, relative: the result is above the smallest
/// one by at most this share.
pub const SIGMA_TOLERANCE: f64 = 1e-4;

/// The most steps that the search looks at.
const MAX_STEPS: u64 = 1 << 40;

/// A privacy budget: the epsilon that a training may spend at delta.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BudgetFields")]
pub struct Budget {
    epsilon: f64,
    delta: f64,
}

/// The fields of a budget as they are read, before they are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetFields {
    epsilon: f64,
    delta: f64,
}

impl TryFrom<BudgetFields> for Budget {
    type Error = PrivacyError;

    fn try_from(fields: BudgetFields) -> Result<Self, PrivacyError> {
        Self::new(fields.epsilon, fields.delta)
    }
}

impl Budget {
    /// A budget of `epsilon` at `delta`. A common delta is below one over the number of examples.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if epsilon is not finite and above 0, or delta not between 0 and 1.
    pub fn new(epsilon: f64, delta: f64) -> Result<Self, PrivacyError> {
        Ok(Self { epsilon: checked_epsilon(epsilon)?, delta: checked_delta(delta)? })
    }

    /// Epsilon, above 0.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Delta, between 0 and 1.
    pub fn delta(&self) -> f64 {
        self.delta
    }
}

/// The smallest noise multiplier σ whose training stays within the budget, up to
/// [`SIGMA_TOLERANCE`]. Its epsilon, by the same accountant, never exceeds the budget's.
///
/// ```
/// use cni_privacy::{Accountant, Budget, noise_multiplier_for};
///
/// let budget = Budget::new(8.0, 1e-5)?;
/// let sigma = noise_multiplier_for(budget, 0.04, 2250, &Accountant::rdp())?;
/// assert!((sigma - 1.4158).abs() < 2e-4);
/// # Ok::<(), cni_privacy::PrivacyError>(())
/// ```
///
/// # Errors
///
/// [`PrivacyError::Value`] if the sampling rate is not in (0, 1]; [`PrivacyError::Count`] if there
/// is no step; [`PrivacyError::Target`] if no σ from [`MIN_SIGMA`] to [`MAX_SIGMA`] just meets the
/// budget; the errors of the accountant.
pub fn noise_multiplier_for(
    budget: Budget,
    sample_rate: f64,
    steps: u64,
    accountant: &Accountant,
) -> Result<f64, PrivacyError> {
    let steps = checked_steps(steps)?;
    Mechanism::new(1.0, sample_rate)?;
    let epsilon_of = |accountant: &Accountant, sigma: f64| {
        let mechanism = Mechanism::new(sigma, sample_rate)?;
        let ledger = Ledger::from_iter([Phase::new(mechanism, steps)?]);
        accountant.epsilon(&ledger, budget.delta)
    };
    let search = |accountant: &Accountant, start: f64, factor: f64| {
        smallest_sigma(budget.epsilon, start, factor, |sigma| epsilon_of(accountant, sigma))
    };
    match accountant {
        // Far from its answer PRV is slow; the approximation is near it.
        Accountant::Prv(_) => {
            let start = search(&Accountant::Gdp(GdpAccountant {}), 1.0, 2.0).unwrap_or(1.0);
            search(accountant, start, 1.02)
        }
        other => search(other, 1.0, 2.0),
    }
}

/// Searches from `start` in growing steps until σ is bracketed, then narrows the bracket.
fn smallest_sigma(
    target: f64,
    start: f64,
    mut factor: f64,
    epsilon: impl Fn(f64) -> Result<f64, PrivacyError>,
) -> Result<f64, PrivacyError> {
    let point = |sigma: f64| Ok::<Point, PrivacyError>(Point { sigma, epsilon: epsilon(sigma)? });
    let mut last = point(start)?;
    let down = last.epsilon <= target;
    let end = if down { MIN_SIGMA } else { MAX_SIGMA };
    // The one below spends too much, the one above does not.
    let (mut below, mut above) = loop {
        let sigma = if down { last.sigma / factor } else { last.sigma * factor };
        let next = point(sigma.clamp(MIN_SIGMA, MAX_SIGMA))?;
        match (next.epsilon <= target, down) {
            (true, false) => break (last, next),
            (false, true) => break (next, last),
            _ if next.sigma == end => {
                let limit = if down { "below" } else { "at least" };
                let Point { sigma, epsilon } = next;
                let wanted = format!("{limit} {epsilon}, that of noise_multiplier {sigma}");
                return Err(PrivacyError::Target { got: target, wanted });
            }
            _ => (last, factor) = (next, factor * factor),
        }
    };
    let mut turn = 0;
    while above.sigma - below.sigma > SIGMA_TOLERANCE * below.sigma {
        let next = point(between(below, above, target, turn))?;
        match next.epsilon <= target {
            true => above = next,
            false => below = next,
        }
        turn += 1;
    }
    Ok(above.sigma)
}

/// A noise multiplier and the epsilon it leads to.
#[derive(Clone, Copy)]
struct Point {
    sigma: f64,
    epsilon: f64,
}

/// A noise multiplier between two others. Two turns of three it is where a power law through both
/// meets the target, moved by a third of the tolerance up and then down, so that the bracket
/// closes from both sides. The third turn, and when there is no such place, it is the middle.
fn between(below: Point, above: Point, target: f64, turn: usize) -> f64 {
    let share = (below.epsilon / target).ln() / (below.epsilon / above.epsilon).ln();
    let aside = [1.0, -1.0, f64::NAN][turn % 3] * SIGMA_TOLERANCE / 3.0;
    let sigma = below.sigma * (above.sigma / below.sigma).powf(share) * (1.0 + aside);
    match sigma > below.sigma && sigma < above.sigma {
        true => sigma,
        false => 0.5 * (below.sigma + above.sigma),
    }
}

/// The largest number of further steps of a mechanism that keeps a ledger within the budget. It is
/// 0 if already one step is too many. Start with an empty ledger for a whole training.
///
/// ```
/// use cni_privacy::{Accountant, Budget, Ledger, Mechanism, steps_for};
///
/// let budget = Budget::new(8.0, 1e-5)?;
/// let mechanism = Mechanism::new(1.5, 0.04)?;
/// let steps = steps_for(budget, &Ledger::new(), mechanism, &Accountant::rdp())?;
/// assert_eq!(steps, 2622);
/// # Ok::<(), cni_privacy::PrivacyError>(())
/// ```
///
/// # Errors
///
/// [`PrivacyError::Target`] if the ledger alone exceeds the budget, or if more than 2^40 steps stay
/// within it; the errors of the accountant.
pub fn steps_for(
    budget: Budget,
    ledger: &Ledger,
    mechanism: Mechanism,
    accountant: &Accountant,
) -> Result<u64, PrivacyError> {
    let target = budget.epsilon;
    let spent = accountant.epsilon(ledger, budget.delta)?;
    if spent > target {
        let wanted = format!("at least {spent}, which the ledger has spent");
        return Err(PrivacyError::Target { got: target, wanted });
    }
    let fits = |steps: u64| {
        let mut longer = ledger.clone();
        longer.add(Phase::new(mechanism, steps)?);
        Ok::<bool, PrivacyError>(accountant.epsilon(&longer, budget.delta)? <= target)
    };
    // The most steps known to fit and the fewest known not to.
    let (mut low, mut high) = (0, 1);
    while fits(high)? {
        (low, high) = (high, high * 2);
        if high > MAX_STEPS {
            let wanted = format!("an epsilon that {MAX_STEPS} steps exceed");
            return Err(PrivacyError::Target { got: target, wanted });
        }
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match fits(middle)? {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(low)
}
