//! The score of images under a stochastic model, and its gradient with respect to them, in
//! expectation over the noise.

use crate::error::at_least_one;
use crate::objective::eot::{Mean, Success};
use crate::objective::{Flags, check_batch, check_shape, settle};
use crate::rows::at_least_single;
use crate::{AttackError, Classifier, Eot, Expectation, Goal, Objective, Passes, draw_scope};
use burn::tensor::{Bool, Tensor};
use cni_noise::{ExampleIds, Key};

/// The answer of [`score`].
#[derive(Clone, Debug)]
pub struct Scores {
    /// The score of each image, `[batch]`.
    pub score: Tensor<1>,
    /// The mean logits of each image over the draws, `[batch, classes]`.
    pub logits: Tensor<2>,
    /// The passes it took.
    pub passes: Passes,
}

/// The answer of [`input_gradient`]. Its tensors carry no autodiff graph.
#[derive(Clone, Debug)]
pub struct InputGradient {
    /// The gradient of each image's own score, `[batch, channels, height, width]`.
    pub gradient: Tensor<4>,
    /// The score of each image, `[batch]`, under the draws that the gradient saw.
    pub score: Tensor<1>,
    /// The mean logits of each image over these draws, `[batch, classes]`.
    pub logits: Tensor<2>,
    /// True if the gradient is zero throughout, `[batch]`.
    pub zero: Tensor<1, Bool>,
    /// The passes it took.
    pub passes: Passes,
}

/// The gradient of the objective's score with respect to the images, in expectation over the
/// model's noise.
///
/// Draw `d` runs in the [`draw_scope`] of `key`. Each example's gradient is that of its own score,
/// whatever the size of the batch. [`Expectation::Logits`] and [`Expectation::Probabilities`] take
/// a second forward pass for each draw, since the slope of the loss is known only after the first.
/// The memory is that of one draw.
///
/// # Errors
///
/// If `draws` is zero; if images, labels and logits do not fit together; if a logit or the gradient
/// is not finite; if the logits do not depend on the images.
pub fn input_gradient(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    eot: Eot,
    key: Key,
    examples: &ExampleIds,
) -> Result<InputGradient, AttackError> {
    let (found, flags) = gradient_on_trust(classifier, images, objective, eot, key, examples)?;
    settle(&[flags], &[])?;
    Ok(found)
}

/// [`input_gradient`] with its checks still on the device, for callers that read them later.
pub(crate) fn gradient_on_trust(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    eot: Eot,
    key: Key,
    examples: &ExampleIds,
) -> Result<(InputGradient, Flags), AttackError> {
    let batch = check_batch(images, objective.labels(), examples)?;
    let draws = at_least_one("draws", eot.draws)?;
    let images = images.clone().inner();
    let mut gradient = None;
    let mut add = |of_draw: Tensor<4>| {
        // The small terms of many draws are lost in half precision.
        let of_draw = if draws == 1 { of_draw } else { at_least_single(of_draw) };
        gradient = Some(match gradient.take() {
            None => of_draw,
            Some(sum) => sum + of_draw,
        });
    };
    let forwards;
    let mean = if draws == 1 || eot.expectation == Expectation::Loss {
        forwards = draws;
        Mean::over(draws, Expectation::Loss, objective, None, |draw| {
            let leaf = images.clone().autodiff().require_grad();
            let logits =
                draw_scope(key, draw, examples.clone(), || classifier.logits(leaf.clone()));
            check_shape(&logits, batch, objective)?;
            let score = objective.checked_score(logits.clone())?;
            check_tracked(&score, &logits, objective)?;
            let mut gradients = score.clone().sum().backward();
            add(leaf.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?);
            Ok((logits.inner(), Some(score.inner())))
        })?
    } else {
        forwards = 2 * draws;
        let plain = |draw| -> Result<_, AttackError> {
            let forward = || classifier.logits(images.clone());
            let logits = draw_scope(key, draw, examples.clone(), forward).inner();
            check_shape(&logits, batch, objective)?;
            Ok((logits, None))
        };
        let mean = Mean::over(draws, eot.expectation, objective, None, plain)?;
        let averaged = mean.averaged.clone().autodiff().require_grad();
        let score = objective.checked_score(eot.expectation.logits(averaged.clone()))?;
        check_tracked(&score, &averaged, objective)?;
        let mut gradients = score.sum().backward();
        let slope = averaged.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?;
        for draw in 0..draws as u64 {
            let leaf = images.clone().autodiff().require_grad();
            let logits =
                draw_scope(key, draw, examples.clone(), || classifier.logits(leaf.clone()));
            let along = eot.expectation.averaged(logits) * slope.clone();
            if !along.is_tracked() {
                return Err(AttackError::NoGradient);
            }
            let mut gradients = along.sum().backward();
            add(leaf.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?);
        }
        mean
    };
    let gradient = gradient.ok_or(AttackError::NoGradient)?;
    let gradient = match draws {
        1 => gradient,
        _ => gradient.div_scalar(draws as f64).cast(images.dtype()),
    };
    let flags = Flags::new(objective.classes(), &mean.logits, Some(&gradient), examples)
        .with_values_of(objective, &mean.score, &mean.logits)?;
    let zero = flags.zero_gradient().expect("there is a gradient");
    let passes = Passes { forwards: (batch * forwards) as u64, backwards: (batch * draws) as u64 };
    let (score, logits) = (mean.score, mean.logits);
    Ok((InputGradient { gradient, score, logits, zero, passes }, flags))
}

/// Checks that the score can be differentiated with respect to the logits.
fn check_tracked(
    score: &Tensor<1>,
    logits: &Tensor<2>,
    objective: &Objective,
) -> Result<(), AttackError> {
    match (score.is_tracked(), objective.function()) {
        (true, _) => Ok(()),
        (false, Some(function)) if logits.is_tracked() => {
            Err(AttackError::LossNotDifferentiable { name: function.name().to_string() })
        }
        _ => Err(AttackError::NoGradient),
    }
}

/// The score of each image, in expectation over the model's noise, without a gradient.
///
/// Equal keys give equal draws, so that candidates can be compared under the same noise. Errors as
/// [`input_gradient`].
pub fn score(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    eot: Eot,
    key: Key,
    examples: &ExampleIds,
) -> Result<Scores, AttackError> {
    let (found, _, flags) =
        score_on_trust(classifier, images, objective, None, eot, key, examples)?;
    settle(&[flags], &[])?;
    Ok(found)
}

/// [`score`] with its checks still on the device, for callers that read them later; with a goal,
/// also how near the images are to it.
pub(crate) fn score_on_trust(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    goal: Option<&Goal>,
    eot: Eot,
    key: Key,
    examples: &ExampleIds,
) -> Result<(Scores, Option<Success>, Flags), AttackError> {
    let batch = check_batch(images, objective.labels(), examples)?;
    let draws = at_least_one("draws", eot.draws)?;
    let plain = images.clone().inner();
    let mean = Mean::over(draws, eot.expectation, objective, goal, |draw| {
        let forward = || classifier.logits(plain.clone());
        let logits = draw_scope(key, draw, examples.clone(), forward).inner();
        check_shape(&logits, batch, objective)?;
        Ok((logits, None))
    })?;
    let mut flags = Flags::new(objective.classes(), &mean.logits, None, examples).with_values_of(
        objective,
        &mean.score,
        &mean.logits,
    )?;
    if let (Some(Goal::Custom { margin, .. }), Some(success)) = (goal, &mean.success) {
        flags.add_values(margin, &success.margin);
    }
    let passes = Passes { forwards: (batch * draws) as u64, backwards: 0 };
    Ok((Scores { score: mean.score, logits: mean.logits, passes }, mean.success, flags))
}
