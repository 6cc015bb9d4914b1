//! Records as lines of text.

use super::{Accuracy, Record};
use std::fmt::Write as _;

/// A table of records of the same suite: a row for each model, percentages with their intervals.
pub fn table(records: &[&Record]) -> String {
    let percent = |accuracy: &Accuracy| {
        let e = &accuracy.one_shot;
        let [accuracy, low, high] = [e.accuracy, e.low, e.high].map(|v| 100.0 * v);
        format!("{accuracy:5.1} [{low:4.1}, {high:4.1}]")
    };
    let mut lines = vec![vec!["model".to_string(), "clean %".to_string()]];
    if let Some(first) = records.first() {
        lines[0].extend(first.attacks.iter().map(|attack| format!("{} %", attack.name)));
        lines[0].push("worst case %".to_string());
    }
    for record in records {
        let mut line = vec![record.model.name.clone(), percent(&record.clean)];
        line.extend(record.attacks.iter().map(|attack| percent(&attack.robust)));
        line.push(record.worst_case.as_ref().map_or("-".to_string(), percent));
        lines.push(line);
    }
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = write!(text, "{gap}{cell:<width$}", width = widths[column]);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
