//! Draws: pure functions of a key and an index, on the host and on the devices that draw
//! themselves.

mod philox;

pub use philox::block as philox_block;

pub(crate) use philox::{GROUP, fill_groups};
#[cfg(feature = "cube")]
pub(crate) use philox::{LANES, MULTIPLIERS, WEYL};

use burn::tensor::{DType, Shape, Tensor, TensorCreationOptions, TensorData};
use rayon::prelude::*;

/// The distribution of drawn values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// Uniform on [0, 1), multiples of 2⁻²⁴; in half precision rounded, at most to the largest
    /// value below 1.
    Uniform,
    /// −1 or +1 with equal probability.
    Sign,
    /// Standard normal.
    Normal,
}

/// The place in a stream of draws from which values are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The key of the stream: the four words of a Philox key and counter, lowest first.
    pub key: [u32; 4],
    /// The index of the first value. After the last index, 2⁶⁴ − 1, the stream begins anew.
    pub first: u64,
}

/// Values that one task fills: large enough that starting it costs nothing against the work.
const TASK: usize = 256 * GROUP;

/// A tensor of drawn values with the device and element type of `options`.
///
/// The value at a position is a function of the stream's key and of the position's index in
/// row-major order. Devices of CubeCL draw values in single precision themselves, equal to the
/// host's up to 2·10⁻⁶; the other draws are equal to the bit.
///
/// A constant: it carries no gradient.
pub fn draw<const D: usize>(
    distribution: Distribution,
    stream: Stream,
    shape: impl Into<Shape>,
    options: impl Into<TensorCreationOptions>,
) -> Tensor<D> {
    let (shape, options) = (shape.into(), options.into());
    let drawn = crate::noise::fill(distribution, stream, &shape, &options);
    let drawn = drawn.unwrap_or_else(|| {
        let values = draw_on_host(distribution, stream, shape.num_elements());
        Tensor::from_data(TensorData::new(values, shape), options)
    });
    match (distribution, drawn.dtype()) {
        // The values next to 1 are rounded up to it.
        (Distribution::Uniform, dtype @ (DType::F16 | DType::BF16)) => {
            let epsilon = dtype.finfo().map_or(0.0, |info| info.epsilon);
            drawn.clamp_max(1.0 - epsilon / 2.0)
        }
        _ => drawn,
    }
}

/// The values of `len` indices on the host.
///
/// Each value is the same whatever is drawn with it, and for any number of threads.
pub fn draw_on_host(distribution: Distribution, stream: Stream, len: usize) -> Vec<f32> {
    let Stream { key, first } = stream;
    let left = (u64::MAX - first).saturating_add(1);
    if len as u64 > left {
        let mut values = draw_on_host(distribution, stream, left as usize);
        let rest = Stream { key, first: 0 };
        values.extend(draw_on_host(distribution, rest, len - left as usize));
        return values;
    }
    // Whole groups are written; what lies outside the range is cut off again.
    let skip = (first % GROUP as u64) as usize;
    let first = first / GROUP as u64;
    let mut values = vec![0.0; (skip + len).div_ceil(GROUP) * GROUP];
    let fill = |(task, chunk): (usize, &mut [f32])| {
        fill_groups(distribution, key, first + (task * TASK / GROUP) as u64, chunk);
    };
    if values.len() <= TASK {
        fill((0, &mut values));
    } else {
        values.par_chunks_mut(TASK).enumerate().for_each(fill);
    }
    if skip > 0 {
        values.copy_within(skip..skip + len, 0);
    }
    values.truncate(len);
    values
}
