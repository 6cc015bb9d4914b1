//! Evaluations that are refused.

use crate::threshold::{EPSILON, Threshold, batches, suite};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackError, Classifier, Pgd, Threat};
use cni_evaluation::{Evaluation, EvaluationError};

#[test]
fn what_cannot_be_evaluated_is_refused_by_name() {
    let run = |batches: Vec<(Tensor<4>, Tensor<1, Int>)>| {
        Evaluation::new(suite(1)).unwrap().run(&Threshold { sigma: 0.0 }, batches).unwrap_err()
    };
    assert_eq!(run(vec![]).to_string(), "data: got no examples, wanted at least one");
    let (x, y) = batches(4, 4).remove(0);
    let cases = [
        ((x.clone(), y.clone().slice(0..2)), "labels: got 2, wanted 4, one for each image"),
        ((x.clone() * 255.0, y.clone()), "wanted values in [0, 1]"),
        ((x.clone(), y.clone() + 2), "wanted a class in 0..2"),
        ((x.clone().slice(0..0), y.clone().slice(0..0)), "got an empty batch"),
    ];
    for (batch, message) in cases {
        let error = run(vec![batch]).to_string();
        assert!(error.contains(message), "{error}");
    }
    let nan = |x: Tensor<4>| Threshold { sigma: 0.0 }.logits(x).mul_scalar(f64::NAN);
    let error = Evaluation::new(vec![]).unwrap().run(&nan, [(x, y)]).unwrap_err();
    assert!(matches!(
        error,
        EvaluationError::Attack(AttackError::NonFinite { field: "logits", got: 4, example: 0 })
    ));

    let threat = Threat::linf(EPSILON).unwrap();
    let twice: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::new(threat)), Box::new(Pgd::new(threat))];
    let twice = Evaluation::new(twice);
    assert!(matches!(twice, Err(EvaluationError::DuplicateAttack(name)) if name == "PGD-10"));
    assert!(Evaluation::new(vec![]).unwrap().with_draws(0).is_err());
    assert!(Evaluation::new(vec![]).unwrap().with_confidence(1.0).is_err());
    let few = || Evaluation::new(vec![]).unwrap().with_draws(4).unwrap();
    let message = |evaluation: Result<Evaluation, EvaluationError>| match evaluation {
        Err(error) => error.to_string(),
        Ok(_) => "accepted".to_string(),
    };
    assert_eq!(message(few().with_votes(5)), "votes: got 5, wanted at most the 4 draws");
    assert_eq!(message(few().with_tries(0)), "tries: got 0, wanted at least 1");
}

#[test]
fn an_output_that_is_no_row_of_logits_is_refused() {
    let (x, y) = batches(4, 4).remove(0);
    let one = |x: Tensor<4>| Threshold { sigma: 0.0 }.logits(x).slice([0..4, 0..1]);
    let error = Evaluation::new(suite(1)).unwrap().run(&one, [(x, y)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "logits: got shape [4, 1], wanted [4, classes] with at least 2 classes"
    );
}

/// Data of one class are unusual, and no error.
#[test]
fn data_of_one_class_are_evaluated() {
    let (x, y) = batches(30, 30).remove(0);
    let ones: Tensor<1, Int> = y.ones_like();
    let record = Evaluation::new(suite(1))
        .unwrap()
        .run(&Threshold { sigma: 0.0 }, [(x, ones)])
        .unwrap()
        .record;
    let share = record.clean.one_shot.accuracy;
    assert!(share > 0.2 && share < 0.8, "{share}");
}
