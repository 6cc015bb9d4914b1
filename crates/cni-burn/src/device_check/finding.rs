//! The finding of a comparison.

use super::{Parts, Tolerance};
use serde::Serialize;
use std::fmt;

/// The finding of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The name of what was computed.
    pub name: String,
    /// The difference that the devices may have.
    pub tolerance: Tolerance,
    /// The difference that they have.
    pub outcome: Outcome,
}

/// The comparison of two devices.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They differ by no more than the tolerance, at most by this.
    Same(f64),
    /// They differ by more, in these parts.
    Differs(Vec<Difference>),
    /// One of them could not compute it, for this reason.
    Failed(String),
    /// They were not compared, or differ in what is no fault: what there is to know.
    Noted(String),
}

/// A part of the results in which two devices differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The part.
    pub part: String,
    /// The number of values that differ by more than the tolerance.
    pub values: usize,
    /// The number of all values.
    pub of: usize,
    /// The place of the largest difference: the index into the flattened part, the value of the
    /// device, and that of the reference.
    pub worst: (usize, f32, f32),
    /// The largest difference in the unit of the tolerance; infinite if a value is no number.
    pub by: f64,
}

impl Finding {
    /// True if the devices agree, or there is nothing to agree on.
    pub fn agrees(&self) -> bool {
        matches!(self.outcome, Outcome::Same(_) | Outcome::Noted(_))
    }
}

/// The comparison of the parts of two devices.
pub(super) fn compare(got: &Parts, wanted: &Parts, tolerance: Tolerance) -> Outcome {
    let shape = |parts: &Parts| -> Vec<(String, usize)> {
        parts.iter().map(|(name, values)| (name.clone(), values.len())).collect()
    };
    if shape(got) != shape(wanted) {
        let reason = format!("got {:?}, the reference gives {:?}", shape(got), shape(wanted));
        return Outcome::Failed(reason);
    }
    let largest = |values: &[f32]| values.iter().fold(0.0f64, |max, v| max.max(f64::from(v.abs())));
    let floor = 1e-3 * wanted.iter().map(|(_, values)| largest(values)).fold(0.0, f64::max);
    let (mut most, mut differences) = (0.0f64, Vec::new());
    for ((part, got), (_, wanted)) in got.iter().zip(wanted) {
        let (unit, limit) = match tolerance {
            Tolerance::Relative(limit) => (largest(wanted).max(floor), limit),
            Tolerance::Share(_) => (1.0, 1e-5),
        };
        let by: Vec<f64> = got.iter().zip(wanted).map(|(a, b)| distance(*a, *b, unit)).collect();
        let values = by.iter().filter(|by| by.is_nan() || **by > limit).count();
        let worst = (0..by.len()).max_by(|&a, &b| by[a].total_cmp(&by[b]));
        let (by, agree) = match tolerance {
            Tolerance::Relative(_) => (worst.map_or(0.0, |at| by[at]), values == 0),
            Tolerance::Share(share) => {
                let differ = values as f64 / by.len().max(1) as f64;
                (differ, differ <= share && by.iter().all(|by| by.is_finite()))
            }
        };
        most = most.max(by);
        if let (false, Some(at)) = (agree, worst) {
            let worst = (at, got[at], wanted[at]);
            differences.push(Difference { part: part.clone(), values, of: got.len(), worst, by });
        }
    }
    if differences.is_empty() { Outcome::Same(most) } else { Outcome::Differs(differences) }
}

fn distance(a: f32, b: f32, unit: f64) -> f64 {
    let distance = (f64::from(a) - f64::from(b)).abs();
    match distance {
        0.0 => 0.0,
        _ if distance.is_nan() => f64::INFINITY,
        _ => distance / unit,
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(0.0) => f.write_str("equal bit for bit"),
            Self::Relative(most) => write!(f, "at most {most:.0e} of the largest"),
            Self::Share(share) => write!(f, "at most {:.1} % of the values", 100.0 * share),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tolerance, outcome } = self;
        match outcome {
            Outcome::Same(0.0) => write!(f, "same     {name}: equal"),
            Outcome::Same(most) => write!(f, "same     {name}: by {most:.1e}, wanted {tolerance}"),
            Outcome::Failed(reason) => write!(f, "failed   {name}: {reason}"),
            Outcome::Noted(text) => write!(f, "note     {name}: {text}"),
            Outcome::Differs(all) => {
                write!(f, "differs  {name}: wanted {tolerance}")?;
                all.iter().try_for_each(|difference| {
                    let Difference { part, values, of, worst: (at, got, wanted), by } = difference;
                    write!(
                        f,
                        "\n         {part}: {values} of {of} values, by {by:.1e}; \
                         [{at}] is {got}, the reference gives {wanted}"
                    )
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(values: &[f32]) -> Parts {
        vec![("a".into(), vec![1.0, -8.0]), ("b".into(), values.to_vec())]
    }

    fn differing(got: &[f32], wanted: &[f32], tolerance: Tolerance) -> Vec<Difference> {
        match compare(&parts(got), &parts(wanted), tolerance) {
            Outcome::Differs(all) => all,
            Outcome::Same(_) => Vec::new(),
            Outcome::Failed(text) | Outcome::Noted(text) => panic!("{text}"),
        }
    }

    #[test]
    fn a_value_is_measured_by_the_largest_of_its_part() {
        let tolerance = Tolerance::Relative(1e-3);
        assert!(differing(&[0.1, 0.00009], &[0.1, 0.0], tolerance).is_empty());
        let found = differing(&[0.1, 0.0002], &[0.1, 0.0], tolerance);
        assert_eq!((found[0].part.as_str(), found[0].values, found[0].worst.0), ("b", 1, 1));
        // A part next to nothing beside the others is measured by them: 8e-3 of the largest here.
        assert!(differing(&[1e-6, 0.0], &[-1e-6, 0.0], tolerance).is_empty());
        assert!(!differing(&[1e-6, 1e-4], &[1e-6, 0.0], tolerance).is_empty());
    }

    #[test]
    fn what_is_no_number_differs_from_everything() {
        for tolerance in [Tolerance::Relative(0.5), Tolerance::Share(0.9)] {
            for (got, wanted) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::NAN, f32::NAN)] {
                assert_eq!(differing(&[got, 0.0], &[wanted, 0.0], tolerance).len(), 1);
            }
            assert_eq!(differing(&[f32::INFINITY], &[1.0], tolerance).len(), 1);
        }
    }

    #[test]
    fn a_share_of_the_values_may_be_anything() {
        let wanted = [1.0; 100];
        let mut got = wanted;
        got[..2].fill(-1.0);
        assert!(differing(&got, &wanted, Tolerance::Share(0.02)).is_empty());
        got[2] = -1.0;
        let found = differing(&got, &wanted, Tolerance::Share(0.02));
        assert_eq!((found[0].values, found[0].by), (3, 0.03));
    }

    #[test]
    fn results_of_other_names_or_sizes_cannot_be_compared() {
        let outcome = compare(&parts(&[1.0]), &parts(&[1.0, 2.0]), Tolerance::Relative(1.0));
        assert!(matches!(outcome, Outcome::Failed(_)));
    }
}
