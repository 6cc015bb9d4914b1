//! Values, numbers and the definition of a convolution, for the tests of several kernels.

use crate::flex::Geometry;

/// Values within [-1, 1] without a pattern.
pub fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / (u32::MAX / 2) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Whole numbers without a pattern, each from a least to a most.
pub fn numbers(seed: u32) -> impl FnMut(usize, usize) -> usize {
    let mut draws = values(1 << 12, seed).into_iter().map(|value| f64::from(value) * 0.5 + 0.5);
    move |least, most| {
        let draw = draws.next().expect("enough draws");
        (least + (draw * (most - least + 1) as f64) as usize).min(most)
    }
}

/// Calls `f` with the places in input, weight and output of each product of the definition.
pub fn products(geometry: Geometry, mut f: impl FnMut(usize, usize, usize)) {
    let Geometry { batch, channels, input, output, kernel, stride, padding, dilation } = geometry;
    for image in 0..batch {
        for [k, c] in (0..channels[1]).flat_map(|k| (0..channels[0]).map(move |c| [k, c])) {
            for at in 0..output[0] * output[1] {
                for tap in 0..kernel[0] * kernel[1] {
                    let place = [at / output[1], at % output[1]];
                    let element = [tap / kernel[1], tap % kernel[1]];
                    let [row, column] = [0, 1].map(|axis| {
                        (place[axis] * stride[axis] + element[axis] * dilation[axis])
                            .wrapping_sub(padding[axis])
                    });
                    if row < input[0] && column < input[1] {
                        f(
                            ((image * channels[0] + c) * input[0] + row) * input[1] + column,
                            (k * channels[0] + c) * geometry.kernel_len() + tap,
                            (image * channels[1] + k) * output[0] * output[1] + at,
                        );
                    }
                }
            }
        }
    }
}
