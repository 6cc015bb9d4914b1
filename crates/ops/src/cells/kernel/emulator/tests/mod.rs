//! The instructions against plain computations. Where the processor has them these tests are about
//! the processor, and the emulator must agree with what they ask for.

use super::decode::{GENERAL, Instruction, Rows, Source, decode};
use super::vectors::Vectors;
use super::{install, instructions};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, __m256i, __m512i, _xgetbv};
use std::mem::transmute;
use std::sync::OnceLock;

/// Operand of `ldtilecfg`.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

impl Config {
    fn new(shapes: &[(usize, usize)]) -> Config {
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
        for (tile, &(rows, bytes)) in shapes.iter().enumerate() {
            config.rows[tile] = rows as u8;
            config.bytes[tile] = bytes as u16;
        }
        config
    }

    fn load(&self) {
        // SAFETY: the operand is 64 bytes; callers are ready for the instructions.
        unsafe { asm!("ldtilecfg [{}]", in(reg) self, options(nostack, preserves_flags)) }
    }
}

const FULL: (usize, usize) = (16, 64);

/// An instruction on tiles without other operands.
macro_rules! tiles {
    ($($instruction:tt)*) => {
        // SAFETY: it reads and writes nothing but tiles.
        unsafe { asm!(concat!($($instruction)*), options(nostack, preserves_flags)) }
    };
}

/// `tileloadd` or `tileloaddt1` from a slice of bytes: the first row's place and the stride.
macro_rules! load {
    ($load:literal, $tile:literal, $from:expr, $first:expr, $stride:expr) => {
        // SAFETY: callers keep the rows inside the slice.
        unsafe {
            asm!(concat!($load, " tmm", $tile, ", [{p} + {s}*1]"), p = in(reg) &$from[$first],
                s = in(reg) $stride, options(nostack, readonly, preserves_flags))
        }
    };
}

/// `tilestored` into a slice of bytes: the first row's place and the stride.
macro_rules! store {
    ($tile:literal, $into:expr, $first:expr, $stride:expr) => {
        // SAFETY: callers keep the rows inside the slice.
        unsafe {
            asm!(concat!("tilestored [{p} + {s}*1], tmm", $tile),
                p = in(reg) $into.as_mut_ptr().add($first), s = in(reg) $stride,
                options(nostack, preserves_flags))
        }
    };
}

/// True if the processor, the system and now this process have tiles: else the emulator is there.
fn native() -> bool {
    static NATIVE: OnceLock<bool> = OnceLock::new();
    *NATIVE.get_or_init(|| {
        let tiles = __cpuid(0).eax >= 0xD
            && [22, 24].iter().all(|bit| __cpuid_count(7, 0).edx >> bit & 1 == 1)
            && __cpuid(1).ecx >> 27 & 1 == 1
            // SAFETY: the system has enabled `xgetbv`.
            && unsafe { extended_state() } >> 17 & 3 == 3
            // SAFETY: asks for the permission to use tile data, no more.
            && unsafe { libc::syscall(libc::SYS_arch_prctl, 0x1023, 18) } == 0;
        if tiles {
            println!("not emulated: this processor has tiles");
        }
        install();
        tiles
    })
}

#[target_feature(enable = "xsave")]
fn extended_state() -> u64 {
    // SAFETY: register 0 is there wherever `xgetbv` is.
    unsafe { _xgetbv(0) }
}

/// True if there are vector registers for the conversions.
fn vectors() -> bool {
    native();
    let found = is_x86_feature_detected!("avx512f");
    if !found {
        println!("skipped: this processor does not have AVX-512");
    }
    found
}

/// Numbers without a pattern.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// bfloat16s of 2^-exponents to 2^exponents and either sign.
    fn bf16s(&mut self, len: usize, exponents: u32) -> Vec<u16> {
        let one = |bits: u32| {
            let exponent = 127 - exponents + (bits >> 8) % (2 * exponents + 1);
            (bits & 0x8000 | exponent << 7 | bits & 0x7F) as u16
        };
        (0..len).map(|_| one(self.next())).collect()
    }
}

fn le16(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn le32(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// How a process ends that does this: by which signal, or by none.
fn end(act: impl FnOnce()) -> Option<i32> {
    // SAFETY: the child does nothing but instructions on tiles and calls that are safe in the only
    // thread left of many.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "no process");
        if child == 0 {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            act();
            libc::_exit(0);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
        libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status))
    }
}

// After the macros, which they use.
mod addressing;
mod configurations;
mod conversions;
mod products;
mod tiles;
