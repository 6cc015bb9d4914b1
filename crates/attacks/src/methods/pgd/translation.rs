//! Translation invariance: gradients averaged over shifts of the image.

use crate::AttackError;
use crate::error::within;
use crate::methods::shared::separable::Separable;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// A kernel of translation invariance (Dong et al., CVPR 2019, arXiv 1904.02884, section 3.2): each
/// gradient is convolved with it, channel by channel.
///
/// The result approximates the mean gradient over images that are shifted by up to half the
/// kernel's length, weighted by the kernel's values, and costs no pass. The perturbation then
/// depends less on the places that one model looks at, and misleads others more often. Beyond the
/// image the gradient counts as zero. A kernel is square, the product of a row of `length` weights
/// with itself, and its weights sum to one.
///
/// ```
/// use cni_attacks::{Attack, GradientKernel, Pgd, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// let attack = Pgd::mi_fgsm(threat).with_kernel(GradientKernel::uniform(7)?);
/// assert_eq!(attack.name(), "TI-MI-FGSM-10");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct GradientKernel {
    #[serde(flatten)]
    shape: Shape,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "shape", rename_all = "snake_case")]
enum Shape {
    Gaussian { radius: f64 },
    Linear,
    Uniform,
}

/// The kernel as files have it.
#[derive(Deserialize)]
#[serde(tag = "shape", rename_all = "snake_case", deny_unknown_fields)]
enum Unchecked {
    Gaussian { radius: f64, length: usize },
    Linear { length: usize },
    Uniform { length: usize },
}

impl TryFrom<Unchecked> for GradientKernel {
    type Error = AttackError;

    fn try_from(of: Unchecked) -> Result<Self, AttackError> {
        match of {
            Unchecked::Gaussian { radius, length } => Self::gaussian(length, radius),
            Unchecked::Linear { length } => Self::linear(length),
            Unchecked::Uniform { length } => Self::uniform(length),
        }
    }
}

impl Default for GradientKernel {
    /// Gaussian, 15 pixels long, three standard deviations from the middle to the edge.
    fn default() -> Self {
        Self { shape: Shape::Gaussian { radius: 3.0 }, length: 15 }
    }
}

impl GradientKernel {
    /// Weights of a normal density, `radius` standard deviations from the middle to the outermost.
    ///
    /// # Errors
    ///
    /// Unless `length` is odd and at least 3, and `radius` finite and positive.
    pub fn gaussian(length: usize, radius: f64) -> Result<Self, AttackError> {
        let radius = within("radius", radius, |radius| radius > 0.0, "above 0")?;
        Self::new(Shape::Gaussian { radius }, length)
    }

    /// Weights that fall by equal amounts from the middle, and would be zero one pixel beyond the
    /// outermost. Errors as [`gaussian`](Self::gaussian).
    pub fn linear(length: usize) -> Result<Self, AttackError> {
        Self::new(Shape::Linear, length)
    }

    /// Equal weights. Errors as [`gaussian`](Self::gaussian).
    pub fn uniform(length: usize) -> Result<Self, AttackError> {
        Self::new(Shape::Uniform, length)
    }

    /// An even kernel would shift the gradient by half a pixel, and one of length 1 do nothing.
    fn new(shape: Shape, length: usize) -> Result<Self, AttackError> {
        let odd = |_| length >= 3 && length % 2 == 1;
        within("length", length as f64, odd, "an odd number of at least 3")?;
        Ok(Self { shape, length })
    }

    /// The weights along a side, from the middle on.
    fn weights(&self) -> Vec<f64> {
        let reach = self.length / 2;
        let weight = |offset: usize| {
            let share = offset as f64 / reach as f64;
            match self.shape {
                Shape::Gaussian { radius } => (-0.5 * (radius * share).powi(2)).exp(),
                Shape::Linear => 1.0 - offset as f64 / (reach + 1) as f64,
                Shape::Uniform => 1.0,
            }
        };
        let half: Vec<f64> = (0..=reach).map(weight).collect();
        let sum = half[0] + 2.0 * half[1..].iter().sum::<f64>();
        half.into_iter().map(|weight| weight / sum).collect()
    }

    /// A batch of gradients, `[batch, channels, height, width]`, convolved.
    pub(crate) fn smooth(&self, gradient: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = gradient.dims();
        let weights = self.weights();
        let matrix = |side: usize| -> Vec<f64> {
            let at = |i: usize| (i / side).abs_diff(i % side);
            (0..side * side).map(|i| weights.get(at(i)).copied().unwrap_or(0.0)).collect()
        };
        Separable::new([matrix(height), matrix(width)], &gradient).of(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn weights_are_those_of_their_formulas_and_sum_to_one() {
        for (kernel, wanted) in [
            (GradientKernel::uniform(5), vec![0.2, 0.2, 0.2]),
            (GradientKernel::linear(5), vec![3.0 / 9.0, 2.0 / 9.0, 1.0 / 9.0]),
            (GradientKernel::linear(3), vec![0.5, 0.25]),
        ] {
            let weights = kernel.unwrap().weights();
            let far = weights.iter().zip(&wanted).any(|(got, wanted)| (got - wanted).abs() > 1e-15);
            assert!(!far && weights.len() == wanted.len(), "{weights:?} {wanted:?}");
        }
        let weights = GradientKernel::default().weights();
        assert_eq!(weights.len(), 8);
        assert!((weights[0] + 2.0 * weights[1..].iter().sum::<f64>() - 1.0).abs() < 1e-15);
        // Three standard deviations from the middle.
        assert!((weights[7] / weights[0] - (-4.5f64).exp()).abs() < 1e-15);
    }

    #[test]
    fn a_single_slope_becomes_the_kernel_and_one_at_a_corner_a_quarter_of_it() {
        let device = Device::flex();
        let slope = |row: usize, column: usize| {
            let zeros = Tensor::<4>::zeros([1, 2, 7, 9], &device);
            zeros.slice_fill([0..1, 0..1, row..row + 1, column..column + 1], 1.0)
        };
        let kernel = GradientKernel::linear(3).unwrap();
        let smooth = |row, column| -> Vec<f64> {
            let found = kernel.smooth(slope(row, column));
            let part =
                [0..1, 0..2, row.saturating_sub(1)..row + 2, column.saturating_sub(1)..column + 2];
            found.slice(part).try_to_vec_as().unwrap()
        };
        let mut wanted = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0].map(|w| w / 16.0).to_vec();
        wanted.extend([0.0; 9]);
        assert_eq!(smooth(3, 4), wanted);
        assert_eq!(smooth(0, 0), [4.0, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0].map(|w| w / 16.0));
    }
}
