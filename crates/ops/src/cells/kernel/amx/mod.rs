//! Products by the matrix units of AMX (Intel's processors since Sapphire Rapids).
//!
//! A tile is a register of 16 rows of 64 bytes: 16 images of a cell with their 32 lanes, 32 by 16
//! weights, or 16 by 16 sums. Four tiles hold the sums of a cell, two its operands, two the
//! weights: four loads for four products.

mod permission;
mod tiles;

pub use tiles::Configured;

use super::pairs::Pairs;
use super::wide::WideLanes;
use super::{Kernel, Multiply, Sums, TILE, Work};
use crate::cells::layout::CELL;
use permission::permitted;
use pulp::NullaryFnOnce;
use pulp::bytemuck::cast_slice;
use pulp::x86::V4;
use std::sync::OnceLock;
use tiles::{TILE_BYTES, Tiles};

/// Proof that this process may use AMX.
#[derive(Clone, Copy, Debug)]
pub struct Amx {
    simd: V4,
}

impl Amx {
    /// `None` where the processor or the system lacks what is needed.
    pub fn try_new() -> Option<Self> {
        static PERMITTED: OnceLock<bool> = OnceLock::new();
        let simd = V4::try_new().filter(|_| *PERMITTED.get_or_init(permitted))?;
        Some(Self { simd })
    }

    /// AMX as software where the processor has none; `None` where it lacks AVX-512 too.
    #[cfg(all(test, target_os = "linux"))]
    pub fn emulated() -> Option<Self> {
        Self::try_new().or_else(|| {
            let simd = V4::try_new()?;
            super::emulator::install();
            Some(Self { simd })
        })
    }

    pub fn simd(self) -> V4 {
        self.simd
    }

    /// Runs some work with tiles at its disposal. Work does not nest: the end of the inner would
    /// release the tiles of the outer.
    pub fn run(self, work: impl Work) {
        let tiles = Tiles::new(self);
        self.simd.vectorize(ByTiles(tiles.configured(), work));
    }
}

struct ByTiles<'a, W>(Configured<'a>, W);

impl<W: Work> NullaryFnOnce for ByTiles<'_, W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.1.run(self.0);
    }
}

/// The upper or lower half of a cell, or one of two tiles of weights.
#[inline(always)]
fn tile(values: &[u16], half: usize) -> &[u16; TILE_BYTES / 2] {
    values[half * TILE_BYTES / 2..].first_chunk().expect("a tile")
}

impl Kernel for Configured<'_> {
    type Format = Pairs;
    type Lanes = WideLanes<true>;

    #[inline(always)]
    fn format(self) -> Pairs {
        Pairs(self.amx().simd)
    }

    #[inline(always)]
    fn lanes(self) -> WideLanes<true> {
        WideLanes::of(self.amx())
    }

    #[inline(always)]
    fn multiply(
        self,
        work: &Multiply<'_, u16>,
        [row, column]: [usize; 2],
        images: usize,
        sums: &mut Sums,
    ) {
        let Multiply { window, correlation, weights, halves } = work;
        let planes = correlation.from.planes();
        let weights: &[u16] = cast_slice(weights);
        let lower = images > 16;
        self.zero::<0>();
        self.zero::<1>();
        self.zero::<2>();
        self.zero::<3>();
        for rows in &correlation.rows[row] {
            for columns in &correlation.columns[column] {
                let (first, step) = window.at(rows.from, columns.from);
                let distance = rows.distance * correlation.distances[1] + columns.distance;
                let [k, l] = correlation.uses[columns.distance];
                let uses = [k[0] || l[0], (k[1] || l[1]) && *halves == 2];
                for plane in 0..planes {
                    let cell = &window.values[first + plane * step..][..CELL];
                    let tiles = &weights[(distance * planes + plane) * 2 * TILE..][..2 * TILE];
                    self.load::<4>(tile(cell, 0));
                    if lower {
                        self.load::<5>(tile(cell, 1));
                    }
                    if uses[0] {
                        self.load::<6>(tile(tiles, 0));
                        self.multiply_add::<0, 4, 6>();
                        if lower {
                            self.multiply_add::<2, 5, 6>();
                        }
                    }
                    if uses[1] {
                        self.load::<7>(tile(tiles, 1));
                        self.multiply_add::<1, 4, 7>();
                        if lower {
                            self.multiply_add::<3, 5, 7>();
                        }
                    }
                }
            }
        }
        self.store_sums::<0>(sums, [0, 0]);
        self.store_sums::<1>(sums, [0, 1]);
        if lower {
            self.store_sums::<2>(sums, [1, 0]);
            self.store_sums::<3>(sums, [1, 1]);
        }
    }

    #[inline(always)]
    fn accumulate(
        self,
        gradient: &[f32],
        input: &[f32],
        pairs: &[[usize; 2]],
        uses: [[bool; 2]; 2],
        _: usize,
        sums: &mut Sums,
    ) {
        let (gradient, input): (&[u16], &[u16]) = (cast_slice(gradient), cast_slice(input));
        let [[a, b], [c, d]] = uses;
        self.load_sums::<0>(sums, [0, 0]);
        self.load_sums::<1>(sums, [0, 1]);
        self.load_sums::<2>(sums, [1, 0]);
        self.load_sums::<3>(sums, [1, 1]);
        for &[of_gradient, of_input] in pairs {
            let gradient = &gradient[of_gradient * CELL..][..CELL];
            let input = &input[of_input * CELL..][..CELL];
            self.load::<4>(tile(gradient, 0));
            self.load::<5>(tile(gradient, 1));
            if a || b {
                self.load::<6>(tile(input, 0));
                if a {
                    self.multiply_add::<0, 4, 6>();
                }
                if b {
                    self.multiply_add::<2, 5, 6>();
                }
            }
            if c || d {
                self.load::<7>(tile(input, 1));
                if c {
                    self.multiply_add::<1, 4, 7>();
                }
                if d {
                    self.multiply_add::<3, 5, 7>();
                }
            }
        }
        self.store_sums::<0>(sums, [0, 0]);
        self.store_sums::<1>(sums, [0, 1]);
        self.store_sums::<2>(sums, [1, 0]);
        self.store_sums::<3>(sums, [1, 1]);
    }
}
