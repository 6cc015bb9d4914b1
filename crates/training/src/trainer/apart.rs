//! The check that an example adds to a gradient what it would add among any other examples.

use super::forward::Forward;
use super::probe::DRAWING;
use super::scope::{own_scope, seed};
use crate::parameters::{Groups, ParameterValues, layer_in_training, noise_of_batches};
use crate::step::Step;
use crate::{StepError, TrainingConfig, TrainingError};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use cni_data::{Batch, ImageData};
use std::sync::Arc;

/// The share of a gradient by which rounding may change it.
const ROUNDING: f64 = 0.01;

/// Refuses a model and an objective by which the gradient of an example depends on the others of
/// its batch, if the gradient rule [bounds examples](crate::GradientRule::bounds_examples).
///
/// An attack sees the whole batch, so that noise that a batch scales is refused under one, whatever
/// its size is now. Layers, attacks and objectives of one's own show what they do: the gradient of
/// the first training example must be the same beside another example and in another place.
pub(crate) fn check_apart<N: Module + 'static>(
    net: &N,
    forward: &Forward<N>,
    config: &TrainingConfig,
    groups: &Arc<Groups>,
    train: &ImageData,
    device: &Device,
) -> Result<(), TrainingError> {
    let TrainingConfig { gradient, objective, .. } = config;
    if !gradient.bounds_examples() {
        return Ok(());
    }
    let of = format!("the {} with the {}", gradient.label(), objective.label());
    let refused = |got: String, wanted: &str| Err(TrainingError::setting("gradient", got, wanted));
    if let Some(layer) = layer_in_training(net, &DRAWING) {
        let wanted = "a model without it: what it draws for an example depends on the others";
        return refused(format!("{of} for a model with {layer}"), wanted);
    }
    let attacks = !objective.attacks().is_empty();
    if let Some(noise) = noise_of_batches(net).filter(|_| attacks) {
        let wanted = "noise with a standard deviation of each example (std_per), or an objective \
                      without an attack, which sees the whole batch";
        return refused(format!("{of} for noise at {noise:?} that a batch scales"), wanted);
    }
    let (images, labels) = train.batch([0, 1.min(train.len() - 1)], device)?;
    let image = |row: usize| images.clone().narrow(0, row, 1);
    let label = |row: usize| labels.clone().narrow(0, row, 1);
    let (exact, key) = (forward.exact(), config.key.named("apart"));
    let gradient_at = |place: usize, other: Tensor<4>, class: Tensor<1, Int>| {
        let images = Tensor::cat(vec![image(0), other], 0);
        let labels = Tensor::cat(vec![label(0), class], 0);
        // In the second place the first example stands behind the other.
        let (images, labels, indices) = match place {
            0 => (images, labels, [0_usize, 1]),
            _ => (images.flip([0]), labels.flip([0]), [1, 0]),
        };
        let batch = Batch {
            images: images.autodiff(),
            labels,
            key,
            // The attack has begun, and has come to its radius.
            epoch: config.epochs - 1,
            number: 0,
            batches: 1,
            indices: indices.into(),
            first_example: 0,
            whole: 2,
        };
        seed(device, key);
        let call = |net: &N, images| exact.call(net, images);
        let step = Step::with_groups(net, call, batch, groups.clone()).apart().by_index();
        own_scope(key, step.examples().clone(), || -> Result<ParameterValues, StepError> {
            if attacks {
                objective.losses(&step)?;
            }
            let own = step.part(place..place + 1);
            Ok(own.backward(objective.losses(&own)?).gradients)
        })
    };
    let one = gradient_at(0, image(1), label(1));
    let faint = image(1).mul_scalar(-0.5).add_scalar(1.0);
    let next = label(1).add_scalar(1).remainder_scalar(train.classes().len() as i64);
    let (Ok(one), Ok(another)) = (one, gradient_at(1, faint, next)) else {
        // The first step of the run tells why.
        return Ok(());
    };
    let share = change(&one, &another);
    if share > ROUNDING {
        let percent = 100.0 * share;
        let got = format!("{of}: an example's gradient is {percent:.0} % another among others");
        return refused(got, "a model, an attack and an objective that take each example alone");
    }
    Ok(())
}

/// The length of the difference of two gradients, as a share of the longer one's.
fn change(one: &ParameterValues, another: &ParameterValues) -> f64 {
    let difference = one.clone().map(|parameter, value| match another.get(&parameter.path) {
        Some(other) => value - other.clone(),
        None => value,
    });
    let length = |of: &ParameterValues| of.norm().map_or(0.0, |norm| norm.into_scalar::<f64>());
    length(&difference) / length(one).max(length(another))
}
