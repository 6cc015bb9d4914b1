//! Records as lines of text.

use crate::record::compare::{Matches, matches};
use crate::{Accuracy, Record};
use std::fmt::Write as _;

/// A table of records of the same suite: a row for each model, percentages with their intervals.
///
/// The columns are the attacks of the first record. Attacks of others stand below the one that they are the same as: of
/// equal settings, or differing in draws alone where one of the models has no noise. An accuracy with a star is no
/// evidence against a model without noise, since its attack does not average over the model's draws.
pub fn table(records: &[&Record]) -> String {
    let percent = |accuracy: &Accuracy, evidence: bool| {
        let e = &accuracy.one_shot;
        let [accuracy, low, high] = [e.accuracy, e.low, e.high].map(|v| 100.0 * v);
        let star = if evidence { "" } else { "*" };
        format!("{accuracy:5.1} [{low:4.1}, {high:4.1}]{star}")
    };
    let missing = || "-".to_string();
    let mut lines = vec![vec!["model".to_string(), "clean %".to_string()]];
    if let Some(first) = records.first() {
        lines[0].extend(first.attacks.iter().map(|attack| format!("{} %", attack.name)));
        lines[0].push("worst case %".to_string());
    }
    // Where no model is without noise, or none has any, there is nothing to mistake for evidence.
    let mixed = records.iter().any(|r| r.stochastic) && records.iter().any(|r| !r.stochastic);
    for record in records {
        let mut line = vec![record.model.name.clone(), percent(&record.clean, true)];
        let Matches { pairs, .. } = matches(records[0], record);
        for place in 0..records[0].attacks.len() {
            // Of several the one that shows most: the last, which averages if any does.
            let own = pairs.iter().filter(|(i, _)| *i == place).map(|(_, j)| &record.attacks[*j]);
            let own = own.max_by_key(|attack| record.is_evidence(attack));
            line.push(own.map_or_else(missing, |attack| {
                percent(&attack.robust, !mixed || record.is_evidence(attack))
            }));
        }
        let evidence = !mixed || record.worst_case_is_evidence();
        line.push(
            record.worst_case.as_ref().map_or_else(missing, |worst| percent(worst, evidence)),
        );
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
    if text.contains("]*") {
        text += "* no evidence: the attack does not average over the draws of the model's noise\n";
    }
    for record in records {
        let states: Vec<String> = record.left_out().iter().map(|state| state.to_string()).collect();
        if !states.is_empty() {
            let (name, states) = (&record.model.name, states.join(" and "));
            let _ = writeln!(text, "{name}: not attacked with its noise {states}");
        }
    }
    text
}
