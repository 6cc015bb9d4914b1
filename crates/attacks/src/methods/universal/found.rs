//! A universal perturbation that has been found, and how many images it fools.

use crate::error::at_least_one;
use crate::{AttackBatch, AttackError, Classifier, Goal, ModelAccess, Passes};
use burn::tensor::{Bool, FloatDType, Int, Tensor};
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// A universal perturbation, which misleads a model on a set of images: the result of
/// [`UniversalPerturbation::find`](super::UniversalPerturbation::find).
#[derive(Clone, Debug)]
pub struct Universal {
    /// The change that is added to every image, `[1, channels, height, width]`, in at least single
    /// precision.
    pub perturbation: Tensor<4>,
    /// Its effect on the images that it was made for. Other images are fooled less often;
    /// [`judge`](Self::judge) measures how often.
    pub fooling: Fooling,
    /// The mean loss of the images in each epoch, cut off at the clip; towards a target class,
    /// minus the loss. Each batch counts before its step.
    pub scores: Vec<f64>,
    /// The passes of the search, without those of the judgement.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of gradient masking, since
    /// such a gradient gives an attack no direction.
    pub zero_gradients: Vec<u64>,
    /// True if a budget ended the search.
    pub exhausted: bool,
}

/// The effect of a perturbation on a set of images. If the model is stochastic, every rate is a
/// mean over images and draws of its noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fooling {
    /// The number of images.
    pub images: usize,
    /// The number of draws, one for a model without noise.
    pub draws: usize,
    /// The fooling rate (arXiv 1610.08401, section 2): how often the model predicts another class
    /// than without the perturbation, under the same draw; from 0 to 1.
    pub fooling_rate: f64,
    /// The rate at which the goal is reached with the perturbation, from 0 to 1.
    pub reached: f64,
    /// The rate at which the goal is reached without the perturbation, from 0 to 1.
    pub reached_clean: f64,
}

impl Universal {
    /// The images, `[batch, channels, height, width]`, with the perturbation, clipped to [0, 1].
    ///
    /// # Panics
    ///
    /// If the images are not of the perturbation's shape.
    pub fn apply(&self, images: &Tensor<4>) -> Tensor<4> {
        moved(&images.clone().inner(), &self.perturbation).clamp(0.0, 1.0)
    }

    /// Judges the perturbation on other images, over `draws` draws of the noise that belongs to
    /// `key`; a model without noise gets one draw. Images are `[batch, channels, height, width]`
    /// with pixels in [0, 1].
    ///
    /// # Errors
    ///
    /// If `draws` is zero, if there is no batch, if the images are not of the perturbation's shape,
    /// and those of [`AttackBatch::new`] and [`score`](crate::score).
    pub fn judge(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Goal)>,
        draws: usize,
        key: Key,
    ) -> Result<Fooling, AttackError> {
        let draws = at_least_one("draws", draws)?;
        let batches = checked_batches(batches)?;
        check_shape(&batches[0].images, &self.perturbation)?;
        Fooling::of(classifier, &batches, &self.perturbation, draws, key)
    }
}

impl Fooling {
    /// The effect of the perturbation on images of its shape.
    pub(super) fn of(
        classifier: &dyn Classifier,
        batches: &[AttackBatch],
        perturbation: &Tensor<4>,
        draws: usize,
        key: Key,
    ) -> Result<Self, AttackError> {
        let mut access = ModelAccess::new(classifier);
        // If the noise acts on some images only, all images are judged over several draws.
        let mut stochastic = false;
        for batch in batches {
            access.forget_stochastic();
            stochastic |= access.is_stochastic(batch)?;
        }
        let draws = if stochastic { draws } else { 1 };
        let (mut images, mut counts) = (0, [0.0; 3]);
        for batch in batches {
            images += batch.len();
            let AttackBatch { images: clean, goal, examples } = batch;
            let changed = moved(clean, perturbation).clamp(0.0, 1.0);
            for draw in 0..draws as u64 {
                let mut logits = |images| access.logits(images, goal, examples, key, draw);
                let (before, after) = (logits(clean)?, logits(&changed)?);
                let class = |logits: &Tensor<2>| -> Tensor<1, Int> {
                    logits.clone().argmax(1).squeeze_dim(1)
                };
                let fooled = class(&after).not_equal(class(&before));
                let reached = [goal.reached(&after), goal.reached(&before)];
                // Counts of images, which a device's own element type may not hold exactly.
                let count = |rows: Tensor<1, Bool>| rows.int().sum().cast(FloatDType::F32);
                let [after, before] = reached.map(count);
                let lists = access.read([count(fooled), after, before])?;
                counts.iter_mut().zip(lists).for_each(|(count, list)| *count += list[0]);
            }
        }
        let [fooling_rate, reached, reached_clean] =
            counts.map(|count| count / (images * draws) as f64);
        Ok(Self { images, draws, fooling_rate, reached, reached_clean })
    }
}

/// Images with the perturbation, not clipped.
pub(super) fn moved(images: &Tensor<4>, perturbation: &Tensor<4>) -> Tensor<4> {
    let perturbation = perturbation.clone().to_device(&images.device()).cast(images.dtype());
    images.clone() + perturbation
}

/// The batches, checked, with examples numbered consecutively.
pub(super) fn checked_batches(
    batches: impl IntoIterator<Item = (Tensor<4>, Goal)>,
) -> Result<Vec<AttackBatch>, AttackError> {
    let (mut checked, mut next): (Vec<AttackBatch>, u64) = (Vec::new(), 0);
    for (images, goal) in batches {
        let batch = AttackBatch::new(images, &goal, next)?;
        if let Some(first) = checked.first() {
            check_shape(&batch.images, &first.images)?;
        }
        next += batch.len() as u64;
        checked.push(batch);
    }
    match checked.is_empty() {
        true => Err(AttackError::EmptyBatch { got: [0; 4] }),
        false => Ok(checked),
    }
}

/// Checks that images have the same shape as others, except for their number.
fn check_shape(images: &Tensor<4>, like: &Tensor<4>) -> Result<(), AttackError> {
    let [got, wanted] = [images, like].map(|images| images.dims()[1..].to_vec());
    match got == wanted {
        true => Ok(()),
        false => Err(AttackError::InputShape { got, wanted }),
    }
}
