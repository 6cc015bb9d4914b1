//! The accountant by Gaussian differential privacy.

use super::Ledger;
use super::normal::ln_upper_tail;
use crate::PrivacyError;
use crate::error::checked_delta;
use serde::{Deserialize, Serialize};

/// The accountant by Gaussian differential privacy (GDP). Its epsilon is an approximation and **not
/// an upper bound**: the true epsilon can be larger.
///
/// A central limit theorem for many steps at a small sampling rate (Dong, Roth, Su 2019,
/// arXiv 1905.02383; Bu, Dong, Long, Su 2019, arXiv 1911.11607, for Poisson sampling) says that the
/// training is about as private as one Gaussian mechanism with mean [μ](Self::mu) and variance 1.
/// Gopi, Lee, Wutschitz 2021 (arXiv 2106.02848) show how it underestimates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GdpAccountant {}

impl GdpAccountant {
    /// μ of all steps: the root of the sum over phases of T q² (e^(1/σ²) − 1), for T steps. It is
    /// infinite for σ below 0.037, where the exponential overflows.
    pub fn mu(&self, ledger: &Ledger) -> f64 {
        let square = |phase: &super::Phase| {
            let (sigma, q) =
                (phase.mechanism().noise_multiplier(), phase.mechanism().sample_rate());
            phase.steps() as f64 * q * q * (1.0 / (sigma * sigma)).exp_m1()
        };
        ledger.phases().iter().map(square).sum::<f64>().sqrt()
    }

    /// The delta of all steps at epsilon ≥ 0, by the central limit theorem.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if epsilon is not finite and at least 0.
    pub fn delta(&self, ledger: &Ledger, epsilon: f64) -> Result<f64, PrivacyError> {
        let wanted = "a finite number of at least 0";
        let epsilon = crate::error::within("epsilon", epsilon, |e| e >= 0.0, wanted)?;
        Ok(gaussian_delta(self.mu(ledger), epsilon))
    }

    /// The epsilon of all steps at delta, by the central limit theorem.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] if delta is not between 0 and 1, [`PrivacyError::Unbounded`] if μ is
    /// not finite.
    pub fn epsilon(&self, ledger: &Ledger, delta: f64) -> Result<f64, PrivacyError> {
        let delta = checked_delta(delta)?;
        let mu = self.mu(ledger);
        if gaussian_delta(mu, 0.0) <= delta {
            return Ok(0.0);
        }
        let mut high = 1.0;
        while gaussian_delta(mu, high) > delta {
            high *= 2.0;
            if !high.is_finite() || !mu.is_finite() {
                return Err(PrivacyError::Unbounded { accountant: "gdp", got: f64::INFINITY });
            }
        }
        let mut low = 0.0;
        // Halves until no number lies between the two. The larger one's delta is within the target.
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Ok(high);
            }
            match gaussian_delta(mu, middle) > delta {
                true => low = middle,
                false => high = middle,
            }
        }
    }
}

/// δ(ε) = Φ(−ε/μ + μ/2) − e^ε Φ(−ε/μ − μ/2) of the Gaussian mechanism with mean μ and variance 1
/// (Balle, Wang 2018, arXiv 1805.06530, theorem 8).
fn gaussian_delta(mu: f64, epsilon: f64) -> f64 {
    if mu == 0.0 {
        return 0.0;
    }
    if mu == f64::INFINITY {
        return 1.0;
    }
    let first = ln_upper_tail(epsilon / mu - 0.5 * mu);
    let second = epsilon + ln_upper_tail(epsilon / mu + 0.5 * mu);
    first.exp() * -(second - first).min(0.0).exp_m1()
}
