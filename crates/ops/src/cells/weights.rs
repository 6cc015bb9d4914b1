//! Weights in the order in which the kernels read them.

use super::bf16::narrow;
use super::correlation::Correlation;
use super::kernel::{Format, Units};
use crate::flex::Block;
use crate::flex::memory::build;

/// Packed weights: for each plane of the output the tiles of its correlation.
pub struct Weights {
    tiles: Block,
    plane: usize,
}

impl Weights {
    /// Packs a weight `[channels_out, channels_in, rows, columns]`, rounded.
    pub fn new(units: Units, correlation: &Correlation, weight: &[f32]) -> Self {
        units.pack(correlation, weight)
    }

    /// As [`new`](Self::new), in a format.
    pub fn of<F: Format>(correlation: &Correlation, weight: &[f32]) -> Self {
        let plane = correlation.tiles() * F::WEIGHTS;
        let weight: Vec<u16> = weight.iter().map(|&value| narrow(value)).collect();
        let tiles = build(correlation.to.planes() * plane, plane, |plane, out| {
            out.fill(0.0);
            for block in correlation.blocks(plane) {
                let tile = &mut out[block.tile * F::WEIGHTS..][..F::WEIGHTS];
                let [from, to] = block.steps;
                for k in 0..block.count[0] {
                    let weights = weight[block.first + k * from..].iter().step_by(to);
                    for (n, &value) in weights.take(block.count[1]).enumerate() {
                        F::put_weight(tile, block.lane + k, n, value);
                    }
                }
            }
        });
        Self { tiles, plane }
    }

    /// The tiles of a plane of the output.
    pub fn plane(&self, plane: usize) -> &[f32] {
        &self.tiles.values()[plane * self.plane..][..self.plane]
    }
}
