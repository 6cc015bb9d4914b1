//! Both sides with a position's channels side by side.

use super::SCALARS;
use super::work::Work;
use crate::flex::geometry::Geometry;
use crate::flex::lanes::transpose;
use pulp::Simd;

/// The input's channels as vectors, row by row into the middle of the zeros.
#[inline(always)]
pub fn transpose_input<S: Simd>(
    simd: S,
    work: &Work,
    input: &[f32],
    images: usize,
    vectors: &mut [f32],
) {
    let Geometry { channels: [channels, _], input: [height, width], padding, .. } = work.geometry;
    let image_len = work.image[0] * work.image[1];
    // Values beyond the last tap's reach are not needed.
    let [rows, columns] = [0, 1].map(|axis| work.image[axis].saturating_sub(padding[axis]));
    let starts: Vec<usize> = (0..channels).map(|channel| channel * height * width).collect();
    for (vector, starts) in starts.chunks(S::F32_LANES).enumerate() {
        for image in 0..images {
            let target = (vector * work.group + image) * image_len;
            for row in 0..height.min(rows) {
                let source = &input[image * channels * height * width + row * width..];
                let target = target + (row + padding[0]) * work.image[1] + padding[1];
                let out = &mut vectors[target * S::F32_LANES..];
                let len = width.min(columns);
                transpose(simd, S::F32_LANES, source, starts, len, out);
            }
        }
    }
}

/// The gradient's channels side by side, `rows` of them, in blocks of `block_len` positions.
#[inline(always)]
pub fn transpose_gradient<S: Simd>(
    simd: S,
    work: &Work,
    [rows, block_len]: [usize; 2],
    gradient: &[f32],
    images: usize,
    out: &mut [f32],
) {
    let (outputs, len) = (work.geometry.channels[1], work.geometry.output_len());
    let grid = len / outputs;
    let starts: Vec<usize> = (0..outputs).map(|output| output * grid).collect();
    for (block, starts) in starts.chunks(rows).enumerate() {
        for image in 0..images {
            let out = &mut out[(block * block_len + image * grid) * rows..];
            transpose(simd, rows, &gradient[image * len..], starts, grid, out);
        }
    }
}

/// The values under the kernel side by side, eight channels' and taps' values.
#[inline(always)]
pub fn transpose_patches<S: Simd>(
    simd: S,
    work: &Work,
    input: &[f32],
    images: usize,
    planes: &mut [f32],
    out: &mut [f32],
) {
    let channels = work.geometry.channels[0];
    let (grid, len) = (work.layout.grid_len(), work.geometry.input_len() / channels);
    let taps = work.layout.offsets().iter();
    let starts: Vec<usize> = (0..channels)
        .flat_map(|channel| taps.clone().map(move |tap| channel * work.layout.channel_len() + tap))
        .collect();
    for image in 0..images {
        let channels = input[image * channels * len..].chunks_exact(len);
        for (planes, values) in planes.chunks_exact_mut(work.layout.channel_len()).zip(channels) {
            work.layout.fill(values, planes);
        }
        for (block, starts) in starts.chunks(SCALARS).enumerate() {
            let out = &mut out[(block * work.block_len() + image * grid) * SCALARS..];
            transpose(simd, SCALARS, planes, starts, grid, out);
        }
    }
}
