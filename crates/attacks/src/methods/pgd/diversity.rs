//! Input diversity: the model sees images at random sizes and places.

use crate::AttackError;
use crate::error::within;
use crate::methods::shared::separable::Separable;
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key, uniform_rows};
use serde::{Deserialize, Serialize};

/// Input diversity (Xie et al., CVPR 2019, arXiv 1803.06978, section 3): the gradient of a step is
/// taken where the model sees the image smaller and elsewhere.
///
/// With the given probability an image is resized, bilinearly, and laid on black of its own size at
/// a random place. The new side is uniform among the whole numbers from `⌊resize_rate · side⌋`,
/// at least 1, to `side − 1`; a side of one pixel stays. What is left over lies above and to the
/// left by a number uniform from 0 to one less than all of it, as the authors' code has it.
/// Rows and columns shrink by the same draw, so that an image keeps its form. The perturbation
/// then fits less closely to one model, and misleads others more often.
///
/// # Deviations
///
/// Every image has draws of its own, by the step's key and the number of its example, where the
/// authors draw once for a batch: results do not depend on batch mates. All draws of a noisy
/// model's gradient (EOT) see the same picture; each step has another. The authors enlarge, from
/// 299 pixels to at most 330, which takes a model of inputs of any size; `torchattacks`, whose
/// defaults these are, shrinks.
///
/// ```
/// use cni_attacks::{Attack, InputDiversity, Pgd, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// let strong = InputDiversity::new(0.7, 0.8)?;
/// let attack = Pgd::mi_fgsm(threat).with_input_diversity(strong);
/// assert_eq!(attack.name(), "DI-MI-FGSM-10");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct InputDiversity {
    probability: f64,
    resize_rate: f64,
}

/// The settings as files have them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    probability: f64,
    resize_rate: f64,
}

impl TryFrom<Unchecked> for InputDiversity {
    type Error = AttackError;

    fn try_from(of: Unchecked) -> Result<Self, AttackError> {
        Self::new(of.probability, of.resize_rate)
    }
}

impl Default for InputDiversity {
    /// Probability 0.5, resize rate 0.9.
    fn default() -> Self {
        Self { probability: 0.5, resize_rate: 0.9 }
    }
}

/// Numbers that an image draws: whether it is resized, its size, and its place down and across.
const DRAWS: usize = 4;

impl InputDiversity {
    /// Images are resized with this probability, to no less than this share of their sides.
    ///
    /// # Errors
    ///
    /// Unless the probability is above 0 and at most 1, and the rate strictly between 0 and 1.
    pub fn new(probability: f64, resize_rate: f64) -> Result<Self, AttackError> {
        let (of_probability, of_rate) = ("above 0 to 1", "above 0 to below 1");
        Ok(Self {
            probability: within(
                "probability",
                probability,
                |p| p > 0.0 && p <= 1.0,
                of_probability,
            )?,
            resize_rate: within("resize_rate", resize_rate, |r| r > 0.0 && r < 1.0, of_rate)?,
        })
    }

    /// How the model sees each of the images under a key.
    pub(crate) fn view(&self, images: &Tensor<4>, examples: &ExampleIds, key: Key) -> Separable {
        let [batch, _, height, width] = images.dims();
        let draws = uniform_rows(key.named("input diversity"), examples, batch, DRAWS);
        let (mut down, mut across) = (Vec::new(), Vec::new());
        for draws in draws.chunks(DRAWS) {
            let [resized, size, top, left] = [0, 1, 2, 3].map(|draw| f64::from(draws[draw]));
            let span = |side: usize, place: f64| match resized < self.probability {
                true => Span::drawn(side, self.resize_rate, size, place),
                false => Span::whole(side),
            };
            span(height, top).write(&mut down);
            span(width, left).write(&mut across);
        }
        Separable::new([down, across], images)
    }
}

/// The part of a side that the whole of it is shrunk to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    side: usize,
    size: usize,
    before: usize,
}

impl Span {
    fn whole(side: usize) -> Self {
        Self { side, size: side, before: 0 }
    }

    /// By a size and a place that are uniform in [0, 1).
    fn drawn(side: usize, rate: f64, size: f64, place: f64) -> Self {
        let below = |draw: f64, count: usize| (draw * count as f64) as usize;
        let least = ((side as f64 * rate) as usize).max(1);
        if least >= side {
            return Self::whole(side);
        }
        let size = least + below(size, side - least);
        Self { side, size, before: below(place, side - size) }
    }

    /// Appends its matrix: row by row, what each pixel of the result takes from those of the side.
    ///
    /// Pixels are as wide as they are far apart, and beyond the outermost the value stays:
    /// `align_corners=False` in PyTorch.
    fn write(self, matrices: &mut Vec<f64>) {
        let Self { side, size, before } = self;
        let first = matrices.len();
        matrices.resize(first + side * side, 0.0);
        let pixels = matrices[first..].chunks_mut(side).skip(before).take(size);
        for (pixel, row) in pixels.enumerate() {
            let scale = side as f64 / size as f64;
            let at = ((pixel as f64 + 0.5) * scale - 0.5).max(0.0);
            let (low, part) = (at as usize, at.fract());
            row[low] += 1.0 - part;
            row[(low + 1).min(side - 1)] += part;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::module::interpolate;
    use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
    use burn::tensor::{DType, Device};

    fn images() -> Tensor<4> {
        cni_noise::uniform::<4>(Key::new(3), [2, 3, 6, 9], &Device::flex()).cast(DType::F64)
    }

    fn map(down: Span, across: Span, like: &Tensor<4>) -> Separable {
        let [mut rows, mut columns] = [Vec::new(), Vec::new()];
        down.write(&mut rows);
        across.write(&mut columns);
        Separable::new([rows, columns], like)
    }

    fn gap(a: Tensor<4>, b: Tensor<4>) -> f64 {
        (a - b).abs().max().into_scalar::<f64>()
    }

    #[test]
    fn an_image_is_resized_as_burn_resizes_it_and_lies_on_black() {
        let images = images();
        for (down, across) in [
            (Span { side: 6, size: 4, before: 1 }, Span { side: 9, size: 5, before: 3 }),
            (Span { side: 6, size: 5, before: 0 }, Span { side: 9, size: 8, before: 1 }),
            (Span { side: 6, size: 1, before: 5 }, Span::whole(9)),
        ] {
            let found = map(down, across, &images).of(images.clone());
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size([down.size, across.size]);
            let small = interpolate(images.clone(), options);
            let place = [
                0..2,
                0..3,
                down.before..down.before + down.size,
                across.before..across.before + across.size,
            ];
            let wanted = images.zeros_like().slice_assign(place, small);
            assert!(gap(found, wanted) < 1e-12, "{down:?} {across:?}");
        }
    }

    #[test]
    fn a_whole_side_is_left_as_it_is_to_the_bit() {
        let images = images();
        let found = map(Span::whole(6), Span::whole(9), &images).of(images.clone());
        assert_eq!(found.into_data(), images.into_data());
    }

    /// `⟨y, T x⟩ = ⟨Tᵀ y, x⟩`, which is what a gradient is pulled back by.
    #[test]
    fn pulling_back_is_the_transpose() {
        let images = images();
        let other = images.clone().flip([0, 1, 2, 3]).sub_scalar(0.3);
        let diversity = InputDiversity::new(1.0, 0.4).unwrap();
        let view = diversity.view(&images, &ExampleIds::from(7), Key::new(1));
        let inner = |a: Tensor<4>, b: Tensor<4>| (a * b).sum().into_scalar::<f64>();
        let ahead = inner(other.clone(), view.of(images.clone()));
        let back = inner(view.pull_back(other), images);
        assert!((ahead - back).abs() < 1e-12 && ahead.abs() > 1e-3, "{ahead} {back}");
    }

    #[test]
    fn sides_and_places_are_those_of_the_authors_code() {
        let mut seen = std::collections::BTreeSet::new();
        for size in 0..40 {
            for place in 0..40 {
                let [size, place] = [size, place].map(|draw| f64::from(draw) / 40.0);
                let Span { size, before, .. } = Span::drawn(10, 0.7, size, place);
                seen.insert((size, before));
            }
        }
        // The new side stays below the old, and the place below what is left over.
        let wanted = [(7, 0), (7, 1), (7, 2), (8, 0), (8, 1), (9, 0)];
        assert_eq!(seen, wanted.into());
        assert_eq!(Span::drawn(1, 0.9, 0.5, 0.5), Span::whole(1));
        assert_eq!(Span::drawn(2, 0.4, 0.9, 0.9), Span { side: 2, size: 1, before: 0 });
    }
}
