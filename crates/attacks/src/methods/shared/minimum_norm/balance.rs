//! The search for the weight of the margin against the distance.

use super::NearestSearch;
use crate::{AttackError, ModelAccess};

/// The search for a row's weight `c`.
struct Balance {
    constant: f64,
    low: f64,
    high: f64,
}

impl Balance {
    /// Updates the bounds after a run with this `c`.
    fn update(&mut self, reached: bool) {
        if reached {
            self.high = self.constant
        } else {
            self.low = self.constant
        }
        self.constant = match self.high.is_infinite() {
            true => 10.0 * self.constant,
            false => 0.5 * (self.low + self.high),
        };
    }
}

impl NearestSearch {
    /// Runs `descend` this often, each time with a `c` for each row: from `initial` on by factors
    /// of ten until a run reaches the goal, then by bisection. With ten runs or more, the last has
    /// the least `c` that is known to reach the goal, or 1e10 if none is known.
    ///
    /// `descend` is given the run's number, and tells which rows reached the goal in it, and
    /// whether the budget allows another. If the caller wants early stopping, rows leave between
    /// two runs.
    pub fn balance(
        &mut self,
        access: &mut ModelAccess<'_>,
        runs: usize,
        initial: f64,
        descend: impl Fn(
            &mut ModelAccess<'_>,
            &mut Self,
            &[f64],
            u64,
        ) -> Result<(Vec<bool>, bool), AttackError>,
    ) -> Result<(), AttackError> {
        let begin = || Balance { constant: initial, low: 0.0, high: f64::INFINITY };
        let mut rows: Vec<Balance> = (0..self.batch.len()).map(|_| begin()).collect();
        for run in 0..runs {
            if self.is_complete() {
                break;
            }
            if run + 1 == runs && runs >= 10 {
                rows.iter_mut().for_each(|row| row.constant = row.high.min(1e10));
            }
            let constants: Vec<f64> = rows.iter().map(|row| row.constant).collect();
            let (reached, more) = descend(access, self, &constants, run as u64)?;
            if !more {
                break;
            }
            rows.iter_mut().zip(reached).for_each(|(row, reached)| row.update(reached));
            if self.early {
                let within = self.within();
                self.leave(&within);
                let mut stays = within.into_iter().map(|within| !within);
                rows.retain(|_| stays.next().unwrap_or(true));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_grows_tenfold_until_it_does_and_is_then_halved() {
        let mut row = Balance { constant: 0.001, low: 0.0, high: f64::INFINITY };
        let mut constants = Vec::new();
        for reached in [false, false, true, false, true] {
            row.update(reached);
            constants.push(row.constant);
        }
        let wanted = [0.01, 0.1, 0.055, 0.0775, 0.06625];
        let near = constants.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-12);
        assert!(near, "{constants:?}");
        let mut row = Balance { constant: 0.001, low: 0.0, high: f64::INFINITY };
        row.update(true);
        assert_eq!(row.constant, 0.0005);
    }
}
