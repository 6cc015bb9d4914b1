//! Means over positions.

use super::bf16::widen;
use super::buffer::Cells;
use super::layout::{CELL, HALF, IMAGES, LANES};
use crate::flex::Block;
use crate::flex::memory::build;

/// The mean of each channel of each image, `[batch, channels]`.
pub fn positions_mean(cells: &Cells) -> Block {
    let layout = cells.layout;
    let channels = layout.channels;
    let positions = (layout.size[0] * layout.size[1]) as f32;
    build(layout.batch * channels, channels * IMAGES, |block, out| {
        for (plane, values) in cells.block(block).chunks_exact(layout.plane_len()).enumerate() {
            let mut sums = [[0.0f32; LANES]; IMAGES];
            for cell in values.chunks_exact(CELL) {
                let (rows, _) = cell.as_chunks::<LANES>();
                for (sums, row) in sums.iter_mut().zip(rows) {
                    for lane in 0..LANES {
                        sums[lane] += widen(row[lane]);
                    }
                }
            }
            for (out, sums) in out.chunks_exact_mut(channels).zip(&sums) {
                for half in 0..2 {
                    let (pixel, channel) = layout.lane(plane, half * HALF);
                    let lanes = &sums[half * HALF..][..layout.lanes_in_use(plane, half)];
                    for (out, sum) in out.iter_mut().skip(channel).zip(lanes) {
                        // The second pixel of a cell comes after the first.
                        *out = if pixel == 0 { *sum } else { *out + *sum };
                    }
                }
            }
        }
        out.iter_mut().for_each(|value| *value /= positions);
    })
}
