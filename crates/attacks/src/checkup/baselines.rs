//! Weaker attackers, who must not win where the audited attack does not.

use super::compare::{Difference, Fared};
use super::finding::{Finding, percent};
use super::setup::Setup;
use super::subject::{Case, Target};
use crate::evaluation::Verdict;
use crate::{AttackError, Passes, Pgd};

fn one_steps(setup: &Setup) -> [Pgd; 2] {
    [setup.one_step(1.0, false), setup.one_step(1.25, true)]
}

pub(super) fn one_step_cost(setup: &Setup) -> Passes {
    setup.judged(&one_steps(setup))
}

pub(super) fn one_step(case: &Case<'_>) -> Result<Finding, AttackError> {
    let audited = case.audited()?.fared;
    let mut best: Option<(&str, Difference)> = None;
    for (name, attack) in
        ["FGSM", "FGSM from a random start"].into_iter().zip(one_steps(case.setup()))
    {
        let gain = Difference::paired(&audited, &case.find(&attack)?.fared);
        if best.is_none_or(|(_, record)| gain.mean > record.mean) {
            best = Some((name, gain));
        }
    }
    let (name, gain) = best.expect("there are one-step attacks");
    let measured = format!(
        "one step ({name}) leaves {}, the audited attack {}",
        percent(audited.accuracy() - gain.mean),
        percent(audited.accuracy())
    );
    Ok(Finding::new(gain.verdict(0.01, 0.05, 2), measured)
        .value("one_step", audited.accuracy() - gain.mean)
        .value("audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error))
}

pub(super) fn random_cost(setup: &Setup) -> Passes {
    setup.random().1 + setup.judge_cost()
}

pub(super) fn random(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (attack, audited) = (case.setup().random().0, case.audited()?.fared);
    let random = case.find(&attack)?.fared;
    let only = random.broken_only_here(&audited).len();
    let broken = majority(&case.clean) - majority(&random);
    let measured = format!(
        "the best of {} random points on the sphere breaks {broken} of {} images, and {only} that the audited attack \
         leaves",
        case.setup().sizes.points,
        majority(&case.clean)
    );
    let share = only as f64 / case.clean.margin.len() as f64;
    let verdict = match only {
        0 | 1 => Verdict::Pass,
        2.. if share > 0.05 => Verdict::Fail,
        _ => Verdict::Warn,
    };
    Ok(Finding::new(verdict, measured)
        .value("broken", broken as f64)
        .value("broken_only_by_random", only as f64)
        .value("robust_random", random.accuracy())
        .value("robust_audited", audited.accuracy()))
}

/// Images that half of the draws or more get right.
fn majority(fared: &Fared) -> isize {
    fared.per_example().iter().filter(|share| **share >= 0.5).count() as isize
}

pub(super) fn black_box_cost(setup: &Setup) -> Passes {
    setup.black_box().1 + setup.judge_cost()
}

pub(super) fn black_box(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (attack, audited, strong) =
        (case.setup().black_box().0, case.audited()?.fared, case.strong()?.fared);
    let square = case.find(&attack)?.fared;
    let examples = case.clean.margin.len();
    let only = square.broken_only_here(&audited);
    let hard = square.broken_only_here(&strong);
    let neither = only.iter().filter(|row| hard.contains(row)).count();
    let only = only.len();
    let many = |count: usize| count as f64 > 0.002 * examples as f64 && count >= 2;
    let gross = only >= 2 && only as f64 > 0.05 * examples as f64;
    let verdict = match (many(neither) || gross, many(only)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Warn,
        (false, false) => Verdict::Pass,
    };
    let alone = match case.setup().stochastic {
        true => "; attacks by scores are fooled by noise, too, so that by itself this says little",
        false => "",
    };
    let measured = format!(
        "{} queries without gradients leave {}, the audited attack {}; they alone break {only} of {examples} images, \
         of which APGD leaves {neither}, too{alone}",
        case.setup().sizes.queries,
        percent(square.accuracy()),
        percent(audited.accuracy()),
    );
    Ok(Finding::new(verdict, measured)
        .value("broken_only_by_black_box", only as f64)
        .value("broken_by_neither_gradient_attack", neither as f64)
        .value("robust_black_box", square.accuracy())
        .value("robust_audited", audited.accuracy()))
}

pub(super) fn transfer_cost(setup: &Setup) -> Passes {
    match setup.surrogate {
        true => setup.without_draws().cost() + setup.judge_cost(),
        false => Passes::default(),
    }
}

pub(super) fn transfer(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (subject, attack) = (case.subject, case.setup().without_draws());
    let key = subject.attack_key();
    let (name, images) = match &subject.surrogate {
        Some(surrogate) => {
            let target = Target { classifier: &*surrogate.classifier, stochastic: false };
            (surrogate.name.as_str(), subject.attack(target, &attack, &case.problem, key)?)
        }
        None if case.setup().stochastic => {
            let images =
                case.without_noise(|target| subject.attack(target, &attack, &case.problem, key));
            ("the model with its noise off", images?)
        }
        None => {
            let reason = "no surrogate was given, and a model without noise cannot be its own";
            return Ok(Finding::skipped(reason));
        }
    };
    let (audited, transferred) = (case.audited()?.fared, case.judge(&images)?);
    let gain = Difference::paired(&audited, &transferred);
    let measured = format!(
        "examples made for {name} leave {}, the audited attack {}",
        percent(transferred.accuracy()),
        percent(audited.accuracy())
    );
    Ok(Finding::new(gain.verdict(0.01, 0.05, 1), measured)
        .value("robust_transfer", transferred.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error))
}
