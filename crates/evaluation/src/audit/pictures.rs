//! Whether what the attack finds are images, and fooling ones.

use super::case::Case;
use super::difference::Difference;
use super::fared::Fared;
use super::finding::{Finding, percent, points};
use super::judgement::Judgement;
use super::setup::{Setup, Size};
use crate::Verdict;
use cni_attacks::{AttackError, Passes, Pgd};

pub(super) fn eight_bit_cost(setup: &Setup, size: Size) -> Passes {
    setup.judge_cost() * size.right as u64
}

pub(super) fn eight_bit(case: &Case<'_>) -> Result<Finding, AttackError> {
    let found = case.audited()?;
    let rounded = case.judge(&found.images.mul_scalar(255.0).round().div_scalar(255.0))?;
    let lost = Difference::paired(&rounded, &found.fared);
    let damage = case.clean.accuracy() - found.fared.accuracy();
    let bound = case.setup().bound();
    let judgement = lost.judge(bound, bound.max(0.5 * damage), 1);
    let measured = format!(
        "rounded to 8 bits the images leave {}, as found {}, untouched ones {}",
        percent(rounded.accuracy()),
        percent(found.fared.accuracy()),
        percent(case.clean.accuracy())
    );
    Ok(Finding::judged(&judgement, measured)
        .value("robust_rounded", rounded.accuracy())
        .value("robust", found.fared.accuracy())
        .value("lost", lost.mean)
        .value("lost_error", lost.error()))
}

pub(super) fn leakage_cost(setup: &Setup, size: Size) -> Passes {
    let one_step = setup.one_step(1.0, false);
    let others = setup.judged([&setup.attack]) * (size.examples - size.right) as u64;
    setup.judged([&one_step, &one_step, &setup.attack]) * size.examples as u64 + others
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
        ("the audited attack", case.audited_of_all()?, by_prediction(&setup.attack)?),
    ];
    let (mut judgement, mut measured): (Option<Judgement>, _) = (None, Vec::new());
    let (mut worst, bound) = (f64::NEG_INFINITY, setup.bound());
    for (name, labelled, predicted) in &pairs {
        let leaks = [&case.clean, predicted].map(|honest| Difference::paired(labelled, honest));
        for leak in leaks {
            let found = leak.judge(bound, bound, 4);
            judgement = Some(match judgement {
                None => found,
                Some(others) => others.and(found),
            });
            worst = worst.max(leak.mean);
        }
        let [labelled, predicted] = [labelled, predicted].map(|fared| percent(fared.accuracy()));
        measured.push(format!(
            "{name} leaves {labelled} by true labels, {predicted} by predicted ones"
        ));
    }
    let measured = format!("{}; untouched {}", measured.join(", "), percent(case.clean.accuracy()));
    let judgement = judgement.expect("there are pairs");
    let mut finding = Finding::judged(&judgement, measured).value("largest_leak", worst);
    if judgement.verdict > Verdict::Inconclusive {
        finding.measured += &format!("; true labels help the model by {}", points(worst));
    }
    Ok(finding)
}
