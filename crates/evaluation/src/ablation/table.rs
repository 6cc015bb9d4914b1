//! The table of an ablation, for a terminal.

use super::{AblationRecord, Arm, OverSeeds, SeedDifference};
use std::fmt::Write;

/// The arms with their accuracies in percent, mean ± standard deviation over the seeds, and the
/// differences in robust accuracy from the baseline with corrected p-values.
pub fn ablation_table(record: &AblationRecord) -> String {
    let width = record.arms.iter().map(|arm| arm.name.chars().count()).max().unwrap_or(0).max(3);
    let mut text = format!(
        "{:width$}  {:>5}  {:>14}  {:>14}  {}\n",
        "arm",
        "seeds",
        "clean, %",
        "robust, %",
        format_args!("robust, less {}", record.baseline),
    );
    for arm in &record.arms {
        let versus = record.comparisons.iter().find(|comparison| comparison.arm == arm.name);
        let robust = versus.and_then(|versus| versus.robust.as_ref());
        let said = match (robust, versus) {
            (Some(robust), Some(versus)) => difference(robust, versus.evidence),
            _ => String::new(),
        };
        let on_frontier = if record.frontier.contains(&arm.name) { " *" } else { "" };
        let _ = writeln!(
            text,
            "{:width$}  {:>5}  {:>14}  {:>14}  {said}{on_frontier}{}",
            arm.name,
            arm.runs.len(),
            over(arm.clean.as_ref()),
            over(arm.robust.as_ref()),
            failed(arm),
        );
    }
    text += "\n* on the frontier: no other arm exceeds it in one mean without falling behind in the \
             other\n";
    text
}

fn over(of: Option<&OverSeeds>) -> String {
    match of {
        None => "-".to_string(),
        Some(OverSeeds { mean, sd: None, .. }) => format!("{:.1}", 100.0 * mean),
        Some(OverSeeds { mean, sd: Some(sd), .. }) => {
            format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * sd)
        }
    }
}

fn difference(of: &SeedDifference, evidence: bool) -> String {
    let [low, high] = [of.over.low, of.over.high].map(|end| 100.0 * end.unwrap_or_default());
    let doubt = match evidence {
        true => "",
        false => ", no evidence: no attack averaged over the draws, or a budget ended one early",
    };
    format!("{:+.1} [{low:+.1}, {high:+.1}], p {:.3}{doubt}", 100.0 * of.over.mean, of.adjusted_p)
}

fn failed(arm: &Arm) -> String {
    match arm.failed.len() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    }
}
