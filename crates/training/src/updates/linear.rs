//! Learning rates along straight lines.

use crate::TrainingError;

/// The rate at step `at` of `of`: the highest that the lines have within the step.
///
/// Steps and cycles are counted in whole numbers, so that no rounding moves a step into another
/// cycle.
pub(super) fn rate(points: &[(f64, f64)], cycles: usize, at: usize, of: usize) -> f64 {
    let (of, cycles) = (of.max(1) as u128, cycles as u128);
    // The begin and the end of the step, from the begin of its cycle, in units of `1 / of` cycles.
    let begin = at as u128 * cycles % of;
    let end = begin + cycles;
    let share = |units: u128| units as f64 / of as f64;
    if end <= of {
        return highest(points, share(begin), share(end));
    }
    let next = share((end - of).min(of));
    highest(points, share(begin), 1.0).max(highest(points, 0.0, next))
}

/// The highest rate of the lines from one share of a cycle to another.
fn highest(points: &[(f64, f64)], begin: f64, end: f64) -> f64 {
    let within = points.iter().filter(|(share, _)| (begin..end).contains(share));
    let ends = line(points, begin).max(line(points, end));
    within.map(|(_, rate)| *rate).fold(ends, f64::max)
}

/// The rate at a share of a cycle.
fn line(points: &[(f64, f64)], share: f64) -> f64 {
    let segment = points.windows(2).find(|segment| share <= segment[1].0);
    match segment {
        Some(&[(_, rate), (end, at_end)]) if share == end || rate == at_end => at_end,
        Some(&[(begin, rate), (end, at_end)]) => {
            rate + (at_end - rate) * ((share - begin) / (end - begin))
        }
        _ => points.last().map_or(f64::NAN, |(_, rate)| *rate),
    }
}

/// Refuses lines that do not go over the whole cycle, and a stretch in which nothing is trained.
pub(super) fn check(points: &[(f64, f64)], cycles: usize) -> Result<(), TrainingError> {
    let refuse = |got: String, wanted: &str| Err(TrainingError::setting("schedule", got, wanted));
    if cycles == 0 {
        return refuse("cycles 0".into(), "at least 1");
    }
    let got = || format!("points {points:?}");
    let ends = (points.first().map(|(share, _)| *share), points.last().map(|(share, _)| *share));
    if ends != (Some(0.0), Some(1.0)) || !points.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return refuse(got(), "shares that rise from 0 to 1");
    }
    if !points.iter().all(|(_, rate)| rate.is_finite() && *rate >= 0.0) {
        return refuse(got(), "rates that are finite numbers of at least 0");
    }
    if points.windows(2).any(|pair| pair[0].1 == 0.0 && pair[1].1 == 0.0) {
        return refuse(got(), "a rate above 0 between any two of 0");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{By, Schedule};

    fn rates(schedule: &Schedule, of: usize) -> Vec<f64> {
        (0..of).map(|at| schedule.rate(at, of)).collect()
    }

    fn assert_close(got: Vec<f64>, wanted: &[f64]) {
        let close = got.len() == wanted.len()
            && got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-12);
        assert!(close, "{got:?} ≠ {wanted:?}");
    }

    #[test]
    fn each_step_has_the_highest_rate_of_its_lines() {
        let triangle = Schedule::triangular(0.6, 0.4);
        let wanted = [0.15, 0.3, 0.45, 0.6, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
        assert_close(rates(&triangle, 10), &wanted);
        assert_close(rates(&triangle, 1), &[0.6]);
        assert_close(rates(&Schedule::linear_to_zero(0.4), 4), &[0.4, 0.3, 0.2, 0.1]);
        let cycles = Schedule::cyclic(0.2, 2);
        assert_close(rates(&cycles, 8), &[0.1, 0.2, 0.2, 0.1, 0.1, 0.2, 0.2, 0.1]);
        // A saw, whose cycles do not meet: a step that ends with one is not of the next.
        let saw =
            Schedule::Linear { points: vec![(0.0, 0.3), (1.0, 0.0)], cycles: 3, by: By::Step };
        assert_close(rates(&saw, 9), &[0.3, 0.2, 0.1, 0.3, 0.2, 0.1, 0.3, 0.2, 0.1]);
        // More cycles than steps.
        assert_close(rates(&Schedule::cyclic(0.2, 5), 3), &[0.2, 0.2, 0.2]);
        let warm_up = Schedule::linear(&[(0.0, 0.1), (0.5, 0.2), (1.0, 0.2)]);
        assert_close(rates(&warm_up, 4), &[0.15, 0.2, 0.2, 0.2]);
    }

    #[test]
    fn lines_come_from_a_file_and_wrong_ones_are_refused() {
        let text = r#"{ "linear": { "points": [[0, 0], [0.4, 0.2], [1, 0]], "by": "step" } }"#;
        let read: Schedule = serde_json::from_str(text).unwrap();
        assert_eq!(rates(&read, 7), rates(&Schedule::triangular(0.2, 0.4), 7));
        let refused = |schedule: Schedule| schedule.check().unwrap_err().to_string();
        for (points, wanted) in [
            (vec![], "shares that rise from 0 to 1"),
            (vec![(0.0, 0.1)], "shares that rise from 0 to 1"),
            (vec![(0.1, 0.1), (1.0, 0.0)], "shares that rise from 0 to 1"),
            (vec![(0.0, 0.1), (0.5, 0.1), (0.5, 0.2), (1.0, 0.0)], "shares that rise"),
            (vec![(0.0, 0.1), (f64::NAN, 0.1), (1.0, 0.0)], "shares that rise"),
            (vec![(0.0, 0.1), (1.0, -0.1)], "rates that are finite"),
            (vec![(0.0, f64::INFINITY), (1.0, 0.1)], "rates that are finite"),
            (vec![(0.0, 0.0), (0.5, 0.0), (1.0, 0.1)], "a rate above 0 between any two of 0"),
        ] {
            let error = refused(Schedule::linear(&points));
            assert!(
                error.starts_with("schedule: got points [") && error.contains(wanted),
                "{error}"
            );
        }
        assert_eq!(refused(Schedule::cyclic(0.1, 0)), "schedule: got cycles 0, wanted at least 1");
    }
}
