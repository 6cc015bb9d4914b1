//! The input of an attack.

use crate::objective::{check_batch, check_examples, check_not_empty};
use crate::rows::{align_to, count_not_finite, extremes, read_all};
use crate::{AttackError, Goal, Rows};
use burn::tensor::Tensor;
use cni_noise::ExampleIds;

/// A batch to attack: images, the attacker's goal for each, and their numbers in the data set.
#[derive(Clone, Debug)]
pub struct AttackBatch {
    /// Pixels in [0, 1], without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// The attacker's goal, on the device of the images.
    pub goal: Goal,
    /// The examples' numbers. Their random numbers and the model's noise derive from these.
    pub examples: ExampleIds,
}

/// The distance outside [0, 1] that counts as rounding of a pixel.
const ROUNDING: f64 = 1e-6;

impl AttackBatch {
    /// The batch, after a check that its images are valid.
    ///
    /// # Errors
    ///
    /// If the batch is empty, if the number of labels or of examples' numbers differs from the
    /// number of images, or if a pixel is not finite or outside [0, 1]. A pixel outside by at most
    /// 1e-6 counts as rounding, and is clipped.
    pub fn new(
        images: Tensor<4>,
        goal: &Goal,
        examples: impl Into<ExampleIds>,
    ) -> Result<Self, AttackError> {
        let examples = examples.into();
        check_batch(&images, goal.labels(), &examples)?;
        let images = check_images(images, &examples)?;
        let goal = goal.map(|labels| align_to(labels, &images.device()));
        Ok(Self { images, goal, examples })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.images.dims()[0]
    }

    /// True if the batch has no images. [`new`](Self::new) refuses such a batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch of the given rows, in that order.
    pub fn select(&self, rows: &Rows) -> Self {
        Self {
            images: rows.of(&self.images),
            goal: self.goal.select(rows),
            examples: self.examples.select(rows.as_slice()),
        }
    }
}

/// Checks that the images are finite pixels in [0, 1]; returns them without autodiff graph, with
/// pixels that are outside by rounding clipped.
pub fn check_images(images: Tensor<4>, examples: &ExampleIds) -> Result<Tensor<4>, AttackError> {
    check_not_empty(&images)?;
    check_examples(examples, images.dims()[0])?;
    let images = images.inner();
    let read = read_all(&extremes(&images));
    if let Some((row, got)) = count_not_finite(&read[0]) {
        return Err(AttackError::NonFinite { field: "images", got, example: examples.id(row) });
    }
    // The worst is the one farthest from the middle of the box.
    let excess = |pixel: f64| (pixel - 0.5).abs() - 0.5;
    let worst = read.concat().into_iter();
    let worst = worst.fold(0.5, |a, b| if excess(b) > excess(a) { b } else { a });
    if excess(worst) > ROUNDING {
        return Err(AttackError::PixelRange { got: worst });
    }
    Ok(if excess(worst) > 0.0 { images.clamp(0.0, 1.0) } else { images })
}
