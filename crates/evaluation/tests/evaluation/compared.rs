//! Comparisons of two models, with and without noise.

use crate::threshold::{EPSILON, Threshold, batches};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Attack, Pgd, RandomNoise, Threat};
use cni_evaluation::{ArmRun, Evaluated, Evaluation, compare, table};

fn run(sigma: f64, suite: Vec<Box<dyn Attack>>, draws: usize) -> Evaluated {
    let evaluation = Evaluation::new(suite).unwrap().with_draws(draws).unwrap();
    let mut evaluated = evaluation.run(&Threshold { sigma }, batches(60, 60)).unwrap();
    evaluated.record.model.name = if sigma > 0.0 { "noisy" } else { "plain" }.to_string();
    evaluated
}

fn pgd(steps: usize, draws: usize) -> Box<dyn Attack> {
    let attack = Pgd::new(Threat::linf(EPSILON).unwrap()).with_steps(steps).unwrap();
    Box::new(attack.with_draws(draws).unwrap())
}

fn random() -> Box<dyn Attack> {
    Box::new(RandomNoise::new(Threat::linf(EPSILON).unwrap()))
}

#[test]
fn a_noisy_model_is_compared_with_one_without_noise_under_the_same_attacks_but_for_draws() {
    let noisy = run(0.1, vec![random(), pgd(7, 1), pgd(20, 8)], 6);
    let plain = run(0.0, vec![random(), pgd(7, 1), pgd(20, 1)], 6);
    let comparison = compare(&noisy, &plain).unwrap();
    let names: Vec<&str> = comparison.attacks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Random-1", "PGD-7", "EOT-PGD-20x8 and PGD-20"]);
    let evidence: Vec<bool> = comparison.attacks.iter().map(|(_, of)| of.evidence).collect();
    assert_eq!(evidence, [true, false, true]);
    let worst = comparison.worst_case.unwrap();
    let [a, b] = [&noisy, &plain].map(|of| of.record.worst_case.clone().unwrap().one_shot.accuracy);
    assert!((worst.accuracy - (a - b)).abs() < 1e-12 && worst.evidence);
    let text = comparison.to_string();
    let lines: Vec<&str> = text.lines().filter(|line| line.ends_with("no evidence")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("PGD-7"), "{text}");
    // In the opposite order the differences have the opposite sign.
    let back = compare(&plain, &noisy).unwrap();
    assert_eq!(back.attacks[2].0, "PGD-20 and EOT-PGD-20x8");
    assert_eq!(back.attacks[2].1.accuracy, -comparison.attacks[2].1.accuracy);
    let text = table(&[&plain.record, &noisy.record]);
    let row = text.lines().find(|line| line.starts_with("noisy")).unwrap();
    assert_eq!(row.matches("]*").count(), 1, "{text}");
    assert!(text.contains("* no evidence"), "{text}");
    assert!(!table(&[&noisy.record]).contains('*'));
}

#[test]
fn worst_cases_of_attacks_that_all_neglect_the_noise_are_no_evidence() {
    let (noisy, plain) =
        (run(0.1, vec![random(), pgd(7, 1)], 6), run(0.0, vec![random(), pgd(7, 1)], 6));
    assert!(!compare(&noisy, &plain).unwrap().worst_case.unwrap().evidence);
}

#[test]
fn two_noisy_models_need_equal_draws() {
    let (a, b) = (run(0.1, vec![pgd(7, 4)], 6), run(0.1, vec![pgd(7, 2)], 6));
    let comparison = compare(&a, &b).unwrap();
    assert!(comparison.attacks.is_empty() && comparison.worst_case.is_none());
    assert!(comparison.to_string().contains("suites are not equal"));
}

/// One draw of a noisy model is luck: no number from it is exact.
#[test]
fn a_noisy_model_that_is_judged_by_one_draw_is_still_noisy() {
    let (noisy, plain) = (run(0.1, vec![pgd(7, 4)], 1), run(0.0, vec![pgd(7, 1)], 1));
    assert_eq!(noisy.record.draws, 1);
    assert_eq!(compare(&noisy, &plain).unwrap().clean.exact_p, None);
    assert!(compare(&plain, &plain).unwrap().clean.exact_p.is_some());
}

#[test]
fn several_radii_and_norms_stand_side_by_side() {
    let of = |threat: Threat| -> Box<dyn Attack> { Box::new(Pgd::new(threat)) };
    let [small, large] = [4.0, 8.0].map(|steps| Threat::linf(steps / 255.0).unwrap());
    let l2 = Threat::l2(0.1).unwrap();
    let record = run(0.0, vec![of(small), of(large), of(l2)], 1).record;
    let names: Vec<&str> = record.attacks.iter().map(|attack| attack.name.as_str()).collect();
    assert_eq!(names, ["PGD-10 Linf 4/255", "PGD-10 Linf 8/255", "PGD-10 L2 0.1"]);
    let keys: Vec<_> = record.attacks.iter().map(|attack| attack.key).collect();
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    let accuracy = |i: usize| record.attacks[i].robust.one_shot.accuracy;
    assert!(accuracy(1) <= accuracy(0));
    assert!(table(&[&record]).lines().next().unwrap().contains("PGD-10 Linf 4/255 %"));
}

/// A misclassified image stays as it is, and costs no pass.
#[test]
fn images_that_are_wrong_anyway_are_not_attacked_where_there_is_no_noise() {
    let flipped = |wrong: usize| {
        let (images, labels) = batches(40, 40).remove(0);
        let mut labels: Vec<i32> = labels.try_to_vec_as().unwrap();
        labels[..wrong].iter_mut().for_each(|label| *label = 1 - *label);
        let labels = Tensor::from_data(labels.as_slice(), &Device::flex());
        let evaluation = Evaluation::new(vec![pgd(10, 1)]).unwrap();
        evaluation.run(&Threshold { sigma: 0.0 }, [(images, labels)]).unwrap()
    };
    let (all, some, none) = (flipped(0), flipped(10), flipped(40));
    let cost = |of: &Evaluated| of.record.attacks[0].passes.backwards;
    assert_eq!((cost(&all), cost(&some), cost(&none)), (400, 300, 0));
    let attacked = |of: &Evaluated| of.record.attacks[0].attacked;
    assert_eq!([&all, &some, &none].map(attacked), [Some(40), Some(30), Some(0)]);
    for row in &some.rows[..10] {
        assert_eq!((row.clean, row.attacks[0].correct, row.attacks[0].distance), (0, 0, 0.0));
    }
    // The other images give the same result as alone.
    assert_eq!(some.rows[10..], all.rows[10..]);
}

/// An arm of an ablation keeps by what it was judged, draws left out: these differ between models
/// with noise and without.
#[test]
fn the_run_of_an_arm_tells_its_threats_and_the_settings_of_its_attacks() {
    let mut noisy = run(0.1, vec![random(), pgd(20, 8)], 6);
    let plain = run(0.0, vec![random(), pgd(20, 1)], 6);
    let of = |evaluated: &Evaluated| ArmRun::new(1, "", &evaluated.record);
    assert_eq!(of(&noisy).threats, [Threat::linf(EPSILON).unwrap()]);
    assert_eq!(of(&noisy).settings.len(), 2);
    assert_eq!(of(&noisy).settings, of(&plain).settings);
    assert_ne!(of(&noisy).attacks[1].0, of(&plain).attacks[1].0);
    let other = run(0.0, vec![random(), pgd(10, 1)], 6);
    assert_ne!(of(&other).settings, of(&plain).settings);
    // What a budget ended shows how far the budget went.
    assert!(of(&noisy).evidence);
    noisy.record.attacks[0].exhausted = true;
    assert!(!of(&noisy).evidence);
}
