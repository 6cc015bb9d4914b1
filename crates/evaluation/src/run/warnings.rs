//! Warnings that a reader should know before trusting a record. The [checks](crate::audit) look
//! deeper.

use crate::record::averaging::looks_for_the_nearest;
use crate::{AttackRecord, Record, Row};
use cni_attacks::Access;
use std::collections::BTreeSet;
use std::fmt;

/// A warning that a result may mislead. The first five are AutoAttack's flags.
enum Warning<'a> {
    /// The outputs look like probabilities: none below zero, each row's sum within 1e-5 of one.
    Probabilities,
    /// No attack averages its gradient over several draws of a noisy model.
    NoEot,
    /// An attack looks for the nearest image of a noisy model.
    Nearest { attack: &'a str },
    /// Some examples had a gradient that is zero in every pixel.
    ZeroGradients { attack: &'a str, examples: usize, attacked: usize },
    /// Attacks without gradients broke examples that attacks with gradients did not break.
    BlackBoxHelps { attacks: String, broken: usize, examples: usize },
    /// Two draws of the model differ only by rounding, so that one draw stands for all.
    Rounding { share: f64 },
    /// The device rounds the operands of matrix products in single precision.
    Products { bits: u32 },
    /// A budget ended the attack early.
    Exhausted { attack: &'a str },
    /// The draws are too few to tell luck from robustness.
    FewDraws { draws: usize },
    /// The draws give a single vote, or a single series of tries.
    OneGroup { groups: String },
}

impl fmt::Display for Warning<'_> {
    /// The sentence of the warning: what was seen, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probabilities => write!(
                f,
                "outputs look like probabilities, which flattens gradients; attacks want logits, \
                 without a softmax"
            ),
            Self::NoEot => write!(
                f,
                "the model is stochastic and no attack averages its gradient over draws (EOT); \
                 robust accuracy is overestimated"
            ),
            Self::Nearest { attack } => write!(
                f,
                "{attack} looks for the nearest image, which on a noisy model lies where about \
                 every other draw is right, however large the radius: its accuracy is no evidence"
            ),
            Self::ZeroGradients { attack, examples, attacked } => write!(
                f,
                "{attack} met a gradient of zero on {examples} of {attacked} examples that it \
                 attacked: gradients may be masked; attack without them, or through a surrogate \
                 (BPDA)"
            ),
            Self::BlackBoxHelps { attacks, broken, examples } => write!(
                f,
                "{attacks} broke {broken} of {examples} examples that attacks with gradients had \
                 left: gradients mislead; adapt the attack to the model"
            ),
            Self::Rounding { share } => write!(
                f,
                "draws of the model differ by {share:.1e} of the logits' span, which counts as \
                 rounding: the model was judged as one without noise"
            ),
            Self::Products { bits } => write!(
                f,
                "the device rounds the operands of matrix products to {bits} bits: logits have \
                 less than single precision"
            ),
            Self::Exhausted { attack } => {
                write!(f, "a budget ended {attack}: robust accuracy is overestimated")
            }
            Self::FewDraws { draws } => write!(
                f,
                "the model is stochastic and was judged by {draws} draws; {DRAWS} or more tell \
                 luck from robustness"
            ),
            Self::OneGroup { groups } => write!(
                f,
                "the draws that judge give {groups}, whose interval leaves the noise out; twice as \
                 many draws would bring it in"
            ),
        }
    }
}

/// Observations of the run that are not in the record.
pub(crate) struct Seen<'a> {
    pub probabilities: bool,
    /// The largest difference of two draws, for a model that counts as one without noise.
    pub rounding: Option<f64>,
    /// [`product_bits`](cni_ops::product_bits) of the device.
    pub product_bits: Option<u32>,
    /// The examples with a gradient of zero, for each attack.
    pub zero_gradients: &'a [BTreeSet<u64>],
}

/// The smallest number of draws that tells luck from robustness.
const DRAWS: usize = 10;

/// The share of examples that attacks without gradients may break alone, as in AutoAttack.
const HELP: f64 = 0.002;

pub(crate) fn of(record: &Record, rows: &[Row], seen: Seen) -> Vec<String> {
    let mut warnings = Vec::new();
    if seen.probabilities {
        warnings.push(Warning::Probabilities);
    }
    warnings.extend(seen.rounding.map(|share| Warning::Rounding { share }));
    warnings.extend(seen.product_bits.map(|bits| Warning::Products { bits }));
    for (attack, examples) in record.attacks.iter().zip(seen.zero_gradients) {
        let (name, attacked) = (&attack.name, attack.attacked.unwrap_or(record.examples));
        if !examples.is_empty() {
            let examples = examples.len();
            warnings.push(Warning::ZeroGradients { attack: name, examples, attacked });
        }
        if attack.exhausted {
            warnings.push(Warning::Exhausted { attack: name });
        }
    }
    warnings.extend(black_box(record, rows));
    let averages = |attack: &AttackRecord| attack.gradient_draws.is_some_and(|draws| draws > 1);
    if record.stochastic && record.draws < DRAWS {
        warnings.push(Warning::FewDraws { draws: record.draws });
    }
    warnings.extend(one_group(record));
    if record.stochastic {
        let alone = record.attacks.iter().filter(|_| record.cascade.is_none());
        let nearest = alone.filter(|attack| looks_for_the_nearest(&attack.spec));
        warnings.extend(nearest.map(|attack| Warning::Nearest { attack: &attack.name }));
        if !record.attacks.iter().any(averages) {
            warnings.push(Warning::NoEot);
        }
    }
    warnings.iter().map(Warning::to_string).collect()
}

/// The warning about votes or series of tries of which there is one, so that nothing tells how far
/// another one would differ.
fn one_group(record: &Record) -> Option<Warning<'static>> {
    let one = |of: usize| record.stochastic && of > 1 && record.draws / of == 1;
    let (votes, tries) = (record.votes, record.tries);
    let groups = [
        one(votes).then(|| format!("a single vote of {votes}")),
        one(tries).then(|| format!("a single series of {tries} tries")),
    ];
    let groups: Vec<String> = groups.into_iter().flatten().collect();
    (!groups.is_empty()).then(|| Warning::OneGroup { groups: groups.join(" and ") })
}

/// The warning about examples that attacks without gradients broke and attacks with gradients did
/// not, if there are many.
///
/// In a cascade these are the examples that an attack without gradients broke after one with
/// gradients had failed.
fn black_box(record: &Record, rows: &[Row]) -> Option<Warning<'static>> {
    let gradients = |attack: &AttackRecord| attack.access == Some(Access::Gradients);
    let white: Vec<bool> = record.attacks.iter().map(gradients).collect();
    let first_white = white.iter().position(|&white| white)?;
    let wrong = |row: &Row, index: usize| 2 * row.attacks[index].correct < record.draws as u32;
    // The attack without gradients that broke an example which those with gradients did not break.
    let broke = |row: &Row| -> Option<usize> {
        if record.cascade.is_some() {
            let by = row.broken_by.as_ref()?;
            let index = record.attacks.iter().position(|attack| attack.name == *by)?;
            return (index > first_white && !white[index]).then_some(index);
        }
        let resisted = 2 * row.clean > record.draws as u32
            && !(0..white.len()).any(|index| white[index] && wrong(row, index));
        (0..white.len()).find(|&index| resisted && !white[index] && wrong(row, index))
    };
    let by: Vec<usize> = rows.iter().filter_map(broke).collect();
    let (broken, examples) = (by.len(), rows.len());
    // In a cascade the attacks with gradients tried exactly that image. Attacks by themselves may
    // differ in one image by luck.
    let fewest = if record.cascade.is_some() { 1 } else { 2 };
    if broken as f64 <= HELP * examples as f64 || broken < fewest {
        return None;
    }
    let names: BTreeSet<usize> = by.into_iter().collect();
    let names: Vec<&str> =
        names.into_iter().map(|index| record.attacks[index].name.as_str()).collect();
    Some(Warning::BlackBoxHelps { attacks: names.join(" and "), broken, examples })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Evaluation;
    use burn::tensor::{Device, Tensor};

    #[test]
    fn a_device_that_rounds_products_is_named() {
        let device = Device::flex();
        let images = Tensor::<4>::ones([2, 1, 1, 2], &device);
        let labels = Tensor::from_ints([0, 1], &device);
        let model = |x: Tensor<4>| x.flatten::<2>(1, 3).mul_scalar(2.0);
        let evaluation = Evaluation::new(Vec::new()).unwrap();
        let evaluated = evaluation.run(&model, [(images, labels)]).unwrap();
        // The CPU multiplies in single precision.
        assert!(evaluated.record.warnings.is_empty(), "{:?}", evaluated.record.warnings);
        let seen = Seen {
            probabilities: false,
            rounding: None,
            product_bits: Some(10),
            zero_gradients: &[],
        };
        let warnings = of(&evaluated.record, &evaluated.rows, seen);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("products to 10 bits"), "{warnings:?}");
    }
}
