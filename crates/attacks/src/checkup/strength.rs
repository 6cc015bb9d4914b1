//! Other losses, a stronger attack and better iterates, which must not win much more.

use super::compare::Difference;
use super::finding::{Finding, percent, points};
use super::setup::Setup;
use super::subject::Case;
use crate::evaluation::Verdict;
use crate::{AttackError, Eot, Expectation, Iterate, Passes, Pgd};

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

pub(super) fn losses_cost(setup: &Setup) -> Passes {
    setup.judged(&others(setup))
}

pub(super) fn losses(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (setup, audited) = (case.setup(), case.audited()?.fared);
    let others = others(setup);
    let (mut best, mut values): (Option<(String, Difference)>, Vec<_>) = (None, Vec::new());
    for other in &others {
        let name = name(&setup.attack, other);
        let fared = case.find(other)?.fared;
        let gain = Difference::paired(&audited, &fared);
        values.push((name.clone(), fared.accuracy()));
        if best.as_ref().is_none_or(|(_, record)| gain.mean > record.mean) {
            best = Some((name, gain));
        }
    }
    let (name, gain) = best.expect("there is more than one loss");
    let measured = format!(
        "the best of {} others ({}) leaves {}, the audited loss {}",
        others.len(),
        name.replace('_', " "),
        percent(audited.accuracy() - gain.mean),
        percent(audited.accuracy())
    );
    let finding = Finding::new(gain.verdict(0.02, 0.1, others.len()), measured)
        .value("audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error);
    Ok(values.into_iter().fold(finding, |finding, (name, value)| finding.value(name, value)))
}

pub(super) fn stronger(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (audited, strong) = (case.audited()?.fared, case.strong()?.fared);
    let gain = Difference::paired(&audited, &strong);
    let names: Vec<String> = case.setup().strong().iter().map(crate::Attack::name).collect();
    let measured = format!(
        "{} together leave {}, the audited attack {}",
        names.join(" and "),
        percent(strong.accuracy()),
        percent(audited.accuracy())
    );
    Ok(Finding::new(gain.verdict(0.02, 0.1, 1), measured)
        .value("robust_stronger", strong.accuracy())
        .value("robust_audited", audited.accuracy())
        .value("gain", gain.mean)
        .value("gain_error", gain.error))
}

fn best_iterate(setup: &Setup) -> Option<Pgd> {
    let last = setup.attack.iterate == Iterate::Last;
    last.then(|| setup.attack.clone().with_iterate(Iterate::Best))
}

pub(super) fn silent_cost(setup: &Setup) -> Passes {
    setup.judged(best_iterate(setup).iter())
}

pub(super) fn silent(case: &Case<'_>) -> Result<Finding, AttackError> {
    let Some(attack) = best_iterate(case.setup()) else {
        return Ok(Finding::new(Verdict::Pass, "the audited attack keeps its best iterate"));
    };
    let (last, best) = (case.audited()?.fared, case.find(&attack)?.fared);
    let missed = best.broken_only_here(&last).len();
    let share = missed as f64 / last.margin.len() as f64;
    let verdict = if missed >= 2 && share > 0.01 { Verdict::Warn } else { Verdict::Pass };
    let measured = format!(
        "{missed} of {} images were broken on the way and not at the end; the best iterates leave {} less",
        last.margin.len(),
        points(last.accuracy() - best.accuracy())
    );
    Ok(Finding::new(verdict, measured)
        .value("missed", missed as f64)
        .value("robust_last", last.accuracy())
        .value("robust_best", best.accuracy()))
}
