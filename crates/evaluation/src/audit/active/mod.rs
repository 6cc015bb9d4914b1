//! The active test: an adversarial image is planted, and the attack must find it.
//!
//! This is the decision boundary binarization test (Zimmermann et al., NeurIPS 2022, arXiv
//! 2206.13991). Random points within 0.95 ε of each image are labelled as inside, and one point on
//! the surface of the ε-ball as outside. A linear readout that separates them turns the model into
//! a classifier of two classes for which an adversarial image is known to exist. The test differs
//! from the paper in two ways. The readout reads the logits instead of the last features, because a
//! [`Classifier`](cni_attacks::Classifier) shows only logits. It is Fisher's discriminant, and of
//! several points on the surface the one that stands out most is planted.

mod readout;

use self::readout::{Readout, Separation, separate};
use super::context::Model;
use super::difference::AccuracyDifference;
use super::judgement::Judgement;
use super::result::{CheckResult, percent};
use super::sample::Sample;
use super::setup::{Setup, Size, forwards};
use crate::Verdict;
use burn::tensor::Tensor;
use cni_attacks::rows::read;
use cni_attacks::{Attack, AttackBatch, AttackError, Eot, Knob, Loss, Objective, Passes, Rows};
use cni_noise::Key;
use std::sync::Arc;

/// The radius of the inner points, in ε.
const INNER: f64 = 0.95;
/// The smallest number of images with a planted point for which there is a result.
const FEWEST: usize = 8;

pub(super) fn cost(setup: &Setup, size: Size) -> Passes {
    // The inner points, the candidates, the random attackers, and the image itself.
    let points = 3 * setup.sizes.cloud + 1;
    (forwards((points + 1) * draws(setup)) + setup.cost(&attack(setup))) * size.examples as u64
}

/// The number of draws behind the logits of a point.
fn draws(setup: &Setup) -> usize {
    setup.draws.min(4)
}

fn noise_key(sample: &Sample<'_>) -> Key {
    sample.key("active-test").named("noise")
}

/// The audited attack; with the margin as its loss if its own loss needs more than two classes.
fn attack(setup: &Setup) -> Arc<dyn Attack> {
    let many = setup.knobs.loss.as_ref().is_some_and(|loss| loss.classes() > 2);
    let turned = many.then(|| setup.attack.with_knob(Knob::Loss(Loss::Margin)).ok());
    turned.flatten().unwrap_or_else(|| setup.attack.clone())
}

/// The reason why the attack cannot run on the two classes of the test, if it cannot.
pub(super) fn wants_more_classes(setup: &Setup) -> Option<String> {
    let attack = attack(setup);
    let (name, wanted) = (attack.name(), attack.min_classes());
    (wanted > 2).then(|| format!("{name} wants {wanted} classes, and the test has two"))
}

pub(super) fn run(sample: &Sample<'_>) -> Result<CheckResult, AttackError> {
    let (mut found, mut by_chance) = (Vec::new(), Vec::new());
    for part in sample.context.chunks(&sample.batch) {
        let (attacked, lucky) = of_chunk(sample, &part)?;
        found.extend(attacked);
        by_chance.extend(lucky);
    }
    let (tested, images) = (found.len(), sample.batch.len());
    if tested < FEWEST.min(images) {
        let measured = format!(
            "the logits set a planted point apart for {tested} of {images} images, which is too few"
        );
        return Ok(CheckResult::new(Verdict::Inconclusive, measured));
    }
    let (judgement, [success, chance]) = judge(&found, &by_chance);
    let measured = format!(
        "the attack found the planted image for {} of {tested} images, {} random points for {}",
        percent(success),
        sample.setup().sizes.cloud,
        percent(chance)
    );
    let result = match judgement {
        Some(judgement) => CheckResult::judged(&judgement, measured),
        None => CheckResult::new(
            Verdict::Inconclusive,
            measured
                + "; a test that random points pass in more than half of the cases tests no attack",
        ),
    };
    Ok(result
        .value("tested", tested as f64)
        .value("success_rate", success)
        .value("random_success_rate", chance))
}

/// The judgement, and the success rates of the attack and of random points. There is no judgement
/// if random points found more than half of the planted points and the attack did not fail.
fn judge(found: &[bool], by_chance: &[bool]) -> (Option<Judgement>, [f64; 2]) {
    let rate =
        |list: &[bool]| list.iter().filter(|hit| **hit).count() as f64 / list.len().max(1) as f64;
    let rates = [found, by_chance].map(rate);
    let missed: Vec<f64> = found.iter().map(|found| f64::from(u8::from(!found))).collect();
    let judgement = AccuracyDifference::new(&missed, 0.0).judge(0.05, 0.2, 1);
    let tells = rates[1] <= 0.5 || judgement.verdict > Verdict::Inconclusive;
    (tells.then_some(judgement), rates)
}

/// True if the attack, and whether random points, found the planted point of each image that has
/// one.
fn of_chunk(
    sample: &Sample<'_>,
    part: &AttackBatch,
) -> Result<(Vec<bool>, Vec<bool>), AttackError> {
    let (context, setup, key) = (sample.context, sample.setup(), sample.key("active-test"));
    let threat = setup.threat();
    let (norm, epsilon, cloud) = (threat.norm(), threat.epsilon(), setup.sizes.cloud as u64);
    let inside = |n: u64| {
        let key = key.named("inside").child(n);
        let change = norm.random_start(key, &part.images, INNER * epsilon, &part.examples);
        norm.project(part.images.clone() + change, &part.images, epsilon)
    };
    let surface = |key: Key| {
        let change = norm.random_surface(key, &part.images, epsilon, &part.examples);
        norm.project(part.images.clone() + change, &part.images, epsilon)
    };
    let mut inner = vec![logits(sample, part, &part.images)?];
    for n in 0..cloud {
        inner.push(logits(sample, part, &inside(n))?);
    }
    let of_cloud = |name: &str| -> Result<Vec<Tensor<2>>, AttackError> {
        let key = key.named(name);
        (0..cloud).map(|n| logits(sample, part, &surface(key.child(n)))).collect()
    };
    let (candidates, random) = (of_cloud("candidates")?, of_cloud("random")?);
    let [_, classes] = inner[0].dims();
    let [inner, candidates, random] = [inner, candidates, random]
        .map(|points| points.iter().map(read).collect::<Vec<Vec<f64>>>());
    let of_row = |points: &[Vec<f64>], row: usize| -> Vec<Vec<f64>> {
        points.iter().map(|all| all[row * classes..][..classes].to_vec()).collect()
    };
    let separations: Vec<Option<Separation>> = (0..part.len())
        .map(|row| separate(&of_row(&inner, row), &of_row(&candidates, row)))
        .collect();
    let rows = Rows::wherever(separations.iter().map(Option::is_some), &part.images);
    if rows.as_slice().is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let lucky = rows.as_slice().iter().zip(separations.iter().flatten());
    let lucky = lucky
        .map(|(&row, found)| of_row(&random, row).iter().any(|point| found.margin(point) > 0.0))
        .collect();

    let tested = part.select(&rows);
    let examples = (0..tested.len()).map(|row| tested.examples.id(row)).collect();
    let readout = Readout::new(context.model.classifier, examples, &separations, &part.images);
    let model = Model { classifier: &readout, ..context.model };
    // Class 0 is the inside.
    let batch = sample.relabelled(&tested, &vec![0; tested.len()]);
    let found = context.attack(model, &attack(setup), &batch, context.attack_key())?;
    // The attack has not seen these draws. They separated the planted point, so the point is
    // adversarial in them.
    let predictions = context.judge(model, &batch, &found, noise_key(sample), draws(setup))?;
    let found = predictions.margin.iter().map(|margin| *margin > 0.0).collect();
    Ok((found, lucky))
}

/// The mean logits of images over a few draws, which are the same for all images.
fn logits(
    sample: &Sample<'_>,
    part: &AttackBatch,
    images: &Tensor<4>,
) -> Result<Tensor<2>, AttackError> {
    let (context, key) = (sample.context, noise_key(sample));
    let objective = Objective::new(Loss::Margin, &part.goal);
    let eot = Eot { draws: draws(sample.setup()), ..Eot::ONE };
    let scores = context
        .ask(context.model, |access| access.score(images, &objective, &part.examples, eot, key))?;
    Ok(scores.logits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_finds_too_is_no_success_of_the_attack() {
        let share = |hits: usize| (0..200).map(|row| row < hits).collect::<Vec<bool>>();
        let verdict = |found, lucky| judge(&share(found), &share(lucky)).0.map(|of| of.verdict);
        assert_eq!(verdict(200, 100), Some(Verdict::Pass));
        assert_eq!(verdict(200, 101), None);
        // An attack that misses even this point has failed.
        assert_eq!(verdict(100, 200), Some(Verdict::Fail));
    }
}
