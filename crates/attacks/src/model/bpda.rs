//! Gradients through parts of a model that have no useful gradient.

use burn::tensor::Tensor;

/// `exact(x)` in the forward pass, with the backward pass of `surrogate` (BPDA, Athalye et al.,
/// arXiv 1802.00420, section 4.1).
///
/// It is for parts of a model that are not differentiable or whose gradient misleads: quantization,
/// a threshold, a purifier. Both functions get the same values; the tensor for `exact` has no
/// graph. If one of them draws noise, the other must draw the same.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cni_attacks::{bpda, straight_through};
/// let x = Tensor::<1>::from_data([0.2, 0.7], &Device::flex()).autodiff().require_grad();
/// let rounded = straight_through(x.clone(), Tensor::round);
/// let steep = bpda(rounded, |x| x.greater_elem(0.5).float(), |x| x.mul_scalar(3.0));
/// let gradients = steep.clone().sum().backward();
/// assert_eq!(steep.inner().try_to_vec_as::<f32>().unwrap(), [0.0, 1.0]);
/// assert_eq!(x.grad(&gradients).unwrap().try_to_vec_as::<f32>().unwrap(), [3.0, 3.0]);
/// ```
///
/// # Panics
///
/// If the two functions give different shapes.
pub fn bpda<const D: usize, const E: usize>(
    x: Tensor<D>,
    exact: impl FnOnce(Tensor<D>) -> Tensor<E>,
    surrogate: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> Tensor<E> {
    let value = exact(x.clone().inner());
    if !x.is_tracked() && !x.is_require_grad() {
        return value;
    }
    let through = surrogate(x);
    // The difference of a finite number and itself is zero, so that the value is exact.
    let zero = through.clone() - through.inner();
    zero + value
}

/// [`bpda`] with the identity as surrogate, for functions that change their input little: the
/// straight-through estimator (Bengio et al., arXiv 1308.3432).
pub fn straight_through<const D: usize>(
    x: Tensor<D>,
    exact: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    bpda(x, exact, |x| x)
}
