use super::super::Mechanism;
use super::super::normal::upper_tail;
use super::MAX_POINTS;
use crate::PrivacyError;
use std::f64::consts::PI;

/// A direction between neighbouring data sets. A training is as private as the worse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the data with the example to those without: outputs x of the mixture.
    Remove,
    /// From the data without the example to those with it: outputs x of the noise alone.
    Add,
}

/// The privacy loss of one step in one direction.
///
/// In units of the clipping norm, the output x has the density (1 − q) N(0, σ²) + q N(1, σ²) with
/// the example, and N(0, σ²) without it. With g(x) = ln((1 − q) + q e^((2x − 1) / 2σ²)), the
/// logarithm of their ratio, the loss is g(x) in the direction `Remove` and −g(x) in the
/// direction `Add`. This pair dominates every other one of neighbours (Zhu, Dong, Wang 2022,
/// arXiv 2106.08567, on Poisson sampling), so it stands for every step, whatever the steps before
/// it have released.
#[derive(Clone, Copy, Debug)]
pub(super) struct PrivacyLoss {
    q: f64,
    sigma: f64,
    direction: Direction,
}

/// The law of a privacy loss, rounded to multiples of the mesh.
pub(super) struct Rounded {
    /// The multiple of the mesh at which the masses begin.
    pub(super) first: i64,
    /// The probability of each multiple.
    pub(super) masses: Vec<f64>,
}

impl PrivacyLoss {
    pub(super) fn new(mechanism: Mechanism, direction: Direction) -> Self {
        let (q, sigma) = (mechanism.sample_rate(), mechanism.noise_multiplier());
        Self { q, sigma, direction }
    }

    /// The loss at the output x.
    fn at(&self, x: f64) -> f64 {
        let z = (2.0 * x - 1.0) / (2.0 * self.sigma * self.sigma);
        let log_ratio = if self.q == 1.0 {
            z
        } else if z > 1.0 {
            z + ((1.0 - self.q) * (-z).exp_m1()).ln_1p()
        } else if z > -0.5 {
            (self.q * z.exp_m1()).ln_1p()
        } else {
            (1.0 - self.q + self.q * z.exp()).ln()
        };
        match self.direction {
            Direction::Remove => log_ratio,
            Direction::Add => -log_ratio,
        }
    }

    /// The output x whose log ratio is `log_ratio`, −∞ if every ratio is larger.
    fn output(&self, log_ratio: f64) -> f64 {
        let z = if self.q == 1.0 {
            log_ratio
        } else if log_ratio > 1.0 {
            log_ratio - self.q.ln() + (-(1.0 - self.q) * (-log_ratio).exp()).ln_1p()
        } else if log_ratio > -0.5 {
            (log_ratio.exp_m1() / self.q).max(-1.0).ln_1p()
        } else {
            ((log_ratio.exp() - (1.0 - self.q)) / self.q).max(0.0).ln()
        };
        self.sigma * self.sigma * z + 0.5
    }

    /// The normal laws that the output is mixed from: weight and mean of each.
    fn parts(&self) -> Vec<(f64, f64)> {
        match self.direction {
            Direction::Remove if self.q == 1.0 => vec![(1.0, 1.0)],
            Direction::Remove => vec![(1.0 - self.q, 0.0), (self.q, 1.0)],
            Direction::Add => vec![(1.0, 0.0)],
        }
    }

    /// The expected loss, by the trapezoidal rule on each part.
    ///
    /// The integrand is analytic in a strip of half-width πσ² around the real line, where the ratio
    /// first becomes 0. For half-width d the error of the rule with step s is about e^(−2πd/s).
    pub(super) fn mean(&self) -> Result<f64, PrivacyError> {
        const REACH: f64 = 12.0;
        // Half-width and step in units of σ.
        let width = (0.9 * PI * self.sigma).min(1.0);
        let step = 2.0 * PI * width / 42.0;
        let last = (REACH / step).ceil();
        if last.is_nan() || last > MAX_POINTS as f64 {
            return Err(PrivacyError::Points { got: last, wanted: MAX_POINTS });
        }
        let last = last as i64;
        let of_part = |(weight, mean): (f64, f64)| {
            let at = |i: i64| {
                let u = i as f64 * step;
                (-0.5 * u * u).exp() * self.at(mean + self.sigma * u)
            };
            weight * step * (-last..=last).map(at).sum::<f64>() / (2.0 * PI).sqrt()
        };
        Ok(self.parts().into_iter().map(of_part).sum())
    }

    /// The law of the loss, each value rounded to the nearest multiple of `mesh`.
    ///
    /// Outputs farther than `reach` σ from all means count as those at that distance. They have a
    /// probability of at most e^(−reach²/2).
    pub(super) fn rounded(&self, mesh: f64, reach: f64) -> Result<Rounded, PrivacyError> {
        let parts = self.parts();
        let means = || parts.iter().map(|part| part.1);
        let low = means().fold(f64::INFINITY, f64::min) - reach * self.sigma;
        let high = means().fold(f64::NEG_INFINITY, f64::max) + reach * self.sigma;
        let (a, b) = (self.at(low) / mesh, self.at(high) / mesh);
        let (first, last) = (a.min(b).round(), a.max(b).round());
        let points = last - first + 1.0;
        if points.is_nan() || points > MAX_POINTS as f64 {
            return Err(PrivacyError::Points { got: points, wanted: MAX_POINTS });
        }
        // The first and the last multiple take all that lies beyond them.
        let inner = 1..points as usize;
        let mut edges = Vec::with_capacity(points as usize + 1);
        edges.push(f64::NEG_INFINITY);
        edges.extend(inner.map(|i| (first + i as f64 - 0.5) * mesh));
        edges.push(f64::INFINITY);
        let outputs = edges.into_iter().map(|edge| match self.direction {
            Direction::Remove => self.output(edge),
            Direction::Add => self.output(-edge),
        });
        let mut masses = vec![0.0; points as usize];
        let outputs: Vec<f64> = outputs.collect();
        for (weight, mean) in parts {
            let mut last = Tail::of((outputs[0] - mean) / self.sigma);
            for (mass, &x) in masses.iter_mut().zip(&outputs[1..]) {
                let next = Tail::of((x - mean) / self.sigma);
                *mass += weight * last.mass_to(next);
                last = next;
            }
        }
        Ok(Rounded { first: first as i64, masses })
    }
}

/// The smaller tail beyond a point of the standard normal law. Differences of the smaller tails
/// keep the digits of a small mass.
#[derive(Clone, Copy)]
struct Tail {
    upper: bool,
    mass: f64,
}

impl Tail {
    fn of(u: f64) -> Self {
        Self { upper: u > 0.0, mass: upper_tail(u.abs()) }
    }

    /// The mass between this point and another, on whichever side that lies.
    fn mass_to(self, other: Self) -> f64 {
        match self.upper == other.upper {
            true => (self.mass - other.mass).abs(),
            false => 1.0 - self.mass - other.mass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTIONS: [Direction; 2] = [Direction::Remove, Direction::Add];

    fn losses() -> Vec<PrivacyLoss> {
        let settings =
            [(1.5, 0.04), (0.3, 0.5), (0.7, 1.0), (8.0, 1e-4), (1.0, 0.999), (60.0, 0.3)];
        let each = |(sigma, q)| DIRECTIONS.map(|d| PrivacyLoss { q, sigma, direction: d });
        settings.into_iter().flat_map(each).collect()
    }

    #[test]
    fn the_output_inverts_the_loss() {
        for loss in losses() {
            for u in [-6.0, -1.0, 0.0, 0.4, 2.0, 9.0] {
                let x = u * loss.sigma;
                let y = loss.at(x);
                let ratio = if loss.direction == Direction::Remove { y } else { -y };
                // An inverse within rounding: its loss is the same, where the loss is flat.
                let back = loss.at(loss.output(ratio));
                assert!((back - y).abs() <= 1e-13 * y.abs().max(1.0), "{loss:?} {x}: {back} {y}");
            }
        }
    }

    #[test]
    fn rounded_masses_sum_to_one_and_keep_the_mean() {
        for loss in losses() {
            let rounded = loss.rounded(1e-3, 8.0).unwrap();
            let total: f64 = rounded.masses.iter().sum();
            assert!((total - 1.0).abs() < 1e-13, "{loss:?}: {total}");
            assert!(rounded.masses.iter().all(|mass| (0.0..=1.0).contains(mass)));
            let values = rounded.masses.iter().zip(rounded.first..);
            let mean: f64 = values.map(|(mass, i)| mass * i as f64 * 1e-3).sum();
            // Rounding moves a value by half a mesh at most.
            assert!((mean - loss.mean().unwrap()).abs() < 5e-4, "{loss:?}: {mean}");
        }
    }

    /// The means are ±1/2σ² without subsampling: the divergence of two normal laws.
    #[test]
    fn the_mean_without_subsampling_is_the_divergence_of_normal_laws() {
        for sigma in [0.05, 0.7, 3.0, 50.0] {
            for direction in DIRECTIONS {
                let mean = PrivacyLoss { q: 1.0, sigma, direction }.mean().unwrap();
                let wanted = 0.5 / (sigma * sigma);
                assert!((mean - wanted).abs() < 1e-13 * wanted.max(1.0), "{sigma}: {mean}");
            }
        }
    }

    /// Values of mpmath 1.4.1, `quad` with 30 digits of the integral of the loss times the density.
    #[test]
    fn means_match_thirty_digit_quadrature() {
        let values = [
            (1.5, 0.04, 0.0004368364755148543, 0.0004268732802393668),
            (0.3, 0.5, 2.2066263414036236, 0.5711514363741546),
            (8.0, 1e-4, 7.873841829411412e-11, 7.873829366152756e-11),
        ];
        for (sigma, q, remove, add) in values {
            for (direction, wanted) in DIRECTIONS.into_iter().zip([remove, add]) {
                let mean = PrivacyLoss { q, sigma, direction }.mean().unwrap();
                assert!((mean - wanted).abs() < 1e-13 * wanted + 1e-18, "{q}: {mean} {wanted}");
            }
        }
    }
}
