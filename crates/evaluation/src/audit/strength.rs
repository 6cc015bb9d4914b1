//! Checks of the attack's strength: other losses, a stronger attack and better iterates must not
//! win much more.

use super::difference::AccuracyDifference;
use super::judgement::Judgement;
use super::result::{CheckResult, percent, points};
use super::sample::Sample;
use super::setup::{Setup, Size};
use cni_attacks::{Attack, AttackError, Expectation, Iterate, Knob, Knobs, Passes};
use std::sync::Arc;

/// An attack, named after the setting that it varies.
type Named = (String, Arc<dyn Attack>);

/// The audited attack with each other loss and each other expectation, with their names.
fn others(setup: &Setup) -> Result<Vec<Named>, AttackError> {
    let Knobs { loss, expectation, .. } = setup.knobs.clone();
    let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let mut others = Vec::new();
    if let Some(used) = loss {
        for loss in setup.losses().into_iter().filter(|loss| *loss != used) {
            others.push((name(serde_json::json!(loss)), Knob::Loss(loss)));
        }
    }
    let averages = setup.stochastic && setup.eot().draws > 1;
    if let (Some(used), true) = (expectation, averages) {
        let all = [Expectation::Loss, Expectation::Logits, Expectation::Probabilities];
        for expectation in all.into_iter().filter(|expectation| *expectation != used) {
            let name = format!("expectation_of_{}", name(serde_json::json!(expectation)));
            others.push((name, Knob::Expectation(expectation)));
        }
    }
    let turned = |(name, knob)| Ok((name, setup.attack.with_knob(knob)?));
    others.into_iter().map(turned).collect()
}

/// The reason why there is no other loss and no other expectation to try, if there is none.
pub(super) fn without_others(setup: &Setup) -> Option<String> {
    match others(setup) {
        Ok(others) if others.is_empty() => setup.lacking("loss", setup.knobs.loss.clone()),
        _ => None,
    }
}

pub(super) fn losses_cost(setup: &Setup, size: Size) -> Passes {
    let others = others(setup).unwrap_or_default();
    let attacks: Vec<_> = others.into_iter().map(|(_, attack)| attack).collect();
    setup.best_of(&attacks, size.right)
}

pub(super) fn losses(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let setup = sample.setup();
    let (names, attacks): (Vec<String>, Vec<_>) = others(setup)?.into_iter().unzip();
    let best = sample.best_of(&attacks)?;
    let audited = best.sample.audited()?.predictions;
    let gain = AccuracyDifference::paired(&audited, &best.predictions);
    let measured = format!(
        "under the best of {} others ({}) robust accuracy is {}, under the audited loss {}",
        attacks.len(),
        names[best.place].replace('_', " "),
        percent(best.predictions.accuracy()),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(setup.bound(), 0.1, best.of).limited_by(&audited);
    let result = CheckResult::judged(&judgement, measured)
        .value("audited", audited.accuracy())
        .value("best", best.predictions.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error());
    // The accuracies by which the best attack was chosen, on fewer images.
    let pilots = names.into_iter().zip(&best.pilots);
    Ok(pilots.fold(result, |result, (name, predictions)| {
        result.value(format!("{name}_on_few"), predictions.accuracy())
    }))
}

pub(super) fn stronger(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (audited, strong) = (sample.audited()?.predictions, sample.strong()?.predictions);
    let gain = AccuracyDifference::paired(&audited, &strong);
    let names: Vec<String> =
        sample.setup().strong().iter().map(cni_attacks::Attack::name).collect();
    let measured = format!(
        "under {} together robust accuracy is {}, under the audited attack {}",
        names.join(" and "),
        percent(strong.accuracy()),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(sample.setup().bound(), 0.1, 1).limited_by(&audited);
    Ok(CheckResult::judged(&judgement, measured)
        .value("robust_stronger", strong.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}

/// The reason why there is no better iterate to keep, if there is none.
pub(super) fn without_iterates(setup: &Setup) -> Option<String> {
    match setup.knobs.iterate {
        Some(Iterate::Best) => Some("the audited attack keeps its best iterate".to_string()),
        iterate => setup.lacking("iterate", iterate),
    }
}

fn best_iterate(setup: &Setup) -> Result<Arc<dyn Attack>, AttackError> {
    setup.attack.with_knob(Knob::Iterate(Iterate::Best))
}

pub(super) fn silent_cost(setup: &Setup, size: Size) -> Passes {
    let attack = best_iterate(setup).ok();
    setup.judged(attack.iter()) * size.right as u64
}

pub(super) fn silent(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let attack = best_iterate(sample.setup())?;
    let (last, best) = (sample.audited()?.predictions, sample.find(&attack)?.predictions);
    let missed = best.broken_only_here(&last).len();
    let images = last.examples();
    let warns = |missed: usize, images: usize| missed >= 2 && missed as f64 > 0.01 * images as f64;
    let bound = sample.setup().bound().max(0.02);
    let judgement = Judgement::of_count(missed, images, bound, warns, |_, _| false);
    let judgement = sample.setup().counted(judgement);
    let measured = format!(
        "{missed} of {images} images were adversarial on the way and not at the end; with the best \
         iterates robust accuracy is lower by {}",
        points(last.accuracy() - best.accuracy())
    );
    Ok(CheckResult::judged(&judgement.limited_by(&last), measured)
        .value("missed", missed as f64)
        .value("robust_last", last.accuracy())
        .value("robust_best", best.accuracy()))
}
