//! Adversarial patches: their changes, places, content and cost. One file, because all tests share
//! one model with a known best patch.

use crate::support::{gap, largest};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use cni_attacks::{
    AdversarialPatch, Attack, Budget, Expectation, Goal, LocationSearch, Loss, Passes, Threat,
};
use cni_noise::{Key, layer_key, normal, normal_like, uniform};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/patch.json");

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

fn patch(side: usize) -> AdversarialPatch {
    AdversarialPatch::new(side).unwrap().with_stride(1).unwrap()
}

/// Uniform pixels.
fn images(shape: [usize; 4], dtype: DType) -> Tensor<4> {
    uniform::<4>(Key::new(31), shape, &Device::flex()).cast(dtype)
}

/// A linear model with two classes, whose margin is that of the second.
struct Linear {
    slopes: Tensor<4>,
    /// The sum that the slopes must exceed for the second class.
    threshold: f64,
    /// The standard deviation of the noise on every slope.
    noise: f64,
}

impl Linear {
    /// A model with normal slopes for images of this shape.
    fn new([channels, height, width]: [usize; 3], dtype: DType) -> Self {
        let slopes = normal::<4>(Key::new(32), [1, channels, height, width], &Device::flex());
        Self { slopes: slopes.cast(dtype), threshold: 0.0, noise: 0.0 }
    }

    fn logits(&self, x: Tensor<4>) -> Tensor<2> {
        let mut slopes = self.slopes.clone();
        if self.noise > 0.0
            && let Some(key) = layer_key("slopes", &x.device())
        {
            slopes = slopes.clone() + normal_like(key, &slopes, 0) * self.noise;
        }
        let sum = (x * slopes).flatten::<2>(1, 3).sum_dim(1).sub_scalar(self.threshold);
        Tensor::cat(vec![sum.zeros_like(), sum], 1)
    }

    /// The margin of the second class, `[batch]`.
    fn margin(&self, x: &Tensor<4>) -> Vec<f64> {
        let logits = Self { slopes: self.slopes.clone(), noise: 0.0, ..*self }.logits(x.clone());
        logits.narrow(1, 1, 1).flatten::<1>(0, 1).try_to_vec_as().unwrap()
    }
}

/// The rectangle of pixels that differ, for each image: first row, first column, height and width.
fn changed(moved: &Tensor<4>, clean: &Tensor<4>) -> Vec<[usize; 4]> {
    let [batch, _, height, width] = clean.dims();
    let differs = moved.clone().not_equal(clean.clone()).int().max_dim(1);
    let differs: Vec<i64> = differs.reshape([batch * height * width]).try_to_vec_as().unwrap();
    let span = |hit: &dyn Fn(usize) -> bool, side: usize| {
        let hits: Vec<usize> = (0..side).filter(|&at| hit(at)).collect();
        match (hits.first(), hits.last()) {
            (Some(first), Some(last)) => [*first, last - first + 1],
            _ => [0, 0],
        }
    };
    let of_image = |image: &[i64]| {
        let [top, tall] = span(&|row| image[row * width..][..width].contains(&1), height);
        let [left, wide] = span(&|at| (0..height).any(|row| image[row * width + at] == 1), width);
        [top, left, tall, wide]
    };
    differs.chunks(height * width).map(of_image).collect()
}

/// The reference is a loop in PyTorch from the same keyed starts.
#[test]
fn patches_are_those_of_pytorch() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let of = |name: &str| &data["values"][name]["data"];
    let [w1, w2] = [tensor(of("w1"), [8, 128]), tensor(of("w2"), [4, 8])];
    let [b1, b2] = [tensor(of("b1"), [1, 8]), tensor(of("b2"), [1, 4])];
    let network = |x: Tensor<4>| {
        let hidden = x.flatten::<2>(1, 3).matmul(w1.clone().transpose()) + b1.clone();
        hidden.tanh().matmul(w2.clone().transpose()) + b2.clone()
    };
    let (shape, key) = ([6, 2, 8, 8], Key::new(data["key"].as_u64().unwrap()));
    let clean = tensor(of("x"), shape);
    let cases = data["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let count = |name: &str| case[name].as_u64().unwrap() as usize;
        let value = |name: &str| case[name].as_f64().unwrap();
        let attack = AdversarialPatch::new(count("side"))
            .and_then(|attack| attack.with_steps(count("steps")))
            .and_then(|attack| attack.with_step_size(value("step")))
            .and_then(|attack| attack.with_stride(count("stride")))
            .and_then(|attack| attack.with_period(count("period")))
            .and_then(|attack| attack.with_restarts(count("restarts")))
            .and_then(|attack| match value("epsilon") {
                1.0 => Ok(attack),
                epsilon => attack.with_threat(Threat::linf(epsilon)?),
            });
        let search = serde_json::from_value(case["search"].clone()).unwrap();
        let loss: Loss = serde_json::from_value(case["loss"].clone()).unwrap();
        let attack = attack.unwrap().with_location_search(search).with_loss(loss);
        let goal = match case["target"].as_i64() {
            None => Goal::Misclassify(labels(&list::<i64>(&data["labels"]))),
            Some(target) => Goal::Target(labels(&[target; 6])),
        };
        let found = attack
            .on(&network)
            .with_early_stop(case["stop"].as_bool().unwrap())
            .with_key(key)
            .perturb(clean.clone(), &goal)
            .unwrap()
            .images;
        let far = gap(&found, &tensor(&case["images"], shape));
        assert!(far < 1e-9, "{}: {far}", case["name"]);
        let reached = goal.reached(&network(found)).int().sum().into_scalar::<i64>();
        assert_eq!(reached as usize, count("reached"), "{}", case["name"]);
    }
}

#[test]
fn no_pixel_outside_one_square_of_each_image_differs() {
    for (shape, side) in [([6, 3, 7, 9], 3), ([5, 1, 4, 4], 1), ([4, 2, 5, 3], 3)] {
        let [_, channels, height, width] = shape;
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let model = Linear { threshold: 1.0, ..Linear::new([channels, height, width], dtype) };
            let clean = images(shape, dtype);
            let goal = Goal::Misclassify(labels(&vec![0; shape[0]]));
            for search in [LocationSearch::None, LocationSearch::Random, LocationSearch::Full] {
                for (epsilon, restarts) in [(1.0, 1), (0.2, 2)] {
                    let mut attack = patch(side).with_location_search(search);
                    attack = attack.with_steps(15).unwrap().with_restarts(restarts).unwrap();
                    if epsilon < 1.0 {
                        attack = attack.with_threat(Threat::linf(epsilon).unwrap()).unwrap();
                    }
                    let found = attack
                        .on(&|x: Tensor<4>| model.logits(x))
                        .with_early_stop(false)
                        .with_key(Key::new(1))
                        .perturb(clean.clone(), &goal);
                    let moved = found.unwrap().images;
                    let case = format!("{shape:?} {dtype:?} {}", attack.name());
                    assert_eq!(moved.dtype(), dtype, "{case}");
                    for [.., tall, wide] in changed(&moved, &clean) {
                        assert!((1..=side).contains(&tall), "{case}: {tall} rows");
                        assert!((1..=side).contains(&wide), "{case}: {wide} columns");
                    }
                    let distance = (moved - clean.clone()).abs().cast(DType::F32);
                    let unit = if dtype == DType::BF16 { 1.0 / 128.0 } else { 1e-3 };
                    let distance = largest(distance);
                    assert!(distance <= epsilon + unit, "{case}: {distance}");
                    assert!(distance > 0.5 * epsilon, "{case}: {distance}");
                }
            }
        }
    }
}

/// Only nine pixels matter, and the class changes only if all of them are white: a patch must cover
/// this square.
#[test]
fn the_only_square_that_matters_is_found() {
    let (top, left, side) = (5, 2, 3);
    let zeros = Tensor::<4>::zeros([1, 1, 10, 10], &Device::flex());
    let square = [0..1, 0..1, top..top + side, left..left + side];
    let slopes = zeros.slice_fill(square, 1.0);
    let model = Linear { slopes, threshold: 8.5, noise: 0.0 };
    let clean = images([12, 1, 10, 10], DType::F32).mul_scalar(0.5);
    let goal = Goal::Target(labels(&[1; 12]));
    let run = |attack: &AdversarialPatch| {
        let model = |x: Tensor<4>| model.logits(x);
        attack.on(&model).with_key(Key::new(2)).perturb(clean.clone(), &goal).unwrap().images
    };
    // A start beside the square has a gradient of zero. Two in five starts overlap it.
    let searching = patch(side).with_steps(60).unwrap().with_restarts(40).unwrap();
    for search in [LocationSearch::Full, LocationSearch::Random] {
        let found = run(&searching.clone().with_location_search(search));
        assert!(model.margin(&found).iter().all(|&margin| margin > 0.0), "{search:?}");
        let wanted = vec![[top, left, side, side]; 12];
        assert_eq!(changed(&found, &clean), wanted, "{search:?}");
    }
    let one = run(&searching.with_restarts(1).unwrap().with_location_search(LocationSearch::None));
    let reached = model.margin(&one).iter().filter(|&&margin| margin > 0.0).count();
    assert!(reached <= 2, "{reached}");
}

/// For a linear model the best content of a square is white at pixels with a positive slope and
/// black elsewhere, as far as the threat allows it. A patch without a location search reaches this
/// content in its square. Over runs that start in every square, the best patch is the best of all.
#[test]
fn content_is_the_optimum_of_a_linear_model() {
    let (batch, side, [channels, height, width]) = (6, 2, [2, 5, 6]);
    let model = Linear::new([channels, height, width], DType::F64);
    let clean = images([batch, channels, height, width], DType::F64);
    let goal = Goal::Target(labels(&[1; 6]));
    for epsilon in [1.0, 0.3] {
        let extreme = clean.clone() + model.slopes.clone().sign().expand(clean.dims()) * epsilon;
        let extreme = extreme.clamp(0.0, 1.0);
        let squares = (0..=height - side).flat_map(|top| (0..=width - side).map(move |l| (top, l)));
        let optimum = |(top, left)| {
            let square = [0..batch, 0..channels, top..top + side, left..left + side];
            let content = extreme.clone().slice(square.clone());
            model.margin(&clean.clone().slice_assign(square, content))
        };
        let optima: Vec<Vec<f64>> = squares.map(optimum).collect();
        let attack = patch(side).with_step_size(0.25).unwrap().with_steps(5).unwrap();
        let mut attack = attack.with_location_search(LocationSearch::None);
        if epsilon < 1.0 {
            attack = attack.with_threat(Threat::linf(epsilon).unwrap()).unwrap();
        }
        let run = |restarts| {
            let (model, attack) = (|x: Tensor<4>| model.logits(x), attack.clone());
            let attack = attack.with_restarts(restarts).unwrap();
            attack
                .on(&model)
                .with_early_stop(false)
                .with_key(Key::new(3))
                .perturb(clean.clone(), &goal)
                .unwrap()
                .images
        };
        // Of 20 squares one is missed by all 300 starts with the probability 2e-7.
        let [one, best] = [1, 300].map(|restarts| model.margin(&run(restarts)));
        for (row, (one, best)) in one.into_iter().zip(best).enumerate() {
            let optima: Vec<f64> = optima.iter().map(|optima| optima[row]).collect();
            let far = optima.iter().map(|optimum| (optimum - one).abs());
            let far = far.fold(f64::INFINITY, f64::min);
            assert!(far < 1e-12, "{epsilon} {row}: {far}");
            let far = (best - optima.into_iter().fold(f64::NEG_INFINITY, f64::max)).abs();
            assert!(far < 1e-12, "{epsilon} {row}, best: {far}");
        }
    }
}

/// If slopes rise towards one pixel, a single run reaches the square around it from any start, and
/// fills it.
#[test]
fn a_patch_climbs_to_where_it_gains_most() {
    let (top, left, side) = (6, 3, 3);
    let slope = |at: usize| {
        let (row, column) = ((at / 12) as f64, (at % 12) as f64);
        let far = (row - (top + 1) as f64).powi(2) + (column - (left + 1) as f64).powi(2);
        (-0.05 * far).exp()
    };
    let slopes: Vec<f64> = (0..144).map(slope).collect();
    let slopes = TensorData::new(slopes, [1, 1, 12, 12]);
    let slopes = Tensor::from_data(slopes, (&Device::flex(), DType::F64));
    let model = Linear { slopes, threshold: 100.0, noise: 0.0 };
    let clean = Tensor::<4>::zeros([24, 1, 12, 12], (&Device::flex(), DType::F64));
    let goal = Goal::Target(labels(&[1; 24]));
    let square = [0..24, 0..1, top..top + side, left..left + side];
    let optimum = clean.clone().slice_fill(square, 1.0);
    for (search, steps) in [(LocationSearch::Full, 40), (LocationSearch::Random, 250)] {
        for period in [1, 2] {
            let attack = patch(side).with_period(period).unwrap().with_loss(Loss::Margin);
            let attack = attack.with_steps(steps).unwrap().with_location_search(search);
            let model = |x: Tensor<4>| model.logits(x);
            let found =
                attack.on(&model).with_key(Key::new(6)).perturb(clean.clone(), &goal).unwrap();
            let far = gap(&found.images, &optimum);
            assert!(far < 1e-12, "{} {period}: {far}", attack.name());
        }
    }
}

/// The model has noise or none; without noise, examples leave the batch as they reach the goal.
#[test]
fn a_patch_is_a_function_of_the_key_and_the_examples_number() {
    let clean = images([24, 2, 6, 5], DType::F64);
    for (search, noise) in [
        (LocationSearch::None, 0.2),
        (LocationSearch::Random, 0.2),
        (LocationSearch::Full, 0.2),
        (LocationSearch::Random, 0.0),
        (LocationSearch::Full, 0.0),
    ] {
        let model = Linear { threshold: 4.0, noise, ..Linear::new([2, 6, 5], DType::F64) };
        let attack = patch(2).with_location_search(search).with_steps(12).unwrap();
        let attack = attack.with_draws(2).unwrap().with_restarts(2).unwrap();
        let run = |chunk: usize, key: u64, first: u64| {
            let model = |x: Tensor<4>| model.logits(x);
            let goal = Goal::Target(labels(&[1; 24]));
            attack
                .on(&model)
                .with_chunk(chunk)
                .unwrap()
                .with_key(Key::new(key))
                .with_examples(first)
                .perturb(clean.clone(), &goal)
                .unwrap()
                .images
        };
        let whole = run(24, 1, 30);
        for chunk in [1, 5] {
            assert!(gap(&whole, &run(chunk, 1, 30)) < 1e-12, "{search:?} {noise} {chunk}");
        }
        assert!(gap(&whole, &run(24, 2, 30)) > 0.1, "{search:?}");
        assert!(gap(&whole, &run(24, 1, 31)) > 0.1, "{search:?}");
    }
}

/// Gradients draw anew at every step. Moves and the best patch are chosen under the same draws
/// throughout, and no gradient sees these.
#[test]
fn a_noisy_model_is_judged_by_common_draws_that_no_gradient_used() {
    let model = Linear { noise: 0.5, ..Linear::new([1, 6, 6], DType::F32) };
    let clean = images([3, 1, 6, 6], DType::F32);
    let goal = Goal::Misclassify(labels(&[0; 3]));
    let (steps, draws, restarts) = (4, 3, 2);
    let attack = patch(2).with_steps(steps).unwrap().with_draws(draws).unwrap();
    let attack = attack.with_period(2).unwrap().with_restarts(restarts).unwrap();
    let run = |attack: &AdversarialPatch| {
        let keys: RefCell<[HashMap<Key, usize>; 2]> = RefCell::default();
        let logits = |x: Tensor<4>| {
            let key = layer_key("slopes", &x.device()).unwrap();
            let side = usize::from(x.is_require_grad());
            *keys.borrow_mut()[side].entry(key).or_default() += 1;
            model.logits(x)
        };
        let found = attack
            .on(&logits)
            .with_early_stop(false)
            .with_key(Key::new(4))
            .perturb(clean.clone(), &goal)
            .unwrap();
        (keys.into_inner(), found.passes)
    };
    let ([scores, gradients], passes) = run(&attack);
    assert_eq!(gradients.len(), restarts * steps * draws);
    assert!(gradients.values().all(|&uses| uses == 1));
    // The start, each step, and four moves after every second.
    let judged = restarts * (1 + steps + 4 * steps / 2);
    assert_eq!(scores.len(), draws);
    assert!(scores.values().all(|&uses| uses == judged), "{scores:?}");
    assert!(scores.keys().all(|key| !gradients.contains_key(key)));
    let of_one = |passes: usize| (3 * passes) as u64;
    let backwards = of_one(gradients.len());
    let forwards = backwards + of_one(draws * judged);
    assert_eq!(passes, Passes { forwards, backwards });
    // The loss of a mean is known only after a first pass over all draws.
    let (_, of_mean) = run(&attack.with_expectation(Expectation::Logits));
    assert_eq!(of_mean, Passes { forwards: forwards + backwards, backwards });
}

#[test]
fn a_budget_is_never_exceeded_and_spent_as_far_as_whole_steps_go() {
    let model = Linear { threshold: 50.0, ..Linear::new([1, 6, 6], DType::F32) };
    let clean = images([4, 1, 6, 6], DType::F32);
    let goal = Goal::Target(labels(&[1; 4]));
    let logits = |x: Tensor<4>| model.logits(x);
    let steps = 5;
    let [one, three] =
        [1, 3].map(|draws| patch(2).with_steps(steps as usize).unwrap().with_draws(draws).unwrap());
    let of_mean = three.clone().with_expectation(Expectation::Logits);
    let still = one.clone().with_location_search(LocationSearch::None);
    // A step takes a gradient, a look at its result and at four moves.
    for (attack, start, of_step) in [(one, 1, 6), (still, 1, 2), (three, 3, 18), (of_mean, 3, 21)] {
        for allowed in 0..=start + steps * of_step {
            let found = attack
                .on(&logits)
                .with_budget(Budget { forwards: Some(allowed), ..Budget::default() })
                .with_early_stop(false)
                .with_key(Key::new(1))
                .perturb(clean.clone(), &goal)
                .unwrap();
            let whole = allowed.checked_sub(start).map(|rest| start + rest / of_step * of_step);
            let case = format!("{} within {allowed}", attack.name());
            assert_eq!(found.passes.forwards, 4 * whole.unwrap_or(0), "{case}");
            assert!(found.exhausted, "{case}");
            assert_eq!(whole.is_none(), gap(&found.images, &clean) == 0.0, "{case}");
        }
    }
}

#[test]
fn examples_leave_once_they_reach_the_goal_and_others_go_on() {
    let model = Linear { threshold: 3.0, ..Linear::new([1, 6, 6], DType::F32) };
    let clean = images([16, 1, 6, 6], DType::F32);
    let goal = Goal::Target(labels(&[1; 16]));
    let logits = |x: Tensor<4>| model.logits(x);
    let attack = patch(2).with_steps(20).unwrap().with_restarts(3).unwrap();
    let mut active = Vec::new();
    let mut progress = |p: &cni_attacks::Progress| active.push(p.active);
    let left = attack
        .on(&logits)
        .with_progress(&mut progress)
        .with_key(Key::new(1))
        .perturb(clean.clone(), &goal)
        .unwrap();
    let all = attack
        .on(&logits)
        .with_early_stop(false)
        .with_key(Key::new(1))
        .perturb(clean.clone(), &goal)
        .unwrap();
    assert!(active.is_sorted_by(|a, b| a >= b) && active.first() > active.last(), "{active:?}");
    assert!(left.passes.forwards < all.passes.forwards);
    let [left, all] = [left, all].map(|found| model.margin(&found.images));
    for (row, (left, all)) in left.into_iter().zip(all).enumerate() {
        assert_eq!(left > 0.0, all > 0.0, "{row}: {left} {all}");
        assert!(left <= all, "{row}: {left} {all}");
    }
}

#[test]
fn a_patch_larger_than_the_images_is_refused() {
    let model = Linear::new([1, 6, 4], DType::F32);
    let clean = images([2, 1, 6, 4], DType::F32);
    let goal = Goal::Misclassify(labels(&[0, 0]));
    let logits = |x: Tensor<4>| model.logits(x);
    let run = |side| patch(side).on(&logits).with_key(Key::new(1)).perturb(clean.clone(), &goal);
    let wanted = "side: got 5, wanted at most 4, the shorter side of the images";
    assert_eq!(run(5).unwrap_err().to_string(), wanted);
    assert!(run(4).is_ok());
}

#[test]
fn names_and_specs_hold_the_settings() {
    let attack = AdversarialPatch::new(5).unwrap();
    assert_eq!(attack.name(), "Patch-5x5-100");
    assert_eq!(attack.threat(), Threat::whole_box());
    let eot = attack.clone().with_draws(4).unwrap().with_expectation(Expectation::Logits);
    let eot = eot.with_loss(Loss::Margin).with_location_search(LocationSearch::None);
    assert_eq!(eot.with_restarts(2).unwrap().name(), "EOT-Patch-5x5-100x4-logits-margin-Rand-r2");
    let random = attack.clone().with_location_search(LocationSearch::Random);
    assert_eq!(random.with_steps(7).unwrap().name(), "Patch-5x5-7-RandLO");
    assert_eq!(
        attack.spec(),
        json!({
            "attack": "adversarial_patch", "side": 5, "threat": {"norm": "linf", "epsilon": 1.0},
            "steps": 100, "step_size": 0.05, "location_search": "full", "stride": 2, "period": 1,
            "restarts": 1, "draws": 1, "expectation": "loss", "loss": "cross_entropy",
        })
    );
}
