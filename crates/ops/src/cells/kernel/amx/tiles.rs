//! The instructions of AMX.
//!
//! Rust has no stable functions for them, so that they are written in assembly. The compiler knows
//! nothing of the tiles: it neither uses nor saves them, so that their contents last from one block
//! of assembly to the next. What has a [`Configured`] has the tiles of its thread to itself, and
//! calls nothing between two of its instructions that could run other work.

#![allow(unsafe_code, reason = "assembly; each block says why it is sound")]

use super::Amx;
use crate::cells::kernel::Sums;
use crate::cells::layout::{CELL, LANES};
use std::arch::asm;
use std::marker::PhantomData;

/// Tiles of this size, in bytes of bfloat16.
pub const TILE_BYTES: usize = 1024;

/// The tiles of this thread, from their configuration to their release. They stay on it.
pub struct Tiles(Amx, PhantomData<*const ()>);

impl Tiles {
    /// Configures all tiles to 16 rows of 64 bytes.
    pub fn new(amx: Amx) -> Self {
        #[repr(C, align(64))]
        struct Configuration {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            row_bytes: [u16; 16],
            rows: [u8; 16],
        }
        static WHOLE: Configuration = Configuration {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        // SAFETY: the argument proves that the instruction is there; it reads 64 bytes, those of a
        // valid configuration.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &WHOLE, options(nostack, preserves_flags)) };
        Self(amx, PhantomData)
    }

    pub fn configured(&self) -> Configured<'_> {
        Configured(self.0, PhantomData)
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the tiles exist, since `self` does.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags)) };
    }
}

/// Proof that this thread's tiles are configured, for as long as they are.
#[derive(Clone, Copy)]
pub struct Configured<'a>(Amx, PhantomData<(&'a Tiles, *const ())>);

impl Configured<'_> {
    pub fn amx(self) -> Amx {
        self.0
    }

    /// Zeroes a tile.
    #[inline(always)]
    pub fn zero<const T: u8>(self) {
        // SAFETY: the tile is configured.
        unsafe { asm!("tilezero tmm{t}", t = const T, options(nostack, preserves_flags)) };
    }

    /// Loads 16 rows of 64 bytes that follow one another.
    #[inline(always)]
    pub fn load<const T: u8>(self, values: &[u16; TILE_BYTES / 2]) {
        // SAFETY: the tile is configured to 16 rows of 64 bytes, which are those of `values`.
        unsafe {
            asm!(
                "tileloadd tmm{t}, [{from} + {step}]",
                t = const T,
                from = in(reg) values.as_ptr(),
                step = in(reg) 64_usize,
                options(nostack, readonly, preserves_flags),
            );
        }
    }

    /// `C += A · B`.
    #[inline(always)]
    pub fn multiply_add<const C: u8, const A: u8, const B: u8>(self) {
        // SAFETY: the tiles are configured, to shapes that fit one another.
        unsafe {
            asm!(
                "tdpbf16ps tmm{c}, tmm{a}, tmm{b}",
                c = const C,
                a = const A,
                b = const B,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Loads a quadrant of sums: `HALVES` of the rows and the columns.
    #[inline(always)]
    pub fn load_sums<const T: u8>(self, sums: &Sums, [row, column]: [usize; 2]) {
        let from = &sums.0[row * CELL / 2 + column * LANES / 2..];
        assert!(from.len() >= 15 * LANES + LANES / 2);
        // SAFETY: the tile's 16 rows of 16 floats, 32 floats apart, lie within `from`.
        unsafe {
            asm!(
                "tileloadd tmm{t}, [{from} + {step}]",
                t = const T,
                from = in(reg) from.as_ptr(),
                step = in(reg) LANES * size_of::<f32>(),
                options(nostack, readonly, preserves_flags),
            );
        }
    }

    /// Stores a quadrant of sums.
    #[inline(always)]
    pub fn store_sums<const T: u8>(self, sums: &mut Sums, [row, column]: [usize; 2]) {
        let to = &mut sums.0[row * CELL / 2 + column * LANES / 2..];
        assert!(to.len() >= 15 * LANES + LANES / 2);
        // SAFETY: the tile's 16 rows of 16 floats, 32 floats apart, lie within `to`.
        unsafe {
            asm!(
                "tilestored [{to} + {step}], tmm{t}",
                t = const T,
                to = in(reg) to.as_mut_ptr(),
                step = in(reg) LANES * size_of::<f32>(),
                options(nostack, preserves_flags),
            );
        }
    }
}
