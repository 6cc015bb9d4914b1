//! Checks of the model's output: whether it is a function of the key, and whether it is logits.

use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::Verdict;
use burn::tensor::{FloatDType, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{AttackError, Passes, RandomNoise};
use cni_attacks::{ROUNDING, differing_share};

pub(super) fn determinism_cost(setup: &Setup, size: Size) -> Passes {
    // A model that seems to have no noise is also asked at points beside the images.
    let beside = if setup.stochastic { 0 } else { 2 };
    forwards((2 * setup.sizes.replays + 1 + beside) * size.examples)
}

pub(super) fn determinism(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (setup, context, key) = (sample.setup(), sample.context, sample.key("determinism"));
    let replays = setup.sizes.replays as u64;
    let (mut differ, mut changed, mut pairs) = (0, 0, 0);
    let (mut noisy, mut hidden) = (false, false);
    for part in context.chunks(&sample.batch) {
        let at = |images: &Tensor<4>, draw| {
            context.ask(context.model, |access| {
                access.logits(images, &part.goal, &part.examples, key, draw)
            })
        };
        let logits = |draw| at(&part.images, draw);
        // Sums in another order differ by rounding, which is not randomness.
        let unequal = |a: Tensor<2>, b| differing_share(a, b).max().into_scalar::<f64>() > ROUNDING;
        let first = logits(0)?;
        let classes = |logits| read(&Tensor::<2>::argmax(logits, 1).cast(FloatDType::F32));
        let predicted = classes(first.clone());
        for _ in 0..replays {
            differ += u64::from(unequal(first.clone(), logits(0)?));
        }
        for draw in 1..=replays {
            let found = logits(draw)?;
            noisy |= !setup.stochastic && unequal(first.clone(), found.clone());
            let other = classes(found);
            changed += other.iter().zip(&predicted).filter(|(a, b)| a != b).count();
            pairs += predicted.len();
        }
        if !setup.stochastic {
            let point = RandomNoise::new(setup.threat());
            let beside = context.attack(context.model, &point, &part, key)?;
            hidden |= unequal(at(&beside, 0)?, at(&beside, 1)?);
        }
    }
    let spread = changed as f64 / pairs as f64;
    let (mut verdict, mut measured) = match differ {
        0 => (Verdict::Pass, "equal keys gave equal logits".to_string()),
        _ => (
            Verdict::Fail,
            "equal keys gave unequal logits: there is randomness that no key governs".into(),
        ),
    };
    match setup.stochastic {
        false if noisy => {
            measured += "; different keys gave unequal logits: the model has noise, and was taken \
                         for one without";
            verdict = Verdict::Fail;
        }
        false if hidden => {
            measured += "; different keys gave equal logits at the images and unequal ones beside \
                         them: the model has noise, and was taken for one without";
            verdict = Verdict::Fail;
        }
        false => measured += "; so did different keys: the model has no noise",
        true => {
            measured += &format!("; a fresh draw changes {} of the predictions", percent(spread));
            if setup.judging_draws < 10 {
                measured += &format!(
                    "; {} draws judge, 10 or more tell luck from robustness",
                    setup.judging_draws
                );
                verdict = verdict.max(Verdict::Warn);
            }
        }
    }
    Ok(CheckResult::new(verdict, measured)
        .value("replays_that_differ", differ as f64)
        .value("predictions_changed", spread))
}

pub(super) fn logits_cost(_: &Setup, size: Size) -> Passes {
    forwards(size.examples)
}

pub(super) fn logits(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, key) = (sample.context, sample.key("logits"));
    let (mut low, mut high, mut sums_off) = (f64::INFINITY, f64::NEG_INFINITY, 0.0f64);
    for part in context.chunks(&sample.batch) {
        let logits = context.ask(context.model, |access| {
            access.logits(&part.images, &part.goal, &part.examples, key, 0)
        })?;
        let values = read(&logits);
        (low, high) = values.iter().fold((low, high), |(low, high), v| (low.min(*v), high.max(*v)));
        let rows = values.chunks(logits.dims()[1]).map(|row| (row.iter().sum::<f64>() - 1.0).abs());
        sums_off = rows.fold(sums_off, f64::max);
    }
    let probabilities = low >= 0.0 && sums_off < 1e-5;
    let (verdict, measured) = match probabilities {
        true => (
            Verdict::Fail,
            format!(
                "outputs from {low:.2e} to {high:.2e}, and those of each image sum to one: they \
                 are probabilities"
            ),
        ),
        false => (
            Verdict::Pass,
            format!("outputs from {low:.2} to {high:.2}, which are no probabilities"),
        ),
    };
    Ok(CheckResult::new(verdict, measured).value("smallest", low).value("largest", high))
}
