//! Suites: the cascade, its state on disk, and models that only seem robust.

mod flags;
mod state;
#[path = "../support/mod.rs"]
mod support;

use burn::tensor::{DType, Int, Tensor};
use cni_attacks::{
    Apgd, Attack, Classifier, Fab, Goal, Passes, Pgd, RandomNoise, Square, Suite, SuiteReport,
    Threat, Transfer,
};
use cni_noise::Key;
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
    // probe of eight images and of points beside them, twice.
    let passes: u64 = report.stages.iter().map(|stage| stage.passes.forwards).sum();
    assert_eq!(seen.into_inner() as u64, passes + 3 * EXAMPLES as u64 + 4 * 8);
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

#[test]
fn what_cannot_run_on_few_classes_is_decided_before_the_first_attack_and_left_out_by_name() {
    let suite = Suite::standard(threat()).unwrap();
    assert_eq!(suite.min_classes(), 4);
    let toy = Toy::new(3, DType::F32);
    let all = images(4, DType::F32);
    let seen = AtomicUsize::new(0);
    let model = |x: Tensor<4>| {
        seen.fetch_add(usize::from(x.is_require_grad()), Ordering::Relaxed);
        toy.logits(x)
    };
    let labels = toy.predictions(&all);
    let error = suite.on(&model).run([(all.clone(), labels.clone())]).unwrap_err();
    assert!(error.to_string().contains("`Suite::for_classes(3)`"), "{error}");
    assert_eq!(seen.load(Ordering::Relaxed), 0);
    let goal = Goal::Misclassify(labels.clone());
    assert!(suite.perturb(&model, all.clone(), &goal, Key::new(1), 0).is_err());
    assert_eq!(seen.load(Ordering::Relaxed), 0);

    let short = suite.clone().for_classes(3).unwrap();
    assert_eq!(short.name(), "AutoAttack-standard-without-APGD-T-100");
    assert_eq!(short.spec()["left_out"], serde_json::json!(["APGD-T-100"]));
    assert_eq!(short.min_classes(), 2);
    assert_eq!(suite.clone().for_classes(10).unwrap().spec(), suite.spec());
    let custom = Suite::custom("ratio", vec![Box::new(Apgd::dlr(threat()))]).unwrap();
    assert!(custom.for_classes(2).is_err());
}
