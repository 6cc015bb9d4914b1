//! Weights in the order in which the kernels read them.

use super::correlation::Correlation;
use super::kernel::Units;
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
        let tile = units.sizes().weights;
        let plane = correlation.tiles() * tile;
        let tiles = build(correlation.to.planes() * plane, plane, |plane, out| {
            out.fill(0.0);
            correlation.weights(plane, |at, [k, n], place| {
                units.put_weight(&mut out[at * tile..][..tile], k, n, weight[place]);
            });
        });
        Self { tiles, plane }
    }

    /// The tiles of a plane of the output.
    pub fn plane(&self, plane: usize) -> &[f32] {
        &self.tiles.values()[plane * self.plane..][..self.plane]
    }
}
