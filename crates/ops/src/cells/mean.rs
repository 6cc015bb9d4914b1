//! Means over positions, and sums over images.

use super::bf16::widen;
use super::buffer::Cells;
use super::layout::{CELL, HALF, IMAGES, LANES};
use crate::flex::Block;
use crate::flex::memory::build;
use rayon::prelude::*;

/// Cells whose sums one thread takes at a time.
const TOGETHER: usize = 16;

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

/// The sum over the images at each channel and position, `[channels, height, width]`.
pub fn images_sum(cells: &Cells) -> Vec<f32> {
    let layout = cells.layout;
    let mut lanes = vec![[0.0f32; LANES]; layout.block_len() / CELL];
    lanes.par_iter_mut().with_min_len(TOGETHER).enumerate().for_each(|(at, total)| {
        for block in 0..layout.blocks() {
            // Images that fill up the last block are zero.
            let (rows, _) = cells.block(block)[at * CELL..][..CELL].as_chunks::<LANES>();
            let mut sums = [0.0f32; LANES];
            for row in rows {
                for lane in 0..LANES {
                    sums[lane] += widen(row[lane]);
                }
            }
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    });
    layout.gather_positions(lanes.as_flattened())
}
