//! Formats of numbers in reports, one for each kind.

use cni_attacks::{Norm, Threat};
use cni_evaluation::Estimate;
use std::time::{SystemTime, UNIX_EPOCH};

/// A fraction as a percentage without its sign, such as `29.8`.
pub(crate) fn percent(fraction: f64) -> String {
    signed(format!("{:.1}", 100.0 * fraction))
}

/// An accuracy with its interval for tables, in percent: `29.8 (23.2–37.4)`.
pub(crate) fn interval(value: f64, low: f64, high: f64) -> String {
    format!("{} ({})", percent(value), range(low, high))
}

/// A number with its interval for tables: `0.512 (0.478–0.546)`.
pub(crate) fn number_interval(value: f64, low: f64, high: f64) -> String {
    format!("{} ({})", significant(value, 3), number_range(low, high))
}

/// The ends of an interval: `0.478–0.546`.
pub(crate) fn number_range(low: f64, high: f64) -> String {
    let between = if low < 0.0 { " to " } else { "–" };
    format!("{}{between}{}", significant(low, 3), significant(high, 3))
}

/// The ends of an interval in percent: `23.2–37.4`, or `−1.2 to 3.4` if a dash could look like a
/// sign.
pub(crate) fn range(low: f64, high: f64) -> String {
    let between = if low < 0.0 { " to " } else { "–" };
    format!("{}{between}{}", percent(low), percent(high))
}

/// The ends of an interval in percent, for sentences: `0.4 to 5.8`.
pub(crate) fn percent_range(low: f64, high: f64) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// An accuracy with its interval for sentences: `29.8 % (23.2 to 37.4 %)`.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    let [value, low, high] = [estimate.accuracy, estimate.low, estimate.high].map(percent);
    format!("{value}\u{a0}% ({low} to {high}\u{a0}%)")
}

/// A number with four significant digits, without trailing zeros.
pub(crate) fn number(value: f64) -> String {
    significant(value, 4)
}

/// A number with this many significant digits, in powers of ten if it is very small or large.
pub(crate) fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_string() } else { value.to_string() };
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("a number with an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a whole number");
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    signed(match exponent {
        -4..=5 => trimmed(&format!("{value:.*}", (digits as i32 - 1 - exponent).max(0) as usize)),
        _ => format!("{}e{exponent}", trimmed(mantissa)),
    })
}

/// A count with separated thousands.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 check`, `2 checks`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// Seconds in the unit that suits them.
pub(crate) fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{} s", significant(s, 3)),
        s if s < 7200.0 => format!("{} min", significant(s / 60.0, 3)),
        s => format!("{} h", significant(s / 3600.0, 3)),
    }
}

/// A p-value, never zero.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_string() } else { format!("p = {}", significant(p, 2)) }
}

/// A radius, in steps of 8-bit pixels if it is a whole number of them: `8/255`.
pub(crate) fn radius(value: f64) -> String {
    match of_255(value) {
        Some(steps) if steps != 0 => format!("{}/255", signed(steps.to_string())),
        _ => number(value),
    }
}

/// The number of steps of 8-bit pixels, if it is whole.
pub(crate) fn of_255(value: f64) -> Option<i64> {
    let steps = 255.0 * value;
    ((steps - steps.round()).abs() < 1e-6).then_some(steps.round() as i64)
}

/// The threat in a few signs, such as `L∞, ε = 8/255`.
pub(crate) fn threat(threat: &Threat) -> String {
    let norm = norm(threat.norm());
    match threat.is_unbounded() {
        true => format!("{norm}, unbounded"),
        false => format!("{norm}, ε = {}", radius(threat.epsilon())),
    }
}

/// The sign of a norm.
pub(crate) fn norm(norm: Norm) -> &'static str {
    match norm {
        Norm::Linf => "L∞",
        Norm::L2 => "L2",
        Norm::L1 => "L1",
    }
}

/// A list in a sentence: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => "nothing".to_string(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A time to the second, in the calendar of UTC: `2026-11-28 02:06:25 UTC`. A time before 1970 is
/// its beginning.
pub(crate) fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    // Years begin in March, so that the day of a leap year is the last, and 400 of them repeat.
    let days = days + 719_468;
    let (eras, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * eras + year + u64::from(month < 3);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// A name that is allowed in file names and anchors: small letters and digits, joined by hyphens.
pub(crate) fn slug(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = name.chars().map(plain).collect();
    let words: Vec<&str> = text.split('-').filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(60);
    if slug.is_empty() { "figure".to_string() } else { slug }
}

/// The same text with a minus sign that is as wide as a digit.
fn signed(text: String) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|c| c.is_ascii_digit() && c != '0') => {
            format!("−{digits}")
        }
        Some(digits) => digits.to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_size() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "−0.5"),
            (0.031_372_549, "0.03137"),
            (123_456.0, "123456"),
            (1.5e-7, "1.5e-7"),
            (2.0e12, "2e12"),
            (9.99999, "10"),
        ];
        for (value, wanted) in cases {
            assert_eq!(number(value), wanted);
        }
        assert_eq!((percent(-0.0001), percent(0.29812)), ("0.0".to_string(), "29.8".to_string()));
        assert_eq!((count(999), count(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!((radius(8.0 / 255.0), radius(0.5)), ("8/255".into(), "0.5".into()));
        assert_eq!(slug("Ünïcode <b> & Co"), "n-code-b-co");
        assert_eq!((slug("模型"), p_value(1e-9)), ("figure".into(), "p < 0.001".into()));
    }

    #[test]
    fn a_time_is_that_of_the_calendar() {
        use std::time::Duration;
        for (seconds, wanted) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_799, "2000-02-29 23:59:59 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_798_761_599, "2026-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), wanted);
        }
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01 00:00:00 UTC");
    }
}
