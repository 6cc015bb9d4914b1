//! Operations with kernels of their own: keyed draws on a GPU, and noise that is drawn, scaled and
//! added in one pass.
//!
//! All laws are one formula. With `r` a row, `i` an element of it, and `p`, `q`, `A` from [`Form`],
//!
//! ```text
//! out[r, i] = x[r, i] + p[r] A[i] e[r, i] + q[r] Σₖ F[i, k] e_f[r, k]
//! ```
//!
//! so that a backend has few kernels to write, and `autodiff` the whole backward pass.

#[cfg(any(feature = "flex", feature = "cube"))]
mod autodiff;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(any(feature = "flex", feature = "cube"))]
mod operations;

use crate::added::{AddedNoise, Parameters};
use crate::law::Colored;
use crate::philox::{GROUP, Law};
use crate::{Convention, Key};
use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device, Tensor};

/// Elements of a tensor that our kernels take: they count in 32 bits, with room for the padding of
/// the last group.
const MOST: usize = 1 << 31;

/// How amplitudes and standard deviations enter. `s` is the standard deviation, `a` or `α` the
/// parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(any(feature = "flex", feature = "cube")), allow(dead_code))]
pub(crate) enum Form {
    /// `A = α`, `p = s`.
    White,
    /// `A = √|a|`, `p = √s`, `q = 1`.
    Reference,
    /// `A = √|a|`, `p = q = s`.
    Scaled,
}

/// What a kernel has to know beside its tensors.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(any(feature = "flex", feature = "cube")), allow(dead_code))]
pub(crate) struct Plan {
    pub form: Form,
    /// Whether the gradient passes through the standard deviation.
    pub through_std: bool,
    pub key: Key,
    pub first: u64,
    pub rows: usize,
    pub elements: usize,
    pub draw_per_row: bool,
    pub std_per_row: bool,
    /// Amplitudes, and neighbouring elements that share one.
    pub amplitudes: usize,
    pub stride: usize,
    /// Columns of the factor.
    pub rank: usize,
}

impl Plan {
    /// The plan for a tensor whose device has a kernel for it.
    pub fn new<const D: usize>(noise: &AddedNoise, tensor: &Tensor<D>) -> Option<Self> {
        let single = |dtype| dtype == DType::F32;
        let total = tensor.shape().num_elements();
        // Every row has its own padding.
        let padded = total + 2 * GROUP * noise.rows;
        if !(single(tensor.dtype()) && takes(padded)) {
            return None;
        }
        kernels(tensor.device().as_dispatch())?;
        // A kernel counts its rows' draws on from the first.
        let parts = noise.examples.parts(if noise.draw_per_row { noise.rows } else { 1 });
        let [(first, draws)] = *parts.as_slice() else {
            return None;
        };
        let (form, through_std, parameter, stride, rank) = match &noise.parameters {
            Parameters::White { alpha, stride, convention } => {
                (Form::White, *convention == Convention::Scaled, alpha, *stride, 0)
            }
            Parameters::Colored(Colored { diagonal, factor, convention }) => {
                if factor.as_ref().is_some_and(|factor| !single(factor.dtype())) {
                    return None;
                }
                let form = match convention {
                    Convention::Reference => Form::Reference,
                    Convention::Scaled => Form::Scaled,
                };
                (form, true, diagonal, 1, factor.as_ref().map_or(0, |factor| factor.dims()[1]))
            }
        };
        let drawn = (total / noise.rows).max(noise.rows) * rank;
        // Nor do kernels begin the stream anew after its last index.
        let values = (total / noise.rows).max(rank) as u64;
        first.checked_add(draws as u64)?.checked_mul(values)?;
        (single(parameter.dtype()) && drawn < MOST).then(|| Self {
            form,
            through_std,
            key: noise.key,
            first,
            rows: noise.rows,
            elements: total / noise.rows,
            draw_per_row: noise.draw_per_row,
            std_per_row: noise.std_per_row,
            amplitudes: parameter.dims()[0],
            stride,
            rank,
        })
    }
}

#[cfg(any(feature = "flex", feature = "cube"))]
impl Plan {
    pub fn draws(&self) -> usize {
        if self.draw_per_row { self.rows } else { 1 }
    }

    /// How many standard deviations there are.
    pub fn stds(&self) -> usize {
        if self.std_per_row { self.rows } else { 1 }
    }

    /// The key and the first index of the draws `e`.
    pub fn independent(&self) -> (Key, u64) {
        (self.key.child(0), self.first * self.elements as u64)
    }

    /// The key and the first index of the draws `e_f`.
    pub fn shared(&self) -> (Key, u64) {
        (self.key.child(1), self.first * self.rank as u64)
    }
}

fn takes(elements: usize) -> bool {
    (1..MOST).contains(&elements)
}

/// The backends with kernels.
#[derive(PartialEq)]
enum Kernels {
    #[cfg(feature = "flex")]
    Flex,
    #[cfg(feature = "cube")]
    Cube,
}

fn kernels(device: &DispatchDevice) -> Option<Kernels> {
    match device {
        #[cfg(feature = "flex")]
        DispatchDevice::Flex(_) => Some(Kernels::Flex),
        #[cfg(feature = "cube")]
        DispatchDevice::Cube(_) => Some(Kernels::Cube),
        DispatchDevice::Autodiff(device) => kernels(device),
        #[allow(unreachable_patterns, reason = "depends on the backends that Burn is built with")]
        _ => None,
    }
}

/// The tensor plus the noise of the plan, differentiable.
#[cfg(any(feature = "flex", feature = "cube"))]
pub(crate) fn add<const D: usize>(
    plan: Plan,
    parameters: Parameters,
    tensor: Tensor<D>,
) -> Tensor<D> {
    use burn::backend::Dispatch;
    use operations::NoiseOperations;
    let (parameter, factor) = match parameters {
        Parameters::White { alpha, .. } => (alpha, None),
        Parameters::Colored(law) => (law.diagonal, law.factor),
    };
    // Not read where there is no factor; but an operation has a fixed number of tensors.
    let factor = match factor {
        Some(factor) => factor.into_dispatch(),
        None => parameter.clone().inner().into_dispatch(),
    };
    let moments = Dispatch::moments(tensor.clone().inner().into_dispatch(), plan);
    Tensor::from_dispatch(Dispatch::add_noise(
        tensor.into_dispatch(),
        moments,
        parameter.into_dispatch(),
        factor,
        plan,
    ))
}

/// Values of the stream from index `first` on, in the place of `out`'s, where the device draws them
/// itself.
pub(crate) fn fill<const D: usize>(
    law: Law,
    key: Key,
    first: u64,
    out: impl FnOnce() -> Tensor<D>,
    elements: usize,
    device: &Device,
) -> Option<Tensor<D>> {
    #[cfg(feature = "cube")]
    {
        use burn::backend::Dispatch;
        use operations::NoiseOperations;
        let whole = first.checked_add(elements as u64).is_some();
        if whole && takes(elements) && kernels(device.as_dispatch()) == Some(Kernels::Cube) {
            let out = out();
            return (out.dtype() == DType::F32).then(|| {
                Tensor::from_dispatch(Dispatch::fill(out.into_dispatch(), law, key, first))
            });
        }
    }
    let _ = (law, key, first, out, elements, device);
    None
}

#[cfg(not(any(feature = "flex", feature = "cube")))]
pub(crate) fn add<const D: usize>(_: Plan, _: Parameters, _: Tensor<D>) -> Tensor<D> {
    unreachable!("no plan without kernels")
}
