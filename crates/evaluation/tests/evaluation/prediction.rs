//! Prediction modes on models whose answers are known. One file, because all modes are tested on
//! the same models.

use crate::support::{Toy, VALUES, gap, images};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Tensor};
use cni_attacks::{
    AttackError, Classifier, Eot, Expectation, Goal, Loss, Objective, draw_scope, input_gradient,
};
use cni_evaluation::{InputNoise, Prediction, Predictions, Predictor};
use cni_noise::{
    ExampleIds, Key, Noise, current_examples, layer_key, normal_rows, scope, scope_at,
};
use statrs::distribution::{Beta, ContinuousCDF, Normal};
use std::cell::Cell;

const NOISE: f64 = 0.5;
const SIGMA: f64 = 0.2;

/// Weights with noise, drawn once for the batch.
fn noisy(classes: usize) -> Toy {
    Toy { noise: NOISE, ..Toy::new(classes, DType::F64) }
}

/// Logits with noise that each example has of its own.
fn noisy_rows(images: Tensor<4>) -> Tensor<2> {
    let logits = Toy::new(3, DType::F64).logits(images);
    match layer_key("logits", &logits.device()) {
        Some(key) => normal_rows(key, &current_examples(), &logits) + logits,
        None => logits,
    }
}

fn modes(draws: usize) -> [Prediction; 3] {
    [Prediction::vote, Prediction::mean_logits, Prediction::mean_probabilities]
        .map(|mode| mode(draws).unwrap())
}

fn predict(mode: Prediction, model: &dyn Classifier, batch: usize, key: Key) -> Predictions {
    mode.predict(model, images(batch, DType::F64), key, 0).unwrap()
}

/// The margin of two classes is x·(Δw + Δe) with Δe ~ N(0, 2σ²I): it is positive with probability
/// Φ(x·Δw / (σ√2 ‖x‖)). The majority of m draws, m odd, is a binomial tail of that. Rates of n
/// repetitions, within five standard errors.
#[test]
fn single_draws_and_votes_are_right_as_often_as_the_gaussian_says() {
    let (toy, batch) = (noisy(2), 8);
    let x = images(batch, DType::F64).sub_scalar(0.5).flatten::<2>(1, 3);
    let norm: Vec<f64> = x.clone().square().sum_dim(1).sqrt().try_to_vec_as().unwrap();
    let quiet = Toy { noise: 0.0, ..toy.clone() }.logits(images(batch, DType::F64));
    let margin: Vec<f64> = (quiet.clone().slice([0..batch, 1..2]) - quiet.slice([0..batch, 0..1]))
        .try_to_vec_as()
        .unwrap();
    let single = |i: usize| Normal::standard().cdf(margin[i] / (NOISE * 2f64.sqrt() * norm[i]));
    let (draws, half) = (21, 11.0);
    let vote = |i: usize| Beta::new(half, half).unwrap().cdf(single(i));
    let vote_mode = Prediction::vote(draws).unwrap();
    let of: [&dyn Fn(usize) -> f64; 2] = [&single, &vote];
    for ((mode, n), wanted) in [(Prediction::single(), 4000), (vote_mode, 800)].into_iter().zip(of)
    {
        let mut hits = vec![0u32; batch];
        for i in 0..n {
            let found = predict(mode, &toy.classifier(), batch, Key::new(1).child(i));
            hits.iter_mut().zip(found.classes).for_each(|(hits, class)| *hits += class as u32);
        }
        for (i, hits) in hits.into_iter().enumerate() {
            let (rate, p) = (f64::from(hits) / n as f64, wanted(i));
            let error = (p * (1.0 - p) / n as f64).sqrt().max(1.0 / n as f64);
            assert!((rate - p).abs() < 5.0 * error, "{mode:?} {i}: {rate}, wanted {p}");
        }
    }
    // With many draws the more probable class wins. This is asserted for all images that are five
    // standard errors away from a tie.
    let many = predict(Prediction::vote(2001).unwrap(), &toy.classifier(), batch, Key::new(2));
    let clear = |i: &usize| (single(*i) - 0.5).abs() > 5.0 * 0.5 / 2001f64.sqrt();
    assert!((0..batch).filter(clear).count() >= 6);
    for i in (0..batch).filter(clear) {
        assert_eq!(many.classes[i], usize::from(margin[i] > 0.0), "{i}");
    }
}

#[test]
fn means_and_votes_are_those_of_the_draws_of_the_key() {
    let (toy, key, draws) = (noisy(3), Key::new(3), 5);
    let each: Vec<Tensor<2>> = (0..draws as u64)
        .map(|draw| draw_scope(key, draw, 0, || toy.logits(images(8, DType::F64))))
        .collect();
    let mean = |of: &dyn Fn(Tensor<2>) -> Tensor<2>| {
        each.iter().cloned().map(of).reduce(|a, b| a + b).unwrap().div_scalar(draws as f64)
    };
    let [vote, logits, probabilities] =
        modes(draws).map(|mode| predict(mode, &toy.classifier(), 8, key));
    assert!(gap(&logits.logits, &mean(&|logits| logits)) < 1e-12);
    assert!(gap(&probabilities.logits, &mean(&|logits| softmax(logits, 1)).log()) < 1e-12);
    let votes = vote.votes.unwrap();
    for (row, votes) in votes.iter().enumerate() {
        let mut wanted = [0u32; 3];
        for logits in &each {
            let class = logits.clone().slice(row..row + 1).argmax(1).into_scalar::<i64>();
            wanted[class as usize] += 1;
        }
        assert_eq!(*votes, wanted);
    }
    let shares: Vec<f64> = vote.logits.exp().try_to_vec_as().unwrap();
    let wanted = votes.concat().into_iter().map(|votes| f64::from(votes + 1) / (draws + 3) as f64);
    assert!(shares.iter().zip(wanted).all(|(share, wanted)| (share - wanted).abs() < 1e-6));
    // The three modes agree for a single draw, and equal the mode of a single draw.
    for mode in modes(1).into_iter().chain([Prediction::single()]) {
        let classes: Vec<usize> = predict(mode, &toy.classifier(), 8, key).classes;
        let first: Vec<i64> = each[0].clone().argmax(1).try_to_vec_as().unwrap();
        assert!(classes.iter().zip(first).all(|(&class, first)| class as i64 == first));
    }
}

/// The variance of n Gaussian values has the relative standard error √(2/n).
#[test]
fn noise_on_the_input_has_the_variance_asked_for_and_is_off_with_the_rest() {
    let pixels = |images: Tensor<4>| images.flatten::<2>(1, 3);
    let (clean, n) = (images(500, DType::F64), (500 * VALUES) as f64);
    let mode = Prediction::single().with_input_noise(SIGMA).unwrap();
    let noise = || {
        let noisy = mode.predict(&pixels, clean.clone(), Key::new(4), 0).unwrap().logits;
        noisy - pixels(clean.clone())
    };
    let variance = noise().square().mean().into_scalar::<f64>() / (SIGMA * SIGMA);
    assert!((variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
    assert!(noise().mean().into_scalar::<f64>().abs() < 5.0 * SIGMA / n.sqrt());
    assert_eq!(scope(Noise::Off, noise).abs().max().into_scalar::<f64>(), 0.0);
    // The noise is the same as that of the classifier which adds it by itself.
    let behind = InputNoise::new(pixels, SIGMA).unwrap();
    let found = Prediction::single().predict(&behind, clean.clone(), Key::new(4), 0).unwrap();
    assert_eq!(gap(&found.logits, &(noise() + pixels(clean.clone()))), 0.0);
}

#[test]
fn a_key_replays_a_prediction_and_company_does_not_change_it() {
    for mode in modes(7) {
        let mode = mode.with_input_noise(SIGMA).unwrap();
        let run = |rows: &[usize], key: Key| {
            let index = Tensor::from_ints(
                rows.iter().map(|&r| r as i32).collect::<Vec<_>>().as_slice(),
                &Device::flex(),
            );
            let examples = ExampleIds::from(100).select(rows);
            let some = images(8, DType::F64).select(0, index);
            mode.predict(&noisy_rows, some, key, examples).unwrap()
        };
        let (all, key) = (Vec::from_iter(0..8), Key::new(5));
        let whole = run(&all, key);
        let [again, other] = [run(&all, key), run(&all, Key::new(6))];
        assert_eq!((&again.votes, gap(&again.logits, &whole.logits)), (&whole.votes, 0.0));
        assert!(gap(&other.logits, &whole.logits) > 0.0);
        let parts = [run(&[0, 1, 2], key), run(&[3, 4, 5, 6, 7], key)];
        assert_eq!(parts.each_ref().map(|part| part.classes.clone()).concat(), whole.classes);
        let logits = parts.map(|part| part.logits);
        assert!(gap(&Tensor::cat(logits.to_vec(), 0), &whole.logits) < 1e-12, "{mode:?}");
    }
}

#[test]
fn a_tie_of_votes_goes_to_the_lowest_class() {
    let pass = Cell::new(0);
    let in_turn = |images: Tensor<4>| {
        let class = [3, 1, 2, 2, 3, 1, 0][pass.replace(pass.get() + 1)];
        let logits = Tensor::<2>::zeros([images.dims()[0], 4], &Device::flex());
        logits.slice_fill([0..images.dims()[0], class..class + 1], 1.0)
    };
    let found = predict(Prediction::vote(7).unwrap(), &in_turn, 3, Key::new(1));
    assert_eq!((found.classes, found.votes), (vec![1; 3], Some(vec![vec![1, 2, 2, 2]; 3])));
}

#[test]
fn a_predictor_obeys_the_scope_in_force() {
    let clean = images(8, DType::F64);
    for mode in modes(5) {
        let mode = mode.with_input_noise(SIGMA).unwrap();
        let predictor = Predictor::new(noisy_rows, mode);
        let key = Key::new(7);
        let passes =
            scope_at(Noise::Keyed(key), 40, || [0, 1].map(|_| predictor.logits(clean.clone())));
        for (n, pass) in passes.iter().enumerate() {
            let key = key.named("prediction").child(n as u64);
            let direct = mode.predict(&noisy_rows, clean.clone(), key, 40).unwrap();
            assert_eq!(gap(pass, &direct.logits), 0.0, "{mode:?}");
        }
        let fresh = [0, 1].map(|_| predictor.logits(clean.clone()));
        assert!(gap(&fresh[0], &fresh[1]) > 0.0, "{mode:?}");
        let off = scope(Noise::Off, || predictor.logits(clean.clone()));
        let quiet = Toy::new(3, DType::F64).predictions(&clean);
        assert_eq!(off.argmax(1).squeeze_dim::<1>(1).into_data(), quiet.into_data());
    }
}

/// The gradient through the predictor is that of the loss of the mean. The attacks compute the same
/// gradient without keeping all graphs.
#[test]
fn means_have_the_gradient_of_the_expectation_and_votes_have_none() {
    let (toy, draws) = (noisy(3), 4);
    let clean = images(8, DType::F64);
    let goal = Goal::Misclassify(toy.predictions(&clean));
    let objective = Objective::new(Loss::CrossEntropy, &goal);
    let examples = ExampleIds::default();
    let gradient = |model: &dyn Classifier, eot, key| {
        input_gradient(model, &clean, &objective, eot, key, &examples)
    };
    let key = Key::new(8);
    let inner = key.child(0).named("prediction").child(0);
    let [vote, logits, probabilities] =
        modes(draws).map(|mode| Predictor::new(toy.classifier(), mode));
    for (predictor, expectation) in
        [(logits, Expectation::Logits), (probabilities, Expectation::Probabilities)]
    {
        let through = gradient(&predictor, Eot::ONE, key).unwrap();
        let eot = Eot { draws, expectation };
        let wanted = gradient(&toy.classifier(), eot, inner).unwrap();
        assert!(gap(&through.gradient, &wanted.gradient) < 1e-12, "{expectation:?}");
    }
    assert_eq!(gradient(&vote, Eot::ONE, key).unwrap_err(), AttackError::NoGradient);
}

#[test]
fn bad_settings_and_models_are_refused() {
    let message = |result: Result<Prediction, AttackError>| result.unwrap_err().to_string();
    for mode in [Prediction::vote, Prediction::mean_logits, Prediction::mean_probabilities] {
        assert_eq!(message(mode(0)), "draws: got 0, wanted at least 1");
    }
    for sigma in [-0.1, f64::NAN, f64::INFINITY] {
        let wanted = format!("sigma: got {sigma}, wanted a finite number of at least 0");
        assert_eq!(message(Prediction::single().with_input_noise(sigma)), wanted);
    }
    for mode in modes(2) {
        let run = |model: &dyn Classifier, images| {
            mode.predict(model, images, Key::new(1), 10).unwrap_err().to_string()
        };
        let clean = images(4, DType::F64);
        let pixels = |x: Tensor<4>| x.flatten::<2>(1, 3);
        let empty = Tensor::zeros([0, 3, 2, 2], &Device::flex());
        let wanted = "images: got an empty batch of shape [0, 3, 2, 2], wanted at least one pixel";
        assert_eq!(run(&pixels, empty), wanted);
        let wanted = "images: got the pixel value 255, wanted values in [0, 1]";
        assert_eq!(run(&pixels, clean.clone().mul_scalar(255.0)), wanted);
        let one = |x: Tensor<4>| pixels(x).slice(0..1);
        let wanted = "logits: got shape [1, 12], wanted [4, classes] with at least 2 classes";
        assert_eq!(run(&one, clean.clone()), wanted);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let broken = |x: Tensor<4>| pixels(x).slice_fill([2..3, 0..1], value);
            let wanted = "logits: got NaN or infinite values for 1 examples, the first of them \
                          number 12, wanted finite values";
            assert_eq!(run(&broken, clean.clone()), wanted);
        }
    }
}
