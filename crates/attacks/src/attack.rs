//! What every attack is, and what several of them share.

use crate::gradient::{check_batch, non_finite};
use crate::{AttackError, Classifier, Goal, Loss, MeanLoss, Threat, mean_loss};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// An attack: an immutable value that perturbs images within its threat.
pub trait Attack: Send + Sync {
    /// A short name for tables, from the parameters that matter most, such as `PGD-20`.
    fn name(&self) -> String;

    /// What the attack may change. Its results stay within it, to the rounding of the images' element type.
    fn threat(&self) -> Threat;

    /// Perturbs `images`, `[batch, channels, height, width]` with pixels in [0, 1], towards `goal`.
    ///
    /// Every random number, and the noise of the model, is a function of `key` and of the example's number, which is
    /// `first_example` plus its row. Noise stays off where the caller's scope has switched it off.
    ///
    /// # Errors
    ///
    /// Those of [`checked_images`] and [`input_gradient`](crate::input_gradient).
    fn perturb(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        goal: &Goal,
        key: Key,
        first_example: u64,
    ) -> Result<Adversarial, AttackError>;

    /// The attack with all its parameters, for records.
    fn spec(&self) -> serde_json::Value;
}

/// What an attack gives back.
#[derive(Clone, Debug)]
pub struct Adversarial {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// What they cost.
    pub passes: Passes,
}

/// What an attack has cost, in passes of single images through the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passes {
    /// Forward passes.
    pub forwards: u64,
    /// Backward passes.
    pub backwards: u64,
}

impl AddAssign for Passes {
    fn add_assign(&mut self, other: Self) {
        self.forwards += other.forwards;
        self.backwards += other.backwards;
    }
}

/// How far outside [0, 1] a pixel may be by rounding.
const ROUNDING: f64 = 1e-6;

/// The images without autodiff graph, once they are found fit for an attack.
///
/// # Errors
///
/// Where the batch is empty, the goal has not one label for each image, or pixels are not finite or outside [0, 1]. What
/// is outside by at most 1e-6 is taken for rounding, and clipped.
pub fn checked_images(images: Tensor<4>, goal: &Goal) -> Result<Tensor<4>, AttackError> {
    check_batch(&images, goal)?;
    let images = images.inner();
    let got = non_finite(&images).into_scalar::<i64>() as usize;
    if got > 0 {
        return Err(AttackError::NonFinite { field: "images", got });
    }
    // The worst is the one farthest from the middle of the box.
    let extremes = Tensor::cat(vec![images.clone().min(), images.clone().max()], 0);
    let extremes: Vec<f64> = extremes.try_to_vec_as().expect("the device can be read");
    let excess = |pixel: f64| (pixel - 0.5).abs() - 0.5;
    let worst = extremes.into_iter().fold(0.5, |a, b| if excess(b) > excess(a) { b } else { a });
    if excess(worst) > ROUNDING {
        return Err(AttackError::PixelRange { got: worst });
    }
    Ok(images.clamp(0.0, 1.0))
}

/// The best candidate of each example so far.
///
/// All candidates are scored by their mean loss under the same draws of the model's noise, and not those of any
/// gradient: a candidate that merely met friendly noise does not win.
pub(crate) struct Selection<'a> {
    pub classifier: &'a dyn Classifier,
    pub goal: &'a Goal,
    pub loss: Loss,
    pub draws: usize,
    pub key: Key,
    pub first_example: u64,
    pub best: Option<(Tensor<4>, Tensor<1>)>,
    pub passes: Passes,
}

impl Selection<'_> {
    /// Keeps `candidate` for the examples where it beats all before it.
    pub fn offer(&mut self, candidate: Tensor<4>) -> Result<(), AttackError> {
        let MeanLoss { loss, passes } = mean_loss(
            self.classifier,
            &candidate,
            self.goal,
            self.loss,
            self.draws,
            self.key,
            self.first_example,
        )?;
        self.passes += passes;
        let score = loss.mul_scalar(self.goal.direction());
        self.best = Some(match self.best.take() {
            None => (candidate, score),
            Some((images, record)) => {
                let better = score.clone().greater(record.clone());
                let rows = better.clone().reshape([-1, 1, 1, 1]).expand(images.shape());
                (images.mask_where(rows, candidate), record.mask_where(better, score))
            }
        });
        Ok(())
    }
}
