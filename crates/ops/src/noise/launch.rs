//! The decision whether kernels serve a tensor, and their call.

use super::operations::NoiseOperations;
use super::{FusedNoise, NoiseForm, NoiseRows};
use crate::draw::{Distribution, GROUP, Stream};
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Shape, Tensor, TensorCreationOptions};

/// Elements of a tensor that our kernels take: they count in 32 bits, with room for the padding of
/// the last group.
const MOST: usize = 1 << 31;

/// Noise that a tensor's device has kernels for: what the kernels know beside their tensors.
#[derive(Clone, Copy, Debug)]
pub struct NoiseLaunch {
    pub(super) form: NoiseForm,
    pub(super) through_std: bool,
    pub(super) rows: NoiseRows,
    /// Elements of a row.
    pub(super) elements: usize,
    /// Amplitudes, and neighbouring elements that share one.
    pub(super) amplitudes: usize,
    pub(super) stride: usize,
    /// Columns of the factor.
    pub(super) rank: usize,
}

impl NoiseLaunch {
    /// The launch for a tensor, `None` if its device has no kernels for it.
    ///
    /// The number of elements is a multiple of the rows; amplitudes and factor are those of a row.
    ///
    /// # Panics
    ///
    /// If amplitudes or factor are not those of a row, and the device has kernels.
    pub fn new<const D: usize>(
        noise: &FusedNoise,
        rows: &NoiseRows,
        tensor: &Tensor<D>,
    ) -> Option<Self> {
        let single = |dtype| dtype == DType::F32;
        let total = tensor.shape().num_elements();
        // Every row has its own padding.
        let padded = total + 2 * GROUP * rows.rows;
        if !(single(tensor.dtype()) && takes(padded)) {
            return None;
        }
        kernels(tensor.device().as_dispatch())?;
        if noise.factor.as_ref().is_some_and(|factor| !single(factor.dtype())) {
            return None;
        }
        let elements = total / rows.rows;
        if let Some(fault) = noise.fault(elements) {
            panic!("noise for kernels: {fault}");
        }
        let rank = noise.factor.as_ref().map_or(0, |factor| factor.dims()[1]);
        let launch = Self {
            form: noise.form,
            through_std: noise.through_std,
            rows: *rows,
            elements,
            amplitudes: noise.amplitudes.dims()[0],
            stride: noise.stride,
            rank,
        };
        // Kernels do not begin a stream anew after its last index.
        rows.first.checked_add(launch.draws() as u64)?.checked_mul(elements.max(rank) as u64)?;
        let drawn = elements.max(rows.rows) * rank;
        (single(noise.amplitudes.dtype()) && drawn < MOST).then_some(launch)
    }

    /// The tensor plus its noise, differentiable.
    pub fn add<const D: usize>(self, noise: FusedNoise, tensor: Tensor<D>) -> Tensor<D> {
        let amplitudes = noise.amplitudes;
        // An operation has a fixed number of tensors: those that it does not read may be any.
        let unread = || amplitudes.clone().inner().into_dispatch();
        let factor = noise.factor.map_or_else(unread, Tensor::into_dispatch);
        let moments = match self.form.reads_std() {
            true => Dispatch::moments(tensor.clone().inner().into_dispatch(), self),
            false => unread(),
        };
        Tensor::from_dispatch(Dispatch::add_noise(
            tensor.into_dispatch(),
            moments,
            amplitudes.into_dispatch(),
            factor,
            self,
        ))
    }

    /// The number of draws.
    pub(super) fn draws(&self) -> usize {
        if self.rows.draw_per_row { self.rows.rows } else { 1 }
    }

    /// The number of standard deviations.
    pub(super) fn stds(&self) -> usize {
        if self.rows.std_per_row { self.rows.rows } else { 1 }
    }

    /// The stream of the draws `e`.
    pub(super) fn independent(&self) -> Stream {
        Stream { key: self.rows.independent, first: self.rows.first * self.elements as u64 }
    }

    /// The stream of the draws `e_f`.
    pub(super) fn shared(&self) -> Stream {
        Stream { key: self.rows.shared, first: self.rows.first * self.rank as u64 }
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

/// Values of a stream, `None` unless the device draws them itself.
#[cfg(feature = "cube")]
pub fn fill<const D: usize>(
    distribution: Distribution,
    stream: Stream,
    shape: &Shape,
    options: &TensorCreationOptions,
) -> Option<Tensor<D>> {
    let elements = shape.num_elements();
    let whole = stream.first.checked_add(elements as u64).is_some();
    if !whole || !takes(elements) || kernels(options.device.as_dispatch()) != Some(Kernels::Cube) {
        return None;
    }
    let out = Tensor::<D>::empty(shape.clone(), options.clone());
    (out.dtype() == DType::F32)
        .then(|| Tensor::from_dispatch(Dispatch::fill(out.into_dispatch(), distribution, stream)))
}

/// Values of a stream: `None`, since Flex draws on the host.
#[cfg(not(feature = "cube"))]
pub fn fill<const D: usize>(
    _: Distribution,
    _: Stream,
    _: &Shape,
    _: &TensorCreationOptions,
) -> Option<Tensor<D>> {
    None
}
