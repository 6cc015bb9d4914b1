//! Accuracies against closed forms.

use crate::threshold::{EPSILON, Threshold, batches, images, suite};
use cni_evaluation::{Accuracy, Estimate, Evaluation, NoiseState, Step};
use cni_noise::Key;
use statrs::distribution::{ContinuousCDF, Normal};

#[test]
fn robust_accuracy_of_a_threshold_is_the_share_of_examples_beyond_epsilon() {
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let evaluated = evaluation.run(&Threshold { sigma: 0.0 }, batches(200, 64)).unwrap();
    let record = &evaluated.record;
    let x: Vec<f64> = images(200).slice([0..200, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let beyond = x.iter().filter(|&&x| (x - 0.5).abs() > EPSILON).count() as f64 / 200.0;
    assert_eq!((record.stochastic, record.draws, record.examples), (false, 1, 200));
    assert_eq!(record.clean.one_shot.accuracy, 1.0);
    let robust = |name: &str| {
        let attack = record.attacks.iter().find(|attack| attack.name == name).unwrap();
        attack.robust.one_shot.accuracy
    };
    assert!((robust("FGSM") - beyond).abs() < 1e-9, "{} ≠ {beyond}", robust("FGSM"));
    assert!(robust("FGSM") <= robust("Random-1"));
    let worst = &record.worst_case.as_ref().unwrap().one_shot;
    assert_eq!(worst.accuracy, beyond);
    assert!(worst.low < beyond && beyond < worst.high);
    assert!(
        evaluated.rows.iter().all(|row| row.attacks.iter().all(|a| a.distance <= EPSILON + 1e-6))
    );
}

#[test]
fn the_result_does_not_depend_on_the_split_into_batches() {
    let run = |size| {
        let evaluation = Evaluation::new(suite(3)).unwrap().with_draws(7).unwrap();
        let mut evaluated = evaluation.run(&Threshold { sigma: 0.1 }, batches(60, size)).unwrap();
        let record = &mut evaluated.record;
        // The time may differ, and so may the two passes of the probe over the first batch.
        record.seconds = 0.0;
        record.scoring.forwards -= 2 * 8;
        record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
        evaluated
    };
    assert_eq!(run(60), run(17));
}

/// Under noise an example is correct with a probability. The mean over 200 draws must match the
/// closed form. Its standard error over draws is at most the spread of the per-draw accuracies
/// divided by √200.
#[test]
fn accuracy_under_noise_is_a_probability() {
    let sigma = 0.15;
    let evaluation = Evaluation::new(vec![]).unwrap().with_draws(200).unwrap();
    let record = evaluation.run(&Threshold { sigma }, batches(100, 50)).unwrap().record;
    assert!(record.stochastic && record.worst_case.is_none());
    let x: Vec<f64> = images(100).slice([0..100, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let p = |x: &f64| Normal::standard().cdf((x - 0.5).abs() / sigma);
    let wanted = x.iter().map(p).sum::<f64>() / 100.0;
    let draws = &record.clean.one_shot.per_draw;
    let spread = (draws.iter().map(|d| (d - wanted).powi(2)).sum::<f64>() / 200.0).sqrt();
    let error = spread / 200f64.sqrt();
    assert!(
        (record.clean.one_shot.accuracy - wanted).abs() < 5.0 * error,
        "{} ≠ {wanted}",
        record.clean.one_shot.accuracy
    );
}

/// Votes of five of 200 draws, and five tries, give 40 groups. The spread of their accuracies gives
/// the standard error.
#[test]
fn votes_and_tries_are_those_of_a_binomial() {
    let sigma = 0.15;
    let evaluation = Evaluation::new(vec![]).unwrap().with_draws(200).unwrap();
    let record = evaluation.run(&Threshold { sigma }, batches(100, 50)).unwrap().record;
    assert_eq!((record.votes, record.tries), (5, 5));
    let x: Vec<f64> = images(100).slice([0..100, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let p: Vec<f64> = x.iter().map(|x| Normal::standard().cdf((x - 0.5).abs() / sigma)).collect();
    let mean = |f: fn(f64) -> f64| p.iter().map(|&p| f(p)).sum::<f64>() / 100.0;
    let most = |p: f64| {
        let q = 1.0 - p;
        p.powi(5) + 5.0 * p.powi(4) * q + 10.0 * p.powi(3) * q * q
    };
    let near = |estimate: Option<Estimate>, wanted: f64| {
        let estimate = estimate.unwrap();
        let n = estimate.per_draw.len() as f64;
        assert_eq!(n, 40.0);
        let variance: f64 = estimate.per_draw.iter().map(|d| (d - wanted).powi(2)).sum();
        let error = (variance / n / n).sqrt();
        let off = (estimate.accuracy - wanted).abs();
        assert!(off < 5.0 * error, "{} ≠ {wanted} ± {error}", estimate.accuracy);
    };
    near(record.clean.vote, mean(most));
    near(record.clean.best_of, mean(|p| p.powi(5)));
}

/// With its noise off the model is the one without noise. With its noise held it is the one whose
/// threshold has moved.
#[test]
fn noise_off_and_held_are_models_of_their_own() {
    let noisy = || Evaluation::new(suite(3)).unwrap().with_draws(12).unwrap();
    let evaluated = noisy().run(&Threshold { sigma: 0.1 }, batches(100, 40)).unwrap();
    let still = noisy().run(&Threshold { sigma: 0.0 }, batches(100, 40)).unwrap();
    let off = |accuracy: &Accuracy| accuracy.noise_off.as_ref().unwrap().accuracy;
    let fixed = |accuracy: &Accuracy| accuracy.fixed_noise.as_ref().unwrap().accuracy;
    let (a, b) = (&evaluated.record, &still.record);
    assert_eq!(off(&a.clean), b.clean.one_shot.accuracy);
    for (a, b) in a.attacks.iter().zip(&b.attacks) {
        assert_eq!(off(&a.robust), b.robust.one_shot.accuracy, "{}", a.name);
        assert!(b.robust.noise_off.is_none() && b.robust.vote.is_none());
    }
    let worst = |record: &cni_evaluation::Record| record.worst_case.clone().unwrap();
    assert_eq!(off(&worst(a)), worst(b).one_shot.accuracy);
    // The fixed draw moves the threshold. Below it the model predicts 0, and no attack succeeds
    // farther than ε from it.
    let x: Vec<f64> = images(100).slice([0..100, 0..1, 0..1, 0..1]).try_to_vec_as().unwrap();
    let share = |at: f64, reach: f64| {
        let safe = |&&x: &&f64| if x > 0.5 { x - reach > at } else { x + reach < at };
        x.iter().filter(safe).count() as f64 / 100.0
    };
    let fgsm = &a.attacks[1].robust;
    let places = (0..2000).map(|i| f64::from(i) / 2000.0);
    let near = |a: f64, b: f64| (a - b).abs() < 0.011;
    let found =
        |at: &f64| near(share(*at, 0.0), fixed(&a.clean)) && near(share(*at, EPSILON), fixed(fgsm));
    assert!(places.clone().any(|at| found(&at)), "{} {}", fixed(&a.clean), fixed(fgsm));
    let rows = evaluated.rows.iter().filter(|row| row.attacks[1].fixed_noise == Some(true));
    assert_eq!(rows.count() as f64 / 100.0, fixed(fgsm));
}

/// The worst case is chosen by draws of its own. It equals the accuracy under the best attack, up
/// to the error of the choice.
#[test]
fn the_worst_case_is_that_of_the_best_attack() {
    let run = |key| {
        let evaluation = Evaluation::new(suite(5)).unwrap().with_key(Key::new(key));
        evaluation.run(&Threshold { sigma: 0.1 }, batches(200, 100)).unwrap().record
    };
    for key in 0..3 {
        let record = run(key);
        let (worst, clean) = (record.worst_case.unwrap().one_shot, record.clean.one_shot);
        assert!(worst.accuracy < clean.accuracy);
        // 200 examples by 20 draws: the mean of the worst case is at most five standard errors
        // above that of the best attack.
        let lowest = record.attacks.iter().map(|a| a.robust.one_shot.accuracy).fold(1.0, f64::min);
        let width = (worst.high - worst.low) / 3.92;
        assert!(worst.accuracy < lowest + 5.0 * width, "{} {lowest}", worst.accuracy);
    }
}

/// The mean over equal draws equals a single draw.
#[test]
fn an_attack_without_noise_costs_one_draw() {
    let mut most = [0; 2];
    let mut count = |step: &Step| {
        let Step::Attack { noise, attack, .. } = step else { return };
        let of = usize::from(*noise != NoiseState::Live);
        most[of] = most[of].max(attack.passes.backwards);
    };
    let evaluation = Evaluation::new(suite(5)).unwrap();
    evaluation.run_with(&Threshold { sigma: 0.1 }, batches(30, 30), None, &mut count).unwrap();
    assert_eq!(most, [30 * 10 * 5, 30 * 10]);
    // The record says what was done, not what was asked for.
    let draws = [0.1, 0.0].map(|sigma| {
        let record = evaluation.run(&Threshold { sigma }, batches(30, 30)).unwrap().record;
        record.attacks.iter().filter_map(|attack| attack.gradient_draws).max()
    });
    assert_eq!(draws, [Some(5), Some(1)]);
}

/// For each example, 20 draws of a coin of each bias: the exact interval contains the bias with at
/// least the nominal probability. This is a sum over the binomial law, not a simulation.
#[test]
fn the_interval_of_an_example_covers_its_probability() {
    let evaluation = Evaluation::new(vec![]).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.1 }, batches(4, 4)).unwrap().record;
    let choose = |k: u64| (1..=k).fold(1.0, |c, i| c * (20 - k + i) as f64 / i as f64);
    for percent in 0..=100 {
        let p = f64::from(percent) / 100.0;
        let covered: f64 = (0..=20u32)
            .filter(|&k| {
                let (share, low, high) = record.probability(k).unwrap();
                assert_eq!(share, f64::from(k) / 20.0);
                (low..=high).contains(&p)
            })
            .map(|k| choose(k.into()) * p.powi(k as i32) * (1.0 - p).powi(20 - k as i32))
            .sum();
        assert!(covered >= 0.95 - 1e-12, "{p}: {covered}");
    }
}

#[test]
fn a_probability_that_cannot_be_is_refused() {
    let evaluation = Evaluation::new(vec![]).unwrap().with_draws(4).unwrap();
    let mut record = evaluation.run(&Threshold { sigma: 0.1 }, batches(4, 4)).unwrap().record;
    let error = record.probability(5).unwrap_err().to_string();
    assert_eq!(error, "successes: got 5, wanted at most the number of trials");
    record.confidence = 2.0;
    let error = record.probability(1).unwrap_err().to_string();
    assert_eq!(error, "confidence: got 2, wanted a number between 0 and 1");
}
