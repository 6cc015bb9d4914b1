//! Warnings of an evaluation.

use crate::threshold::{Threshold, batches, suite};
use burn::tensor::Tensor;
use cni_attacks::{Classifier, Ddn, Suite, Threat};
use cni_evaluation::Evaluation;
use cni_noise::{Noise, scope};

#[test]
fn a_stochastic_model_attacked_without_eot_is_warned_of() {
    let warnings = |draws, judged| {
        let evaluation = Evaluation::new(suite(draws)).unwrap().with_draws(judged).unwrap();
        evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap().record.warnings
    };
    assert!(warnings(1, 20)[0].contains("EOT"));
    assert!(warnings(4, 5)[0].contains("5 draws"));
    assert!(warnings(4, 20).is_empty());
    // The draws that decide in a suite do not average any gradient.
    let suite = Suite::custom("nested", suite(1)).unwrap();
    let evaluation = Evaluation::new(vec![Box::new(suite)]).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.1 }, batches(8, 8)).unwrap().record;
    assert!(record.warnings[0].contains("EOT"));
    // In a scope without noise the model is deterministic.
    assert!(scope(Noise::Off, || warnings(1, 20)).is_empty());
}

/// One vote of five draws tells nothing of another one, and the record says so.
#[test]
fn draws_of_one_group_are_warned_of() {
    let warning = |sigma, draws: usize, votes, tries| {
        let evaluation = Evaluation::new(suite(4)).unwrap().with_draws(draws).unwrap();
        let evaluation = evaluation.with_votes(votes).unwrap().with_tries(tries).unwrap();
        let record = evaluation.run(&Threshold { sigma }, batches(8, 8)).unwrap().record;
        record.warnings.into_iter().find(|warning| warning.contains("leaves the noise out"))
    };
    let said = warning(0.1, 12, 7, 7).unwrap();
    assert!(said.contains("a single vote of 7 and a single series of 7 tries"), "{said}");
    let said = warning(0.1, 12, 6, 7).unwrap();
    assert!(said.contains("give a single series of 7 tries"), "{said}");
    // Twice as many draws make two groups, a single draw is no vote, and without noise there is
    // nothing to vote on.
    assert_eq!(warning(0.1, 12, 6, 6), None);
    assert_eq!(warning(0.1, 12, 1, 1), None);
    assert_eq!(warning(0.0, 12, 7, 7), None);
}

/// DDN finds the boundary of a threshold to which each draw adds its own noise: right in half of
/// the draws, however large the radius.
#[test]
fn the_nearest_image_of_a_noisy_model_is_warned_of_and_no_evidence() {
    let record = |sigma| {
        let ddn = Ddn::new(Threat::l2(3.0).unwrap()).unwrap().with_draws(5).unwrap();
        let evaluation = Evaluation::new(vec![Box::new(ddn)]).unwrap();
        evaluation.run(&Threshold { sigma }, batches(8, 8)).unwrap().record
    };
    let noisy = record(0.1);
    assert!(noisy.warnings.iter().any(|text| text.contains("looks for the nearest image")));
    assert!(!noisy.is_evidence(&noisy.attacks[0]) && !noisy.worst_case_is_evidence());
    assert!(noisy.attacks[0].robust.one_shot.accuracy > 0.2);
    let quiet = record(0.0);
    assert!(quiet.warnings.is_empty() && quiet.is_evidence(&quiet.attacks[0]));
    assert_eq!(quiet.attacks[0].robust.one_shot.accuracy, 0.0);
}

#[test]
fn probabilities_instead_of_logits_are_warned_of() {
    let softmax =
        |x: Tensor<4>| burn::tensor::activation::softmax(Threshold { sigma: 0.0 }.logits(x), 1);
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let record = evaluation.run(&softmax, batches(8, 8)).unwrap().record;
    assert!(record.warnings[0].contains("probabilities"));
}

/// Rounded inputs have no gradient, and random noise is as good an attack as any. One image is
/// rounded to the other side; it is misclassified and not attacked.
#[test]
fn gradients_that_are_masked_are_warned_of() {
    let rounded = |x: Tensor<4>| {
        let levels = x.clone().mul_scalar(20.0).round().div_scalar(20.0);
        Threshold { sigma: 0.0 }.logits(levels + x.mul_scalar(0.0))
    };
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let warnings = evaluation.run(&rounded, batches(60, 60)).unwrap().record.warnings;
    assert!(
        warnings[0].contains("FGSM met a gradient of zero on 59 of 59 examples that it attacked"),
        "{warnings:?}"
    );
}
