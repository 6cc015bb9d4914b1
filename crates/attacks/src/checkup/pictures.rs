//! Whether what the attack finds are images, and fooling ones.

use super::compare::{Difference, Fared};
use super::finding::{Finding, percent, points};
use super::setup::Setup;
use super::subject::Case;
use crate::evaluation::Verdict;
use crate::{AttackError, Passes, Pgd};

pub(super) fn eight_bit_cost(setup: &Setup) -> Passes {
    setup.judge_cost()
}

pub(super) fn eight_bit(case: &Case<'_>) -> Result<Finding, AttackError> {
    let found = case.audited()?;
    let rounded = case.judge(&found.images.mul_scalar(255.0).round().div_scalar(255.0))?;
    let lost = Difference::paired(&rounded, &found.fared);
    let damage = case.clean.accuracy() - found.fared.accuracy();
    let verdict = match lost.verdict(0.01, 0.01, 1) {
        Verdict::Fail if lost.mean > 0.5 * damage => Verdict::Fail,
        Verdict::Fail => Verdict::Warn,
        other => other,
    };
    let measured = format!(
        "rounded to 8 bits the images leave {}, as found {}, untouched ones {}",
        percent(rounded.accuracy()),
        percent(found.fared.accuracy()),
        percent(case.clean.accuracy())
    );
    Ok(Finding::new(verdict, measured)
        .value("robust_rounded", rounded.accuracy())
        .value("robust", found.fared.accuracy())
        .value("lost", lost.mean)
        .value("lost_error", lost.error))
}

pub(super) fn leakage_cost(setup: &Setup) -> Passes {
    setup.judged([&setup.one_step(1.0, false), &setup.one_step(1.0, false), &setup.attack])
}

pub(super) fn leakage(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (subject, setup) = (case.subject, case.setup());
    // Made to leave the predicted class, judged by the true one.
    let problem = case.relabelled(&case.problem, &case.clean.votes());
    let by_prediction = |attack: &Pgd| -> Result<Fared, AttackError> {
        case.judge(&subject.attack(subject.target, attack, &problem, subject.attack_key())?)
    };
    let one_step = setup.one_step(1.0, false);
    let pairs = [
        ("one step", case.find(&one_step)?.fared, by_prediction(&one_step)?),
        ("the audited attack", case.audited()?.fared, by_prediction(&setup.attack)?),
    ];
    let (mut verdict, mut measured) = (Verdict::Pass, Vec::new());
    let mut worst = f64::NEG_INFINITY;
    for (name, labelled, predicted) in &pairs {
        let leaks = [&case.clean, predicted].map(|honest| Difference::paired(labelled, honest));
        for leak in leaks {
            verdict = verdict.max(leak.verdict(0.02, 0.02, 4));
            worst = worst.max(leak.mean);
        }
        let [labelled, predicted] = [labelled, predicted].map(|fared| percent(fared.accuracy()));
        measured.push(format!(
            "{name} leaves {labelled} by true labels, {predicted} by predicted ones"
        ));
    }
    let measured = format!("{}; untouched {}", measured.join(", "), percent(case.clean.accuracy()));
    let mut finding = Finding::new(verdict, measured).value("largest_leak", worst);
    if worst > 0.02 {
        finding.measured += &format!("; true labels help the model by {}", points(worst));
    }
    Ok(finding)
}
