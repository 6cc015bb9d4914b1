use crate::RegistrationError;
use crate::axes::{AxisMap, along_all};
use crate::error::{at_least, odd};
use crate::fields::grid::{check_image, check_same};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The variance of a window that counts as constant, over the largest square in its image.
const CONSTANT: f64 = 1e-6;

/// The local normalized cross-correlation of two images (Avants et al., Medical Image Analysis
/// 2008): the mean of the squared correlation over windows around all voxels, subtracted from 1.
///
/// A window has `window` voxels along each axis. Its squared correlation is
/// `cross² / (variance · variance + 10⁻⁵)` with sums in place of means, as in VoxelMorph, so that a
/// window in which an image is constant counts as unlike. Unlike there, a window at the border has
/// the voxels of the image alone and not zeros outside, so that the loss does not depend on the
/// brightness of an image anywhere. VoxelMorph's loss is this one less 1; MONAI's has windows of 3
/// voxels by default.
///
/// A window counts as constant if the standard deviation of an image in it is at most a thousandth
/// of the largest distance of that image and channel from its mean: below that, single precision
/// leaves little but rounding. The contrast of an image matters only through the 10⁻⁵, which is
/// nothing against the variances of an image of values in 0 to 255, and little in one of values in
/// 0 to 1 where a window has structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lncc {
    /// The voxels of a window along each axis, odd and at least 3.
    pub window: usize,
}

impl Default for Lncc {
    /// VoxelMorph's window of 9 voxels.
    fn default() -> Self {
        Self { window: 9 }
    }
}

impl Lncc {
    /// The loss, the mean over all voxels of all channels and examples: `[1]`, in [0, 1] up to the
    /// rounding of the mean.
    ///
    /// # Shapes
    ///
    /// - fixed, warped: `[batch, channels, ..spatial]`
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for images of different shapes, [`RegistrationError::Count`]
    /// for a window that is even or below 3.
    pub fn loss<const R: usize>(
        &self,
        fixed: Tensor<R>,
        warped: Tensor<R>,
    ) -> Result<Tensor<1>, RegistrationError> {
        odd("window", at_least("window", self.window, 3)?)?;
        check_image("fixed", &fixed)?;
        check_same("warped", &warped, &fixed)?;
        let reach = self.window / 2;
        let sum = |x: Tensor<R>| {
            along_all(x, |_, voxels| {
                AxisMap::kernel(voxels, |distance| f64::from(distance <= reach))
            })
        };
        let spatial: Vec<usize> = (2..R).collect();
        // The mean goes first: it changes nothing but the rounding of the sums.
        let centered = |x: Tensor<R>| x.clone() - x.mean_dims(&spatial);
        let (a, b) = (centered(fixed), centered(warped));
        let count = sum(a.ones_like().detach());
        let (sum_a, sum_b) = (sum(a.clone()), sum(b.clone()));
        let product = |x: &Tensor<R>, y: &Tensor<R>, sum_x: &Tensor<R>, sum_y: &Tensor<R>| {
            let products = sum(x.clone() * y.clone());
            products - sum_x.clone() * sum_y.clone() / count.clone()
        };
        let cross = product(&a, &b, &sum_a, &sum_b);
        let variance_a = product(&a, &a, &sum_a, &sum_a);
        let variance_b = product(&b, &b, &sum_b, &sum_b);
        let is_constant = |x: &Tensor<R>, variance: &Tensor<R>| {
            let largest = x.clone().detach().square().max_dims(&spatial);
            variance.clone().detach().lower_equal(count.clone() * largest.mul_scalar(CONSTANT))
        };
        let constant = is_constant(&a, &variance_a).bool_or(is_constant(&b, &variance_b));
        let variances = (variance_a * variance_b).clamp_min(0.0).add_scalar(1e-5);
        let correlation = cross.mask_fill(constant, 0.0).square() / variances;
        // Cauchy and Schwarz bound it by 1; rounding does not. What is no number stays none.
        let beyond = correlation.clone().detach().greater_elem(1.0);
        let correlation = correlation.mask_fill(beyond, 1.0);
        Ok(correlation.neg().add_scalar(1.0).mean())
    }
}
