//! The attack on the model without its randomness, which must not save it.

use super::case::Case;
use super::difference::{Difference, subtract};
use super::fared::Fared;
use super::finding::{Finding, percent};
use super::setup::{Setup, Size, forwards};
use super::subject::Target;
use crate::Verdict;
use cni_attacks::{AttackError, FixedNoise, Passes, RandomNoise};

/// The fewest images on which margins tell an attack from a random point.
const ENOUGH: usize = 10;

pub(super) fn fixed_cost(setup: &Setup, size: Size) -> Passes {
    off_cost(setup, size) * setup.sizes.held as u64
}

pub(super) fn fixed(case: &Case<'_>) -> Result<Finding, AttackError> {
    let (subject, key) = (case.subject, case.key("fixed-noise"));
    let mut all: Option<Bare> = None;
    for held in 0..case.setup().sizes.held as u64 {
        let model = |images| subject.target.classifier.logits(images);
        let classifier = FixedNoise::new(model, key.child(held));
        let found = attacked(case, Target { classifier: &classifier, stochastic: false })?;
        match &mut all {
            None => all = Some(found),
            Some(all) => all.add_draws(found),
        }
    }
    compare(case, "held", all.expect("a draw is held"))
}

pub(super) fn off_cost(setup: &Setup, size: Size) -> Passes {
    let others = (size.examples - size.right) as u64;
    let attack = setup.without_draws().cost();
    (attack + forwards(3)) * size.right as u64 + (attack + forwards(2)) * others
}

pub(super) fn off(case: &Case<'_>) -> Result<Finding, AttackError> {
    let found = case.without_noise(|target| attacked(case, target))?;
    compare(case, "off", found)
}

/// How images fare on a model without noise: those that the noisy model gets right in some draw, and
/// after them those that it never does.
struct Bare {
    /// As they are,
    clean: Fared,
    /// and attacked.
    robust: Fared,
    /// How much farther than a random point of the ball the attack moves the margins of the first.
    pushed: Fared,
    moved: Fared,
}

impl Bare {
    fn add_draws(&mut self, more: Self) {
        self.clean.add_draws(more.clean);
        self.robust.add_draws(more.robust);
        self.pushed.add_draws(more.pushed);
        self.moved.add_draws(more.moved);
    }
}

/// The images as they are, moved to a random point of the ball, and attacked, on a model without
/// noise.
fn attacked(case: &Case<'_>, target: Target<'_>) -> Result<Bare, AttackError> {
    let (subject, attack) = (case.subject, case.setup().without_draws());
    let clean = |case: &Case<'_>| {
        let (problem, key) = (&case.problem, subject.key.named("judge"));
        subject.judge(target, problem, &problem.images, key, 1)
    };
    let whole = |fared: Fared| Fared { wrong: 0, ..fared };
    let moved = case.find_on(target, &RandomNoise::new(attack.threat))?.fared;
    let pushed = case.find_on(target, &attack)?.fared;
    let (mut clean_all, mut robust) = (clean(case)?, whole(pushed.clone()));
    // What noise makes wrong may be right without it, and counts there.
    if let Some(others) = case.others() {
        clean_all.extend(clean(&others)?);
        robust.extend(whole(others.find_on(target, &attack)?.fared));
    }
    Ok(Bare { clean: clean_all, robust, pushed, moved })
}

/// Whether the attack gets anywhere without the randomness, less falls, and more is left.
fn compare(
    case: &Case<'_>,
    state: &str,
    Bare { clean, robust, pushed, moved }: Bare,
) -> Result<Finding, AttackError> {
    let noisy = case.audited()?.fared;
    let left = Difference::apart(&robust, &noisy);
    let unharmed = Difference::apart(&clean, &case.clean);
    // How much less the attack takes: what is left more, but for what was there more to begin with.
    let spared = match unharmed.mean > 0.0 {
        true => Difference::of_losses([&robust, &clean], [&noisy, &case.clean]),
        false => left,
    };
    let judgement = spared.judge(case.setup().bound(), 0.1, 1);
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
        percent(case.clean.accuracy()),
    );
    if idle {
        measured += "; the attack moves its margins no more than a random point of the ball does";
    }
    Ok(Finding::judged(&judgement.at_least(verdict), measured)
        .value("robust_without", robust.accuracy())
        .value("clean_without", clean.accuracy())
        .value("robust_with", noisy.accuracy())
        .value("clean_with", case.clean.accuracy())
        .value("margin_over_random", pushed.mean)
        .value("gap", -left.mean)
        .value("gap_error", left.error()))
}
