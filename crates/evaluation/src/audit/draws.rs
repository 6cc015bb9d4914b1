//! Checks of the draws of the attack: whether it averages over enough of them.

use super::difference::AccuracyDifference;
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, accuracies, curve, percent};
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use super::sweeps::{Sweep, Variants, judge_variants, picture_cost, variants};
use crate::Figure;
use burn::tensor::Tensor;
use cni_attacks::{Attack, AttackError, Knob, Passes};
use cni_noise::Key;

/// Variants of equal cost: other numbers of draws, with as many steps as the cost of the audited
/// attack allows. None if the attack's steps cannot be set.
fn equal_cost(setup: &Setup) -> Result<Variants, AttackError> {
    let Some(steps) = setup.knobs.steps else { return Ok(Vec::new()) };
    let used = used(setup);
    let (below, beyond) = setup.ladder(used, 2);
    let variant = |draws: usize| {
        let steps = (steps * used / draws).max(1);
        let attack = setup.attack.with_knob(Knob::Draws(draws))?;
        Ok((draws as f64, attack.with_knob(Knob::Steps(steps))?))
    };
    below.into_iter().chain(beyond).map(variant).collect()
}

fn used(setup: &Setup) -> usize {
    setup.knobs.draws.unwrap_or(1)
}

pub(super) fn sweep_cost(setup: &Setup, size: Size) -> Passes {
    let (mut few, mut beyond) = counts(setup);
    let most = beyond.pop().and_then(|draws| setup.attack.with_knob(Knob::Draws(draws)).ok());
    few.extend(beyond);
    let few = variants(setup, &few, Knob::Draws);
    let pictures = [few, equal_cost(setup)].map(|some| picture_cost(setup, some, size.right));
    setup.judged(most.iter()) * size.right as u64 + pictures.into_iter().sum()
}

/// Smaller numbers of draws at the audited number of steps, and larger ones.
fn counts(setup: &Setup) -> (Vec<usize>, Vec<usize>) {
    setup.ladder(used(setup), 8)
}

pub(super) fn sweep(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (setup, used, few) = (sample.setup(), used(sample.setup()), sample.few());
    let of = |counts: &[usize]| variants(setup, counts, Knob::Draws);
    let (below, mut beyond) = counts(setup);
    let most = beyond.pop().expect("there are more draws than any number");
    let mut results = judge_variants(&few, &of(&beyond)?)?;
    results.extend(judge_variants(sample, &of(&[most])?)?);
    let below = judge_variants(&few, &of(&below)?)?;
    let sweep = Sweep { what: "draws", used, below, beyond: results };
    let result = sweep.result(sample)?;
    let (even, audited) = (judge_variants(&few, &equal_cost(setup)?)?, few.audited()?.predictions);
    let places = even.iter().map(|(place, predictions)| (*place, predictions));
    let mut curves = match result.figure {
        Some(Figure::Curves { ref curves, .. }) => curves.clone(),
        _ => Vec::new(),
    };
    curves.iter_mut().for_each(|curve| curve.name = "at equal steps".to_string());
    if !even.is_empty() {
        curves.push(curve("at equal cost", places.chain([(used as f64, &audited)])));
    }
    Ok(result.figure(accuracies("draws behind each gradient", true, curves)))
}

/// The reason why the attack has no draws of its own to which its images could fit, if it has none.
pub(super) fn without_draws_of_its_own(setup: &Setup) -> Option<String> {
    let reason = || format!("{} does not tell by which draws it decides", setup.attack.name());
    setup.attack.deciding_draws(Key::new(0)).is_empty().then(reason)
}

pub(super) fn transfer_cost(setup: &Setup, size: Size) -> Passes {
    let draws = setup.attack.deciding_draws(Key::new(0));
    let draws: usize = draws.iter().map(|(_, draws)| draws).sum();
    // Two runs, each judged by its own draws and by those of the other run.
    (setup.cost(&setup.attack) + forwards(4 * draws)) * size.right as u64
}

/// Judges two runs of the attack, each by its own draws and by those of the other run. Both sides
/// of the comparison have the same images and the same draws.
pub(super) fn transfer(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, attack) = (sample.context, &sample.setup().attack);
    let keys = [context.attack_key(), sample.key("draw-transfer")];
    let again = context.attack(context.model, attack, &sample.batch, keys[1])?;
    let runs = [sample.audited()?.images, again];
    let judge_variants = |images: &Tensor<4>,
                          key: Key|
     -> Result<LabelledPredictions, AttackError> {
        let mut all: Option<LabelledPredictions> = None;
        for (key, draws) in attack.deciding_draws(key) {
            let predictions = context.judge(context.model, &sample.batch, images, key, draws)?;
            match &mut all {
                None => all = Some(predictions),
                Some(all) => all.add_draws(predictions),
            }
        }
        let all = all.expect("an attack has draws");
        Ok(LabelledPredictions { wrong: sample.clean.wrong, ..all })
    };
    let mut own = judge_variants(&runs[0], keys[0])?;
    own.add_draws(judge_variants(&runs[1], keys[1])?);
    let mut other = judge_variants(&runs[1], keys[0])?;
    other.add_draws(judge_variants(&runs[0], keys[1])?);
    let gap = AccuracyDifference::paired(&other, &own);
    let measured = format!(
        "accuracy is {} in the draws of another run, and {} in those that the attack has seen",
        percent(other.accuracy()),
        percent(own.accuracy())
    );
    Ok(CheckResult::judged(&gap.judge(sample.setup().bound(), 0.1, 1), measured)
        .value("other_draws", other.accuracy())
        .value("own_draws", own.accuracy())
        .value("gap", gap.mean)
        .value("gap_error", gap.error()))
}
