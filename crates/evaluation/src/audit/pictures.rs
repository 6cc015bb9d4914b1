//! Checks of the images: whether they survive as image files, and whether labels leak into them.

use super::difference::AccuracyDifference;
use super::judgement::Judgement;
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, percent, points};
use super::sample::Sample;
use super::setup::{Setup, Size};
use crate::Verdict;
use cni_attacks::{Attack, AttackError, Passes};

pub(super) fn eight_bit_cost(setup: &Setup, size: Size) -> Passes {
    setup.judge_cost() * size.right as u64
}

pub(super) fn eight_bit(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let found = sample.audited()?;
    let rounded = sample.judge(&found.images.mul_scalar(255.0).round().div_scalar(255.0))?;
    let lost = AccuracyDifference::paired(&rounded, &found.predictions);
    let damage = sample.clean.accuracy() - found.predictions.accuracy();
    let bound = sample.setup().bound();
    let judgement = lost.judge(bound, bound.max(0.5 * damage), 1);
    let measured = format!(
        "robust accuracy is {} on images rounded to 8 bits and {} on images as they were found; \
         clean accuracy is {}",
        percent(rounded.accuracy()),
        percent(found.predictions.accuracy()),
        percent(sample.clean.accuracy())
    );
    Ok(CheckResult::judged(&judgement, measured)
        .value("robust_rounded", rounded.accuracy())
        .value("robust", found.predictions.accuracy())
        .value("lost", lost.mean)
        .value("lost_error", lost.error()))
}

pub(super) fn leakage_cost(setup: &Setup, size: Size) -> Passes {
    let [one_step, _] = setup.one_step();
    let audited = setup.judged([&setup.attack]);
    let others = audited * (size.examples - size.right) as u64;
    (setup.judged([&one_step, &one_step]) + audited) * size.examples as u64 + others
}

pub(super) fn leakage(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, setup) = (sample.context, sample.setup());
    // These images are made to leave the predicted class, but are judged by the true one.
    let batch = sample.relabelled(&sample.batch, &sample.clean.votes());
    let by_prediction = |attack: &dyn Attack| -> Result<LabelledPredictions, AttackError> {
        sample.judge(&context.attack(context.model, attack, &batch, context.attack_key())?)
    };
    let [one_step, _] = setup.one_step();
    let pairs = [
        ("one step", sample.find(&one_step)?.predictions, by_prediction(&one_step)?),
        ("the audited attack", sample.audited_of_all()?, by_prediction(&setup.attack)?),
    ];
    let (mut judgement, mut measured): (Option<Judgement>, _) = (None, Vec::new());
    let (mut worst, bound) = (f64::NEG_INFINITY, setup.bound());
    for (name, labelled, predicted) in &pairs {
        let leaks =
            [&sample.clean, predicted].map(|honest| AccuracyDifference::paired(labelled, honest));
        for leak in leaks {
            let found = leak.judge(bound, bound, 4);
            judgement = Some(match judgement {
                None => found,
                Some(others) => others.and(found),
            });
            worst = worst.max(leak.mean);
        }
        let [labelled, predicted] =
            [labelled, predicted].map(|predictions| percent(predictions.accuracy()));
        measured.push(format!(
            "under {name} accuracy is {labelled} by true labels and {predicted} by predicted ones"
        ));
    }
    let measured =
        format!("{}; clean accuracy is {}", measured.join(", "), percent(sample.clean.accuracy()));
    let judgement = judgement.expect("there are pairs");
    let mut result = CheckResult::judged(&judgement, measured).value("largest_leak", worst);
    if judgement.verdict > Verdict::Inconclusive {
        result.measured += &format!("; true labels help the model by {}", points(worst));
    }
    Ok(result)
}
