//! An evaluation that audits one of its own attacks.

use crate::threshold::{EPSILON, Threshold, batches};
use cni_attacks::{Apgd, Attack, Budget, Ddn, Norm, Passes, Pgd, Suite, Threat};
use cni_evaluation::audit::Audit;
use cni_evaluation::{Evaluated, Evaluation, EvaluationError, NoiseState, Step};

/// The names of checks that cost little.
const CHECKS: [&str; 3] = ["logits", "finite-difference", "steps-sweep"];

fn pgd(draws: usize) -> Pgd {
    Pgd::new(Threat::linf(EPSILON).unwrap()).with_draws(draws).unwrap()
}

fn audit(draws: usize) -> Audit {
    Audit::new(pgd(draws)).with_checks(&CHECKS).unwrap()
}

fn evaluation(suite: Vec<Box<dyn Attack>>) -> Evaluation {
    Evaluation::new(suite).unwrap().with_draws(4).unwrap()
}

#[test]
fn the_record_names_the_audited_attack_and_the_audit_is_of_its_data() {
    let suite: Vec<Box<dyn Attack>> = vec![Box::new(pgd(1)), Box::new(pgd(3))];
    let evaluation = evaluation(suite).with_audit(audit(3)).unwrap();
    let (mut checks, mut passes) = (Vec::new(), Passes::default());
    let mut watch = |step: &Step| {
        if let Step::Check(progress) = step {
            checks.extend(progress.done.map(|check| check.name.clone()));
            passes = progress.passes;
        }
    };
    let model = Threshold { sigma: 0.1 };
    let evaluated = evaluation.run_with(&model, batches(40, 15), None, &mut watch).unwrap();
    let record = &evaluated.record;
    let audit = record.audit.as_ref().unwrap();
    assert_eq!(audit.attack, "EOT-PGD-10x3");
    assert_eq!((&audit.hash, &audit.spec), (&record.attacks[1].hash, &record.attacks[1].spec));
    assert_eq!((audit.draws, audit.epsilon, audit.within.as_deref()), (3, EPSILON, None));
    let names: Vec<&str> = record.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!((names, checks.len()), (CHECKS.to_vec(), 3));
    assert!(audit.examples > 15 && audit.examples <= 40, "{}", audit.examples);
    // What the checks share is in the cost of none of them; together they are the whole cost.
    let shared = audit.shared.unwrap();
    assert!(shared.passes.forwards > 0 && shared.passes.backwards > 0 && shared.seconds > 0.0);
    let costs = record.checks.iter().map(|check| check.passes);
    assert_eq!(costs.fold(shared.passes, |sum, passes| sum + passes), passes);
    let folder = tempfile::tempdir().unwrap();
    evaluated.save(folder.path()).unwrap();
    assert_eq!(Evaluated::read(folder.path()).unwrap(), evaluated);
}

#[test]
fn an_audit_of_an_attack_that_is_not_reported_is_refused() {
    let other: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(Threat::linf(EPSILON).unwrap()))];
    let error = evaluation(other).with_audit(audit(1)).err().unwrap();
    assert!(matches!(&error, EvaluationError::Audit { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("audit: got PGD-10, wanted one of") && text.ends_with("FGSM"), "{text}");
    // Draws make a different attack on a model with noise, but not on one without.
    let single = || -> Vec<Box<dyn Attack>> { vec![Box::new(pgd(1))] };
    let evaluation = evaluation(single()).with_audit(audit(3)).unwrap();
    let noisy = evaluation.run(&Threshold { sigma: 0.1 }, batches(20, 20)).unwrap_err();
    assert!(matches!(&noisy, EvaluationError::Audit { .. }), "{noisy}");
    let record = evaluation.run(&Threshold { sigma: 0.0 }, batches(20, 20)).unwrap().record;
    let audit = record.audit.unwrap();
    assert_eq!((audit.attack.as_str(), audit.draws), ("PGD-10", 1));
    assert_eq!(audit.hash, record.attacks[0].hash);
    let still = Audit::new(Pgd::new(Threat::linf(0.0).unwrap()));
    let zero: Vec<Box<dyn Attack>> = vec![Box::new(still.attack().clone())];
    let error = Evaluation::new(zero).unwrap().with_audit(still).err().unwrap().to_string();
    assert!(error.starts_with("epsilon: got 0"), "{error}");
}

/// Checks compare what attacks find within a radius, and a file has no number for an infinite one.
#[test]
fn an_audit_within_a_ball_without_a_bound_is_refused() {
    let attack = || Ddn::new(Threat::unbounded(Norm::L2)).unwrap();
    let suite: Vec<Box<dyn Attack>> = vec![Box::new(attack())];
    let refused = evaluation(suite).with_audit(Audit::new(attack())).err().unwrap().to_string();
    assert!(refused.starts_with("epsilon: got inf, wanted a finite number"), "{refused}");
    let (images, labels) = batches(4, 4).remove(0);
    let model = Threshold { sigma: 0.0 };
    let alone = Audit::new(attack()).run(&model, images, labels, 0, &mut |_| {}).unwrap_err();
    assert_eq!(alone.to_string(), refused);
}

/// The checks run attacks to their end, so that they are not about one that a budget ends.
#[test]
fn a_budget_beside_an_audit_is_refused_whichever_comes_first() {
    let budget = Budget { backwards: Some(3), ..Budget::default() };
    let plain = || {
        let suite: Vec<Box<dyn Attack>> = vec![Box::new(pgd(1))];
        evaluation(suite)
    };
    let first = plain().with_budget(budget).with_audit(audit(1)).err().unwrap();
    let later = plain().with_audit(audit(1)).unwrap().with_budget(budget);
    let later = later.run(&Threshold { sigma: 0.0 }, batches(20, 20)).unwrap_err();
    let wanted = "budget: got {\"backwards\":3}, wanted none beside an audit, whose checks run the \
                  attack to its end";
    assert_eq!([first, later].map(|error| error.to_string()), [wanted; 2]);
}

#[test]
fn an_attack_within_a_suite_can_be_audited_and_the_record_says_where_it_is() {
    let threat = Threat::linf(EPSILON).unwrap();
    let members: Vec<Box<dyn Attack>> =
        vec![Box::new(Apgd::cross_entropy(threat).with_steps(5).unwrap()), Box::new(pgd(1))];
    let suite: Vec<Box<dyn Attack>> = vec![Box::new(Suite::custom("both", members).unwrap())];
    let evaluation = evaluation(suite).with_audit(audit(1)).unwrap();
    let record = evaluation.run(&Threshold { sigma: 0.0 }, batches(20, 20)).unwrap().record;
    let audit = record.audit.unwrap();
    assert_eq!((audit.attack.as_str(), audit.within.as_deref()), ("PGD-10", Some("both")));
    assert_eq!(record.attacks[0].spec["attacks"][1], audit.spec);
}

/// The attacks of AutoAttack are recognized by their settings, whatever their type, and so is a
/// suite of them.
#[test]
fn any_attack_of_an_evaluation_can_be_audited() {
    let threat = Threat::linf(EPSILON).unwrap();
    let apgd = || Apgd::cross_entropy(threat).with_steps(5).unwrap().with_draws(2).unwrap();
    let suite =
        || Suite::custom("one", vec![Box::new(apgd())]).unwrap().with_judging_draws(3).unwrap();
    let audits = [(Audit::new(suite()), "one", None), (Audit::new(apgd()), "", Some("one"))];
    for (audit, name, within) in audits {
        let audit = audit.with_checks(&["eight-bit", "steps-sweep"]).unwrap();
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(suite())];
        let evaluation = evaluation(attacks).with_audit(audit).unwrap();
        for (sigma, draws) in [(0.1, 2), (0.0, 1)] {
            let record = evaluation.run(&Threshold { sigma }, batches(20, 20)).unwrap().record;
            let audit = record.audit.unwrap();
            let wanted = if within.is_none() { name } else { "EOT-APGD-CE-5x2" };
            assert_eq!((audit.attack.as_str(), audit.within.as_deref()), (wanted, within));
            assert_eq!(audit.draws, draws, "{wanted}, noise {sigma}");
            // Checks are in the order of their table.
            let skipped = record.checks[0].measured.contains("has no setting `steps`");
            assert_eq!((record.checks.len(), skipped), (2, within.is_none()));
        }
    }
}

/// The attack is audited by itself, whatever the attacks before it did to the images.
#[test]
fn an_attack_of_a_cascade_can_be_audited() {
    let threat = Threat::linf(EPSILON).unwrap();
    let attacks = || -> Vec<Box<dyn Attack>> {
        vec![Box::new(Apgd::cross_entropy(threat).with_steps(5).unwrap()), Box::new(pgd(1))]
    };
    let run = |evaluation: Evaluation| {
        let evaluation = evaluation.with_audit(audit(1)).unwrap();
        evaluation.run(&Threshold { sigma: 0.0 }, batches(20, 20)).unwrap().record
    };
    let cascade = run(Evaluation::of(Suite::custom("both", attacks()).unwrap()).unwrap());
    let found = cascade.audit.as_ref().unwrap();
    assert_eq!((found.attack.as_str(), found.within.as_deref()), ("PGD-10", None));
    assert_eq!(found.hash, cascade.attacks[1].hash);
    let apart = run(Evaluation::new(attacks()).unwrap().with_draws(20).unwrap());
    let measured = |record: &cni_evaluation::Record| {
        record.checks.iter().map(|check| check.measured.clone()).collect::<Vec<_>>()
    };
    assert_eq!(measured(&cascade), measured(&apart));
    let other: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(threat))];
    let refused = Evaluation::new(other).unwrap().cascade().with_audit(audit(1)).err().unwrap();
    assert!(matches!(refused, EvaluationError::Audit { .. }), "{refused}");
}

/// The kill comes while the checks run: attacks and finished checks are read from disk.
#[test]
fn an_audit_that_dies_goes_on_with_the_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let run = |suite: Vec<Box<dyn Attack>>| {
        let evaluation = evaluation(suite).with_audit(audit(1)).unwrap();
        let (mut iterations, mut begun) = (0, Vec::new());
        let mut watch = |step: &Step| match step {
            Step::Attack { .. } => iterations += 1,
            Step::Certificates { .. } => {}
            Step::Check(progress) => {
                begun.extend(progress.done.is_none().then_some(progress.position))
            }
        };
        let model = Threshold { sigma: 0.0 };
        let evaluated = evaluation.run_with(&model, batches(20, 10), Some(&state), &mut watch);
        (evaluated.unwrap(), iterations, begun)
    };
    let suite = || -> Vec<Box<dyn Attack>> { vec![Box::new(pgd(1))] };
    let (first, iterations, _) = run(suite());
    assert!(iterations > 0);
    std::fs::remove_file(state.join("audit/logits.json")).unwrap();
    let (second, iterations, begun) = run(suite());
    assert_eq!((iterations, begun), (0, vec![1]));
    assert_eq!(first.record.audit, second.record.audit);
    // Saving removes the state of the evaluation and of its audit.
    second.save(folder.path()).unwrap();
    assert!(!state.exists());
}

#[test]
fn states_of_the_noise_are_left_out_on_demand_and_the_record_says_so() {
    let suite: Vec<Box<dyn Attack>> = vec![Box::new(pgd(2))];
    let evaluation = evaluation(suite).with_noise_off(false);
    let run = |evaluation: &Evaluation| {
        let mut seen = Vec::new();
        let mut watch = |step: &Step| {
            if let Step::Attack { noise, .. } = step
                && !seen.contains(noise)
            {
                seen.push(*noise);
            }
        };
        let model = Threshold { sigma: 0.1 };
        let evaluated = evaluation.run_with(&model, batches(20, 20), None, &mut watch).unwrap();
        (evaluated.record, seen)
    };
    let (record, seen) = run(&evaluation);
    assert_eq!(seen, [NoiseState::Live, NoiseState::Fixed]);
    assert_eq!((&record.noise_states, record.left_out()), (&seen, vec![NoiseState::Off]));
    assert!(record.clean.noise_off.is_none() && record.clean.fixed_noise.is_some());
    let (record, seen) = run(&evaluation.with_fixed_noise(false));
    assert_eq!((seen, record.noise_states.len()), (vec![NoiseState::Live], 1));
    assert!(record.clean.fixed_noise.is_none() && record.clean.vote.is_some());
    assert!(cni_evaluation::table(&[&record]).contains("not attacked with its noise off"));
}
