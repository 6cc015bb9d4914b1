//! Operands in single precision, for vectors of any processor.

use super::{Format, TILE, Window};
use crate::cells::bf16::widen;
use crate::cells::layout::{CELL, HALF, Layout};
use std::ops::Range;

/// Values of single precision that bfloat16 has too. A tile of weights has 32 rows, one a lane that
/// is multiplied; cells are widened.
#[derive(Clone, Copy)]
pub struct Singles;

impl Format for Singles {
    type Operand = f32;

    const WEIGHTS: usize = TILE;
    const WINDOW: usize = CELL;
    const PACKED: usize = CELL;

    #[inline(always)]
    fn put_weight(tile: &mut [f32], k: usize, n: usize, value: u16) {
        tile[k * HALF + n] = widen(value);
    }

    #[inline(always)]
    fn window<'a>(
        self,
        block: &'a [u16],
        layout: Layout,
        rows: Range<usize>,
        memory: &'a mut [f32],
    ) -> Window<'a, f32> {
        let row = layout.columns() * CELL;
        let len = rows.len() * row;
        let memory = &mut memory[..layout.planes() * len];
        for (plane, values) in block.chunks_exact(layout.plane_len()).enumerate() {
            widen_all(&values[rows.start * row..rows.end * row], &mut memory[plane * len..][..len]);
        }
        let (first_row, columns) = (rows.start, layout.columns());
        Window { values: memory, first_row, rows: rows.len(), columns }
    }

    #[inline(always)]
    fn pack_gradient(self, cell: &[u16], packed: &mut [f32]) {
        widen_all(cell, packed);
    }

    #[inline(always)]
    fn pack_input(self, cell: &[u16], packed: &mut [f32]) {
        widen_all(cell, packed);
    }
}

#[inline(always)]
fn widen_all(values: &[u16], out: &mut [f32]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = widen(value);
    }
}
