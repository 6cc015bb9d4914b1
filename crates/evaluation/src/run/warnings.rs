//! What a reader should know before trusting a record. The [checks](crate::audit) look deeper.

use super::flags::Flag;
use crate::run::identity::Entry;
use crate::{Record, Row};
use cni_attacks::Access;
use std::collections::BTreeSet;

/// What was seen on the way and is not in the record.
pub(crate) struct Seen<'a> {
    pub probabilities: bool,
    /// By how much draws of a model that counts as one without noise differ.
    pub rounding: Option<f64>,
    /// For each attack.
    pub zero_gradients: &'a [BTreeSet<u64>],
}

/// The fewest draws that tell luck from robustness.
const DRAWS: usize = 10;

/// The share of examples that attacks without gradients may break alone: AutoAttack's.
const HELP: f64 = 0.002;

pub(crate) fn of(record: &Record, rows: &[Row], suite: &[Entry], seen: Seen) -> Vec<String> {
    let mut warnings = Vec::new();
    if seen.probabilities {
        warnings.push(
            "outputs look like probabilities; attacks want logits, without a softmax".to_string(),
        );
    }
    warnings.extend(seen.rounding.map(|share| Flag::Rounding { share }.to_string()));
    for ((entry, examples), attack) in suite.iter().zip(seen.zero_gradients).zip(&record.attacks) {
        if !examples.is_empty() {
            warnings.push(format!(
                "{} met a gradient of zero on {} of {} examples that it attacked: gradients may be masked",
                entry.label,
                examples.len(),
                attack.attacked.unwrap_or(record.examples)
            ));
        }
    }
    warnings.extend(black_box(record, rows, suite));
    if !record.stochastic {
        return warnings;
    }
    if record.draws < DRAWS {
        warnings.push(format!(
            "the model is stochastic and was judged by {} draws; {DRAWS} or more tell luck from robustness",
            record.draws
        ));
    }
    if !suite.iter().any(|entry| entry.attack.gradient_draws().is_some_and(|draws| draws > 1)) {
        warnings.push(
            "the model is stochastic and no attack averages its gradient over draws (EOT); \
             robust accuracy is overestimated"
                .to_string(),
        );
    }
    warnings
}

/// The examples that fall to attacks without gradients alone, where they are many.
fn black_box(record: &Record, rows: &[Row], suite: &[Entry]) -> Option<String> {
    let by_gradients = |access: Access| access == Access::Gradients;
    let of = |white: bool| -> Vec<usize> {
        let of_kind = |&index: &usize| by_gradients(suite[index].attack.access()) == white;
        (0..suite.len()).filter(of_kind).collect()
    };
    let (white, black) = (of(true), of(false));
    if white.is_empty() || black.is_empty() {
        return None;
    }
    let broken = |row: &Row, index: usize| 2 * row.attacks[index].correct < record.draws as u32;
    let alone = |row: &&Row| {
        2 * row.clean > record.draws as u32
            && black.iter().any(|&index| broken(row, index))
            && !white.iter().any(|&index| broken(row, index))
    };
    let count = rows.iter().filter(alone).count();
    (count as f64 > HELP * rows.len() as f64 && count > 1).then(|| {
        format!(
            "{count} of {} examples fall only to attacks without gradients: gradients mislead",
            rows.len()
        )
    })
}
