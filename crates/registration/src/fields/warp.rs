use super::grid::{check_field, check_fits, check_image, coordinates, sizes};
use crate::RegistrationError;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

/// The value of an image between its voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Linear along each axis, and differentiable in the place.
    #[default]
    Linear,
    /// That of the nearest voxel; half-way between two, of the even one. The gradient in the place
    /// is zero.
    Nearest,
}

/// The value of an image outside of its voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// That of the nearest voxel, as in label-reg. The gradient in the place is zero.
    #[default]
    Border,
    /// 0 at every voxel outside, so that the image fades within a voxel of its border.
    Zeros,
}

/// The way in which an image is read between and outside of its voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Between voxels.
    #[serde(default)]
    pub interpolation: Interpolation,
    /// Outside of them.
    #[serde(default)]
    pub outside: Outside,
}

/// Warps an image: the spatial transformer (Jaderberg et al., arXiv 1506.02025). The result has at
/// the voxel `x` the value of the image at `x + u(x)`.
///
/// It is PyTorch's `grid_sample` with `align_corners`, on coordinates in voxels.
///
/// # Shapes
///
/// - image: `[batch, channels, ..spatial]`
/// - field: `[batch, axes, ..spatial]`, in voxels
/// - output: `[batch, channels, ..spatial]`
///
/// # Errors
///
/// [`RegistrationError::Shape`] for tensors of other ranks than 4 and 5, a field with another
/// number of components than axes, and an image of another batch or grid than the field.
pub fn warp<const R: usize>(
    image: Tensor<R>,
    field: Tensor<R>,
    sampling: Sampling,
) -> Result<Tensor<R>, RegistrationError> {
    check_image("image", &image)?;
    check_field("field", &field, 1)?;
    check_fits("image", &image, &field)?;
    Ok(warped(image, field, sampling))
}

/// [`warp`] of tensors that fit.
pub(crate) fn warped<const R: usize>(
    image: Tensor<R>,
    field: Tensor<R>,
    sampling: Sampling,
) -> Tensor<R> {
    let (dims, size) = (image.dims(), sizes(&image));
    let voxels: usize = size.iter().product();
    let places = coordinates::<R>(&size, &field.device(), field.dtype()) + field;
    let places = places.reshape([dims[0], R - 2, voxels]);
    let axes = (0..R - 2)
        .map(|axis| Axis::new(places.clone().narrow(1, axis, 1), size[axis], sampling))
        .collect::<Vec<_>>();
    let pixels = image.reshape([dims[0], dims[1], voxels]);
    // Linear interpolation reads all corners of a voxel, the nearest voxel is one corner.
    let corners = match sampling.interpolation {
        Interpolation::Linear => 1 << axes.len(),
        Interpolation::Nearest => 1,
    };
    let read = |corner: usize| {
        let mut index: Option<Tensor<3, Int>> = None;
        let mut weight: Option<Tensor<3>> = None;
        for (number, axis) in axes.iter().enumerate() {
            let (at, share) = axis.corner(corner >> number & 1);
            index = Some(match index {
                Some(index) => index.mul_scalar(axis.size as i64) + at,
                None => at,
            });
            weight = Some(match weight {
                Some(weight) => weight * share,
                None => share,
            });
        }
        let (index, weight) = (index.expect("there is an axis"), weight.expect("there is an axis"));
        pixels.clone().gather(2, index.expand([dims[0], dims[1], voxels])) * weight
    };
    (1..corners).fold(read(0), |sum, corner| sum + read(corner)).reshape(dims)
}

/// The places along an axis: the voxels before them, and how far they are from those to the next.
struct Axis {
    size: usize,
    /// `[batch, 1, voxels]`, whole numbers.
    before: Tensor<3>,
    /// None for the nearest voxel.
    share: Option<Tensor<3>>,
    outside: Outside,
}

impl Axis {
    fn new(at: Tensor<3>, size: usize, sampling: Sampling) -> Self {
        let last = size as f64 - 1.0;
        let outside = sampling.outside;
        // Beyond a voxel outside nothing changes; whole numbers stay small.
        let at = match outside {
            Outside::Border => at.clamp(0.0, last),
            Outside::Zeros => at.clamp(-1.0, last + 1.0),
        };
        let (before, share) = match sampling.interpolation {
            Interpolation::Linear => {
                let before = at.clone().detach().floor();
                (before.clone(), Some(at - before))
            }
            Interpolation::Nearest => (at.detach().round(), None),
        };
        Self { size, before, share, outside }
    }

    /// The number of the voxel before the places (0) or after them (1), and its weight.
    fn corner(&self, after: usize) -> (Tensor<3, Int>, Tensor<3>) {
        let at = self.before.clone().add_scalar(after as f64);
        let inside = at.clone().clamp(0.0, self.size as f64 - 1.0);
        let weight = match (&self.share, after) {
            // 1, and no number where the place is none.
            (None, _) => (at.clone() - at.clone()).add_scalar(1.0),
            (Some(share), 0) => share.clone().neg().add_scalar(1.0),
            (Some(share), _) => share.clone(),
        };
        let weight = match self.outside {
            Outside::Border => weight,
            Outside::Zeros => weight * at.equal(inside.clone()).float().cast(self.before.dtype()),
        };
        (inside.int(), weight)
    }
}
