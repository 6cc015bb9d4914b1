//! Audits of attacks other than PGD: every check that the attack's knobs allow runs, at the planned
//! cost.

use super::smooth::{CLASSES, EPSILON, Smooth, data, raised, run, sound};
use burn::tensor::Tensor;
use cni_attacks::{
    Access, Apgd, Attack, AttackBatch, AttackError, Fab, HopSkipJump, Iterate, Knob, ModelAccess,
    RandomNoise, Square, Suite, Threat, Transfer,
};
use cni_evaluation::audit::Audit;
use cni_evaluation::{Check, Verdict};
use cni_noise::Key;
use std::sync::Arc;

fn threat() -> Threat {
    Threat::linf(EPSILON).unwrap()
}

/// The skipped checks with their reasons, except for those that need a surrogate.
fn skipped(checks: &[Check]) -> Vec<(&str, &str)> {
    let skipped = checks.iter().filter(|check| check.verdict == Verdict::Skipped);
    let skipped = skipped.filter(|check| !check.measured.contains("surrogate"));
    skipped.map(|check| (check.name.as_str(), check.measured.as_str())).collect()
}

/// Runs all checks of an attack on a smooth model, and asserts that they cost no more than planned.
fn audited(attack: impl Attack + 'static, noise: f64) -> Vec<Check> {
    let name = attack.name();
    let audit = Audit::new(attack);
    let plan = audit.plan_for(CLASSES, noise > 0.0, 64);
    let (checks, passes) = run(&audit, &Smooth::new(noise));
    assert_eq!(checks.len(), Audit::names().count());
    // If the model is sometimes wrong, a check may take other examples than planned.
    let pairs = checks.iter().zip(&plan.checks);
    for (check, planned) in pairs.filter(|(check, planned)| check.examples == planned.examples) {
        let (spent, most) = (check.passes, planned.passes);
        let within = spent.forwards <= most.forwards && spent.backwards <= most.backwards;
        assert!(within, "{name}: {} of {most:?}: {spent:?}", check.name);
    }
    let (passes, planned) = (passes.forwards, plan.passes().forwards);
    assert!(passes <= planned, "{name}: {passes} of {planned}");
    checks
}

const NO_NOISE: &str = "the model has no noise";

#[test]
fn apgd_is_audited_by_its_steps_restarts_draws_and_loss() {
    let apgd = Apgd::cross_entropy(threat()).with_steps(50).unwrap();
    let checks = audited(apgd.clone(), 0.0);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    let missing = [
        ("step-size-sweep", "APGD-CE-50 has no setting `step_size`"),
        ("silent-success", "APGD-CE-50 has no setting `iterate`"),
    ];
    let of_noise = ["gradient-noise", "draw-sweep", "fixed-noise", "noise-off", "draw-transfer"];
    for (name, reason) in skipped(&checks) {
        let known = missing.contains(&(name, reason));
        assert!(known || of_noise.contains(&name) && reason == NO_NOISE, "{name}: {reason}");
    }
    let checks = audited(apgd.with_draws(8).unwrap(), 0.2);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    let names: Vec<&str> = skipped(&checks).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["step-size-sweep", "silent-success"]);
}

#[test]
fn an_attack_of_minimum_norm_is_audited_without_a_loss() {
    let fab = Fab::targeted(threat()).with_steps(30).unwrap();
    let checks = audited(fab, 0.0);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    assert!(skipped(&checks).contains(&("loss-choice", "FAB-T-30 has no setting `loss`")));
    let ran = ["steps-sweep", "restarts-sweep", "epsilon-sweep", "active-test", "stronger-attack"];
    let skipped: Vec<&str> = skipped(&checks).into_iter().map(|(name, _)| name).collect();
    assert!(ran.iter().all(|name| !skipped.contains(name)), "{skipped:?}");
}

/// Checks of gradients ask the model nevertheless: they show whether the attacks with which the
/// audit compares can be trusted.
#[test]
fn an_attack_without_gradients_is_compared_with_those_that_take_them() {
    let square = Square::new(threat()).with_queries(400).unwrap();
    let checks = audited(square.clone(), 0.0);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    let verdict = |checks: &[Check], name: &str| {
        checks.iter().find(|check| check.name == name).unwrap().verdict
    };
    for name in ["gradient-health", "finite-difference", "loss-surface"] {
        assert_eq!(verdict(&checks, name), Verdict::Pass, "{name}");
    }
    let checks = audited(square.with_draws(4).unwrap(), 0.2);
    let names: Vec<&str> = skipped(&checks).into_iter().map(|(name, _)| name).collect();
    let wanted = ["gradient-noise", "step-size-sweep", "silent-success"];
    assert_eq!(names, wanted, "{:?}", skipped(&checks));
    // The expectation of the attack is a setting that can vary.
    assert_ne!(verdict(&checks, "loss-choice"), Verdict::Skipped);
}

/// AutoAttack's attacks with fewer steps.
fn suite(draws: usize) -> Suite {
    let apgd = |apgd: Apgd| apgd.with_steps(20).unwrap().with_draws(draws).unwrap();
    let mut attacks: Vec<Box<dyn Attack>> = vec![Box::new(apgd(Apgd::cross_entropy(threat())))];
    match draws {
        1 => {
            attacks.push(Box::new(apgd(Apgd::targeted(threat()))));
            attacks.push(Box::new(Fab::targeted(threat()).with_steps(10).unwrap()));
            attacks.push(Box::new(Square::new(threat()).with_queries(50).unwrap()));
        }
        _ => attacks.push(Box::new(apgd(Apgd::dlr(threat())))),
    }
    Suite::custom("small", attacks).unwrap().with_judging_draws(5).unwrap()
}

#[test]
fn autoattack_is_audited_as_a_whole() {
    let checks = audited(suite(1), 0.0);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    let reasons = skipped(&checks);
    assert!(reasons.contains(&("steps-sweep", "small has no setting `steps`")), "{reasons:?}");
    let classes = ("active-test", "small wants 4 classes, and the test has two");
    assert!(reasons.contains(&classes), "{reasons:?}");
    let checks = audited(suite(6), 0.2);
    assert!(raised(&checks).is_empty(), "{:#?}", raised(&checks));
    let ran = ["draw-sweep", "draw-transfer", "fixed-noise", "noise-off", "epsilon-sweep"];
    let reasons = skipped(&checks);
    assert!(reasons.iter().all(|(name, _)| !ran.contains(name)), "{reasons:?}");
}

/// An attack without knobs that cannot tell its cost. It moves every pixel to the end of the ball
/// that a fixed pattern of signs gives, whatever the model.
struct Signs(Threat);

impl Attack for Signs {
    fn name(&self) -> String {
        "Signs".to_string()
    }

    fn threat(&self) -> Threat {
        self.0
    }

    fn access(&self) -> Access {
        Access::Scores
    }

    fn spec(&self) -> serde_json::Value {
        serde_json::json!({ "attack": "signs", "threat": self.0 })
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    fn run(
        &self,
        _: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let (norm, epsilon) = (self.0.norm(), self.0.epsilon());
        let change = norm.random_surface(key, &batch.images, epsilon, &batch.examples);
        Ok(norm.project(batch.images.clone() + change, &batch.images, epsilon))
    }
}

#[test]
fn an_attack_of_ones_own_without_any_knob_is_compared_and_found_weak() {
    for noise in [0.0, 0.2] {
        let (images, labels) = data(64);
        let audit = Audit::new(Signs(threat()));
        let checks = audit.run(&Smooth::new(noise), images, labels, 0, &mut |_| {}).unwrap();
        let reasons = skipped(&checks);
        for knob in ["epsilon", "steps", "restarts", "step_size", "loss", "iterate"] {
            let reason = format!("Signs has no setting `{knob}`");
            assert!(reasons.iter().any(|(_, why)| *why == reason), "{knob}: {reasons:?}");
        }
        let fails = |name: &str| {
            let check = checks.iter().find(|check| check.name == name).unwrap();
            assert_eq!(check.verdict, Verdict::Fail, "{check:#?}");
        };
        ["one-step", "stronger-attack", "random-noise", "black-box"].into_iter().for_each(fails);
        if noise > 0.0 {
            assert!(reasons.iter().any(|(_, why)| *why == "Signs has no setting `draws`"));
        }
    }
}

/// The images are the same for every model.
#[test]
fn attacks_that_do_not_learn_from_the_model_are_not_transferred() {
    let transfer = Transfer::new("twin", Smooth::new(0.0), sound(1));
    let random = RandomNoise::new(threat()).with_samples(3).unwrap();
    let attacks: [Arc<dyn Attack>; 2] = [Arc::new(transfer), Arc::new(random)];
    for (attack, reason) in attacks.into_iter().zip(["a model of its own", "does not learn"]) {
        let audit = Audit::new(attack).with_checks(&["transfer", "steps-sweep"]).unwrap();
        let audit = audit.with_surrogate("another", Arc::new(Smooth::new(0.0)));
        let checks = run(&audit, &Smooth::new(0.0)).0;
        // More points, or more steps on the surrogate.
        assert_ne!(checks[0].verdict, Verdict::Skipped, "{checks:#?}");
        assert_eq!(checks[1].verdict, Verdict::Skipped, "{checks:#?}");
        assert!(checks[1].measured.contains(reason), "{checks:#?}");
    }
    // An attack that asks for decisions learns from the model.
    let walk = HopSkipJump::new(threat()).unwrap().with_steps(2).unwrap();
    let audit = Audit::new(walk).with_checks(&["transfer"]).unwrap();
    let audit = audit.with_surrogate("another", Arc::new(Smooth::new(0.0)));
    let checks = run(&audit, &Smooth::new(0.0)).0;
    assert_ne!(checks[0].verdict, Verdict::Skipped, "{checks:#?}");
}

/// An attack behind a pointer, and one that a knob made of another, are audited like the attack
/// itself.
#[test]
fn the_audit_is_of_what_the_attack_does_and_not_of_its_type() {
    let audit = |attack: Arc<dyn Attack>| {
        let audit = Audit::new(attack).with_checks(&["steps-sweep", "loss-choice"]).unwrap();
        let mut checks = run(&audit, &Smooth::new(0.0)).0;
        checks.iter_mut().for_each(|check| check.seconds = 0.0);
        checks
    };
    let other = sound(1).with_steps(5).unwrap().with_iterate(Iterate::Last);
    let turned = other.with_knob(Knob::Steps(20)).unwrap();
    let turned = turned.with_knob(Knob::Iterate(Iterate::Best)).unwrap();
    assert_eq!(audit(Arc::new(sound(1))), audit(turned));
}
