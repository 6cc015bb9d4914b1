//! Tables of records as text.

use crate::record::compare::{Matches, matches};
use crate::record::spec::radius;
use crate::{Accuracy, AttackRecord, EpsilonCurve, Record};
use cni_attacks::Norm;
use std::fmt::Write as _;

/// A table of records of the same suite: a row for each model, with accuracies in percent and their
/// intervals.
///
/// The columns are the attacks of the first record. The attacks of other records stand below the
/// attack that they match: equal settings, or settings that differ only in draws if one of the
/// models has no noise. A star marks an accuracy that is no evidence in a comparison with a model
/// without noise, because its attack does not average over the model's draws.
///
/// A cascade has a table of its own below: the accuracy after each attack, how many images the
/// attack got and how many it broke, and its cost. Accuracies at several radii have a table as
/// well.
pub fn table(records: &[&Record]) -> String {
    let mut text = models(records);
    for record in records {
        let states: Vec<String> = record.left_out().iter().map(|state| state.to_string()).collect();
        if !states.is_empty() {
            let (name, states) = (name(record), states.join(" and "));
            let _ = writeln!(text, "{name}: not attacked with its noise {states}");
        }
    }
    for record in records {
        if record.cascade.is_some() {
            let _ = write!(text, "\n{}", cascade(record));
        }
        if !record.curves.is_empty() {
            let _ = write!(text, "\n{}", curves(record));
        }
    }
    text
}

fn models(records: &[&Record]) -> String {
    let missing = || "-".to_string();
    let mut lines = vec![vec!["model".to_string(), "clean %".to_string()]];
    // The attacks of a cascade have a table of their own.
    let shown = records.first().filter(|first| first.cascade.is_none());
    let shown = shown.map_or(&[][..], |first| &first.attacks);
    lines[0].extend(shown.iter().map(|attack| format!("{} %", attack.name)));
    if let Some(first) = records.first() {
        let suite = |record: &Record| record.cascade.as_ref().and_then(|of| of.suite.clone());
        let name = suite(first).filter(|_| records.iter().all(|of| suite(of) == suite(first)));
        lines[0].push(format!("{} %", name.unwrap_or_else(|| "worst case".to_string())));
    }
    // The mark has no meaning unless some models have noise and some have none.
    let mixed = records.iter().any(|r| r.stochastic) && records.iter().any(|r| !r.stochastic);
    for record in records {
        let mut line = vec![name(record).to_string(), percent(&record.clean)];
        let star = |evidence: bool| if mixed && !evidence { "*" } else { "" };
        let Matches { pairs, .. } = matches(records[0], record);
        for place in 0..shown.len() {
            // Of several matches the last counts: it averages over draws if any does.
            let own = pairs.iter().filter(|(i, _)| *i == place).map(|(_, j)| &record.attacks[*j]);
            let own = own.max_by_key(|attack| record.is_evidence(attack));
            line.push(own.map_or_else(missing, |attack| {
                percent(&attack.robust) + star(record.is_evidence(attack))
            }));
        }
        let worst = record.worst_case.as_ref();
        line.push(
            worst.map_or_else(missing, |worst| {
                percent(worst) + star(record.worst_case_is_evidence())
            }),
        );
        lines.push(line);
    }
    let mut text = aligned(&lines);
    if text.contains("]*") {
        text += "* no evidence: the attack does not average over the draws of the noise, or looks \
                 for the nearest image\n";
    }
    text
}

/// The name of a record's model.
fn name(record: &Record) -> &str {
    match record.model.name.as_str() {
        "" => "model",
        name => name,
    }
}

/// The table of a cascade: the accuracy after each attack.
fn cascade(record: &Record) -> String {
    let heading = [name(record), "still right %", "attacked", "broken", "forwards"];
    let heading = heading.into_iter().chain(["backwards", "seconds"]).map(String::from);
    let count = |count: Option<usize>| count.map_or("-".to_string(), |count| count.to_string());
    let row = |attack: &AttackRecord| {
        vec![
            record.heading(attack),
            percent(&attack.robust),
            count(attack.attacked),
            count(attack.broken),
            attack.passes.forwards.to_string(),
            attack.passes.backwards.to_string(),
            format!("{:.1}", attack.seconds),
        ]
    };
    let lines = std::iter::once(heading.collect()).chain(record.attacks.iter().map(row));
    aligned(&lines.collect::<Vec<_>>())
}

/// Accuracies in percent by radius.
fn curves(record: &Record) -> String {
    let norm = |curve: &EpsilonCurve| -> Norm {
        let attack = record.attacks.iter().find(|attack| attack.name == curve.attack);
        let threat = attack.and_then(|attack| attack.threat());
        threat.map_or(Norm::L2, |threat| threat.norm())
    };
    let mut lines = Vec::new();
    if let Some(first) = record.curves.first() {
        let radii = first.points.iter().map(|point| radius(norm(first), point.epsilon));
        lines
            .push(std::iter::once(format!("{}, % by radius", name(record))).chain(radii).collect());
    }
    lines.extend(record.curves.iter().map(|curve| {
        let points = curve.points.iter().map(|point| percent(&point.accuracy));
        let after = if record.cascade.is_some() { "after " } else { "" };
        std::iter::once(format!("{after}{}", curve.attack)).chain(points).collect()
    }));
    aligned(&lines)
}

fn percent(accuracy: &Accuracy) -> String {
    let e = &accuracy.one_shot;
    let [accuracy, low, high] = [e.accuracy, e.low, e.high].map(|v| 100.0 * v);
    format!("{accuracy:5.1} [{low:4.1}, {high:4.1}]")
}

/// Lines of cells, each column as wide as its widest cell.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (column, cell) in line.iter().enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = write!(text, "{gap}{cell:<width$}", width = widths[column]);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
