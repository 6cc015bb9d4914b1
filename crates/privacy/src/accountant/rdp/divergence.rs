//! Rényi divergence of the Poisson-subsampled Gaussian mechanism.

use super::super::Mechanism;
use super::super::normal::{ln_upper_tail, scaled_upper_tail};

/// The Rényi divergence of one step, for an order above 1 (Mironov, Talwar, Zhang 2019,
/// arXiv 1908.10530, section 3.3).
///
/// With μ the density of N(0, σ²) and ν that of N(1, σ²), it is ln A / (α − 1), where A is the mean
/// of ((1 − q) + q ν/μ)^α under μ. The other direction has a smaller divergence
/// (section 3.1 there).
pub(super) fn divergence(mechanism: Mechanism, order: f64) -> f64 {
    let (q, sigma) = (mechanism.sample_rate(), mechanism.noise_multiplier());
    if q == 1.0 {
        return order / (2.0 * sigma * sigma);
    }
    // The exponents overflow for σ below about 1e-150.
    if !(order * order / (2.0 * sigma * sigma)).is_finite() {
        return f64::INFINITY;
    }
    let ln_a = match order.fract() == 0.0 {
        true => ln_moment_whole(q, sigma, order),
        false => ln_moment_fractional(q, sigma, order),
    };
    ln_a.max(0.0) / (order - 1.0)
}

/// ln A at a whole order α: a binomial sum over i of terms with e^((i² − i) / 2σ²).
///
/// The binomial weights sum to 1, so A − 1 is the sum of their products with e^(..) − 1. All of
/// these are positive, and a divergence that is close to 0 keeps its digits.
fn ln_moment_whole(q: f64, sigma: f64, order: f64) -> f64 {
    let (ln_q, ln_p) = (q.ln(), (-q).ln_1p());
    let mut excess = LogSum::new();
    let mut ln_binomial = 0.0;
    let mut i = 0.0;
    while i < order {
        ln_binomial += ((order - i) / (i + 1.0)).ln();
        i += 1.0;
        if i >= 2.0 {
            let growth = ln_exp_m1(i * (i - 1.0) / (2.0 * sigma * sigma));
            excess.add(ln_binomial + i * ln_q + (order - i) * ln_p + growth, 1.0);
        }
    }
    let ln_excess = excess.ln();
    ln_excess.max(0.0) + (-ln_excess.abs()).exp().ln_1p()
}

/// ln A at a fractional order α: the integral, split at the point z where both parts of the mixture
/// are equal, with a binomial series on each side.
///
/// A term's exponentials are those of e^(−z²/2σ²) (1 − q)^α, the same for all, times a scaled tail,
/// once its tail lies far out. So the terms at the end fall as a power of i and alternate in sign:
/// the first term left out bounds the rest.
fn ln_moment_fractional(q: f64, sigma: f64, order: f64) -> f64 {
    let (ln_q, ln_p) = (q.ln(), (-q).ln_1p());
    let z = sigma * sigma * (ln_p - ln_q) + 0.5;
    let far = order * ln_p - 0.5 * (z / sigma) * (z / sigma);
    let side = |weight_on: f64, tail: f64| match tail < 1.0 {
        true => {
            let growth = weight_on * (weight_on - 1.0) / (2.0 * sigma * sigma);
            weight_on * ln_q + (order - weight_on) * ln_p + growth + ln_upper_tail(tail)
        }
        false => far + scaled_upper_tail(tail).ln(),
    };
    let mut sum = LogSum::new();
    let (mut ln_binomial, mut sign) = (0.0, 1.0);
    let mut i = 0.0;
    loop {
        let below = side(i, (i - z) / sigma);
        let above = side(order - i, (z - order + i) / sigma);
        let ln_term = ln_binomial + ln_sum(below, above);
        let alternates = i > order + 1.0 && i > order - z;
        if alternates && ln_term < sum.ln() - RELATIVE_END {
            return sum.ln();
        }
        sum.add(ln_term, sign);
        let ratio: f64 = (order - i) / (i + 1.0);
        ln_binomial += ratio.abs().ln();
        sign *= ratio.signum();
        i += 1.0;
    }
}

/// The series ends before a term below e^−34 = 2e-15 of the sum.
const RELATIVE_END: f64 = 34.0;

/// ln(e^v − 1) for v > 0.
fn ln_exp_m1(v: f64) -> f64 {
    if v > 40.0 { v } else { v.exp_m1().ln() }
}

/// ln(e^a + e^b).
fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// A sum of signed terms that are given by their logarithms, relative to the largest of them.
struct LogSum {
    largest: f64,
    sum: f64,
}

impl LogSum {
    fn new() -> Self {
        Self { largest: f64::NEG_INFINITY, sum: 0.0 }
    }

    fn add(&mut self, ln_term: f64, sign: f64) {
        if ln_term == f64::NEG_INFINITY {
            return;
        }
        if ln_term > self.largest {
            self.sum *= (self.largest - ln_term).exp();
            self.largest = ln_term;
        }
        self.sum += sign * (ln_term - self.largest).exp();
    }

    fn ln(&self) -> f64 {
        self.largest + self.sum.ln()
    }
}
