//! Cascades: each attack gets the images that those before it did not break.

use crate::toy::{EXAMPLES, Toy, batches, images, robust, standard, threat, timeless};
use burn::tensor::{Int, Tensor};
use cni_attacks::{
    Apgd, Attack, Classifier, Goal, Passes, Pgd, RandomNoise, Square, Suite, Threat, Transfer,
};
use cni_evaluation::{Evaluated, Evaluation, NoiseState, Step, compare, table};
use cni_noise::{Key, Noise, current_noise};
use std::sync::atomic::{AtomicUsize, Ordering};

fn rising() -> Vec<Box<dyn Attack>> {
    vec![
        Box::new(RandomNoise::new(threat())),
        Box::new(Pgd::fgsm(threat())),
        Box::new(Apgd::dlr(threat()).with_steps(20).unwrap()),
    ]
}

/// The model's own predictions as labels, except that the first label is wrong.
fn labels(toy: &Toy) -> Tensor<1, Int> {
    let labels = toy.predictions(&images());
    let wrong = labels.clone().slice(0..1).add_scalar(1).remainder_scalar(4);
    Tensor::cat(vec![wrong, labels.slice(1..EXAMPLES)], 0)
}

#[test]
fn each_attack_gets_what_those_before_it_have_left() {
    let toy = Toy::new(4);
    let seen = AtomicUsize::new(0);
    let model = |x: Tensor<4>| {
        seen.fetch_add(x.dims()[0], Ordering::Relaxed);
        toy.logits(x)
    };
    // One label is wrong from the start, so no attack gets its image.
    let evaluation = Evaluation::of(Suite::custom("rising", rising()).unwrap()).unwrap();
    let evaluated = evaluation.run(&model, batches(&labels(&toy), EXAMPLES)).unwrap();
    let Evaluated { record, rows, .. } = &evaluated;
    let mut left = EXAMPLES - 1;
    for attack in &record.attacks {
        assert_eq!(attack.attacked, Some(left), "{}", attack.name);
        left -= attack.broken.unwrap();
        // Robust accuracy counts the images that are not broken yet.
        assert_eq!(attack.robust.one_shot.accuracy, left as f64 / EXAMPLES as f64);
        assert!(attack.robust.one_shot.low < attack.robust.one_shot.high);
    }
    assert!(record.attacks[1].broken > Some(0), "{record:?}");
    assert_eq!(robust(record), left as f64 / EXAMPLES as f64);
    assert_eq!(record.clean.one_shot.accuracy, (EXAMPLES - 1) as f64 / EXAMPLES as f64);
    assert_eq!((&rows[0].broken_by, rows[0].attacks[2].distance), (&None, 0.0));
    let broken = rows.iter().filter(|row| row.broken_by.is_some()).count();
    assert_eq!(broken, EXAMPLES - 1 - left);
    let within = |distance: f64| distance <= 0.1 + 1e-6;
    assert!(rows.iter().all(|row| row.attacks.iter().all(|attack| within(attack.distance))));
    // Every image that the model saw is counted in the record: those of the attacks, those of the
    // judgements of clean and attacked images, and those of the probe, which asks four times about
    // eight images and four times about points beside them.
    let passes: u64 = record.attacks.iter().map(|attack| attack.passes.forwards).sum();
    let attacked: usize = record.attacks.iter().filter_map(|attack| attack.attacked).sum();
    assert_eq!(record.scoring.forwards, (EXAMPLES + attacked + 8 * 8) as u64);
    assert_eq!(seen.into_inner() as u64, passes + record.scoring.forwards);

    assert_eq!(record.cascade.as_ref().unwrap().suite.as_deref(), Some("rising"));
    let text = table(&[record]);
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    assert!(text.lines().next().unwrap().ends_with("rising %"), "{text}");
    let words: Vec<String> = line("after FGSM").split_whitespace().map(String::from).collect();
    let counts = [1, 2].map(|at| words[words.len() - 6 + at].parse::<usize>().unwrap());
    let of = &record.attacks[1];
    assert_eq!(counts.map(Some), [of.attacked, of.broken], "{text}");
    let folder = tempfile::tempdir().unwrap();
    evaluated.save(folder.path()).unwrap();
    assert_eq!(Evaluated::read(folder.path()).unwrap(), evaluated);
}

#[test]
fn a_cascade_does_not_depend_on_the_batches_and_breaks_what_the_suite_breaks() {
    let toy = Toy::new(4);
    let labels = toy.predictions(&images());
    let run = |size| {
        let evaluation = Evaluation::new(standard()).unwrap().cascade();
        timeless(evaluation.run(&toy, batches(&labels, size)).unwrap())
    };
    let (whole, parts) = (run(EXAMPLES), run(7));
    for (a, b) in whole.rows.iter().zip(&parts.rows) {
        assert_eq!((a.clean, a.worst_case, &a.broken_by), (b.clean, b.worst_case, &b.broken_by));
        for (a, b) in a.attacks.iter().zip(&b.attacks) {
            assert_eq!(a.correct, b.correct);
            assert!((a.distance - b.distance).abs() < 1e-6);
        }
    }
    for (a, b) in whole.record.attacks.iter().zip(&parts.record.attacks) {
        assert_eq!((a.attacked, a.broken, a.passes), (b.attacked, b.broken, b.passes));
    }
    let (suite, goal) = (Suite::custom("standard", standard()).unwrap(), Goal::Misclassify(labels));
    let found = suite.on(&toy).with_key(Key::new(0)).perturb(images(), &goal).unwrap();
    let broken: Vec<bool> = goal.reached(&toy.logits(found.images)).try_to_vec_as().unwrap();
    let wanted: Vec<bool> = whole.rows.iter().map(|row| row.worst_case == 0).collect();
    assert_eq!(broken, wanted);
}

/// The attacks ask nothing of the model; their images are judged once.
#[test]
fn at_a_radius_of_zero_a_cascade_asks_for_its_verdicts_alone_and_moves_nothing() {
    let toy = Toy::new(4);
    let none = Threat::linf(0.0).unwrap();
    let surrogate = toy.clone();
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd::new(none)),
        Box::new(Apgd::targeted(none)),
        Box::new(Square::new(none)),
        Box::new(Transfer::new("twin", move |x: Tensor<4>| surrogate.logits(x), Pgd::new(none))),
    ];
    let evaluation = Evaluation::new(attacks).unwrap().cascade();
    let labels = toy.predictions(&images());
    let Evaluated { record, rows, .. } = evaluation.run(&toy, batches(&labels, EXAMPLES)).unwrap();
    for attack in &record.attacks {
        assert_eq!((attack.attacked, attack.broken), (Some(EXAMPLES), Some(0)));
        assert_eq!(attack.passes, Passes::default());
    }
    assert_eq!(record.scoring.forwards, (5 * EXAMPLES + 8 * 8) as u64);
    assert!(rows.iter().flat_map(|row| &row.attacks).all(|attack| attack.distance == 0.0));
    assert_eq!(robust(&record), 1.0);
}

#[test]
fn what_cannot_run_on_few_classes_is_refused_before_the_first_attack() {
    let toy = Toy::new(3);
    let seen = AtomicUsize::new(0);
    let model = |x: Tensor<4>| {
        seen.fetch_add(usize::from(x.is_require_grad()), Ordering::Relaxed);
        toy.logits(x)
    };
    let batches = batches(&toy.predictions(&images()), EXAMPLES);
    let suite = Suite::standard(threat()).unwrap();
    let error = Evaluation::of(suite).unwrap().run(&model, batches.clone()).unwrap_err();
    assert!(error.to_string().contains("`Suite::for_classes(3)`"), "{error}");
    let attacks = Evaluation::new(standard()).unwrap().cascade();
    let error = attacks.run(&model, batches).unwrap_err().to_string();
    assert!(error.contains("classes: got 3, wanted at least 4"), "{error}");
    assert_eq!(seen.into_inner(), 0);
}

/// One lucky draw neither ends an attack nor counts as a success.
#[test]
fn a_lucky_draw_breaks_nothing() {
    // A model of three classes, two of them far apart, with noise that flips one prediction in a
    // hundred.
    let key_of = || match current_noise() {
        Noise::Keyed(key) => key,
        _ => Key::new(0),
    };
    let model = |x: Tensor<4>| {
        let margin = x.flatten::<2>(1, 3).mean_dim(1).add_scalar(10.0);
        let lucky = cni_noise::host_uniform(key_of(), 0..1)[0] < 0.01;
        let sign = if lucky { -1.0 } else { 1.0 };
        let tiny = cni_noise::host_uniform(key_of().named("tiny"), 0..1)[0];
        let margin = margin.mul_scalar(sign).add_scalar(1e-3 * f64::from(tiny));
        Tensor::cat(vec![margin.clone(), margin.clone().neg(), margin.mul_scalar(0.0)], 1)
    };
    let clean = images().slice(0..8);
    let labels = Tensor::zeros([8], &clean.device());
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Apgd::dlr(threat()).with_draws(20).unwrap()),
        Box::new(Pgd::new(threat()).with_steps(50).unwrap().with_draws(4).unwrap()),
    ];
    let suite = Suite::custom("lucky", attacks).unwrap().with_judging_draws(50).unwrap();
    let evaluation = Evaluation::of(suite).unwrap().with_noise_off(false).with_fixed_noise(false);
    let record = evaluation.run(&model, [(clean, labels)]).unwrap().record;
    assert!(record.stochastic && record.draws == 50);
    let kept = |attack: &cni_evaluation::AttackRecord| {
        (attack.broken, attack.attacked) == (Some(0), Some(8))
    };
    assert!(record.attacks.iter().all(kept), "{record:?}");
    // A flip has the probability 0.01 in each of 50 draws, the same for all examples. The
    // probability of more than five flips is below 2e-5.
    assert!(robust(&record) >= 0.9, "{record:?}");
}

/// In every state of its noise the model is attacked by a cascade of its own.
#[test]
fn a_noisy_model_meets_a_cascade_in_every_state_of_its_noise() {
    let toy = Toy { noise: 0.3, ..Toy::new(4) };
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Apgd::cross_entropy(threat()).with_steps(10).unwrap().with_draws(4).unwrap()),
        Box::new(Pgd::new(threat()).with_draws(4).unwrap()),
    ];
    let evaluation = Evaluation::new(attacks).unwrap().cascade();
    let mut most = [[0; 2]; 3];
    let mut watch = |step: &Step| {
        let Step::Attack { noise, label, attack, .. } = step else { return };
        let state = [NoiseState::Live, NoiseState::Off, NoiseState::Fixed];
        let state = state.iter().position(|one| one == noise).unwrap();
        let which = usize::from(label.contains("EOT-PGD"));
        most[state][which] = most[state][which].max(attack.active);
    };
    let quiet = Toy::new(4);
    let batches = batches(&quiet.predictions(&images()), EXAMPLES);
    let record = evaluation.run_with(&toy, batches, None, &mut watch).unwrap().record;
    let still = evaluation.run(&quiet, self::batches_of(&quiet)).unwrap().record;
    for (a, b) in record.attacks.iter().zip(&still.attacks) {
        let off = a.robust.noise_off.as_ref().unwrap();
        assert_eq!(off.accuracy, b.robust.one_shot.accuracy, "{}", a.name);
    }
    let worst = record.worst_case.as_ref().unwrap();
    let last = &record.attacks[1].robust;
    assert_eq!(worst, last);
    // With live noise an image stays in the cascade until all draws are wrong; with noise off one
    // draw decides.
    let live = record.attacks.iter().map(|attack| attack.attacked.unwrap()).collect::<Vec<_>>();
    assert_eq!(most[0].to_vec(), live);
    let left = (still.attacks[0].robust.one_shot.accuracy * EXAMPLES as f64).round() as usize;
    assert_eq!(most[1][1], left);
}

fn batches_of(toy: &Toy) -> Vec<(Tensor<4>, Tensor<1, Int>)> {
    batches(&toy.predictions(&images()), EXAMPLES)
}

#[test]
fn a_cascade_is_compared_with_cascades_of_the_same_beginning_alone() {
    let toy = Toy::new(4);
    let of = |evaluation: Evaluation| evaluation.run(&toy, batches_of(&toy)).unwrap();
    let cascade = of(Evaluation::new(rising()).unwrap().cascade());
    let mut shorter = rising();
    shorter.truncate(2);
    let shorter = of(Evaluation::new(shorter).unwrap().cascade());
    let apart = of(Evaluation::new(rising()).unwrap());
    let mut turned = rising();
    turned.reverse();
    let turned = of(Evaluation::new(turned).unwrap().cascade());
    let compared = |other: &Evaluated| {
        let found = compare(&cascade, other).unwrap();
        (found.attacks.len(), found.worst_case.is_some())
    };
    assert_eq!(compared(&cascade), (3, true));
    // The numbers are those after all attacks so far, as in the tables.
    let names = compare(&cascade, &shorter).unwrap().attacks;
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["after Random-1", "after FGSM"]);
    assert_eq!(compared(&shorter), (2, false));
    assert_eq!(compared(&apart), (0, false));
    assert_eq!(compared(&turned), (0, false));
    // The table of each shows nothing that belongs to the other.
    let text = table(&[&apart.record, &cascade.record]);
    let dashes = text.lines().nth(2).unwrap().split_whitespace().filter(|word| *word == "-");
    assert_eq!(dashes.count(), 3, "{text}");
}
