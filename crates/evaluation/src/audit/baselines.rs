//! Weaker attackers, who must not win where the audited attack does not.

use super::case::Case;
use super::difference::Difference;
use super::fared::Fared;
use super::finding::{Finding, percent};
use super::judgement::Judgement;
use super::setup::{Setup, Size};
use super::subject::Target;
use cni_attacks::{AttackError, Passes, Pgd};

fn one_steps(setup: &Setup) -> [Pgd; 2] {
    [setup.one_step(1.0, false), setup.one_step(1.25, true)]
}

pub(super) fn one_step_cost(setup: &Setup, size: Size) -> Passes {
    setup.judged(&one_steps(setup)) * size.right as u64
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
    let judgement = gain.judge(case.setup().bound(), 0.05, 2).where_left(&audited);
    Ok(Finding::judged(&judgement, measured)
        .value("one_step", audited.accuracy() - gain.mean)
        .value("audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}

pub(super) fn random_cost(setup: &Setup, size: Size) -> Passes {
    (setup.random().1 + setup.judge_cost()) * size.right as u64
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
    let (images, bound) = (case.clean.examples(), case.setup().bound());
    let judgement = Judgement::of_count(only, images, bound, |count, _| count >= 2, gross);
    let judgement = case.setup().counted(judgement).where_left(&audited);
    Ok(Finding::judged(&judgement, measured)
        .value("broken", broken as f64)
        .value("broken_only_by_random", only as f64)
        .value("robust_random", random.accuracy())
        .value("robust_audited", audited.accuracy()))
}

/// Whether a count is over 5 %, and not of a single image.
fn gross(count: usize, images: usize) -> bool {
    count >= 2 && count as f64 > 0.05 * images as f64
}

/// Images that half of the draws or more get right.
fn majority(fared: &Fared) -> isize {
    fared.shares().iter().filter(|share| **share >= 0.5).count() as isize
}

pub(super) fn black_box_cost(setup: &Setup, size: Size) -> Passes {
    (setup.black_box().1 + setup.judge_cost()) * size.right as u64
}

pub(super) fn black_box(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (attack, audited, strong) =
        (case.setup().black_box().0, case.audited()?.fared, case.strong()?.fared);
    let square = case.find(&attack)?.fared;
    let examples = case.clean.examples();
    let only = square.broken_only_here(&audited);
    let hard = square.broken_only_here(&strong);
    let neither = only.iter().filter(|row| hard.contains(row)).count();
    let only = only.len();
    let many = |count: usize, images: usize| count >= 2 && count as f64 > 0.002 * images as f64;
    let fails = |only: usize, images: usize| gross(only, images) || many(neither, images);
    let judgement = Judgement::of_count(only, examples, case.setup().bound(), many, fails);
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
    let judgement = case.setup().counted(judgement).where_left(&audited);
    Ok(Finding::judged(&judgement, measured)
        .value("broken_only_by_black_box", only as f64)
        .value("broken_by_neither_gradient_attack", neither as f64)
        .value("robust_black_box", square.accuracy())
        .value("robust_audited", audited.accuracy()))
}

pub(super) fn transfer_cost(setup: &Setup, size: Size) -> Passes {
    match setup.surrogate {
        true => (setup.without_draws().cost() + setup.judge_cost()) * size.right as u64,
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
    let judgement = gain.judge(case.setup().bound(), 0.05, 1).where_left(&audited);
    Ok(Finding::judged(&judgement, measured)
        .value("robust_transfer", transferred.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}
