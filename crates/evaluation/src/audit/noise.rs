//! The attack on the model without its randomness, which must not save it.

use super::context::Model;
use super::difference::{Difference, subtract};
use super::predictions::Predictions;
use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::Verdict;
use cni_attacks::{Attack, AttackError, FixedNoise, Passes, RandomNoise};

/// The fewest images on which margins tell an attack from a random point.
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

/// How images fare on a model without noise: those that the noisy model gets right in some draw, and
/// after them those that it never does.
struct WithoutNoise {
    /// As they are,
    clean: Predictions,
    /// and attacked.
    robust: Predictions,
    /// How much farther than a random point of the ball the attack moves the margins of the first.
    pushed: Predictions,
    moved: Predictions,
}

impl WithoutNoise {
    fn add_draws(&mut self, more: Self) {
        self.clean.add_draws(more.clean);
        self.robust.add_draws(more.robust);
        self.pushed.add_draws(more.pushed);
        self.moved.add_draws(more.moved);
    }
}

/// The images as they are, moved to a random point of the ball, and attacked, on a model without
/// noise.
fn attacked(sample: &Sample<'_>, model: Model<'_>) -> Result<WithoutNoise, AttackError> {
    let (context, attack) = (sample.context, sample.setup().without_draws());
    let clean = |sample: &Sample<'_>| {
        let (problem, key) = (&sample.problem, context.key.named("judge"));
        context.judge(model, problem, &problem.images, key, 1)
    };
    let whole = |predictions: Predictions| Predictions { wrong: 0, ..predictions };
    let moved = sample.find_on(model, &RandomNoise::new(attack.threat()))?.predictions;
    let pushed = sample.find_on(model, &attack)?.predictions;
    let (mut clean_all, mut robust) = (clean(sample)?, whole(pushed.clone()));
    // What noise makes wrong may be right without it, and counts there.
    if let Some(others) = sample.others() {
        clean_all.extend(clean(&others)?);
        robust.extend(whole(others.find_on(model, &attack)?.predictions));
    }
    Ok(WithoutNoise { clean: clean_all, robust, pushed, moved })
}

/// Whether the attack gets anywhere without the randomness, less falls, and more is left.
fn compare(
    sample: &Sample<'_>,
    state: &str,
    WithoutNoise { clean, robust, pushed, moved }: WithoutNoise,
) -> Result<CheckResult, AttackError> {
    let noisy = sample.audited()?.predictions;
    let left = Difference::apart(&robust, &noisy);
    let unharmed = Difference::apart(&clean, &sample.clean);
    // How much less the attack takes: what is left more, but for what was there more to begin with.
    let spared = match unharmed.mean > 0.0 {
        true => Difference::of_losses([&robust, &clean], [&noisy, &sample.clean]),
        false => left,
    };
    let judgement = spared.judge(sample.setup().bound(), 0.1, 1);
    // Margins tell what accuracies may not, where ε is small or the model strong.
    let pushed = Difference::new(&subtract(&pushed.margin, &moved.margin), 0.0);
    let idle = !pushed.exceeds(0.0, 1);
    let verdict = match idle {
        true if pushed.examples >= ENOUGH => Verdict::Fail,
        true => Verdict::Inconclusive,
        false => Verdict::Skipped,
    };
    let mut measured = format!(
        "with its noise {state} the model keeps {} of {}, with it {} of {}",
        percent(robust.accuracy()),
        percent(clean.accuracy()),
        percent(noisy.accuracy()),
        percent(sample.clean.accuracy()),
    );
    if idle {
        measured += "; the attack moves its margins no more than a random point of the ball does";
    }
    Ok(CheckResult::judged(&judgement.at_least(verdict), measured)
        .value("robust_without", robust.accuracy())
        .value("clean_without", clean.accuracy())
        .value("robust_with", noisy.accuracy())
        .value("clean_with", sample.clean.accuracy())
        .value("margin_over_random", pushed.mean)
        .value("gap", -left.mean)
        .value("gap_error", left.error()))
}
