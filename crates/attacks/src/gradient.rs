//! The gradient of a model's loss with respect to its input, averaged over draws of the model's noise.

use crate::error::at_least_one;
use crate::loss::own_class;
use crate::{AttackError, Classifier, Goal, Loss, Passes};
use burn::tensor::{Int, Tensor};
use cni_noise::{Key, Noise, current_noise, scope_at};

/// The answer of [`input_gradient`]. Its tensors carry no autodiff graph.
#[derive(Clone, Debug)]
pub struct InputGradient {
    /// The gradient of each image's own loss, `[batch, channels, height, width]`.
    pub gradient: Tensor<4>,
    /// The loss of each image, `[batch]`, under the draws that the gradient saw.
    pub loss: Tensor<1>,
    /// The passes it took.
    pub passes: Passes,
}

/// The answer of [`mean_loss`].
#[derive(Clone, Debug)]
pub struct MeanLoss {
    /// The loss of each image, `[batch]`.
    pub loss: Tensor<1>,
    /// The passes it took.
    pub passes: Passes,
}

/// Runs `f` under draw number `draw` of the noise that belongs to `key`, for a batch that begins at `first_example`.
///
/// Where the caller has switched noise off it stays off: that is how the noise-free model is attacked.
pub fn draw_scope<R>(key: Key, draw: u64, first_example: u64, f: impl FnOnce() -> R) -> R {
    let noise = match current_noise() {
        Noise::Off => Noise::Off,
        Noise::Fresh | Noise::Keyed(_) => Noise::Keyed(key.child(draw)),
    };
    scope_at(noise, first_example, f)
}

/// The gradient of the loss with respect to the images, the mean over `draws` forward passes with different noise.
///
/// This is the expectation over transformation of Athalye et al. (arXiv 1707.07397): the mean of the gradients, not the
/// gradient of the loss of mean logits. Draw `d` runs in the [`draw_scope`] of `key`. The examples' losses are summed, so
/// that the gradient of one does not depend on the size of the batch.
///
/// # Errors
///
/// Where `draws` is zero; where images, labels and logits do not fit together; where a logit or the gradient is not
/// finite; where the logits do not depend on the images.
pub fn input_gradient(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    goal: &Goal,
    loss: Loss,
    draws: usize,
    key: Key,
    first_example: u64,
) -> Result<InputGradient, AttackError> {
    let mut gradient = images.clone().inner().zeros_like();
    let (mean, faults) = mean_over_draws(images, goal, draws, |draw| {
        let images = images.clone().inner().autodiff().require_grad();
        let forward = || classifier.logits(images.clone());
        let logits = draw_scope(key, draw, first_example, forward);
        check_shape(&logits, goal)?;
        let losses = loss.per_example(logits.clone(), goal.labels());
        if !losses.is_tracked() {
            return Err(AttackError::NoGradient);
        }
        let mut gradients = losses.clone().sum().backward();
        let of_draw = images.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?;
        gradient = gradient.clone() + of_draw;
        Ok((logits.inner(), losses.inner()))
    })?;
    let gradient = gradient.div_scalar(draws as f64);
    faults.with_gradient(&gradient).check(goal)?;
    let passes = (images.dims()[0] * draws) as u64;
    Ok(InputGradient {
        gradient,
        loss: mean,
        passes: Passes { forwards: passes, backwards: passes },
    })
}

/// The loss of each image, the mean over `draws` forward passes, without a gradient.
///
/// For the scoring of candidates: equal keys give equal draws, so that candidates are compared under the same noise.
/// Errors as [`input_gradient`].
pub fn mean_loss(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    goal: &Goal,
    loss: Loss,
    draws: usize,
    key: Key,
    first_example: u64,
) -> Result<MeanLoss, AttackError> {
    let plain = images.clone().inner();
    let (mean, faults) = mean_over_draws(images, goal, draws, |draw| {
        let forward = || classifier.logits(plain.clone());
        let logits = draw_scope(key, draw, first_example, forward).inner();
        check_shape(&logits, goal)?;
        let losses = loss.per_example(logits.clone(), goal.labels());
        Ok((logits, losses))
    })?;
    faults.check(goal)?;
    let passes = (images.dims()[0] * draws) as u64;
    Ok(MeanLoss { loss: mean, passes: Passes { forwards: passes, backwards: 0 } })
}

/// Runs `pass`, which gives logits and losses, for each draw; gives the mean loss and what was wrong with the logits.
fn mean_over_draws(
    images: &Tensor<4>,
    goal: &Goal,
    draws: usize,
    mut pass: impl FnMut(u64) -> Result<(Tensor<2>, Tensor<1>), AttackError>,
) -> Result<(Tensor<1>, Faults), AttackError> {
    at_least_one("draws", draws)?;
    check_batch(images, goal)?;
    let (logits, mut sum) = pass(0)?;
    let mut faults = Faults::of_labels(goal, &logits).with_logits(&logits);
    for draw in 1..draws as u64 {
        let (logits, losses) = pass(draw)?;
        faults = faults.with_logits(&logits);
        sum = sum + losses;
    }
    Ok((sum.div_scalar(draws as f64), faults))
}

/// That there are images, and a label for each.
pub(crate) fn check_batch(images: &Tensor<4>, goal: &Goal) -> Result<(), AttackError> {
    if images.shape().num_elements() == 0 {
        return Err(AttackError::EmptyBatch { got: images.dims() });
    }
    let ([got], [wanted, ..]) = (goal.labels().dims(), images.dims());
    if got != wanted {
        return Err(AttackError::LabelCount { got, wanted });
    }
    Ok(())
}

fn check_shape(logits: &Tensor<2>, goal: &Goal) -> Result<(), AttackError> {
    let ([rows, classes], [batch]) = (logits.dims(), goal.labels().dims());
    if rows != batch || classes < 2 {
        return Err(AttackError::LogitsShape { got: [rows, classes], batch });
    }
    Ok(())
}

/// How many labels name no class, and how many logits and entries of the gradient are not finite.
///
/// The counts stay on the device until [`check`](Self::check), so that a gradient waits for the device only once.
struct Faults {
    classes: usize,
    labels: Tensor<1, Int>,
    logits: Tensor<1, Int>,
    gradient: Tensor<1, Int>,
}

impl Faults {
    fn of_labels(goal: &Goal, logits: &Tensor<2>) -> Self {
        let [batch, classes] = logits.dims();
        let named = own_class(goal.labels(), logits).int().sum();
        let labels = named.neg().add_scalar(batch as i64);
        let none = labels.zeros_like();
        Self { classes, labels, logits: none.clone(), gradient: none }
    }

    fn with_logits(self, logits: &Tensor<2>) -> Self {
        Self { logits: self.logits + non_finite(logits), ..self }
    }

    fn with_gradient(self, gradient: &Tensor<4>) -> Self {
        Self { gradient: non_finite(gradient), ..self }
    }

    fn check(self, goal: &Goal) -> Result<(), AttackError> {
        let counts = read(&Tensor::cat(vec![self.labels, self.logits, self.gradient], 0));
        if counts[0] > 0 {
            let named = 0..self.classes as i64;
            let labels = read(goal.labels());
            let got = labels.into_iter().find(|label| !named.contains(label)).unwrap_or(-1);
            return Err(AttackError::Label { got, classes: self.classes });
        }
        for (field, count) in [("logits", counts[1]), ("gradient", counts[2])] {
            if count > 0 {
                return Err(AttackError::NonFinite { field, got: count as usize });
            }
        }
        Ok(())
    }
}

/// How many entries are NaN or infinite, `[1]`.
pub(crate) fn non_finite<const D: usize>(values: &Tensor<D>) -> Tensor<1, Int> {
    values.clone().is_finite().bool_not().int().sum()
}

fn read(values: &Tensor<1, Int>) -> Vec<i64> {
    values.try_to_vec_as().expect("the device can be read")
}
