//! Custom losses and goals in every attack.

use super::{CLASSES, attacks};
use crate::support::{Toy, images};
use burn::tensor::{DType, Int, Tensor};
use cni_attacks::{
    Apgd, Attack, AttackError, Goal, Loss, LossFn, Pgd, Square, Threat, UniversalPerturbation,
    input_gradient,
};
use cni_noise::Key;

/// The margin of misclassification, as a user would write it.
fn margin() -> LossFn {
    LossFn::new("own margin", |logits: Tensor<2>, labels: &Tensor<1, Int>| {
        let own: Tensor<2> = labels.clone().one_hot::<2>(CLASSES).float().cast(logits.dtype());
        let of_own = (logits.clone() * own.clone()).sum_dim(1);
        let others = (logits - own.mul_scalar(1e9)).max_dim(1);
        (others - of_own).squeeze_dim(1)
    })
}

#[test]
fn a_goal_of_ones_own_that_is_misclassification_is_reached_as_that_is() {
    let toy = Toy::new(CLASSES, DType::F64);
    let (clean, model) = (images(8, DType::F64), toy.classifier());
    let labels = toy.predictions(&clean);
    let mut ran = 0;
    for (case, _, attack) in attacks(0.1) {
        let run = |goal: Goal| attack.on(&model).with_key(Key::new(1)).run(clean.clone(), goal);
        let own = match run(Goal::custom(labels.clone(), margin())) {
            Err(AttackError::CustomGoal { goal, .. }) => {
                assert_eq!(goal, "own margin");
                continue;
            }
            found => found.unwrap(),
        };
        let plain = run(Goal::Misclassify(labels.clone())).unwrap();
        // FAB follows the margin, in place of each boundary in turn.
        if !case.starts_with("Fab") && !case.starts_with("Suite") {
            assert_eq!(own.success_rate, plain.success_rate, "{case}");
        }
        assert!(own.robust_accuracy() < 1.0, "{case}");
        ran += 1;
    }
    assert!(ran > 30, "{ran}");
}

#[test]
fn more_examples_stay_within_the_top_two_than_are_classified() {
    let toy = Toy::new(CLASSES, DType::F32);
    let (clean, model) = (images(24, DType::F32), toy.classifier());
    let labels = toy.predictions(&clean);
    let threat = Threat::linf(0.1).unwrap();
    let attacks: [Box<dyn Attack>; 3] = [
        Box::new(Pgd::new(threat).with_loss(Loss::Margin)),
        Box::new(Apgd::cross_entropy(threat).with_loss(Loss::Margin).unwrap()),
        Box::new(Square::new(threat).with_queries(200).unwrap()),
    ];
    for attack in attacks {
        let robust =
            |goal: Goal| attack.on(&model).run(clean.clone(), goal).unwrap().robust_accuracy();
        let plain = robust(Goal::Misclassify(labels.clone()));
        let one = robust(Goal::outside_top(1, labels.clone()).unwrap());
        let two = robust(Goal::outside_top(2, labels.clone()).unwrap());
        assert_eq!(plain, one, "{}", attack.name());
        assert!(two > one && two < 1.0, "{}: {two}, {one}", attack.name());
    }
    let refused = Goal::outside_top(CLASSES, labels.clone()).unwrap();
    let error = Pgd::new(threat).on(&model).run(clean, refused).unwrap_err();
    assert_eq!(error.to_string(), "classes: got 4, wanted at least 5 for outside top 4");
}

#[test]
fn a_loss_of_ones_own_that_is_the_margin_climbs_as_the_margin() {
    let toy = Toy::new(CLASSES, DType::F64);
    let (clean, model) = (images(8, DType::F64), toy.classifier());
    let labels = toy.predictions(&clean);
    let threat = Threat::l2(0.3).unwrap();
    let own = || Loss::Custom(margin());
    let run = |attack: &dyn Attack, goal: &Goal| {
        let found = attack.on(&model).with_key(Key::new(1)).run(clean.clone(), goal).unwrap();
        found.images
    };
    for goal in [Goal::Misclassify(labels.clone()), Goal::Target(labels.clone())] {
        for (own, plain) in [
            (
                Box::new(Pgd::new(threat).with_loss(own())) as Box<dyn Attack>,
                Box::new(Pgd::new(threat).with_loss(Loss::Margin)) as Box<dyn Attack>,
            ),
            (
                Box::new(Apgd::dlr(threat).with_loss(own()).unwrap()),
                Box::new(Apgd::dlr(threat).with_loss(Loss::Margin).unwrap()),
            ),
        ] {
            let gap = super::gap(&run(own.as_ref(), &goal), &run(plain.as_ref(), &goal));
            assert!(gap < 1e-9, "{}: {gap}", own.name());
        }
    }
    let universal = UniversalPerturbation::new(threat).unwrap().with_loss(own());
    assert_eq!(universal.name(), "Universal-10-own margin");
}

#[test]
fn functions_that_break_their_contract_are_named_with_the_example() {
    let toy = Toy::new(CLASSES, DType::F32);
    let (clean, model) = (images(4, DType::F32), toy.classifier());
    let labels = toy.predictions(&clean);
    type Function = fn(Tensor<2>, &Tensor<1, Int>) -> Tensor<1>;
    let short: Function = |logits, _| logits.slice(0..1).sum_dim(1).squeeze_dim(1);
    let nan: Function = |logits, _| {
        let third = Tensor::<2>::from_data([[1.0], [1.0], [f32::NAN], [1.0]], &logits.device());
        (logits.sum_dim(1) * third).squeeze_dim(1)
    };
    let cut: Function = |logits, _| logits.inner().sum_dim(1).squeeze_dim(1).autodiff();
    let threat = Threat::linf(0.1).unwrap();
    let of_loss = |f: Function, goal: Goal| {
        let attack = Pgd::new(threat).with_loss(Loss::custom("own", f));
        attack.on(&model).with_examples(20).run(clean.clone(), goal).unwrap_err().to_string()
    };
    let goal = Goal::Misclassify(labels.clone());
    let wanted = "loss `own`: got 1 values, wanted 4, one for each image";
    assert_eq!(of_loss(short, goal.clone()), wanted);
    let not_finite = "loss `own`: got NaN or infinite values for 1 examples, the first of them \
                      number 22, wanted finite values";
    assert_eq!(of_loss(nan, goal.clone()), not_finite);
    let wanted = "loss `own`: got values that do not depend on the logits, wanted a \
                  differentiable loss";
    assert_eq!(of_loss(cut, goal), wanted);
    // Every attack evaluates a goal's margin, even if it follows another loss.
    for (f, wanted) in
        [(short, "loss `own`: got 1 values, wanted 4, one for each image"), (nan, not_finite)]
    {
        for (case, _, attack) in attacks(0.1) {
            let goal = Goal::custom(labels.clone(), LossFn::new("own", f));
            let runner = attack.on(&model).with_stochastic(false).with_examples(20);
            match runner.run(clean.clone(), goal).unwrap_err() {
                AttackError::CustomGoal { .. } => {}
                error => assert_eq!(error.to_string(), wanted, "{case}"),
            }
        }
    }
}

/// If only custom functions use the labels, they need not be classes; with a loss of labels they
/// must.
#[test]
fn labels_of_a_goal_of_ones_own_are_what_its_function_says() {
    let toy = Toy::new(CLASSES, DType::F32);
    let (clean, model) = (images(3, DType::F32), toy.classifier());
    let rows = Tensor::<1, Int>::from_ints([100, -3, 7], &clean.device());
    let sum = LossFn::new("sum", |logits: Tensor<2>, _: &Tensor<1, Int>| {
        logits.sum_dim(1).squeeze_dim(1)
    });
    let goal = Goal::custom(rows, sum);
    let pgd = Pgd::new(Threat::linf(0.3).unwrap());
    let found = pgd.clone().with_loss(Loss::Margin).on(&model).run(clean.clone(), &goal).unwrap();
    assert!(found.success_rate.iter().sum::<f64>() > 0.0);
    let error = pgd.on(&model).run(clean.clone(), &goal).unwrap_err();
    assert!(matches!(error, AttackError::Label { got: 100, .. }), "{error}");
    let objective = cni_attacks::Objective::new(Loss::Margin, &goal);
    let eot = cni_attacks::Eot::ONE;
    input_gradient(&model, &clean, &objective, eot, Key::new(1), &0.into()).unwrap();
}
