//! The results of attacks, and the checks on them.

use crate::rows::at_least_single;
use crate::rows::{count_not_finite, extremes};
use crate::{AttackBatch, AttackError, Passes, Threat};
use burn::tensor::{DType, Tensor};
use cni_noise::ExampleIds;

/// The perturbed images of an attack, without a success rate: the result of
/// [`Runner::perturb`](crate::Runner::perturb), for training and for programs that judge success
/// themselves.
#[derive(Clone, Debug)]
pub struct Perturbed {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// The distance of each image from its original, in the threat's norm.
    pub distance: Vec<f64>,
    /// The number of forward passes of each image, over all draws; those that backward passes need
    /// are among them. Images with the same example number have the same count, the sum over all of
    /// them.
    pub queries: Vec<u64>,
    /// The passes of all images together.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of gradient masking, since
    /// such a gradient gives an attack no direction.
    pub zero_gradients: Vec<u64>,
    /// True if a budget ended the attack.
    pub exhausted: bool,
}

/// The perturbed images of an attack, with success rates over draws that the attack has not used:
/// the result of [`Runner::run`](crate::Runner::run).
#[derive(Clone, Debug)]
pub struct Adversarial {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// For each image, the share of the judging draws in which it reaches the goal. A model without
    /// noise has one draw, and the share is 0 or 1.
    pub success_rate: Vec<f64>,
    /// The number of judging draws: one for a model without noise. The attack has used none of
    /// them.
    pub judging_draws: usize,
    /// The distance of each image from its original, in the threat's norm. It is 0 for an image
    /// that is returned unchanged, for instance because the attack found nothing; `success_rate`
    /// tells whether such an image reaches the goal.
    pub distance: Vec<f64>,
    /// The number of forward passes of each image, over all draws; those that backward passes need
    /// are among them. Images with the same example number have the same count, the sum over all of
    /// them. The judging passes are not queries of the attack, and are not counted.
    pub queries: Vec<u64>,
    /// The passes of the attack for all images together, without the judging passes.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of gradient masking, since
    /// such a gradient gives an attack no direction.
    pub zero_gradients: Vec<u64>,
    /// True if a budget ended the attack.
    pub exhausted: bool,
}

impl Adversarial {
    /// The result of an attack with its success rates.
    pub(crate) fn new(found: Perturbed, success_rate: Vec<f64>, judging_draws: usize) -> Self {
        let Perturbed { images, distance, queries, passes, zero_gradients, exhausted } = found;
        Self {
            images,
            success_rate,
            judging_draws,
            distance,
            queries,
            passes,
            zero_gradients,
            exhausted,
        }
    }

    /// The share of images and draws in which the goal is not reached, from 0 to 1. If the goal is
    /// misclassification, this is the robust accuracy under the attack.
    pub fn robust_accuracy(&self) -> f64 {
        1.0 - self.success_rate.iter().sum::<f64>() / self.success_rate.len().max(1) as f64
    }

    /// The median distance of the adversarial images, in the threat's norm: the usual measure of
    /// attacks of minimum norm. For an even number of images it is the lower of the two in the
    /// middle. An image that reaches its goal in half of the judging draws or fewer counts as
    /// infinitely far: on a model with noise these are about half of those that an attack of
    /// minimum norm finds, since it stops at the boundary. `None` if there is no image.
    pub fn median_distance(&self) -> Option<f64> {
        let far = |(&rate, &distance)| if rate > 0.5 { distance } else { f64::INFINITY };
        let mut all: Vec<f64> = self.success_rate.iter().zip(&self.distance).map(far).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len().saturating_sub(1) / 2).copied()
    }
}

/// The result of an attack before its check, with the values that the check reads.
pub(crate) struct UncheckedResult {
    images: Tensor<4>,
    attack: String,
    threat: Threat,
    /// The rounding errors that distances and pixels may have.
    rounding: [f64; 2],
    lists: [Tensor<1>; 3],
}

impl UncheckedResult {
    /// The images that `attack` found for `batch`; an error if their shape differs.
    pub fn new(
        attack: String,
        threat: Threat,
        batch: &AttackBatch,
        images: Tensor<4>,
    ) -> Result<Self, AttackError> {
        let (got, wanted) = (images.dims(), batch.images.dims());
        if got != wanted {
            return Err(AttackError::ResultShape { attack, got, wanted });
        }
        let original = &batch.images;
        let images = images.inner().to_device(&original.device()).cast(original.dtype());
        let [least, most] = extremes(&images);
        let distance = threat.norm().distance(&images, original);
        let lists = [at_least_single(distance), least, most];
        let rounding = rounding(&images, threat);
        Ok(Self { images, attack, threat, rounding, lists })
    }

    /// The lists that the check needs on the host.
    pub fn lists(&self) -> [Tensor<1>; 3] {
        self.lists.clone()
    }

    /// Checks the values that were read; returns the images and their distances.
    pub fn check(
        self,
        examples: &ExampleIds,
        [distance, least, most]: &[Vec<f64>; 3],
    ) -> Result<(Tensor<4>, Vec<f64>), AttackError> {
        let attack = self.attack;
        if let Some((row, got)) = count_not_finite(least) {
            let example = examples.id(row);
            return Err(AttackError::ResultNotFinite { attack, got, example });
        }
        let [of_distance, of_pixel] = self.rounding;
        let pixels = least.iter().zip(most).map(
            |(&least, &most)| {
                if -least > most - 1.0 { least } else { most }
            },
        );
        let outside = |pixel: &f64| *pixel < -of_pixel || *pixel > 1.0 + of_pixel;
        if let Some((row, got)) = pixels.enumerate().find(|(_, pixel)| outside(pixel)) {
            return Err(AttackError::OutsideBox { attack, got, example: examples.id(row) });
        }
        let epsilon = self.threat.epsilon();
        let far = |&(_, got): &(usize, &f64)| *got > epsilon + of_distance;
        let count = distance.iter().enumerate().filter(far).count();
        if let Some((row, &got)) = distance.iter().enumerate().find(far) {
            let (example, norm) = (examples.id(row), self.threat.norm());
            return Err(AttackError::OutsideBall { attack, got, epsilon, norm, example, count });
        }
        Ok((self.images, distance.clone()))
    }
}

/// The rounding errors that a distance and a pixel may have. A pixel may be off by one unit in the
/// last place of 1. A distance may be off by twice the length of such an error in all pixels, and
/// by 1e-5 of the radius, for sums in single precision.
fn rounding(images: &Tensor<4>, threat: Threat) -> [f64; 2] {
    let unit = last_place(images.dtype());
    let values = images.dims()[1..].iter().product::<usize>() as f64;
    let of_pixels = match threat.norm() {
        crate::Norm::Linf => unit,
        crate::Norm::L2 => unit * values.sqrt(),
        crate::Norm::L1 => unit * values,
    };
    [2.0 * of_pixels + 1e-5 * threat.epsilon(), unit]
}

/// The unit in the last place of 1 in this element type.
pub(crate) fn last_place(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}
