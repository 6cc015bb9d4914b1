//! Universal perturbations: one for a whole set of images. One file, because all tests share its
//! models and sets of images.

use crate::support::{NORMS, Toy, fraction, gap, images, largest};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use cni_attacks::{
    AttackError, Budget, Expectation, Fooling, Goal, Loss, Norm, Passes, Threat, Universal,
    UniversalPerturbation,
};
use cni_noise::{Key, Noise, current_noise};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

const DATA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/universal.json");

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tensor<const D: usize>(values: &Value, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(list::<f64>(values), shape);
    Tensor::from_data(data, (&Device::flex(), DType::F64))
}

fn labels(values: &[i64]) -> Tensor<1, Int> {
    Tensor::from_data(values, &Device::flex())
}

fn linf(epsilon: f64) -> UniversalPerturbation {
    UniversalPerturbation::new(Threat::linf(epsilon).unwrap()).unwrap()
}

/// Batches of four of these images, each to be misclassified.
fn batches(toy: &Toy, clean: &Tensor<4>) -> Vec<(Tensor<4>, Goal)> {
    let part = |images: Tensor<4>| {
        let goal = Goal::Misclassify(toy.predictions(&images));
        (images, goal)
    };
    clean.clone().split(4, 0).into_iter().map(part).collect()
}

/// The reference is a loop in PyTorch over the same batches in the same keyed order.
#[test]
fn perturbations_are_those_of_pytorch() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let of = |name: &str| &data["values"][name]["data"];
    let [w1, w2] = [tensor(of("w1"), [6, 48]), tensor(of("w2"), [4, 6])];
    let [b1, b2] = [tensor(of("b1"), [1, 6]), tensor(of("b2"), [1, 4])];
    let network = |x: Tensor<4>| {
        let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
        hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
    };
    let clean = tensor(of("x"), [12, 3, 4, 4]).split(4, 0);
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let value = |name: &str| case[name].as_f64().unwrap();
        let norm: Norm = serde_json::from_value(case["norm"].clone()).unwrap();
        let attack = UniversalPerturbation::new(Threat::new(norm, value("epsilon")).unwrap())
            .and_then(|attack| attack.with_epochs(case["epochs"].as_u64().unwrap() as usize))
            .and_then(|attack| attack.with_step_size(value("step")))
            .and_then(|attack| attack.with_clip(value("clip")))
            .unwrap();
        let of_batch = |(batch, images): (usize, &Tensor<4>)| {
            let rows = &list::<i64>(&data["labels"])[4 * batch..][..4];
            let goal = match case["target"].as_i64() {
                None => Goal::Misclassify(labels(rows)),
                Some(target) => Goal::Target(labels(&[target; 4])),
            };
            (images.clone(), goal)
        };
        let key = Key::new(data["key"].as_u64().unwrap());
        let found = attack.find(&network, clean.iter().enumerate().map(of_batch), key).unwrap();
        let name = &case["name"];
        let wanted = tensor(&case["perturbation"], [1, 3, 4, 4]);
        let far = gap(&found.perturbation, &wanted);
        assert!(far < 1e-9, "{name}: {far}");
        let apart = found.scores.iter().zip(list::<f64>(&case["scores"]));
        let apart = apart.map(|(got, wanted)| (got - wanted).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-9, "{name}: {apart}");
        assert_eq!(found.scores.len(), list::<f64>(&case["scores"]).len());
        let fooled = case["fooled"].as_u64().unwrap() as f64 / 12.0;
        assert!((found.fooling.fooling_rate - fooled).abs() < 1e-12, "{name}");
    }
}

/// For a linear model with two classes, and images far from the faces of the box, all images of a
/// class have the same gradient, and the best perturbation is known.
#[test]
fn a_perturbation_reaches_the_optimum_of_a_linear_model() {
    let toy = Toy::new(2, DType::F64);
    let slope = toy.weight.clone().slice(1..2) - toy.weight.clone().slice(0..1);
    let slope = slope.reshape([1, 3, 2, 2]);
    let clean = images(16, DType::F64).mul_scalar(0.2).add_scalar(0.4);
    for norm in NORMS {
        let epsilon = 0.05;
        let optimum = norm.steepest_step(slope.clone(), epsilon);
        for loss in [Loss::CrossEntropy, Loss::Margin] {
            for goal in [Goal::Misclassify(labels(&[0; 4])), Goal::Target(labels(&[1; 4]))] {
                let attack = UniversalPerturbation::new(Threat::new(norm, epsilon).unwrap());
                let attack = attack.unwrap().with_loss(loss.clone());
                let parts = clean.clone().split(4, 0).into_iter();
                let parts = parts.map(|images| (images, goal.clone()));
                let found = attack.find(&toy.classifier(), parts, Key::new(1)).unwrap();
                let far = gap(&found.perturbation, &optimum);
                assert!(far < 1e-12, "{norm:?} {loss:?}: {far}");
            }
        }
    }
}

/// One image lies far on the wrong side of the model, its loss above the clip. Without the clip it
/// would outweigh all images that can still be misled.
#[test]
fn an_image_that_is_lost_already_does_not_drown_the_others() {
    let model = |x: Tensor<4>| {
        let score = x.sub_scalar(0.5).flatten::<2>(1, 3).mean_dim(1).mul_scalar(30.0);
        Tensor::cat(vec![score.clone().neg(), score], 1)
    };
    let row = |value: f64| Tensor::<4>::full([1, 1, 2, 2], value, &Device::flex());
    // The model is certain that the first image is of class 1, but it is of class 0: its loss is
    // 15.
    let clean = Tensor::cat(vec![row(0.75), row(0.6), row(0.6), row(0.6)], 0);
    let batch = || [(clean.clone(), Goal::Misclassify(labels(&[0, 1, 1, 1])))];
    let run = |clip: f64| {
        let attack = linf(0.2).with_clip(clip).unwrap();
        attack.find(&model, batch(), Key::new(1)).unwrap()
    };
    let (clipped, free) = (run(9.0), run(1e6));
    assert!(largest(clipped.perturbation.clone()) < -0.19);
    assert!(largest(free.perturbation.clone().neg()) < -0.19);
    let rates = |found: &Universal| (found.fooling.fooling_rate, found.fooling.reached);
    assert_eq!(rates(&clipped), (0.75, 1.0));
    // The perturbation increases the loss of the first image further, and misleads the model on
    // none.
    let Fooling { fooling_rate, reached, reached_clean, .. } = free.fooling;
    assert_eq!((fooling_rate, reached, reached_clean), (0.0, 0.25, 0.25));
}

#[test]
fn results_are_in_ball_and_box_and_the_rates_are_those_of_the_images() {
    let toy = Toy::new(4, DType::F32);
    let clean = images(24, DType::F32);
    for (norm, epsilon) in [(Norm::Linf, 0.2), (Norm::L2, 0.7)] {
        let attack = UniversalPerturbation::new(Threat::new(norm, epsilon).unwrap()).unwrap();
        let found = attack.find(&toy.classifier(), batches(&toy, &clean), Key::new(1)).unwrap();
        let length = largest(norm.length(found.perturbation.clone()));
        assert!(length <= epsilon * (1.0 + 1e-6), "{norm:?}: {length}");
        let moved = found.apply(&clean);
        assert!(largest(norm.distance(&moved, &clean)) <= epsilon * (1.0 + 1e-6));
        assert_eq!(gap(&moved, &moved.clone().clamp(0.0, 1.0)), 0.0);
        let goal = Goal::Misclassify(toy.predictions(&clean));
        let fooled = fraction(goal.reached(&toy.logits(moved)));
        assert!(fooled > 0.2, "{norm:?}: {fooled}");
        assert!((found.fooling.fooling_rate - fooled).abs() < 1e-6);
        assert_eq!(found.fooling.fooling_rate, found.fooling.reached);
        let kept = (found.fooling.images, found.fooling.draws, found.fooling.reached_clean);
        assert_eq!(kept, (24, 1, 0.0));
        let again = found.judge(&toy.classifier(), batches(&toy, &clean), 20, Key::new(9));
        assert_eq!(again.unwrap(), found.fooling);
        assert!(found.scores.iter().all(|score| score.is_finite()) && found.scores.len() == 10);
        assert!(found.scores[9] > found.scores[0], "{:?}", found.scores);
    }
}

/// A radius of zero, and images of which half already have the target class.
#[test]
fn a_radius_of_zero_fools_nobody_without_a_pass_of_the_search() {
    let toy = Toy::new(4, DType::F32);
    let clean = images(8, DType::F32);
    let found = linf(0.0).find(&toy.classifier(), batches(&toy, &clean), Key::new(1)).unwrap();
    assert_eq!(largest(found.perturbation.clone().abs()), 0.0);
    assert_eq!(found.passes, Passes::default());
    assert_eq!((found.fooling.fooling_rate, found.fooling.reached), (0.0, 0.0));
    assert!(found.scores.is_empty() && !found.exhausted);
}

#[test]
fn each_epoch_takes_every_batch_once_in_an_order_of_its_key() {
    let toy = Toy::new(4, DType::F32);
    let clean = images(24, DType::F32);
    let orders = |key: Key| {
        let seen = RefCell::new(Vec::new());
        let model = |x: Tensor<4>| {
            if x.is_require_grad() {
                // The radius is too small to hide which image it is.
                let first = x.clone().inner().slice([0..1, 1..2, 0..1, 1..2]);
                seen.borrow_mut().push((1e3 * first.into_scalar::<f64>()).round() as i64);
            }
            toy.logits(x)
        };
        let attack = linf(1e-6).with_epochs(3).unwrap();
        attack.find(&model, batches(&toy, &clean), key).unwrap();
        seen.into_inner().chunks(6).map(<[i64]>::to_vec).collect::<Vec<_>>()
    };
    let one = orders(Key::new(1));
    assert_eq!((one.len(), &one), (3, &orders(Key::new(1))));
    assert_ne!(one, orders(Key::new(2)));
    assert!(one[0] != one[1] || one[1] != one[2]);
    let sorted = |order: &Vec<i64>| {
        let mut all = order.clone();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert!(one.iter().all(|order| sorted(order).len() == 6 && sorted(order) == sorted(&one[0])));
}

/// Every gradient has draws of its own, and no draw of a gradient judges the result.
#[test]
fn a_noisy_model_is_climbed_in_expectation_and_judged_by_fresh_draws() {
    let quiet = Toy::new(4, DType::F32);
    let toy = Toy { noise: 0.5, ..quiet.clone() };
    let clean = images(8, DType::F32);
    let keys: RefCell<[Vec<String>; 2]> = RefCell::default();
    let model = |x: Tensor<4>| {
        let side = usize::from(x.is_require_grad());
        keys.borrow_mut()[side].push(format!("{:?}", current_noise()));
        toy.logits(x)
    };
    let attack = linf(0.2).with_epochs(2).unwrap().with_draws(3).unwrap();
    let attack = attack.with_judging_draws(5).unwrap();
    let run = || attack.find(&model, batches(&quiet, &clean), Key::new(1)).unwrap();
    let found = run();
    let [others, gradients] = keys.take();
    let distinct = |keys: &[String]| keys.iter().cloned().collect::<HashSet<_>>();
    // Two batches, each twice, with three draws.
    assert_eq!((gradients.len(), distinct(&gradients).len()), (12, 12));
    assert_eq!(found.passes, Passes { forwards: 4 * 12, backwards: 4 * 12 });
    // Five draws, in each of which both batches pass with and without the perturbation; and eight
    // passes of each batch that look for noise.
    let judging: Vec<String> = others[16..].to_vec();
    assert_eq!((judging.len(), distinct(&judging).len()), (20, 5));
    assert!(distinct(&others).is_disjoint(&distinct(&gradients)));
    assert!(gradients.iter().all(|noise| noise != &format!("{:?}", Noise::Off)));
    assert_eq!(found.fooling.draws, 5);
    assert_eq!(run().perturbation.into_data(), found.perturbation.into_data());
    // Another expectation gives another ascent.
    let logits = attack.clone().with_expectation(Expectation::Logits);
    let logits = logits.find(&model, batches(&quiet, &clean), Key::new(1)).unwrap();
    assert_eq!(logits.passes, Passes { forwards: 2 * 4 * 12, backwards: 4 * 12 });
}

#[test]
fn a_budget_holds_for_each_image() {
    let toy = Toy::new(4, DType::F32);
    let clean = images(8, DType::F32);
    let run = |budget: Budget| {
        let attack = linf(0.2);
        attack.find_within(budget, &toy.classifier(), batches(&toy, &clean), Key::new(1)).unwrap()
    };
    let whole = run(Budget::default());
    assert_eq!((whole.passes, whole.exhausted), (Passes { forwards: 80, backwards: 80 }, false));
    let cut = run(Budget { backwards: Some(3), ..Budget::default() });
    assert_eq!((cut.passes, cut.exhausted), (Passes { forwards: 24, backwards: 24 }, true));
    assert_eq!(cut.scores, whole.scores[..3]);
    let none = run(Budget { time: Some(Duration::ZERO), ..Budget::default() });
    assert_eq!((none.passes, none.exhausted), (Passes::default(), true));
    assert_eq!(largest(none.perturbation.abs()), 0.0);
}

#[test]
fn what_cannot_be_attacked_is_refused() {
    let toy = Toy::new(4, DType::F32);
    let model = toy.classifier();
    let clean = images(4, DType::F32);
    let goal = || Goal::Misclassify(labels(&[0, 1, 2, 3]));
    let find = |batches: Vec<(Tensor<4>, Goal)>| {
        linf(0.1).find(&model, batches, Key::new(1)).err().map(|error| error.to_string())
    };
    let wanted = "images: got an empty batch of shape [0, 0, 0, 0], wanted at least one pixel";
    assert_eq!(find(vec![]).as_deref(), Some(wanted));
    let other = Tensor::<4>::zeros([4, 1, 2, 2], &Device::flex());
    let wanted = "inputs: got examples of shape [1, 2, 2], wanted [3, 2, 2]";
    assert_eq!(
        find(vec![(clean.clone(), goal()), (other.clone(), goal())]).as_deref(),
        Some(wanted)
    );
    let bright = clean.clone().add_scalar(0.5);
    assert!(find(vec![(bright, goal())]).unwrap().contains("wanted values in [0, 1]"));
    let few = Goal::Misclassify(labels(&[0]));
    assert_eq!(
        find(vec![(clean.clone(), few)]).as_deref(),
        Some("labels: got 1, wanted 4, one for each image")
    );
    // The second batch holds examples 4 to 7.
    let broken = |x: Tensor<4>| {
        let dark = x.clone().slice(0..1).max().into_scalar::<f32>() < 0.4;
        toy.logits(if dark { x.mul_scalar(f64::NAN) } else { x })
    };
    let dark = clean.clone().mul_scalar(0.1);
    let bright = clean.clone().mul_scalar(0.1).add_scalar(0.8);
    let error = linf(0.01).find(&broken, [(bright, goal()), (dark, goal())], Key::new(1)).err();
    let wanted = AttackError::NonFinite { field: "logits", got: 4, example: 4 };
    assert_eq!(error, Some(wanted));

    let found = linf(0.1).find(&model, [(clean.clone(), goal())], Key::new(1)).unwrap();
    let judged = |batch, draws| found.judge(&model, [batch], draws, Key::new(1)).unwrap_err();
    let error = judged((clean, goal()), 0);
    assert_eq!(error.to_string(), "draws: got 0, wanted at least 1");
    let error = judged((other, goal()), 1);
    assert_eq!(error.to_string(), "inputs: got examples of shape [1, 2, 2], wanted [3, 2, 2]");
}

#[test]
fn names_and_specs_hold_the_settings() {
    let attack = linf(0.5).with_draws(4).unwrap().with_loss(Loss::Margin);
    assert_eq!(attack.name(), "EOT-Universal-10x4-margin");
    assert_eq!(linf(0.5).name(), "Universal-10");
    assert_eq!(attack.threat(), Threat::linf(0.5).unwrap());
    assert_eq!(
        attack.spec(),
        json!({
            "attack": "universal_perturbation", "threat": {"norm": "linf", "epsilon": 0.5},
            "epochs": 10, "step_size": 0.4, "clip": 9.0, "draws": 4, "expectation": "loss",
            "loss": "margin", "judging_draws": 20,
        })
    );
}
