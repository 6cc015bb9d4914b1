//! Suites: the cascade, its state on disk, and models that only seem robust.

mod support;

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Int, Tensor};
use cni_attacks::{
    Access, Apgd, Attack, AttackError, Budget, Classifier, Fab, Flag, Oracle, Passes, Pgd, Problem,
    RandomNoise, Square, Suite, SuiteReport, Threat, Transfer, bpda,
};
use cni_noise::Key;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Toy, images};

const EXAMPLES: usize = 24;

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

fn batches(labels: &Tensor<1, Int>, size: usize) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    let all = images(EXAMPLES, DType::F32);
    let cut = |first: usize| {
        let rows = first..EXAMPLES.min(first + size);
        (all.clone().slice(rows.clone()), labels.clone().slice(rows))
    };
    (0..EXAMPLES).step_by(size).map(cut).collect()
}

/// What AutoAttack's `standard` does, with less of it.
fn standard() -> Suite {
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Apgd::cross_entropy(threat()).with_steps(20).unwrap()),
        Box::new(Apgd::targeted(threat()).with_steps(20).unwrap()),
        Box::new(Fab::targeted(threat()).with_steps(20).unwrap()),
        Box::new(Square::new(threat()).with_queries(200).unwrap()),
    ];
    Suite::custom("standard", attacks).unwrap()
}

fn run(suite: &Suite, model: &dyn Classifier, toy: &Toy) -> SuiteReport {
    let labels = toy.predictions(&images(EXAMPLES, DType::F32));
    suite.on(model).with_key(Key::new(1)).run(batches(&labels, EXAMPLES)).unwrap()
}

#[test]
fn each_attack_gets_what_those_before_it_have_left() {
    let toy = Toy::new(4, DType::F32);
    let seen = AtomicUsize::new(0);
    let model = |x: Tensor<4>| {
        seen.fetch_add(x.dims()[0], Ordering::Relaxed);
        toy.logits(x)
    };
    // One label is wrong from the start: no attack gets it.
    let labels = toy.predictions(&images(EXAMPLES, DType::F32));
    let wrong = labels.clone().slice(0..1).add_scalar(1).remainder_scalar(4);
    let labels = Tensor::cat(vec![wrong, labels.slice(1..EXAMPLES)], 0);
    let suite = Suite::custom(
        "rising",
        vec![
            Box::new(RandomNoise::new(threat())),
            Box::new(Pgd::fgsm(threat())),
            Box::new(Apgd::dlr(threat()).with_steps(20).unwrap()),
        ],
    )
    .unwrap();
    let report = suite.on(&model).run(batches(&labels, EXAMPLES)).unwrap();
    let mut left = EXAMPLES - 1;
    for stage in &report.stages {
        assert_eq!(stage.attacked, left, "{}", stage.attack);
        left -= stage.broken;
    }
    assert!(report.stages[1].broken > 0, "{report}");
    assert_eq!(report.robust_accuracy(), left as f64 / EXAMPLES as f64);
    assert_eq!(report.clean_accuracy(), (EXAMPLES - 1) as f64 / EXAMPLES as f64);
    assert_eq!(report.outcomes[0].broken_by, None);
    let broken = report.outcomes.iter().filter(|outcome| outcome.broken_by.is_some()).count();
    assert_eq!(broken, EXAMPLES - 1 - left);
    assert!(report.outcomes.iter().all(|outcome| outcome.distance <= 0.1 + 1e-6));
    // What the model saw: the attacks' passes; of all images those of the cascade's start and of both verdicts, and the
    // probe of eight images, twice.
    let passes: u64 = report.stages.iter().map(|stage| stage.passes.forwards).sum();
    assert_eq!(seen.into_inner() as u64, passes + 3 * EXAMPLES as u64 + 2 * 8);
}

#[test]
fn a_suite_is_an_attack_and_its_result_does_not_depend_on_the_batches() {
    let toy = Toy::new(4, DType::F32);
    let all = images(EXAMPLES, DType::F32);
    let labels = toy.predictions(&all);
    let suite = standard();
    let outcomes = |size| {
        let report = suite.on(&toy.classifier()).run(batches(&labels, size)).unwrap();
        report.outcomes
    };
    let whole = outcomes(EXAMPLES);
    for (a, b) in whole.iter().zip(outcomes(7)) {
        assert_eq!((a.clean, a.robust, &a.broken_by), (b.clean, b.robust, &b.broken_by));
        assert!((a.distance - b.distance).abs() < 1e-6);
    }
    let goal = cni_attacks::Goal::Misclassify(labels);
    let found = suite.perturb(&toy.classifier(), all, &goal, Key::new(0), 0).unwrap();
    let broken: Vec<bool> = goal.reached(&toy.logits(found.images)).try_to_vec_as().unwrap();
    let wanted: Vec<bool> = whole.iter().map(|outcome| outcome.robust == 0).collect();
    assert_eq!(broken, wanted);
}

/// The attacks ask nothing: a stage's passes are those of the decision on its images, one draw of each.
#[test]
fn at_a_radius_of_zero_a_suite_asks_for_its_verdicts_alone_and_moves_nothing() {
    let toy = Toy::new(4, DType::F32);
    let none = Threat::linf(0.0).unwrap();
    let surrogate = toy.clone();
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd::new(none)),
        Box::new(Apgd::targeted(none)),
        Box::new(Square::new(none)),
        Box::new(Transfer::new("twin", move |x: Tensor<4>| surrogate.logits(x), Pgd::new(none))),
    ];
    let report = run(&Suite::custom("nothing", attacks).unwrap(), &toy.classifier(), &toy);
    for stage in &report.stages {
        assert_eq!((stage.attacked, stage.broken), (EXAMPLES, 0), "{report}");
        let verdict = Passes { forwards: EXAMPLES as u64, backwards: 0 };
        assert_eq!(stage.passes, verdict, "{report}");
    }
    assert!(report.outcomes.iter().all(|outcome| outcome.distance == 0.0));
    assert_eq!(report.robust_accuracy(), 1.0);
}

/// An attack that a kill interrupts: it fails at its call number `fails_at`.
struct Interrupted {
    attack: Pgd,
    calls: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Attack for Interrupted {
    fn name(&self) -> String {
        self.attack.name()
    }
    fn threat(&self) -> Threat {
        self.attack.threat()
    }
    fn access(&self) -> Access {
        self.attack.access()
    }
    fn spec(&self) -> serde_json::Value {
        self.attack.spec()
    }
    fn run(
        &self,
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        if self.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.fails_at {
            return Err(AttackError::NoGradient);
        }
        self.attack.run(oracle, problem, key)
    }
}

#[test]
fn an_interrupted_suite_continues_and_gives_the_same_to_the_bit() {
    let toy = Toy { noise: 0.3, ..Toy::new(4, DType::F32) };
    let labels = Toy::new(4, DType::F32).predictions(&images(EXAMPLES, DType::F32));
    let calls = Arc::new(AtomicUsize::new(0));
    let suite = |fails_at| {
        let attack = Pgd::new(threat()).with_draws(3).unwrap();
        let second = Interrupted { attack, calls: calls.clone(), fails_at };
        let attacks: Vec<Box<dyn Attack>> = vec![
            Box::new(Apgd::dlr(threat()).with_steps(5).unwrap().with_draws(2).unwrap()),
            Box::new(second),
            Box::new(RandomNoise::new(threat())),
        ];
        Suite::custom("killed", attacks).unwrap()
    };
    let run = |suite: &Suite, key, folder: Option<&Path>| {
        let model = toy.classifier();
        let run = suite.on(&model).with_key(Key::new(key));
        let run = match folder {
            Some(folder) => run.with_state(folder),
            None => run,
        };
        let mut report = run.run(batches(&labels, 9))?;
        report.stages.iter_mut().for_each(|stage| stage.seconds = 0.0);
        Ok::<_, AttackError>(report)
    };
    let wanted = run(&suite(0), 1, None).unwrap();
    assert!(wanted.stochastic && wanted.draws == 20);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 3);

    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&suite(2), 1, Some(folder.path())).unwrap_err(), AttackError::NoGradient);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    assert_eq!(run(&suite(0), 1, Some(folder.path())).unwrap(), wanted);
    // The first batch was done.
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    assert_eq!(run(&suite(0), 1, Some(folder.path())).unwrap(), wanted);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 0);
    let names: Vec<String> = (std::fs::read_dir(folder.path()).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");

    let refused = |key, folder: &Path| run(&suite(0), key, Some(folder)).unwrap_err().to_string();
    assert!(refused(2, folder.path()).contains("another suite, key, model or data"));
    let file = folder.path().join("batch-000001.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(1, folder.path()).contains("batch-000001.safetensors"));
}

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

#[test]
fn what_makes_no_suite_is_refused() {
    let message = |attacks: Vec<Box<dyn Attack>>| {
        Suite::custom("odd", attacks).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(message(vec![]), "suite odd: got no attack, wanted at least one");
    let other = Threat::linf(0.2).unwrap();
    let mixed: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::new(threat())), Box::new(Pgd::new(other))];
    assert!(message(mixed).contains("PGD-10"));
    // Too few classes for the targeted loss of `standard`.
    let toy = Toy::new(3, DType::F32);
    let labels = toy.predictions(&images(EXAMPLES, DType::F32));
    let model = toy.classifier();
    let standard = Suite::standard(Threat::linf(1e-4).unwrap()).unwrap();
    let error = standard.on(&model).run(batches(&labels, EXAMPLES)).unwrap_err();
    assert_eq!(error.to_string(), "classes: got 3, wanted at least 4 for this loss");
}

#[test]
fn suites_hold_the_attacks_that_their_names_promise() {
    let names = |suite: Suite| suite.attacks().map(|attack| attack.name()).collect::<Vec<_>>();
    for threat in [Threat::linf(0.1), Threat::l2(0.5)] {
        let standard = names(Suite::standard(threat.clone().unwrap()).unwrap());
        assert_eq!(standard, ["APGD-CE-100", "APGD-T-100", "FAB-T-100", "Square-5000"]);
    }
    let l1 = Suite::standard(Threat::l1(12.0).unwrap()).unwrap();
    let spec = l1.spec();
    assert_eq!(spec["attacks"][0]["restarts"], 5);
    assert_eq!(spec["attacks"][1]["climb"]["targets"], 5);
    assert!([0, 1].iter().all(|&i| spec["attacks"][i]["enlarged"] == true));
    let plus = Suite::plus(threat()).unwrap();
    assert_eq!(plus.attacks().count(), 6);
    let rand = names(Suite::rand(threat()).unwrap());
    assert_eq!(rand, ["EOT-APGD-CE-100x20", "EOT-APGD-DLR-100x20"]);
    assert_eq!(names(Suite::rand_plus(threat()).unwrap())[2], "EOT-Square-1000x20");
}
