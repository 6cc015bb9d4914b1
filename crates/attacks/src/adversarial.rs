//! What must hold of the images that an attack gives back.

use crate::rows::at_least_single;
use crate::rows::{count_not_finite, zeros};
use crate::{AttackBatch, AttackError, Passes, Threat};
use burn::tensor::{DType, Tensor};
use cni_noise::Examples;

/// What an attack gives back, not judged: what [`Runner::perturb`](crate::Runner::perturb) gives to
/// programs that judge by themselves, or not at all.
#[derive(Clone, Debug)]
pub struct Perturbed {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// The distance of each image from its original, in the threat's norm.
    pub distance: Vec<f64>,
    /// Forward passes of each image, all draws counted; a backward pass has one of its own. Images
    /// of one example number share a count, which has the passes of all of them.
    pub queries: Vec<u64>,
    /// What they cost, all images together.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of masking, since nothing
    /// leads an attack on.
    pub zero_gradients: Vec<u64>,
    /// Whether a budget ended the attack.
    pub exhausted: bool,
}

/// What an attack gives back, judged by passes that it has not seen: what
/// [`Runner::run`](crate::Runner::run) gives.
#[derive(Clone, Debug)]
pub struct Adversarial {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// For each image the share of the judging draws in which it reaches the goal. Of a model
    /// without noise that is one draw, and the share 0 or 1.
    pub success_rate: Vec<f64>,
    /// The draws that judged: one for a model without noise. The attack has used none of them.
    pub judging_draws: usize,
    /// The distance of each image from its original, in the threat's norm.
    pub distance: Vec<f64>,
    /// Forward passes of each image, all draws counted; a backward pass has one of its own. Images
    /// of one example number share a count, which has the passes of all of them. The judging passes
    /// are no queries of the attack, and not counted.
    pub queries: Vec<u64>,
    /// What the attack cost, all images together, without the judging passes.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of masking, since nothing
    /// leads an attack on.
    pub zero_gradients: Vec<u64>,
    /// Whether a budget ended the attack.
    pub exhausted: bool,
}

impl Adversarial {
    /// What the attack gave, with what judged it.
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

    /// The mean over images and draws of how often the goal is not reached: of misclassification
    /// the robust accuracy under this attack, from 0 to 1.
    pub fn robust_accuracy(&self) -> f64 {
        1.0 - self.success_rate.iter().sum::<f64>() / self.success_rate.len().max(1) as f64
    }
}

/// The images of an attack, and what tells whether they are within its threat.
pub(crate) struct UncheckedResult {
    images: Tensor<4>,
    attack: String,
    threat: Threat,
    /// By how much distances and pixels may be off through rounding.
    rounding: [f64; 2],
    lists: [Tensor<1>; 4],
}

impl UncheckedResult {
    /// What `attack` found for `batch`, once its shape is that of the images.
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
        let pixels = images.clone().flatten::<2>(1, 3);
        let [least, most] = [pixels.clone().min_dim(1), pixels.max_dim(1)];
        let distance = threat.norm().distance(&images, original);
        let lists =
            [zeros(&images), at_least_single(distance), least.squeeze_dim(1), most.squeeze_dim(1)];
        let rounding = rounding(&images, threat);
        Ok(Self { images, attack, threat, rounding, lists })
    }

    /// What to read.
    pub fn lists(&self) -> [Tensor<1>; 4] {
        self.lists.clone()
    }

    /// The images and their distances, once what was read is found to be in order.
    pub fn check(
        self,
        examples: &Examples,
        [finite, distance, least, most]: &[Vec<f64>; 4],
    ) -> Result<(Tensor<4>, Vec<f64>), AttackError> {
        let attack = self.attack;
        if let Some((row, got)) = count_not_finite(finite) {
            let example = examples.number(row);
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
            return Err(AttackError::OutsideBox { attack, got, example: examples.number(row) });
        }
        let epsilon = self.threat.epsilon();
        let far = |&(_, got): &(usize, &f64)| *got > epsilon + of_distance;
        let count = distance.iter().enumerate().filter(far).count();
        if let Some((row, &got)) = distance.iter().enumerate().find(far) {
            let (example, norm) = (examples.number(row), self.threat.norm());
            return Err(AttackError::OutsideBall { attack, got, epsilon, norm, example, count });
        }
        Ok((self.images, distance.clone()))
    }
}

/// By how much the distance of an image from its original, and a pixel, may be off through
/// rounding: each pixel by a unit in the last place of one, and a sum of so many by as many in
/// single precision.
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

/// The unit in the last place of one.
pub(crate) fn last_place(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}
