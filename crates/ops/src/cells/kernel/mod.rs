//! The products of cells.
//!
//! ```text
//! Units     what this processor has, chosen at run time
//! Format    how operands lie in memory: Pairs, or Singles
//! Kernel    Configured (amx)  by the tiles of AMX, on pairs
//!           Dots              by the dot products of AVX-512 for bfloat16, on pairs
//!           Vectors           by vectors of single precision, on singles
//! Lanes     arithmetic on the lanes of an image: WideLanes by AVX-512, AnyLanes elsewhere
//! ```

#[cfg(target_arch = "x86_64")]
mod amx;
mod choice;
#[cfg(target_arch = "x86_64")]
mod dots;
#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod emulator;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod singles;
mod vectors;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use choice::Units;
pub use lanes::Lanes;

use super::correlation::Correlation;
use super::layout::{CELL, IMAGES, LANES, Layout};
use std::ops::Range;

/// Weights of a tile: 32 lanes of one cell by 16 of another.
pub const TILE: usize = LANES * LANES / 2;

/// The form in which instructions read their operands.
pub trait Format: Copy {
    /// An element of what [`window`](Self::window) gives.
    type Operand: Copy;

    /// Floats that hold a tile of weights.
    const WEIGHTS: usize;
    /// Floats that a cell takes in a window, none if it is read in place.
    const WINDOW: usize;
    /// Floats of a cell that is packed for [`Kernel::accumulate`].
    const PACKED: usize;

    /// Puts the weight from lane `k` to lane `n`, in bfloat16, into its tile.
    fn put_weight(tile: &mut [f32], k: usize, n: usize, value: u16);

    /// Some rows of a block in the form in which they are multiplied. `memory` has room for them.
    fn window<'a>(
        self,
        block: &'a [u16],
        layout: Layout,
        rows: Range<usize>,
        memory: &'a mut [f32],
    ) -> Window<'a, Self::Operand>;

    /// A cell of the output's gradient, packed.
    fn pack_gradient(self, cell: &[u16], packed: &mut [f32]);

    /// A cell of the input, packed.
    fn pack_input(self, cell: &[u16], packed: &mut [f32]);
}

/// Instructions that multiply cells. Operands are rounded to bfloat16, sums are in single
/// precision.
pub trait Kernel: Copy {
    type Format: Format;

    /// Arithmetic on the lanes of an image.
    type Lanes: Lanes;

    fn format(self) -> Self::Format;

    fn lanes(self) -> Self::Lanes;

    /// The cell at a row and a column of a correlation's output, of the first `images`; the rows of
    /// the others get any values.
    fn multiply(
        self,
        work: &Multiply<'_, <Self::Format as Format>::Operand>,
        at: [usize; 2],
        images: usize,
        sums: &mut Sums,
    );

    /// Adds to `sums`, `[lanes of the gradient, lanes of the input]`, the products of pairs of
    /// packed cells, summed over the first `images`. `uses` says which halves of the input's lanes
    /// count for which of the gradient's.
    fn accumulate(
        self,
        gradient: &[f32],
        input: &[f32],
        pairs: &[[usize; 2]],
        uses: [[bool; 2]; 2],
        images: usize,
        sums: &mut Sums,
    );
}

/// Work for a thread, compiled for each kernel.
pub trait Work {
    fn run<K: Kernel>(self, kernel: K);
}

/// A cell in single precision, in lines of the cache.
#[repr(C, align(64))]
pub struct Sums(pub [f32; CELL]);

impl Sums {
    pub const ZERO: Self = Self([0.0; CELL]);

    /// The lanes of each image.
    #[inline(always)]
    pub fn rows(&mut self) -> &mut [[f32; LANES]; IMAGES] {
        let (rows, _) = self.0.as_chunks_mut();
        rows.try_into().expect("a cell's rows")
    }
}

/// Some rows of all planes of a block.
pub struct Window<'a, T> {
    pub values: &'a [T],
    pub first_row: usize,
    /// Rows of a plane.
    pub rows: usize,
    pub columns: usize,
}

impl<T> Window<'_, T> {
    /// The cells at a row and a column, the planes one after another: the first value, and the
    /// step from one plane to the next.
    #[inline(always)]
    pub fn at(&self, row: usize, column: usize) -> (usize, usize) {
        let first = ((row - self.first_row) * self.columns + column) * CELL;
        (first, self.rows * self.columns * CELL)
    }
}

/// What the cells of a plane are multiplied from.
pub struct Multiply<'a, T> {
    pub window: Window<'a, T>,
    pub correlation: &'a Correlation,
    /// The tiles of this plane.
    pub weights: &'a [f32],
    /// Halves of the output's lanes that hold channels.
    pub halves: usize,
}
