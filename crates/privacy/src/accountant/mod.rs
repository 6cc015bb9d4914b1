//! Accountants: epsilon and delta of a ledger of private steps.
//!
//! | module | holds |
//! | --- | --- |
//! | `mechanism` | one private step, and phases of equal steps |
//! | `ledger` | the steps of a training, saved with it |
//! | `plan` | examples, batch and epochs as sampling rate and steps |
//! | `rdp` | upper bounds by Rényi divergences |
//! | `gdp` | an approximation by a central limit theorem |
//! | `prv` | bounds on both sides by numerical composition |
//! | `search` | the noise or the steps for a budget |
//! | `normal` | tails of the normal law |

mod gdp;
mod ledger;
mod mechanism;
mod normal;
mod plan;
mod prv;
mod rdp;
mod search;

pub use self::gdp::GdpAccountant;
pub use self::ledger::{LEDGER_VERSION, Ledger};
pub use self::mechanism::{Mechanism, Phase};
pub use self::plan::PoissonPlan;
pub use self::prv::{PrvAccountant, PrvEpsilon};
pub use self::rdp::{Conversion, OrderWarning, Orders, RdpAccountant, RdpEpsilon};
pub use self::search::{
    Budget, MAX_SIGMA, MIN_SIGMA, SIGMA_TOLERANCE, noise_multiplier_for, steps_for,
};

use crate::PrivacyError;
use serde::{Deserialize, Serialize};

/// An accountant: it turns a ledger and delta into epsilon.
///
/// Data sets are neighbours if one has one example more. The numbers hold for Poisson sampling,
/// clipping and normal noise as [`Mechanism`] describes them. An accountant sees no sampler, and it
/// proves nothing about an implementation, such as the quality of its random numbers or
/// the effect of floating point: its epsilon is **not a certified guarantee**.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accountant {
    /// By Rényi divergences: fast, an upper bound.
    Rdp(RdpAccountant),
    /// By a central limit theorem: fast, **not** an upper bound.
    Gdp(GdpAccountant),
    /// By numerical composition: the tightest upper bound, slower.
    Prv(PrvAccountant),
}

/// The privacy spent at one delta, as plain data for a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The accountant with its settings.
    pub accountant: Accountant,
    /// The steps it was told of.
    pub ledger: Ledger,
    /// Delta, between 0 and 1.
    pub delta: f64,
    /// Epsilon, at least 0.
    pub epsilon: f64,
    /// True if epsilon is an upper bound, given that the ledger is true. If not, it is an
    /// approximation, and the true epsilon can be larger.
    pub upper_bound: bool,
    /// Set if the best Rényi order is at an end of the list, so that epsilon may be loose.
    pub warning: Option<OrderWarning>,
}

impl Accountant {
    /// An RDP accountant with the default orders and the improved conversion.
    pub fn rdp() -> Self {
        Self::Rdp(RdpAccountant::default())
    }

    /// A GDP accountant.
    pub fn gdp() -> Self {
        Self::Gdp(GdpAccountant {})
    }

    /// A PRV accountant with an error of 0.01 in epsilon and a thousandth in delta.
    pub fn prv() -> Self {
        Self::Prv(PrvAccountant::default())
    }

    /// The name: `rdp`, `gdp` or `prv`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rdp(_) => "rdp",
            Self::Gdp(_) => "gdp",
            Self::Prv(_) => "prv",
        }
    }

    /// True if epsilon is an upper bound, given that the ledger is true. For GDP it is not.
    pub fn is_upper_bound(&self) -> bool {
        !matches!(self, Self::Gdp(_))
    }

    /// The epsilon of all steps at delta. It is 0 without a step. For PRV it is the upper bound.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if delta is not between 0 and 1; the errors of the accountant if
    /// epsilon is not finite or cannot be computed.
    pub fn epsilon(&self, ledger: &Ledger, delta: f64) -> Result<f64, PrivacyError> {
        match self {
            Self::Rdp(rdp) => Ok(rdp.epsilon(ledger, delta)?.epsilon),
            Self::Gdp(gdp) => gdp.epsilon(ledger, delta),
            Self::Prv(prv) => Ok(prv.epsilon(ledger, delta)?.upper),
        }
    }

    /// The privacy spent by all steps at delta: epsilon with all that it rests on.
    ///
    /// # Errors
    ///
    /// Those of [`epsilon`](Self::epsilon).
    pub fn spent(&self, ledger: &Ledger, delta: f64) -> Result<Spent, PrivacyError> {
        let (epsilon, warning) = match self {
            Self::Rdp(rdp) => {
                let got = rdp.epsilon(ledger, delta)?;
                (got.epsilon, got.warning)
            }
            other => (other.epsilon(ledger, delta)?, None),
        };
        let upper_bound = self.is_upper_bound();
        let (accountant, ledger) = (self.clone(), ledger.clone());
        Ok(Spent { accountant, ledger, delta, epsilon, upper_bound, warning })
    }
}
