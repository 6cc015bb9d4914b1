use super::loss::{PrivacyLoss, Rounded};
use crate::PrivacyError;

/// A discrete privacy loss of one step, and how often the step is taken: multiples of the mesh, all
/// moved by the same shift, such that the mean is that of the loss before rounding.
pub(super) struct Discrete {
    /// How often the step is taken.
    pub(super) steps: u64,
    /// The distance of neighbouring values.
    pub(super) mesh: f64,
    /// The multiple of the mesh at which the masses begin.
    pub(super) first: i64,
    /// What is added to a multiple of the mesh to give the value.
    pub(super) shift: f64,
    /// The probability of each value.
    pub(super) masses: Vec<f64>,
}

/// A discrete loss whose probabilities are tilted: multiplied by e^(θ value) / M(θ).
pub(super) struct Tilted {
    /// The tilted probabilities, which sum to 1.
    pub(super) masses: Vec<f64>,
    /// The place of the largest.
    pub(super) peak: usize,
    /// ln M(θ), the cumulant at θ.
    pub(super) cumulant: f64,
    /// The mean of the exponent by which the masses are tilted, relative to the largest. The
    /// rounding of the exponents counts as much.
    pub(super) exponent: f64,
}

impl Discrete {
    /// Rounds a loss to the mesh. Losses farther out than `reach` are clamped.
    pub(super) fn new(
        loss: PrivacyLoss,
        steps: u64,
        mesh: f64,
        reach: f64,
    ) -> Result<Self, PrivacyError> {
        let Rounded { first, masses } = loss.rounded(mesh, reach)?;
        let values = masses.iter().zip(first..);
        let mean = exact_sum(values.map(|(mass, i)| mass * i as f64));
        let shift = loss.mean()? - mean * mesh;
        Ok(Self { steps, mesh, first, shift, masses })
    }

    /// The value at a place.
    pub(super) fn value(&self, place: usize) -> f64 {
        (self.first + place as i64) as f64 * self.mesh + self.shift
    }

    /// The cumulant ln Σ p e^(λ value), by Horner's rule from the end where e^(λ value) is smaller.
    pub(super) fn cumulant(&self, lambda: f64) -> f64 {
        let (low, high) = (self.value(0), self.value(self.masses.len() - 1));
        let factor = (-lambda.abs() * self.mesh).exp();
        let horner = |sum: f64, mass: &f64| sum * factor + mass;
        match lambda >= 0.0 {
            true => self.masses.iter().fold(0.0, horner).ln() + lambda * high,
            false => self.masses.iter().rev().fold(0.0, horner).ln() + lambda * low,
        }
    }

    /// The law tilted by θ ≥ 0.
    pub(super) fn tilted(&self, theta: f64) -> Tilted {
        let last = self.masses.len() - 1;
        // Relative to the highest value, so that nothing overflows.
        let weight = |i: usize| (-theta * self.mesh * (last - i) as f64).exp();
        let mut masses: Vec<f64> =
            self.masses.iter().enumerate().map(|(i, mass)| mass * weight(i)).collect();
        let sum = exact_sum(masses.iter().copied());
        masses.iter_mut().for_each(|mass| *mass /= sum);
        let distances = masses.iter().enumerate().map(|(i, mass)| mass * (last - i) as f64);
        let exponent = theta * self.mesh * exact_sum(distances);
        let peak = (0..=last).max_by(|&i, &j| masses[i].total_cmp(&masses[j])).unwrap_or(0);
        Tilted { masses, peak, cumulant: sum.ln() + theta * self.value(last), exponent }
    }
}

/// A sum that is exact to two units in the last place of the sum of absolute values, however many
/// terms it has (Neumaier 1974).
pub(super) fn exact_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let (sum, lost) = terms.fold((0.0f64, 0.0), |(sum, lost), term| {
        let next = sum + term;
        let rest = if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
        (next, lost + rest)
    });
    sum + lost
}
