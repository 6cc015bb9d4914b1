//! Integrals of the definitions, by ways that the library does not use.

use cni_privacy::{Ledger, Mechanism, Phase};
use std::f64::consts::{FRAC_1_SQRT_2, PI};

pub fn mechanism(sigma: f64, q: f64) -> Mechanism {
    Mechanism::new(sigma, q).unwrap()
}

/// A ledger of phases `(sigma, q, steps)`.
pub fn ledger(phases: &[(f64, f64, u64)]) -> Ledger {
    let phase = |&(sigma, q, steps): &_| Phase::new(mechanism(sigma, q), steps).unwrap();
    phases.iter().map(phase).collect()
}

/// Simpson's rule with `2 n` intervals.
pub fn integral(low: f64, high: f64, n: usize, f: impl Fn(f64) -> f64) -> f64 {
    let h = (high - low) / (2 * n) as f64;
    let weight = |i: usize| match i {
        _ if i == 0 || i == 2 * n => 1.0,
        _ if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=2 * n).map(|i| weight(i) * f(low + i as f64 * h)).sum::<f64>() * h / 3.0
}

/// The trapezoidal rule with `n` intervals, which is exact to rounding for an analytic function
/// that falls to 0 at both ends.
pub fn trapezoid(low: f64, high: f64, n: usize, f: impl Fn(f64) -> f64) -> f64 {
    let h = (high - low) / n as f64;
    let inner: f64 = (1..n).map(|i| f(low + i as f64 * h)).sum();
    h * (0.5 * f(low) + inner + 0.5 * f(high))
}

/// P(Z > x) of a standard normal Z.
pub fn upper_tail(x: f64) -> f64 {
    0.5 * libm::erfc(x * FRAC_1_SQRT_2)
}

/// The density of N(mean, sigma²).
pub fn density(x: f64, mean: f64, sigma: f64) -> f64 {
    ln_density(x, mean, sigma).exp()
}

/// The logarithm of the density of N(mean, sigma²).
pub fn ln_density(x: f64, mean: f64, sigma: f64) -> f64 {
    let u = (x - mean) / sigma;
    -0.5 * u * u - (sigma * (2.0 * PI).sqrt()).ln()
}

/// The log ratio of the output's density with the example to that without it.
pub fn log_ratio(sigma: f64, q: f64, x: f64) -> f64 {
    let z = (x - 0.5) / (sigma * sigma);
    if q == 1.0 {
        z
    } else if z > 0.0 {
        z + (q + (1.0 - q) * (-z).exp()).ln()
    } else {
        (1.0 - q + q * z.exp()).ln()
    }
}

/// With the example first (`true`), or without it first.
pub type WithFirst = bool;

/// Delta of one step at any real epsilon, in closed form: the set of outputs with a log ratio above
/// epsilon is a half line, by whose ends both probabilities are normal tails.
pub fn delta_of_one(sigma: f64, q: f64, with_first: WithFirst, epsilon: f64) -> f64 {
    let edge = |ratio: f64| 0.5 + sigma * sigma * ((ratio.exp_m1() + q) / q).ln();
    let with =
        |above: f64| q * above_of(above, 1.0, sigma) + (1.0 - q) * above_of(above, 0.0, sigma);
    // Every log ratio is above ln(1 − q).
    let floor = (1.0 - q).ln();
    if with_first {
        let x = if epsilon > floor { edge(epsilon) } else { f64::NEG_INFINITY };
        with(x) - epsilon.exp() * above_of(x, 0.0, sigma)
    } else {
        if -epsilon <= floor {
            return 0.0;
        }
        let x = edge(-epsilon);
        let below = |mean: f64| upper_tail((mean - x) / sigma);
        below(0.0) - epsilon.exp() * (q * below(1.0) + (1.0 - q) * below(0.0))
    }
}

fn above_of(x: f64, mean: f64, sigma: f64) -> f64 {
    upper_tail((x - mean) / sigma)
}

/// Delta of two steps `(sigma, q)`: that of the second, integrated over the output of the first.
pub fn delta_of_two(steps: [(f64, f64); 2], with_first: WithFirst, epsilon: f64) -> f64 {
    let [(sigma, q), (second_sigma, second_q)] = steps;
    integral(-9.0 * sigma, 1.0 + 9.0 * sigma, 600, |x| {
        let ratio = log_ratio(sigma, q, x);
        let without = density(x, 0.0, sigma);
        let (weight, loss) = match with_first {
            true => (q * density(x, 1.0, sigma) + (1.0 - q) * without, ratio),
            false => (without, -ratio),
        };
        weight * delta_of_one(second_sigma, second_q, with_first, epsilon - loss)
    })
}

/// The epsilon ≥ 0 at which a falling delta is `delta`.
pub fn epsilon_where(delta: f64, of: impl Fn(f64) -> f64) -> f64 {
    if of(0.0) <= delta {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while of(high) > delta {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..36 {
        let middle = 0.5 * (low + high);
        if of(middle) > delta { low = middle } else { high = middle }
    }
    high
}

/// Delta of `steps` Gaussian mechanisms without subsampling: that of one with μ = √steps / σ
/// (Balle, Wang 2018, arXiv 1805.06530, theorem 8).
pub fn gaussian_delta(sigma: f64, steps: u64, epsilon: f64) -> f64 {
    let mu = (steps as f64).sqrt() / sigma;
    upper_tail(epsilon / mu - 0.5 * mu) - epsilon.exp() * upper_tail(epsilon / mu + 0.5 * mu)
}

/// Delta of any number of steps, `(sigma, q, steps)` by phase, without any discretisation of the
/// loss: the inverse Laplace transform of its moments along the line with real part θ,
/// (1/π) ∫ Re[M(z) e^(−zε) / (z (1 + z))] du from 0, z = θ + iu, where M(z) = E[e^(zY)] of the
/// whole privacy loss Y and 1 / (z (1 + z)) is the transform of (1 − e^(−t))₊. It needs so many
/// steps that M falls off, and an epsilon that is not far from `near`.
pub struct Laplace {
    theta: f64,
    step: f64,
    ln_moments: Vec<(f64, f64)>,
}

impl Laplace {
    pub fn new(phases: &[(f64, f64, u64)], with_first: WithFirst, near: f64) -> Self {
        let ln_moment = |z: (f64, f64)| {
            phases.iter().fold((0.0, 0.0), |sum, &(sigma, q, steps)| {
                let one = ln_moment(sigma, q, with_first, z);
                (sum.0 + steps as f64 * one.0, sum.1 + steps as f64 * one.1)
            })
        };
        // The line near the saddle point, where nothing cancels.
        let size = |theta: f64| ln_moment((theta, 0.0)).0 - theta * near;
        let lines = (0..30).map(|i| 0.5 * 1.3f64.powi(i));
        let theta = lines.min_by(|a, b| size(*a).total_cmp(&size(*b))).unwrap();
        let variance = |&(sigma, q, steps): &(f64, f64, u64)| {
            steps as f64 * q * q * (1.0 / (sigma * sigma)).exp_m1()
        };
        let step = 0.05 / phases.iter().map(variance).sum::<f64>().sqrt();
        let ln_moments = (0..200).map(|i| ln_moment((theta, step * f64::from(i)))).collect();
        Self { theta, step, ln_moments }
    }

    pub fn delta(&self, epsilon: f64) -> f64 {
        let at = |(i, ln): (usize, &(f64, f64))| {
            let (theta, u) = (self.theta, self.step * i as f64);
            let (size, angle) = ((ln.0 - theta * epsilon).exp(), ln.1 - u * epsilon);
            // 1 / (z (1 + z))
            let (a, b) = (theta * (1.0 + theta) - u * u, u * (1.0 + 2.0 * theta));
            let value = size * (angle.cos() * a + angle.sin() * b) / (a * a + b * b);
            if i == 0 { 0.5 * value } else { value }
        };
        self.ln_moments.iter().enumerate().map(at).sum::<f64>() * self.step / PI
    }
}

/// ln E[e^(zY)] of one step's privacy loss at a complex z.
fn ln_moment(sigma: f64, q: f64, with_first: WithFirst, z: (f64, f64)) -> (f64, f64) {
    let part = |imaginary: bool| {
        trapezoid(-10.0 * sigma, 2.0 + z.0 + 10.0 * sigma, 500, |x| {
            let ratio = log_ratio(sigma, q, x);
            let (real, angle) = match with_first {
                true => ((1.0 + z.0) * ratio, z.1 * ratio),
                false => (-z.0 * ratio, -z.1 * ratio),
            };
            let size = (real + ln_density(x, 0.0, sigma)).exp();
            size * if imaginary { angle.sin() } else { angle.cos() }
        })
    };
    let (real, imaginary) = (part(false), part(true));
    (real.hypot(imaginary).ln(), imaginary.atan2(real))
}
