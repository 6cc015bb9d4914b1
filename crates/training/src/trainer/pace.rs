//! The pace of a run's first steps, and the time that it says.

use std::time::Duration;

/// Steps after the very first, and time for them, before the length of a run is estimated.
const STEPS: usize = 10;
const TIME: Duration = Duration::from_secs(5);

/// The pace of the first steps of a run. The very first does not count: it allocates, compiles and
/// reads ahead.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The end of the first step, and the examples that were done by then.
    first: Option<(Duration, usize)>,
    steps: usize,
    told: bool,
}

impl Pace {
    /// Notes the end of a step: the time, and the examples that are done. Gives the seconds of an
    /// example, once, as soon as there are steps and time enough.
    pub fn step(&mut self, at: Duration, done: usize) -> Option<f64> {
        let Some((begin, before)) = self.first else {
            self.first = Some((at, done));
            return None;
        };
        self.steps += 1;
        let (time, examples) = (at.saturating_sub(begin), done.saturating_sub(before));
        if self.told || self.steps < STEPS || time < TIME || examples == 0 {
            return None;
        }
        self.told = true;
        Some(time.as_secs_f64() / examples as f64)
    }
}

/// The estimate of a run: `about 14 min for the remaining 9 epochs`.
pub(super) fn estimate(seconds: f64, epochs: usize) -> String {
    let epochs = match epochs {
        1 => "epoch".to_string(),
        n => format!("{n} epochs"),
    };
    format!("about {} for the remaining {epochs}", about(seconds))
}

/// A time with about two digits, in the unit that suits it.
fn about(seconds: f64) -> String {
    let [minutes, hours, days] = [60.0, 3600.0, 86_400.0].map(|unit| seconds / unit);
    let some = |value: f64, unit: &str| match value < 9.95 {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    };
    match () {
        () if seconds < 99.5 => format!("{seconds:.0} s"),
        () if minutes < 99.5 => some(minutes, "min"),
        () if hours < 47.5 => some(hours, "h"),
        () => some(days, "days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_pace_is_told_once_after_ten_steps_and_five_seconds_without_the_first_step() {
        // The first step takes a minute, the others half a second for 100 examples.
        let mut pace = Pace::default();
        let told: Vec<Option<f64>> =
            (0..30).map(|i| pace.step(seconds(60.0 + 0.5 * i as f64), 100 * (i + 1))).collect();
        assert_eq!(told.iter().position(Option::is_some), Some(10));
        assert_eq!(told.iter().flatten().collect::<Vec<_>>(), [&0.005]);
        // Slow steps: ten of them. Fast ones: five seconds.
        let mut slow = Pace::default();
        let at = (0..30).find(|&i| slow.step(seconds(20.0 * i as f64), 8 * (i + 1)).is_some());
        assert_eq!(at, Some(10));
        let mut fast = Pace::default();
        let at = (0..90).find(|&i| fast.step(seconds(0.125 * i as f64), 8 * (i + 1)).is_some());
        assert_eq!(at, Some(40));
    }

    #[test]
    fn a_time_has_two_digits_and_a_unit_that_suits_it() {
        let cases = [
            (7.4, "7 s"),
            (99.0, "99 s"),
            (100.0, "1.7 min"),
            (840.0, "14 min"),
            (5_900.0, "98 min"),
            (6_000.0, "1.7 h"),
            (40_000.0, "11 h"),
            (200_000.0, "2.3 days"),
            (2e6, "23 days"),
        ];
        for (seconds, wanted) in cases {
            assert_eq!(about(seconds), wanted);
        }
        assert_eq!(estimate(840.0, 9), "about 14 min for the remaining 9 epochs");
        assert_eq!(estimate(30.0, 1), "about 30 s for the remaining epoch");
    }
}
