//! Every attack with another value of each setting that attacks share. One file, because all tests
//! use one list of variants.

use super::{CLASSES, attacks};
use crate::support::{Toy, fraction, images, largest};
use burn::tensor::{DType, Tensor};
use cni_attacks::{
    Attack, AttackBatch, AttackError, Expectation, Fab, Goal, Iterate, Knob, Knobs, Loss,
    ModelAccess, Passes, Pgd, RandomNoise, Square, Suite, Threat,
};
use cni_noise::{ExampleIds, Key, Noise, current_noise};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

/// Another value of each knob, with the value that [`Attack::knobs`] must give, and the knob that
/// brings the attack back; `None` if it lacks the knob.
fn turns(attack: &dyn Attack) -> Vec<(Knob, Option<(Knobs, Knob)>)> {
    let (knobs, epsilon) = (attack.knobs(), attack.threat().epsilon());
    let Knobs { steps, step_size, restarts, draws, expectation, loss, iterate } = knobs.clone();
    let more = |count: Option<usize>| count.unwrap_or(1) + 2;
    let other_loss = if loss == Some(Loss::Margin) { Loss::CrossEntropy } else { Loss::Margin };
    let wide = Knobs { step_size: step_size.map(|size| follows(attack, size)), ..knobs.clone() };
    vec![
        (Knob::Epsilon(2.0 * epsilon), Some((wide, Knob::Epsilon(epsilon)))),
        (
            Knob::Steps(more(steps)),
            steps.map(|old| (Knobs { steps: Some(old + 2), ..knobs.clone() }, Knob::Steps(old))),
        ),
        (
            Knob::StepSize(2.0 * step_size.unwrap_or(0.1)),
            step_size.map(|old| {
                (Knobs { step_size: Some(2.0 * old), ..knobs.clone() }, Knob::StepSize(old))
            }),
        ),
        (
            Knob::Restarts(more(restarts)),
            restarts.map(|old| {
                (Knobs { restarts: Some(old + 2), ..knobs.clone() }, Knob::Restarts(old))
            }),
        ),
        (
            Knob::Draws(more(draws)),
            draws.map(|old| (Knobs { draws: Some(old + 2), ..knobs.clone() }, Knob::Draws(old))),
        ),
        (
            Knob::Expectation(Expectation::Logits),
            expectation.map(|old| {
                let new = Some(Expectation::Logits);
                (Knobs { expectation: new, ..knobs.clone() }, Knob::Expectation(old))
            }),
        ),
        (
            Knob::Loss(other_loss.clone()),
            loss.map(|old| {
                (Knobs { loss: Some(other_loss.clone()), ..knobs.clone() }, Knob::Loss(old))
            }),
        ),
        (
            Knob::Iterate(Iterate::Best),
            iterate.map(|old| {
                (Knobs { iterate: Some(Iterate::Best), ..knobs.clone() }, Knob::Iterate(old))
            }),
        ),
    ]
}

/// The step size in a ball of twice the radius: PGD's is in proportion to it, others' is not.
fn follows(attack: &dyn Attack, size: f64) -> f64 {
    let pgd = attack.spec()["attack"] == "pgd" || attack.spec()["of"]["attack"] == "pgd";
    if pgd { 2.0 * size } else { size }
}

#[test]
fn a_knob_changes_its_own_setting_and_no_other() {
    for (case, _, attack) in attacks(0.2) {
        for (knob, wanted) in turns(attack.as_ref()) {
            let turned = attack.with_knob(knob.clone());
            let Some((knobs, back)) = wanted else {
                let wanted = AttackError::NoKnob { attack: attack.name(), field: knob.field() };
                assert_eq!(turned.err(), Some(wanted), "{case}: {knob:?}");
                continue;
            };
            let turned = turned.unwrap_or_else(|error| panic!("{case}: {knob:?}: {error}"));
            assert_eq!(turned.knobs(), knobs, "{case}: {knob:?}");
            let epsilon = match knob {
                Knob::Epsilon(epsilon) => epsilon,
                _ => attack.threat().epsilon(),
            };
            assert_eq!(turned.threat(), attack.threat().with_epsilon(epsilon).unwrap(), "{case}");
            assert_ne!(turned.spec(), attack.spec(), "{case}: {knob:?}");
            let back = turned.with_knob(back).unwrap();
            assert_eq!(back.spec(), attack.spec(), "{case}: {knob:?} and back");
        }
    }
}

#[test]
fn a_value_that_a_setting_refuses_is_refused_as_a_knob() {
    for (case, _, attack) in attacks(0.2) {
        let knobs = attack.knobs();
        let refused = |knob: Knob| attack.with_knob(knob).err().unwrap_or_else(|| panic!("{case}"));
        let zeros = [
            (knobs.steps, Knob::Steps(0)),
            (knobs.restarts, Knob::Restarts(0)),
            (knobs.draws, Knob::Draws(0)),
        ];
        for (_, knob) in zeros.iter().filter(|(value, _)| value.is_some()) {
            assert!(matches!(refused(knob.clone()), AttackError::Zero { .. }), "{case}: {knob:?}");
        }
        for got in [-0.1, f64::NEG_INFINITY] {
            assert_eq!(refused(Knob::Epsilon(got)), AttackError::Epsilon { got }, "{case}");
        }
        let error = refused(Knob::Epsilon(f64::NAN));
        assert!(matches!(error, AttackError::Epsilon { got } if got.is_nan()), "{case}: {error}");
        if knobs.step_size.is_some() {
            let error = refused(Knob::StepSize(0.0)).to_string();
            assert!(error.contains(": got 0, wanted"), "{case}: {error}");
        }
    }
    let error = Pgd::new(Threat::linf(0.0).unwrap()).with_knob(Knob::Epsilon(0.1)).err().unwrap();
    assert!(
        error.to_string().starts_with("epsilon: got 0.1, wanted an attack with a radius"),
        "{error}"
    );
    // Two attacks that differ in nothing but a knob cannot stand in one suite with the same value.
    let pgd = || Pgd::new(Threat::linf(0.1).unwrap());
    let both: Vec<Box<dyn Attack>> = vec![Box::new(pgd()), Box::new(pgd().with_draws(4).unwrap())];
    let error = Suite::custom("both", both).unwrap().with_knob(Knob::Draws(2)).err().unwrap();
    assert!(matches!(error, AttackError::Suite { .. }), "{error}");
}

/// With every knob turned, on a model without noise and on one with it.
#[test]
fn results_stay_in_the_new_ball_and_cost_no_more_than_was_told() {
    const BATCH: usize = 6;
    let quiet = Toy::new(CLASSES, DType::F32);
    let clean = images(BATCH, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    for (case, _, attack) in attacks(0.2) {
        let mut variants: Vec<Arc<dyn Attack>> = vec![Arc::from(attack)];
        let turned = turns(variants[0].as_ref()).into_iter().filter(|(_, wanted)| wanted.is_some());
        let turned: Vec<Arc<dyn Attack>> =
            turned.map(|(knob, _)| variants[0].with_knob(knob).unwrap()).collect();
        variants.extend(turned);
        for (attack, noise) in variants.iter().flat_map(|attack| [(attack, 0.0), (attack, 0.4)]) {
            let toy = Toy { noise, ..quiet.clone() };
            let model = toy.classifier();
            let mut runner = attack.on(&model).with_key(Key::new(7));
            // Without noise the model is asked whether it has any.
            let mut probe = Passes { forwards: 8, backwards: 0 };
            if noise > 0.0 {
                (runner, probe) = (runner.with_stochastic(true), Passes::default());
            }
            let found = runner.perturb(clean.clone(), &goal).unwrap();
            let (case, threat) =
                (format!("{case}, {}, noise {noise}", attack.name()), attack.threat());
            let distance = largest(threat.norm().distance(&found.images, &clean));
            assert!(distance <= threat.epsilon() * (1.0 + 1e-5), "{case}: {distance}");
            let most = (attack.cost(CLASSES, noise > 0.0).unwrap() + probe) * BATCH as u64;
            let spent = found.passes;
            assert!(spent.forwards <= most.forwards, "{case}: {spent:?} of {most:?}");
            assert!(spent.backwards <= most.backwards, "{case}: {spent:?} of {most:?}");
        }
    }
}

/// The model writes down the noise under which it is asked.
#[test]
fn deciding_draws_are_draws_that_the_attack_has_asked_for() {
    let quiet = Toy::new(CLASSES, DType::F32);
    let toy = Toy { noise: 0.3, ..quiet.clone() };
    let clean = images(6, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    for (case, row, attack) in attacks(0.01) {
        let seen = RefCell::new(HashSet::new());
        let model = |x: Tensor<4>| {
            if let Noise::Keyed(key) = current_noise() {
                seen.borrow_mut().insert(format!("{key:?}"));
            }
            toy.logits(x)
        };
        let attack = attack.with_knob(Knob::Draws(3)).unwrap();
        let key = Key::new(5);
        let runner = attack.on(&model).with_stochastic(true).with_key(key);
        runner.perturb(clean.clone(), &goal).unwrap();
        let deciding = attack.deciding_draws(key);
        assert!(!deciding.is_empty(), "{case}");
        for (key, draws) in deciding {
            // The judging draws of a suite are a setting of its own.
            assert_eq!(draws, 3, "{case}");
            for draw in 0..draws as u64 {
                let key = format!("{:?}", key.child(draw));
                assert!(seen.borrow().contains(&key), "{case} in {:?}", row.norms);
            }
        }
    }
    let one = RandomNoise::new(Threat::linf(0.1).unwrap());
    assert!(one.deciding_draws(Key::new(5)).is_empty());
}

/// The images of a run on, and what they cost.
fn continued(
    attack: &dyn Attack,
    toy: &Toy,
    batch: &AttackBatch,
    key: Key,
    more: Knob,
) -> (Tensor<4>, Passes) {
    let model = toy.classifier();
    let mut access = ModelAccess::new(&model).with_stochastic(toy.noise > 0.0);
    let found = access.run(attack, batch, key).unwrap();
    let before = access.passes();
    let images = attack.continued(&mut access, batch, key, found, more).unwrap();
    (images, access.passes() - before)
}

#[test]
fn pgd_goes_on_from_what_it_has_found_at_the_cost_that_it_tells() {
    let quiet = Toy::new(CLASSES, DType::F32);
    let clean = images(12, DType::F32);
    let goal = Goal::Misclassify(quiet.predictions(&clean));
    let (key, threat) = (Key::new(8), Threat::linf(0.1).unwrap());
    let batch = AttackBatch::new(clean.clone(), &goal, ExampleIds::from(0)).unwrap();
    for toy in [quiet.clone(), Toy { noise: 0.4, ..quiet }] {
        let short = Pgd::new(threat).with_steps(3).unwrap().with_draws(2).unwrap();
        let more = Knob::Steps(7);
        let (images, passes) = continued(&short, &toy, &batch, key, more.clone());
        assert_eq!(passes, short.continued_cost(more.clone()).unwrap() * 12);
        // The last iterates of a single run without momentum are those of the longer run.
        let access_of = |attack: &dyn Attack| {
            let model = toy.classifier();
            let mut access = ModelAccess::new(&model).with_stochastic(toy.noise > 0.0);
            access.run(attack, &batch, key).unwrap()
        };
        let whole = access_of(&short.with_knob(more.clone()).unwrap());
        assert!(largest((images - whole).abs()) < 1e-6);
        // From the image itself a second run would find the same: it starts at a random point.
        let bim = Pgd::bim(threat).with_steps(2).unwrap();
        let more = Knob::Restarts(4);
        let (images, passes) = continued(&bim, &toy, &batch, key, more.clone());
        assert_eq!(passes, bim.continued_cost(more.clone()).unwrap() * 12);
        let (one, more) = (access_of(&bim), images);
        assert!(largest((more.clone() - one.clone()).abs()) > 0.01);
        if toy.noise == 0.0 {
            let reached = |images: Tensor<4>| fraction(goal.reached(&toy.logits(images)));
            assert!(reached(more) >= reached(one));
        }
    }
    let pgd = Pgd::new(threat);
    assert!(pgd.continued_cost(Knob::Draws(20)).is_none());
    for attack in [&Square::new(threat) as &dyn Attack, &Fab::new(threat)] {
        assert!(attack.continued_cost(Knob::Steps(10_000)).is_none());
    }
}

#[test]
fn an_attack_behind_a_pointer_is_the_attack() {
    let attack = Pgd::new(Threat::linf(0.1).unwrap()).with_draws(3).unwrap();
    let boxed: Box<dyn Attack> = Box::new(attack.clone());
    let shared: Arc<dyn Attack> = Arc::new(attack.clone());
    let key = Key::new(1);
    for other in [&boxed as &dyn Attack, &shared, &&attack] {
        assert_eq!((other.name(), other.spec()), (attack.name(), attack.spec()));
        assert_eq!((other.knobs(), other.threat()), (attack.knobs(), attack.threat()));
        assert_eq!((other.access(), other.min_classes()), (attack.access(), attack.min_classes()));
        assert_eq!(other.gradient_draws(), attack.gradient_draws());
        assert_eq!(other.check(), attack.check());
        assert_eq!(other.cost(4, true), attack.cost(4, true));
        let more = Knob::Steps(20);
        assert_eq!(other.continued_cost(more.clone()), attack.continued_cost(more.clone()));
        assert_eq!(other.deciding_draws(key), attack.deciding_draws(key));
        assert_eq!(other.with_knob(more).unwrap().name(), "EOT-PGD-20x3");
    }
    // The answers that the trait's default methods would give.
    let nearest: Arc<dyn Attack> = Arc::new(Fab::new(Threat::linf(0.1).unwrap()));
    assert!((&nearest as &dyn Attack).is_minimum_norm());
    let one = RandomNoise::new(Threat::linf(0.1).unwrap()).with_draws(20).unwrap();
    let boxed: Box<dyn Attack> = Box::new(one);
    assert!((&boxed as &dyn Attack).check().is_err());
}
