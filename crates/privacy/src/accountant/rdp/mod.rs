//! The accountant by Rényi differential privacy.

mod divergence;
mod orders;

pub use self::orders::Orders;

use super::Ledger;
use crate::PrivacyError;
use crate::error::checked_delta;
use serde::{Deserialize, Serialize};

/// The accountant by Rényi differential privacy (RDP). Its epsilon is an upper bound.
///
/// The Rényi divergences of all steps are added order by order (Mironov 2017, arXiv 1702.07476,
/// proposition 1), each from Mironov, Talwar, Zhang 2019 (arXiv 1908.10530), and the best order is
/// converted to epsilon at delta. It is fast and never far off; [`PrvAccountant`] is tighter.
///
/// [`PrvAccountant`]: super::PrvAccountant
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdpAccountant {
    orders: Orders,
    conversion: Conversion,
}

/// A conversion from the Rényi divergence ρ at order α to epsilon at δ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// ε = ρ + ln(1/δ) / (α − 1) (Mironov 2017, arXiv 1702.07476, proposition 3).
    Classic,
    /// ε = ρ − (ln δ + ln α) / (α − 1) + ln((α − 1) / α) (Balle et al. 2020, arXiv 1905.09982,
    /// theorem 21), which is always smaller.
    #[default]
    Improved,
}

impl Conversion {
    /// Epsilon from the divergence ρ ≥ 0 at an order α > 1 and δ between 0 and 1. It is never
    /// negative.
    pub fn epsilon(self, divergence: f64, order: f64, delta: f64) -> f64 {
        let epsilon = match self {
            Self::Classic => divergence - delta.ln() / (order - 1.0),
            Self::Improved => {
                divergence - (delta.ln() + order.ln()) / (order - 1.0) + (-1.0 / order).ln_1p()
            }
        };
        epsilon.max(0.0)
    }
}

/// The epsilon of an [`RdpAccountant`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RdpEpsilon {
    /// Epsilon, at least 0.
    pub epsilon: f64,
    /// The order that gives it, the first one of equals; none if there was no step.
    pub order: Option<f64>,
    /// Set if the best order is at an end of the list.
    pub warning: Option<OrderWarning>,
}

/// A warning that the best order is at an end of the list of orders: orders beyond it may give a
/// smaller epsilon. The epsilon given is still an upper bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderWarning {
    /// The smallest order is the best.
    Smallest,
    /// The largest order is the best.
    Largest,
}

impl RdpAccountant {
    /// An accountant with orders and a conversion of one's own.
    pub fn new(orders: Orders, conversion: Conversion) -> Self {
        Self { orders, conversion }
    }

    /// The orders at which it looks.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The conversion to epsilon.
    pub fn conversion(&self) -> Conversion {
        self.conversion
    }

    /// The Rényi divergence of all steps, for each order.
    pub fn divergences(&self, ledger: &Ledger) -> Vec<f64> {
        let of_phases = |&order: &f64| {
            let phases = ledger.phases().iter();
            phases.map(|p| p.steps() as f64 * divergence::divergence(p.mechanism(), order)).sum()
        };
        self.orders.values().iter().map(of_phases).collect()
    }

    /// The epsilon of all steps at delta, with the order that gives it.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if delta is not between 0 and 1, [`PrivacyError::Unbounded`] if
    /// epsilon is not finite at any order, which takes a noise multiplier below about 1e-150.
    pub fn epsilon(&self, ledger: &Ledger, delta: f64) -> Result<RdpEpsilon, PrivacyError> {
        let delta = checked_delta(delta)?;
        if ledger.is_empty() {
            return Ok(RdpEpsilon { epsilon: 0.0, order: None, warning: None });
        }
        let orders = self.orders.values();
        let mut best = (f64::INFINITY, 0);
        for (i, divergence) in self.divergences(ledger).into_iter().enumerate() {
            let epsilon = self.conversion.epsilon(divergence, orders[i], delta);
            if divergence.is_finite() && epsilon < best.0 {
                best = (epsilon, i);
            }
        }
        let (epsilon, i) = best;
        if !epsilon.is_finite() {
            return Err(PrivacyError::Unbounded { accountant: "rdp", got: epsilon });
        }
        let warning = match i {
            // Epsilon cannot be smaller than 0.
            _ if epsilon == 0.0 => None,
            i if i + 1 == orders.len() => Some(OrderWarning::Largest),
            0 => Some(OrderWarning::Smallest),
            _ => None,
        };
        Ok(RdpEpsilon { epsilon, order: Some(orders[i]), warning })
    }
}
