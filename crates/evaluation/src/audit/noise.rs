//! Checks on the model without its randomness, which must not be harder to attack.

use super::context::Model;
use super::difference::{AccuracyDifference, subtract};
use super::labelled::LabelledPredictions;
use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::Verdict;
use cni_attacks::{Attack, AttackError, FixedNoise, Passes, RandomNoise};

/// The smallest number of images on which margins tell an attack from a random point.
const ENOUGH: usize = 10;

pub(super) fn fixed_cost(setup: &Setup, size: Size) -> Passes {
    off_cost(setup, size) * setup.sizes.held as u64
}

pub(super) fn fixed(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (context, key) = (sample.context, sample.key("fixed-noise"));
    let mut all: Option<WithoutNoise> = None;
    for held in 0..sample.setup().sizes.held as u64 {
        let model = |images| context.model.classifier.logits(images);
        let classifier = FixedNoise::new(model, key.child(held));
        let found = attacked(sample, Model { classifier: &classifier, stochastic: false })?;
        match &mut all {
            None => all = Some(found),
            Some(all) => all.add_draws(found),
        }
    }
    compare(sample, "held", all.expect("a draw is held"))
}

pub(super) fn off_cost(setup: &Setup, size: Size) -> Passes {
    let others = (size.examples - size.right) as u64;
    let attack = setup.cost_without_noise(&setup.without_draws());
    (attack + forwards(3)) * size.right as u64 + (attack + forwards(2)) * others
}

pub(super) fn off(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let found = sample.without_noise(|model| attacked(sample, model))?;
    compare(sample, "off", found)
}

/// Predictions of a model without noise: first of the images that the noisy model classifies
/// correctly in some draw, then of those that it always misclassifies.
struct WithoutNoise {
    /// The predictions of the clean images.
    clean: LabelledPredictions,
    /// The predictions of the attacked images.
    robust: LabelledPredictions,
    /// The predictions of the first of these images, attacked.
    pushed: LabelledPredictions,
    /// The predictions of the same images at random points of the ball.
    moved: LabelledPredictions,
}

impl WithoutNoise {
    fn add_draws(&mut self, more: Self) {
        self.clean.add_draws(more.clean);
        self.robust.add_draws(more.robust);
        self.pushed.add_draws(more.pushed);
        self.moved.add_draws(more.moved);
    }
}

/// The predictions of a model without noise: of clean images, of random points of the ball, and of
/// attacked images.
fn attacked(sample: &Sample<'_>, model: Model<'_>) -> Result<WithoutNoise, AttackError> {
    let (context, attack) = (sample.context, sample.setup().without_draws());
    let clean = |sample: &Sample<'_>| {
        let (batch, key) = (&sample.batch, context.key.named("judge"));
        context.judge(model, batch, &batch.images, key, 1)
    };
    let whole = |predictions: LabelledPredictions| LabelledPredictions { wrong: 0, ..predictions };
    let moved = sample.find_on(model, &RandomNoise::new(attack.threat()))?.predictions;
    let pushed = sample.find_on(model, &attack)?.predictions;
    let (mut clean_all, mut robust) = (clean(sample)?, whole(pushed.clone()));
    // An image that is misclassified because of the noise may be classified correctly without it,
    // so it counts.
    if let Some(others) = sample.others() {
        clean_all.extend(clean(&others)?);
        robust.extend(whole(others.find_on(model, &attack)?.predictions));
    }
    Ok(WithoutNoise { clean: clean_all, robust, pushed, moved })
}

/// The images that the attack broke: right in every draw before it, and wrong in every draw after.
fn broken(clean: &LabelledPredictions, pushed: &LabelledPredictions) -> Vec<usize> {
    let in_all = |of: &LabelledPredictions, row: usize, right: bool| {
        of.correct.iter().all(|draw| draw[row] == right)
    };
    let broke = |row: &usize| in_all(clean, *row, true) && in_all(pushed, *row, false);
    (0..pushed.margin.len()).filter(broke).collect()
}

/// The amount by which the attack moves the margins of some images more than a random point of the
/// ball does, and its verdict: skipped for an attack that does more.
///
/// With a small ε or a robust model, margins move even if accuracies do not. Only a minimum-norm
/// attack returns the image itself if it finds nothing within ε: of such an attack the images count
/// that it broke.
fn idleness(
    pushed: &LabelledPredictions,
    moved: &LabelledPredictions,
    rows: &[usize],
) -> (AccuracyDifference, Verdict) {
    let [pushed, moved] = [pushed, moved].map(|of| of.rows(rows, 0).margin);
    let more = AccuracyDifference::new(&subtract(&pushed, &moved), 0.0);
    let verdict = match more.exceeds(0.0, 1) {
        true => Verdict::Skipped,
        false if more.examples >= ENOUGH => Verdict::Fail,
        false => Verdict::Inconclusive,
    };
    (more, verdict)
}

/// Compares the effect of the attack on accuracy and margins without the randomness and with it.
fn compare(
    sample: &Sample<'_>,
    state: &str,
    WithoutNoise { clean, robust, pushed, moved }: WithoutNoise,
) -> Result<CheckResult, AttackError> {
    let noisy = sample.audited()?.predictions;
    let robust_gap = AccuracyDifference::apart(&robust, &noisy);
    let clean_gap = AccuracyDifference::apart(&clean, &sample.clean);
    // The amount by which the attack lowers accuracy less than with live noise. A higher clean
    // accuracy without noise does not count as robustness.
    let less_lost = match clean_gap.mean > 0.0 {
        true => AccuracyDifference::of_losses([&robust, &clean], [&noisy, &sample.clean]),
        false => robust_gap,
    };
    let judgement = less_lost.judge(sample.setup().bound(), 0.1, 1);
    let minimum_norm = sample.setup().attack.is_minimum_norm();
    let rows: Vec<usize> = match minimum_norm {
        true => broken(&clean, &pushed),
        false => (0..pushed.margin.len()).collect(),
    };
    let (pushed, verdict) = idleness(&pushed, &moved, &rows);
    let mut measured = format!(
        "with its noise {state} robust accuracy is {} and clean accuracy {}, with live noise {} \
         and {}",
        percent(robust.accuracy()),
        percent(clean.accuracy()),
        percent(noisy.accuracy()),
        percent(sample.clean.accuracy()),
    );
    measured += &match (verdict, minimum_norm) {
        (Verdict::Skipped, _) => String::new(),
        (Verdict::Inconclusive, true) => format!(
            "; the attack keeps what it does not break as it is, and the {} images that it broke \
             are too few to tell it from a random point of the ball",
            rows.len()
        ),
        _ => "; the attack moves the margins no more than a random point of the ball does".into(),
    };
    Ok(CheckResult::judged(&judgement.at_least(verdict), measured)
        .value("robust_without", robust.accuracy())
        .value("clean_without", clean.accuracy())
        .value("robust_with", noisy.accuracy())
        .value("clean_with", sample.clean.accuracy())
        .value("margin_over_random", pushed.mean)
        .value("gap", -robust_gap.mean)
        .value("gap_error", robust_gap.error()))
}

#[cfg(test)]
mod tests {
    use super::super::labelled::tests::predictions;
    use super::*;

    /// Thirty images of margin −0.5, of which an attack broke the first ones.
    fn of(breaks: usize, unbroken: f64) -> [LabelledPredictions; 3] {
        let clean = LabelledPredictions { margin: vec![-0.5; 30], ..predictions(&[true; 30]) };
        let right: Vec<bool> = (0..30).map(|row| row >= breaks).collect();
        let margin = right.iter().map(|right| if *right { unbroken } else { 0.5 }).collect();
        let pushed = LabelledPredictions { margin, ..predictions(&right) };
        let moved = clean.clone();
        [clean, pushed, moved]
    }

    #[test]
    fn a_minimum_norm_attack_is_idle_on_what_it_broke_or_not_at_all() {
        let verdict = |breaks| {
            let [clean, pushed, moved] = of(breaks, -0.5);
            idleness(&pushed, &moved, &broken(&clean, &pushed)).1
        };
        assert_eq!(verdict(0), Verdict::Inconclusive);
        assert_eq!(verdict(1), Verdict::Inconclusive);
        assert_eq!(verdict(12), Verdict::Skipped);
        // A random point of the ball does as much to the same images.
        let [clean, pushed, _] = of(12, -0.5);
        assert_eq!(idleness(&pushed, &pushed, &broken(&clean, &pushed)).1, Verdict::Fail);
    }

    #[test]
    fn any_other_attack_is_idle_if_its_margins_stay() {
        let all: Vec<usize> = (0..30).collect();
        let verdict = |breaks, unbroken| {
            let [_, pushed, moved] = of(breaks, unbroken);
            idleness(&pushed, &moved, &all).1
        };
        assert_eq!(verdict(1, -0.5), Verdict::Fail);
        assert_eq!(verdict(0, -0.4), Verdict::Skipped);
    }

    #[test]
    fn an_image_that_was_wrong_before_was_not_broken() {
        let [before, after] = [[false, true, true], [false, false, true]];
        assert_eq!(broken(&predictions(&before), &predictions(&after)), [1]);
    }
}
