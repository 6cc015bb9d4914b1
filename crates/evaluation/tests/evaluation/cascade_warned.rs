//! Warnings of cascades: models that only seem robust and are broken nevertheless, and budgets.

use crate::toy::{EXAMPLES, Toy, batches, images, robust, standard, threat};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use cni_attacks::{Budget, Classifier, Suite, bpda};
use cni_evaluation::{Evaluated, Evaluation, Record, compare};
use cni_noise::Key;

fn run(model: &dyn Classifier) -> Record {
    let evaluation = Evaluation::new(standard()).unwrap().cascade().with_key(Key::new(1));
    let labels = Toy::new(4).predictions(&images());
    evaluation.run(model, batches(&labels, EXAMPLES)).unwrap().record
}

fn warns(record: &Record, of: &str) -> bool {
    record.warnings.iter().any(|warning| warning.contains(of))
}

#[test]
fn a_linear_model_is_broken_by_gradients_alone_without_a_warning() {
    let record = run(&Toy::new(4));
    assert!(robust(&record) < 0.5, "{record:?}");
    assert!(record.warnings.is_empty(), "{:?}", record.warnings);
    assert_eq!(record.attacks[3].broken, Some(0));
}

/// Gradients point the other way: attacks with gradients fail, and the one without them succeeds.
#[test]
fn a_flipped_gradient_is_broken_and_warned_of() {
    let toy = Toy::new(4);
    let flipped = |x: Tensor<4>| bpda(x, |x| toy.logits(x), |x| -toy.logits(x));
    let record = run(&flipped);
    assert!(record.attacks[3].broken > Some(0), "{record:?}");
    assert!(robust(&record) <= robust(&run(&toy)) + 0.1, "{record:?}");
    let count = record.attacks[3].broken.unwrap();
    let warning = format!("Square-200 broke {count} of 24 examples that attacks with gradients");
    assert!(warns(&record, &warning), "{:?}", record.warnings);
}

#[test]
fn a_zero_gradient_is_broken_and_warned_of() {
    let toy = Toy::new(4);
    let flat = |x: Tensor<4>| bpda(x, |x| toy.logits(x), |x| toy.logits(x).mul_scalar(0.0));
    let record = run(&flat);
    assert!(robust(&record) < 0.5, "{record:?}");
    assert!(warns(&record, "gradient of zero on 24 of 24 examples"), "{:?}", record.warnings);
}

/// Logits are so large that the softmax is one and the slope of the cross-entropy is zero. The
/// difference of logits ratio (DLR) is not affected.
#[test]
fn saturated_logits_are_broken_and_warned_of() {
    let toy = Toy::new(4);
    let record = run(&|x: Tensor<4>| toy.logits(x).mul_scalar(1e5));
    assert_eq!(robust(&record), robust(&run(&toy)));
    assert!(record.attacks[1].broken > Some(0), "{record:?}");
    assert!(warns(&record, "APGD-CE-20 met a gradient of zero"), "{:?}", record.warnings);
}

#[test]
fn probabilities_are_broken_and_warned_of() {
    let toy = Toy::new(4);
    let record = run(&|x: Tensor<4>| softmax(toy.logits(x), 1));
    assert!(robust(&record) < 0.5, "{record:?}");
    assert!(warns(&record, "outputs look like probabilities"), "{:?}", record.warnings);
}

/// Noise makes every prediction a toss. The record warns, because the suite does not average over
/// noise. The accuracy is that of the tosses: it is not zero by luck, and not high because noise
/// confuses the attacks.
#[test]
fn huge_noise_is_warned_of_and_judged_by_fresh_draws() {
    let noisy = Toy { noise: 30.0, ..Toy::new(4) };
    let record = run(&noisy);
    assert!(warns(&record, "no attack averages its gradient over draws (EOT)"));
    assert!(record.stochastic && record.draws == 20);
    assert!(!warns(&run_short(&noisy), "EOT);"));
    // Of four classes a toss gets one in four. Over 24 examples and 20 draws that all of them
    // share, the accuracy of a draw has a standard deviation of at most ½, so the mean has a
    // standard error of at most 0.5 / √20 = 0.11.
    for accuracy in [record.clean.one_shot.accuracy, robust(&record)] {
        assert!(accuracy < 0.25 + 5.0 * 0.11, "{record:?}");
    }
}

fn run_short(model: &Toy) -> Record {
    let budget = Budget { backwards: Some(60), ..Budget::default() };
    let evaluation = Evaluation::of(Suite::rand(threat()).unwrap()).unwrap().with_budget(budget);
    let evaluation = evaluation.with_noise_off(false).with_fixed_noise(false);
    let labels = Toy::new(4).predictions(&images());
    evaluation.run(model, batches(&labels, EXAMPLES)).unwrap().record
}

#[test]
fn a_budget_ends_an_attack_and_is_warned_of() {
    let record = run_short(&Toy { noise: 0.5, ..Toy::new(4) });
    assert!(record.attacks.iter().all(|attack| attack.exhausted), "{record:?}");
    // Sixty backward passes are three gradients of twenty draws.
    let of = &record.attacks[0];
    assert_eq!(of.passes.backwards, 60 * of.attacked.unwrap() as u64);
    for attack in &record.attacks {
        assert!(warns(&record, &format!("a budget ended {}", attack.name)));
    }
    assert_eq!(record.budget.unwrap().backwards, Some(60));
    // Without a budget the record does not mention one.
    let free = serde_json::to_value(run(&Toy::new(4))).unwrap();
    assert!(free.get("budget").is_none() && free["attacks"][0].get("exhausted").is_none());
}

/// The accuracy under an attack that a budget ended shows how far the budget went, and in a cascade
/// so does every accuracy after it.
#[test]
fn what_a_budget_ended_is_no_evidence_about_two_models() {
    let toy = Toy::new(4);
    let labels = toy.predictions(&images());
    let run = |backwards: Option<u64>| -> Evaluated {
        let budget = Budget { backwards, ..Budget::default() };
        let evaluation = Evaluation::new(standard()).unwrap().cascade().with_budget(budget);
        evaluation.run(&toy, batches(&labels, EXAMPLES)).unwrap()
    };
    let (free, mut short) = (run(None), run(Some(2)));
    assert!(short.record.attacks[0].exhausted && !free.record.attacks[0].exhausted);
    let found = compare(&free, &short).unwrap();
    assert_eq!(found.attacks.len(), 4);
    let all = found.attacks.iter().map(|(_, of)| of).chain(&found.worst_case);
    assert!(all.clone().count() == 5 && all.clone().all(|of| !of.evidence));
    assert!(found.clean.evidence);
    assert!(found.to_string().contains("or was ended early by a budget"), "{found}");
    // What comes before the attack that was ended is evidence.
    short.record.attacks.iter_mut().for_each(|attack| attack.exhausted = false);
    short.record.attacks[2].exhausted = true;
    let found = compare(&free, &short).unwrap();
    let evidence: Vec<bool> = found.attacks.iter().map(|(_, of)| of.evidence).collect();
    assert_eq!(evidence, [true, true, false, false]);
    assert!(!found.worst_case.unwrap().evidence);
}
