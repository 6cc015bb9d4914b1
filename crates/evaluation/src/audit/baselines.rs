//! Baselines: weaker attacks, which must not break images that the audited attack does not break.

use super::context::Model;
use super::difference::AccuracyDifference;
use super::judgement::Judgement;
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size};
use cni_attacks::{Access, Attack, AttackError, Passes};

pub(super) fn one_step_cost(setup: &Setup, size: Size) -> Passes {
    setup.judged(&setup.one_step()) * size.right as u64
}

pub(super) fn one_step(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let audited = sample.audited()?.predictions;
    let mut best: Option<(&str, AccuracyDifference)> = None;
    for (name, attack) in
        ["FGSM", "FGSM from a random start"].into_iter().zip(sample.setup().one_step())
    {
        let gain = AccuracyDifference::paired(&audited, &sample.find(&attack)?.predictions);
        if best.is_none_or(|(_, record)| gain.mean > record.mean) {
            best = Some((name, gain));
        }
    }
    let (name, gain) = best.expect("there are one-step attacks");
    let measured = format!(
        "under one step ({name}) robust accuracy is {}, under the audited attack {}",
        percent(audited.accuracy() - gain.mean),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(sample.setup().bound(), 0.05, 2).limited_by(&audited);
    Ok(CheckResult::judged(&judgement, measured)
        .value("one_step", audited.accuracy() - gain.mean)
        .value("audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}

pub(super) fn random_cost(setup: &Setup, size: Size) -> Passes {
    setup.judged([&setup.random()]) * size.right as u64
}

pub(super) fn random(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (attack, audited) = (sample.setup().random(), sample.audited()?.predictions);
    let random = sample.find(&attack)?.predictions;
    let only = random.broken_only_here(&audited).len();
    let broken = majority(&sample.clean) - majority(&random);
    let measured = format!(
        "the best of {} random points on the sphere breaks {broken} of {} images, and {only} that \
         the audited attack does not break",
        sample.setup().sizes.points,
        majority(&sample.clean)
    );
    let (images, bound) = (sample.clean.examples(), sample.setup().bound());
    let judgement = Judgement::of_count(only, images, bound, |count, _| count >= 2, gross);
    let judgement = sample.setup().counted(judgement).limited_by(&audited);
    Ok(CheckResult::judged(&judgement, measured)
        .value("broken", broken as f64)
        .value("broken_only_by_random", only as f64)
        .value("robust_random", random.accuracy())
        .value("robust_audited", audited.accuracy()))
}

/// True if a count is over 5 %, and more than a single image.
fn gross(count: usize, images: usize) -> bool {
    count >= 2 && count as f64 > 0.05 * images as f64
}

/// The number of images that at least half of the draws classify correctly.
fn majority(predictions: &LabelledPredictions) -> isize {
    predictions.shares().iter().filter(|share| **share >= 0.5).count() as isize
}

pub(super) fn black_box_cost(setup: &Setup, size: Size) -> Passes {
    setup.judged([&setup.black_box()]) * size.right as u64
}

pub(super) fn black_box(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (attack, audited, strong) =
        (sample.setup().black_box(), sample.audited()?.predictions, sample.strong()?.predictions);
    let square = sample.find(&attack)?.predictions;
    let examples = sample.clean.examples();
    let only = square.broken_only_here(&audited);
    let hard = square.broken_only_here(&strong);
    let neither = only.iter().filter(|row| hard.contains(row)).count();
    let only = only.len();
    let also = only - neither;
    let many = |count: usize, images: usize| count >= 2 && count as f64 > 0.002 * images as f64;
    let fails = |only: usize, images: usize| gross(only, images) || many(neither, images);
    let judgement = Judgement::of_count(only, examples, sample.setup().bound(), many, fails);
    let alone = match sample.setup().stochastic {
        true => "; noise misleads attacks by scores as well, so this alone says little",
        false => "",
    };
    let measured = format!(
        "under {} queries without gradients robust accuracy is {}, under the audited attack {}; \
         the queries alone break {only} of {examples} images, and APGD breaks {also} of these \
         too{alone}",
        sample.setup().sizes.queries,
        percent(square.accuracy()),
        percent(audited.accuracy()),
    );
    let judgement = sample.setup().counted(judgement).limited_by(&audited);
    Ok(CheckResult::judged(&judgement, measured)
        .value("broken_only_by_black_box", only as f64)
        .value("broken_by_neither_gradient_attack", neither as f64)
        .value("robust_black_box", square.accuracy())
        .value("robust_audited", audited.accuracy()))
}

/// The reason why the attack's images would be the same for any model, if they would.
pub(super) fn ignores_models(setup: &Setup) -> Option<String> {
    let name = setup.attack.name();
    match setup.attack.access() {
        Access::Transfer => Some(format!("{name} transfers from a model of its own")),
        Access::None => Some(format!("{name} does not learn from the model")),
        Access::Gradients | Access::Scores | Access::Decisions => None,
    }
}

pub(super) fn transfer_cost(setup: &Setup, size: Size) -> Passes {
    match setup.surrogate {
        true => {
            let attack = setup.cost_without_noise(&setup.without_draws());
            (attack + setup.judge_cost()) * size.right as u64
        }
        false => Passes::default(),
    }
}

pub(super) fn transfer(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, attack) = (sample.context, sample.setup().without_draws());
    let key = context.attack_key();
    let (name, images) = match &context.surrogate {
        Some(surrogate) => {
            let model = Model { classifier: &*surrogate.classifier, stochastic: false };
            (surrogate.name.as_str(), context.attack(model, &attack, &sample.batch, key)?)
        }
        None if sample.setup().stochastic => {
            let images =
                sample.without_noise(|model| context.attack(model, &attack, &sample.batch, key));
            ("the model with its noise off", images?)
        }
        None => {
            let reason = "no surrogate was given, and a model without noise cannot be its own";
            return Ok(CheckResult::skipped(reason));
        }
    };
    let (audited, transferred) = (sample.audited()?.predictions, sample.judge(&images)?);
    let gain = AccuracyDifference::paired(&audited, &transferred);
    let measured = format!(
        "under examples made for {name} robust accuracy is {}, under the audited attack {}",
        percent(transferred.accuracy()),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(sample.setup().bound(), 0.05, 1).limited_by(&audited);
    Ok(CheckResult::judged(&judgement, measured)
        .value("robust_transfer", transferred.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}
