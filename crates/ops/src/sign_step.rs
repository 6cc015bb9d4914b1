#[cfg(feature = "flex")]
use crate::plain::{PlainOps, applies};
#[cfg(feature = "flex")]
use burn::backend::Dispatch;
use burn::tensor::{Tensor, TensorData};

/// The size of a step: one for all images, or one for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepSize<'a> {
    /// The same for all images.
    All(f64),
    /// One for each image, `[batch]`.
    Each(&'a [f64]),
}

/// A step along the signs of a gradient, projected onto the box between the corners `low` and
/// `high`: `min(max(x + size · sign(gradient), low), high)`.
///
/// All tensors are `[batch, channels, height, width]`. The step of projected gradient ascent in the
/// L∞ norm (Madry et al., arXiv 1706.06083, section 2.1), if the box is the intersection of the
/// ball with the pixels' range. On Flex in single precision it is one pass over memory, equal to the
/// bit to Burn's operations there: the sign of NaN is zero, NaN in `x` stays, and a corner that is
/// NaN does not bound. Burn's operations serve everything else.
///
/// # Panics
///
/// If the number of step sizes differs from that of the images, or the shapes do not fit together.
pub fn sign_step(
    x: Tensor<4>,
    gradient: Tensor<4>,
    size: StepSize,
    corners: [Tensor<4>; 2],
) -> Tensor<4> {
    size.check(&x);
    #[cfg(feature = "flex")]
    if applies([&x, &gradient].into_iter().chain(&corners)) {
        return by_kernel(x, gradient, size, corners, None);
    }
    by_burn(x, gradient, size, &corners)
}

/// A [`sign_step`] with momentum: with `z` the point that it gives, `x + share (z − x) + (1 −
/// share) (x − previous)`, projected onto the same box (Croce and Hein, arXiv 2003.01690, section
/// 3.1).
///
/// # Panics
///
/// As [`sign_step`].
pub fn sign_step_with_momentum(
    x: Tensor<4>,
    previous: Tensor<4>,
    share: f64,
    gradient: Tensor<4>,
    size: StepSize,
    corners: [Tensor<4>; 2],
) -> Tensor<4> {
    size.check(&x);
    let factors = [2.0 * (1.0 - share), share, 1.0 - share];
    #[cfg(feature = "flex")]
    if applies([&x, &gradient, &previous].into_iter().chain(&corners)) {
        return by_kernel(x, gradient, size, corners, Some((previous, factors)));
    }
    let ahead = by_burn(x.clone(), gradient, size, &corners);
    let moved =
        x.mul_scalar(factors[0]) + ahead.mul_scalar(factors[1]) - previous.mul_scalar(factors[2]);
    within(moved, &corners)
}

/// The nearest point of the box between the corners `low` and `high`: `min(max(x, low), high)`.
///
/// All tensors are `[batch, channels, height, width]`. One pass and equal to Burn's operations as
/// [`sign_step`].
///
/// # Panics
///
/// If the shapes do not fit together.
pub fn clamp_between(x: Tensor<4>, corners: [Tensor<4>; 2]) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if applies([&x].into_iter().chain(&corners)) {
        let [low, high] = corners.map(Tensor::into_dispatch);
        return Tensor::from_dispatch(Dispatch::clamp_between(x.into_dispatch(), low, high));
    }
    within(x, &corners)
}

impl StepSize<'_> {
    fn check(&self, x: &Tensor<4>) {
        let ([batch, ..], Self::Each(sizes)) = (x.dims(), self) else { return };
        let got = sizes.len();
        assert!(got == batch, "size: got {got} step sizes, wanted one for each of {batch} images");
    }
}

fn by_burn(
    x: Tensor<4>,
    gradient: Tensor<4>,
    size: StepSize,
    corners: &[Tensor<4>; 2],
) -> Tensor<4> {
    let sign = gradient.sign();
    let step = match size {
        StepSize::All(size) => sign.mul_scalar(size),
        StepSize::Each(sizes) => {
            let data = TensorData::new(sizes.to_vec(), [sizes.len(), 1, 1, 1]);
            let sizes = Tensor::from_data(data, (&sign.device().inner(), sign.dtype()));
            sign * sizes
        }
    };
    within(x + step, corners)
}

fn within(x: Tensor<4>, [low, high]: &[Tensor<4>; 2]) -> Tensor<4> {
    x.max_pair(low.clone()).min_pair(high.clone())
}

#[cfg(feature = "flex")]
fn by_kernel(
    x: Tensor<4>,
    gradient: Tensor<4>,
    size: StepSize,
    [low, high]: [Tensor<4>; 2],
    momentum: Option<(Tensor<4>, [f64; 3])>,
) -> Tensor<4> {
    let sizes = match size {
        StepSize::All(size) => vec![size as f32],
        StepSize::Each(sizes) => sizes.iter().map(|&size| size as f32).collect(),
    };
    let [x, gradient, low, high] = [x, gradient, low, high].map(Tensor::into_dispatch);
    Tensor::from_dispatch(match momentum {
        None => Dispatch::sign_step(x, gradient, low, high, sizes),
        Some((previous, factors)) => {
            let (previous, factors) = (previous.into_dispatch(), factors.map(|f| f as f32));
            Dispatch::sign_step_with_momentum(x, gradient, low, high, previous, factors, sizes)
        }
    })
}
