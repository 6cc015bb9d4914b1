//! Other losses, a stronger attack and better iterates, which must not win much more.

use super::case::Case;
use super::difference::Difference;
use super::finding::{Finding, percent, points};
use super::judgement::Judgement;
use super::setup::{Setup, Size};
use cni_attacks::{AttackError, Eot, Expectation, Iterate, Passes, Pgd};

/// The audited attack with each other loss and each other expectation.
fn others(setup: &Setup) -> Vec<Pgd> {
    let attack = &setup.attack;
    let losses = setup.losses().into_iter().filter(|loss| *loss != attack.loss);
    let mut others: Vec<Pgd> = losses.map(|loss| Pgd { loss, ..attack.clone() }).collect();
    if setup.stochastic && attack.eot.draws > 1 {
        let all = [Expectation::Loss, Expectation::Logits, Expectation::Probabilities];
        let new = all.into_iter().filter(|expectation| *expectation != attack.eot.expectation);
        others.extend(
            new.map(|expectation| Pgd { eot: Eot { expectation, ..attack.eot }, ..attack.clone() }),
        );
    }
    others
}

fn name(audited: &Pgd, other: &Pgd) -> String {
    let of = |value: serde_json::Value| value.as_str().unwrap_or_default().to_string();
    match other.loss != audited.loss {
        true => of(serde_json::json!(other.loss)),
        false => format!("expectation_of_{}", of(serde_json::json!(other.eot.expectation))),
    }
}

pub(super) fn losses_cost(setup: &Setup, size: Size) -> Passes {
    setup.best_of(&others(setup), size.right)
}

pub(super) fn losses(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, others) = (case.setup(), others(case.setup()));
    let best = case.best_of(&others)?;
    let audited = best.case.audited()?.fared;
    let gain = Difference::paired(&audited, &best.fared);
    let names: Vec<String> = others.iter().map(|other| name(&setup.attack, other)).collect();
    let measured = format!(
        "the best of {} others ({}) leaves {}, the audited loss {}",
        others.len(),
        names[best.place].replace('_', " "),
        percent(best.fared.accuracy()),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(setup.bound(), 0.1, best.of).where_left(&audited);
    let finding = Finding::judged(&judgement, measured)
        .value("audited", audited.accuracy())
        .value("best", best.fared.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error());
    // What chose the best, on fewer images.
    let pilots = names.into_iter().zip(&best.pilots);
    Ok(pilots.fold(finding, |finding, (name, fared)| {
        finding.value(format!("{name}_on_few"), fared.accuracy())
    }))
}

pub(super) fn stronger(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (audited, strong) = (case.audited()?.fared, case.strong()?.fared);
    let gain = Difference::paired(&audited, &strong);
    let names: Vec<String> = case.setup().strong().iter().map(cni_attacks::Attack::name).collect();
    let measured = format!(
        "{} together leave {}, the audited attack {}",
        names.join(" and "),
        percent(strong.accuracy()),
        percent(audited.accuracy())
    );
    let judgement = gain.judge(case.setup().bound(), 0.1, 1).where_left(&audited);
    Ok(Finding::judged(&judgement, measured)
        .value("robust_stronger", strong.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error()))
}

fn best_iterate(setup: &Setup) -> Pgd {
    setup.attack.clone().with_iterate(Iterate::Best)
}

pub(super) fn silent_cost(setup: &Setup, size: Size) -> Passes {
    setup.judged([&best_iterate(setup)]) * size.right as u64
}

pub(super) fn silent(case: &Case<'_>) -> Result<Finding, AttackError> {
    let attack = best_iterate(case.setup());
    let (last, best) = (case.audited()?.fared, case.find(&attack)?.fared);
    let missed = best.broken_only_here(&last).len();
    let images = last.examples();
    let warns = |missed: usize, images: usize| missed >= 2 && missed as f64 > 0.01 * images as f64;
    let bound = case.setup().bound().max(0.02);
    let judgement = Judgement::of_count(missed, images, bound, warns, |_, _| false);
    let judgement = case.setup().counted(judgement);
    let measured = format!(
        "{missed} of {images} images were broken on the way and not at the end; the best iterates leave {} less",
        points(last.accuracy() - best.accuracy())
    );
    Ok(Finding::judged(&judgement.where_left(&last), measured)
        .value("missed", missed as f64)
        .value("robust_last", last.accuracy())
        .value("robust_best", best.accuracy()))
}
