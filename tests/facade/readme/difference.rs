//! The differences of two networks in a report.

use super::root;

/// A difference of two networks, in points, as the report has it.
pub(super) struct Difference {
    pub(super) text: String,
    pub(super) mean: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Difference {
    /// Reads `−2.1 (−3.9 to −0.4)` or `2.3 (0.7–4.0)`.
    fn of(text: &str) -> Self {
        let number = |text: &str| text.replace('−', "-").parse().unwrap();
        let (mean, interval) = text.trim_end_matches(')').split_once(" (").unwrap();
        let (low, high) = interval.split_once(" to ").or(interval.split_once('–')).unwrap();
        let [mean, low, high] = [mean, low, high].map(number);
        assert!(low <= mean && mean <= high, "{text}");
        Self { text: text.to_string(), mean, low, high }
    }

    pub(super) fn has_zero(&self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high
    }
}

/// The differences of a network from another in a report: on clean images, under each of these
/// attacks, and in the worst case.
pub(super) fn differences(
    report: &str,
    model: &str,
    baseline: &str,
    attacks: &[&str],
) -> Vec<Difference> {
    let report = std::fs::read_to_string(root().join(report)).unwrap();
    let begin = format!("{model} less {baseline}, image by image");
    let (_, rest) = report.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let rows = rest.lines().skip_while(|line| !line.starts_with("| clean "));
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let (names, found): (Vec<_>, Vec<_>) = cells
        .take_while(|cells| cells.len() > 2)
        .map(|cells| (cells[1], Difference::of(cells[2])))
        .unzip();
    assert_eq!(names, [&["clean"], attacks, &["worst case"]].concat(), "{model}");
    found
}
