//! What raises a flag: models that only seem robust, and are broken all the same, and budgets.

use crate::support::{Toy, images};
use crate::{EXAMPLES, batches, run, standard, threat};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};
use cni_attacks::{Budget, Flag, Suite, SuiteReport, bpda};

#[test]
fn a_linear_model_is_broken_by_gradients_alone_and_raises_no_flag() {
    let toy = Toy::new(4, DType::F32);
    let report = run(&standard(), &toy.classifier(), &toy);
    assert!(report.robust_accuracy() < 0.5, "{report}");
    assert_eq!(report.flags, [], "{report}");
    assert_eq!(report.stages[3].broken, 0, "{report}");
}

/// Gradients that point the other way: those attacks fail, the one without gradients does not, and that is flagged.
#[test]
fn a_flipped_gradient_is_broken_and_flagged() {
    let toy = Toy::new(4, DType::F32);
    let flipped = |x: Tensor<4>| bpda(x, |x| toy.logits(x), |x| -toy.logits(x));
    let sound = run(&standard(), &toy.classifier(), &toy).robust_accuracy();
    let report = run(&standard(), &flipped, &toy);
    assert!(report.stages[3].broken > 0, "{report}");
    assert!(report.robust_accuracy() <= sound + 0.1, "{report}");
    let helps = |flag: &Flag| matches!(flag, Flag::BlackBoxHelps { attack, .. } if attack.contains("Square"));
    assert!(report.flags.iter().any(helps), "{report}");
}

#[test]
fn a_zero_gradient_is_broken_and_flagged() {
    let toy = Toy::new(4, DType::F32);
    let flat = |x: Tensor<4>| bpda(x, |x| toy.logits(x), |x| toy.logits(x).mul_scalar(0.0));
    let report = run(&standard(), &flat, &toy);
    assert!(report.robust_accuracy() < 0.5, "{report}");
    let zero = report.flags.iter().find_map(|flag| match flag {
        Flag::ZeroGradients { examples, .. } => Some(examples.len()),
        _ => None,
    });
    assert_eq!(zero, Some(EXAMPLES), "{report}");
}

/// Logits so large that the softmax is one and the slope of the cross-entropy zero: the ratio of differences does not mind.
#[test]
fn saturated_logits_are_broken_and_flagged() {
    let toy = Toy::new(4, DType::F32);
    let saturated = |x: Tensor<4>| toy.logits(x).mul_scalar(1e5);
    let report = run(&standard(), &saturated, &toy);
    let sound = run(&standard(), &toy.classifier(), &toy);
    assert_eq!(report.robust_accuracy(), sound.robust_accuracy(), "{report}");
    assert!(report.stages[1].broken > 0, "{report}");
    let zero =
        |flag: &Flag| matches!(flag, Flag::ZeroGradients { attack, .. } if attack.contains("CE"));
    assert!(report.flags.iter().any(zero), "{report}");
}

#[test]
fn probabilities_are_broken_and_flagged() {
    let toy = Toy::new(4, DType::F32);
    let report = run(&standard(), &|x: Tensor<4>| softmax(toy.logits(x), 1), &toy);
    assert!(report.robust_accuracy() < 0.5, "{report}");
    assert!(report.flags.contains(&Flag::Probabilities), "{report}");
}

/// Noise that makes every prediction a coin's toss: the model is flagged where the suite knows nothing of noise, and its
/// accuracy is that of the tosses, neither zero by luck nor high by the attacks' confusion.
#[test]
fn huge_noise_is_flagged_and_judged_by_fresh_draws() {
    let quiet = Toy::new(4, DType::F32);
    let noisy = Toy { noise: 30.0, ..quiet.clone() };
    let report = run(&standard(), &noisy.classifier(), &quiet);
    assert!(report.flags.contains(&Flag::Randomized), "{report}");
    assert!(report.stochastic && report.draws == 20);
    let rand = Suite::rand(threat()).unwrap();
    assert!(!run_short(&rand, &noisy, &quiet).flags.contains(&Flag::Randomized));
    // Of four classes a toss gets one in four. Over 24 examples and 20 draws shared by all of them, the accuracy of a draw
    // varies by no more than ½, so the mean by no more than 0.5 / √20 = 0.11 standard errors.
    for accuracy in [report.clean_accuracy(), report.robust_accuracy()] {
        assert!(accuracy < 0.25 + 5.0 * 0.11, "{report}");
    }
}

fn run_short(suite: &Suite, model: &Toy, toy: &Toy) -> SuiteReport {
    let labels = toy.predictions(&images(EXAMPLES, DType::F32));
    let budget = Budget { backwards: Some(60), ..Budget::default() };
    let model = model.classifier();
    suite.on(&model).with_budget(budget).run(batches(&labels, EXAMPLES)).unwrap()
}

#[test]
fn a_budget_ends_an_attack_and_is_flagged() {
    let toy = Toy { noise: 0.5, ..Toy::new(4, DType::F32) };
    let report = run_short(&Suite::rand(threat()).unwrap(), &toy, &Toy::new(4, DType::F32));
    assert!(report.stages.iter().all(|stage| stage.exhausted), "{report}");
    // Sixty backward passes are three gradients of twenty draws.
    let attacked = report.stages[0].attacked as u64;
    assert_eq!(report.stages[0].passes.backwards, 60 * attacked);
    let ended = |flag: &&Flag| matches!(flag, Flag::Exhausted { .. });
    assert_eq!(report.flags.iter().filter(ended).count(), 2);
}
