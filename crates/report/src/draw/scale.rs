//! The scale of an axis: the places of its numbers, and which numbers are written.

use crate::format;
use cni_evaluation::Axis;

/// An axis with its range.
pub(super) struct Scale {
    logarithmic: bool,
    /// The place of zero and of negative values on a logarithmic axis.
    floor: f64,
    low: f64,
    high: f64,
    /// The numbers that are written, ascending: their places from 0 to 1, and their text.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// The scale of an axis for all the values. `spare` is the margin at both ends, as a share of
    /// the range.
    pub(super) fn new(axis: &Axis, values: &[f64], spare: f64) -> Self {
        let mut places: Vec<f64> = values.to_vec();
        places.sort_by(f64::total_cmp);
        places.dedup();
        let positive: Vec<f64> = places.iter().copied().filter(|v| *v > 0.0).collect();
        // An axis in percent, as its label says, is none of fractions, however small its values.
        let share = axis.label.to_lowercase().contains("accuracy")
            && !axis.label.contains('%')
            && places.iter().all(|v| (0.0..=1.0).contains(v));
        let logarithmic = axis.logarithmic && !positive.is_empty();
        let mut scale = Self { logarithmic, floor: 0.0, low: 0.0, high: 1.0, ticks: Vec::new() };
        if logarithmic {
            let (first, last) = (positive[0].log10(), positive[positive.len() - 1].log10());
            let step = ((last - first) / (positive.len() as f64 - 1.0).max(1.0)).clamp(0.15, 1.0);
            scale.floor = first - step;
            let zero = positive.len() < places.len();
            (scale.low, scale.high) = (if zero { scale.floor } else { first }, last);
        } else if share {
            (scale.low, scale.high) = (0.0, 1.0);
        } else if let (Some(first), Some(last)) = (places.first(), places.last()) {
            // Zero belongs on the axis if the values are not far from it.
            let near = *first > 0.0 && *first < 0.5 * last;
            (scale.low, scale.high) = (if near { 0.0 } else { *first }, *last);
        }
        if scale.high - scale.low <= 1e-12 * scale.high.abs().max(scale.low.abs()) {
            let half = if scale.logarithmic { 0.5 } else { 0.5 * scale.high.abs().max(1.0) };
            (scale.low, scale.high) = (scale.low - half, scale.high + half);
        }
        if !share {
            let more = spare * (scale.high - scale.low);
            scale.low -= if scale.low == 0.0 && !scale.logarithmic { 0.0 } else { more };
            scale.high += more;
        }
        let pixels = positive.iter().any(|v| *v < 1.0)
            && places.iter().all(|v| *v <= 1.0 && format::of_255(*v).is_some());
        let ticks: Vec<(f64, String)> = if share {
            (0..=5)
                .map(|i| f64::from(i) / 5.0)
                .map(|v| (v, format!("{:.0} %", 100.0 * v)))
                .collect()
        } else if pixels {
            places.iter().map(|v| (*v, format::radius(*v))).collect()
        } else {
            let some = match scale.logarithmic {
                true if places.len() > 8 => decades(&places),
                true => places,
                false => nice(scale.low, scale.high, places.iter().all(|v| v.fract() == 0.0)),
            };
            some.into_iter().map(|v| (v, format::significant(v, 3))).collect()
        };
        scale.ticks = ticks.into_iter().map(|(v, text)| (scale.at(v), text)).collect();
        scale.ticks.retain(|(place, _)| (-1e-9..=1.0 + 1e-9).contains(place));
        scale
    }

    /// The place of a value: 0 at the lower end, 1 at the upper.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = match self.logarithmic {
            true if value > 0.0 => value.log10().max(self.floor),
            true => self.floor,
            false => value,
        };
        (value - self.low) / (self.high - self.low)
    }
}

/// Four to eight round numbers of a range, whole numbers for a count.
fn nice(low: f64, high: f64, whole: bool) -> Vec<f64> {
    let rough = (high - low) / 7.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|s| s * power).into_iter().find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * power).max(if whole { 1.0 } else { 0.0 });
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).take(20).map(|i| i as f64 * step).collect()
}

/// The powers of ten between the values, and zero if it is among them.
fn decades(places: &[f64]) -> Vec<f64> {
    let positive = || places.iter().copied().filter(|v| *v > 0.0);
    let first = positive().next().map_or(0, |v| v.log10().ceil() as i32);
    let last = positive().next_back().map_or(0, |v| v.log10().floor() as i32);
    if last <= first {
        return positive().next().into_iter().chain(positive().next_back()).collect();
    }
    let every = ((last - first) / 8 + 1) as usize;
    let powers = (first..=last).step_by(every).map(|power| 10f64.powi(power));
    places.first().copied().filter(|v| *v <= 0.0).into_iter().chain(powers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(label: &str, logarithmic: bool) -> Axis {
        Axis { label: label.to_string(), logarithmic }
    }

    #[test]
    fn zero_has_its_own_place_at_the_left_of_a_logarithmic_axis() {
        let scale = Scale::new(&axis("steps", true), &[0.0, 1.0, 10.0, 100.0], 0.0);
        let places: Vec<f64> = scale.ticks.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]);
        assert_eq!(scale.ticks[0].1, "0");
    }

    #[test]
    fn every_axis_has_a_range_whatever_the_values() {
        for values in [vec![], vec![0.0], vec![3.0, 3.0], vec![-1.0], vec![1e300, 1e-300]] {
            for logarithmic in [false, true] {
                let scale = Scale::new(&axis("loss", logarithmic), &values, 0.05);
                for value in values.iter().chain(&[0.5]) {
                    assert!(scale.at(*value).is_finite(), "{values:?}");
                }
                assert!(scale.ticks.len() <= 20, "{values:?}");
            }
        }
    }

    /// Half a percent is half a percent, whether it is given as a fraction or in percent.
    #[test]
    fn small_percentages_are_not_taken_for_fractions() {
        let fractions = Scale::new(&axis("robust accuracy", false), &[0.005, 0.0], 0.0);
        assert_eq!(fractions.ticks.last().unwrap(), &(1.0, "100 %".to_string()));
        assert!((fractions.at(0.005) - 0.005).abs() < 1e-12);
        let percent = Scale::new(&axis("robust accuracy, %", false), &[0.5, 0.0], 0.0);
        assert!(percent.ticks.iter().all(|(_, text)| !text.contains('%')), "{:?}", percent.ticks);
        assert!((percent.at(0.5) - 1.0).abs() < 1e-12);
        let half = percent.ticks.iter().find(|(place, _)| (place - 1.0).abs() < 1e-9);
        assert_eq!(half.map(|(_, text)| text.as_str()), Some("0.5"));
    }

    #[test]
    fn radii_are_written_as_steps_of_pixels() {
        let scale = Scale::new(&axis("epsilon", false), &[0.0, 2.0 / 255.0, 8.0 / 255.0], 0.0);
        let words: Vec<&str> = scale.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(words, ["0", "2/255", "8/255"]);
    }
}
