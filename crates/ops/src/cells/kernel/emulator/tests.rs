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

/// Whether the processor, the system and now this process have tiles: else the emulator is there.
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

/// Whether there are vector registers for the conversions.
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

#[test]
fn tiles_keep_their_shapes_whatever_the_stride() {
    let native = native();
    let mut numbers = Numbers(1);
    let shapes =
        [FULL, (1, 1), (1, 64), (16, 4), (3, 12), (7, 20), (5, 7), (16, 63), (2, 33), (15, 48)];
    for (rows, bytes) in shapes {
        for stride in [bytes as isize, 64, 80, 1, 0, 200, -64, -72] {
            let first = if stride < 0 { (rows - 1) * stride.unsigned_abs() } else { 0 };
            let from = numbers.bytes(200 * 16 + 64);
            let count = instructions();
            Config::new(&[FULL, FULL, FULL, (rows, bytes)]).load();
            load!("tileloadd", 3, from, first, stride);
            let mut packed = vec![0xAB; rows * bytes + 100];
            store!(3, packed, 0, bytes);
            // Back with the same stride: what lies between the rows is nobody's.
            let mut spread = vec![0xAB; from.len()];
            store!(3, spread, first, stride);
            tiles!("tilerelease");
            assert!(native || instructions() - count >= 5);

            let mut expected = vec![0xAB; from.len()];
            for row in 0..rows {
                let start = first.wrapping_add_signed(row as isize * stride);
                let source = &from[start..][..bytes];
                assert_eq!(&packed[row * bytes..][..bytes], source, "{rows} {bytes} {stride}");
                expected[start..][..bytes].copy_from_slice(source);
            }
            assert!(packed[rows * bytes..].iter().all(|&byte| byte == 0xAB));
            assert!(spread == expected, "{rows} {bytes} {stride}");
        }
    }
}

#[test]
fn eight_tiles_are_eight_and_a_configuration_clears_them() {
    native();
    let mut numbers = Numbers(2);
    let from = numbers.bytes(8 * 1024);
    let mut into = vec![0; 8 * 1024];
    let stride = 64_usize;
    macro_rules! all {
        ($do:ident $($which:literal)?, $slice:expr) => {
            all!(@ $do ($($which,)?) $slice, 0 1 2 3 4 5 6 7)
        };
        (@ $do:ident $which:tt $slice:expr, $($tile:literal)*) => {
            $(all!(@@ $do $which $slice, $tile);)*
        };
        (@@ $do:ident ($($which:literal,)?) $slice:expr, $tile:literal) => {
            $do!($($which,)? $tile, $slice, $tile * 1024, stride)
        };
    }
    Config::new(&[FULL; 8]).load();
    all!(load "tileloadd", from);
    all!(store, into);
    assert_eq!(into, from);

    tiles!("tilezero tmm5");
    tiles!("tilezero tmm0");
    all!(store, into);
    for (tile, (into, from)) in into.chunks(1024).zip(from.chunks(1024)).enumerate() {
        assert_eq!(into, if tile % 5 == 0 { &[0; 1024] } else { from }, "tile {tile}");
    }

    all!(load "tileloaddt1", from);
    all!(store, into);
    assert_eq!(into, from);

    // The same configuration once more.
    Config::new(&[FULL; 8]).load();
    all!(store, into);
    assert!(into.iter().all(|&byte| byte == 0));
    tiles!("tilerelease");
}

/// `tdpbf16ps` on packed matrices: the left one of rows of pairs, the right one of rows that hold a
/// pair of each column.
fn multiply(
    [rows, columns, pairs]: [usize; 3],
    sums: &[f32],
    left: &[u16],
    right: &[u16],
) -> Vec<f32> {
    let (sums, left, right) = (le32(sums), le16(left), le16(right));
    let (width, depth) = (4 * columns, 4 * pairs);
    let mut into = vec![0; sums.len()];
    Config::new(&[(rows, width), (rows, depth), (pairs, width)]).load();
    load!("tileloadd", 0, sums, 0, width);
    load!("tileloadd", 1, left, 0, depth);
    load!("tileloadd", 2, right, 0, width);
    tiles!("tdpbf16ps tmm0, tmm1, tmm2");
    store!(0, into, 0, width);
    tiles!("tilerelease");
    floats(&into)
}

/// What the manual documents for one sum.
fn documented(before: f32, left: &[u16], right: &[u16]) -> f32 {
    fn normal(value: f32) -> f32 {
        if value.abs() < f32::MIN_POSITIVE { 0.0 * value } else { value }
    }
    let widen = |bits: u16| normal(f32::from_bits(u32::from(bits) << 16));
    let half = |start: usize| {
        let mut sum = 0.0;
        for (&a, &b) in left[start..].iter().zip(&right[start..]).step_by(2) {
            sum = normal(widen(a).mul_add(widen(b), sum));
        }
        sum
    };
    normal(normal(before) + normal(half(0) + half(1)))
}

const SHAPES: [[usize; 3]; 9] = [
    [16, 16, 16],
    [1, 1, 1],
    [16, 1, 16],
    [1, 16, 16],
    [16, 16, 1],
    [3, 5, 7],
    [13, 16, 2],
    [2, 9, 16],
    [15, 3, 11],
];

/// A column of the right matrix.
fn column(right: &[u16], columns: usize, n: usize) -> Vec<u16> {
    right.chunks(2 * columns).flat_map(|row| [row[2 * n], row[2 * n + 1]]).collect()
}

#[test]
fn products_of_small_integers_are_exact() {
    let native = native();
    let mut numbers = Numbers(3);
    for shape @ [rows, columns, pairs] in SHAPES {
        let mut integers =
            |len: usize| (0..len).map(|_| numbers.next() as i32 % 100).collect::<Vec<_>>();
        let (sums, left, right) =
            (integers(rows * columns), integers(rows * 2 * pairs), integers(columns * 2 * pairs));
        let floats = |integers: &[i32]| integers.iter().map(|&i| i as f32).collect::<Vec<_>>();
        let bf16s = |integers: &[i32]| {
            integers.iter().map(|&i| ((i as f32).to_bits() >> 16) as u16).collect::<Vec<_>>()
        };
        let count = instructions();
        let found = multiply(shape, &floats(&sums), &bf16s(&left), &bf16s(&right));
        assert!(native || instructions() - count >= 7);
        for m in 0..rows {
            for n in 0..columns {
                let mut sum = sums[m * columns + n];
                for k in 0..2 * pairs {
                    let place = k / 2 * 2 * columns + 2 * n + k % 2;
                    sum += left[m * 2 * pairs + k] * right[place];
                }
                assert_eq!(found[m * columns + n], sum as f32, "{shape:?} {m} {n}");
            }
        }
    }
}

#[test]
fn products_add_up_in_the_documented_order() {
    native();
    let mut numbers = Numbers(4);
    for shape @ [rows, columns, pairs] in SHAPES {
        // The wide ranges reach denormals, infinities and their differences.
        for exponents in [0, 3, 40, 75, 127] {
            let left = numbers.bf16s(rows * 2 * pairs, exponents);
            let right = numbers.bf16s(columns * 2 * pairs, exponents);
            let sums = numbers.bf16s(2 * rows * columns, exponents);
            let sums = floats(&le16(&sums));
            let found = multiply(shape, &sums, &left, &right);
            for m in 0..rows {
                for n in 0..columns {
                    let left = &left[m * 2 * pairs..][..2 * pairs];
                    let before = sums[m * columns + n];
                    let sum = documented(before, left, &column(&right, columns, n));
                    let found = found[m * columns + n];
                    let same = found.to_bits() == sum.to_bits() || found.is_nan() && sum.is_nan();
                    assert!(same, "{shape:?} {exponents} {m} {n}: {found:e}, not {sum:e}");
                }
            }
        }
    }
}

#[test]
fn products_round_once_and_know_no_denormals() {
    native();
    let bits = |value: f32| (value.to_bits() >> 16) as u16;
    // The accumulator, pairs of the left row and the right column, and their sum.
    let one = bits(1.0);
    let tiny = f32::MIN_POSITIVE;
    let denormal = bits(tiny / 2.0);
    let big = bits(2.0_f32.powi(100));
    let cases: [(f32, &[u16], &[u16], f32); 18] = [
        (1.0, &[one, one], &[bits(2.0), bits(3.0)], 6.0),
        // A denormal operand is zero, whatever it is multiplied by, and so is an accumulator.
        (0.0, &[denormal, 0], &[big, 0], 0.0),
        (0.0, &[0, denormal], &[0, big], 0.0),
        (0.0, &[big, big], &[denormal, denormal], 0.0),
        (tiny / 2.0, &[0, 0], &[0, 0], 0.0),
        (tiny / 2.0, &[bits(tiny), 0], &[one, 0], tiny),
        // Denormal results are zero: of a product, of the two sums, and of the last one.
        (0.0, &[bits(tiny), 0], &[bits(0.5), 0], 0.0),
        (0.0, &[bits(tiny), 0, bits(tiny), 0], &[bits(0.5), 0, bits(0.5), 0], 0.0),
        (0.0, &[bits(1.5 * tiny), bits(-tiny)], &[one, one], 0.0),
        (tiny, &[bits(1.5 * tiny), bits(-tiny)], &[one, one], tiny),
        (-tiny, &[bits(1.5 * tiny), 0], &[one, 0], 0.0),
        (-0.0, &[bits(-tiny), bits(-tiny)], &[bits(0.5), bits(0.5)], -0.0),
        // A product that is below the normal numbers still counts where it is added to another.
        (
            0.0,
            &[bits(tiny), 0, bits(2.0_f32.powi(-100)), 0],
            &[one, 0, bits(2.0_f32.powi(-40)), 0],
            f32::from_bits(0x0080_0200),
        ),
        // The sums of a pair are apart until the end: 1 is not lost beside 2^100.
        (0.0, &[big, one, bits(-2.0_f32.powi(100)), 0], &[one, one, one, 0], 1.0),
        // And the accumulator comes last.
        (2.0_f32.powi(100), &[one, bits(-2.0_f32.powi(100))], &[one, one], 0.0),
        (0.0, &[bits(f32::INFINITY), 0], &[one, 0], f32::INFINITY),
        (0.0, &[bits(f32::INFINITY), 0], &[0, 0], f32::NAN),
        (f32::NEG_INFINITY, &[big, 0], &[big, 0], f32::NAN),
    ];
    for (before, left, right, sum) in cases {
        let found = multiply([1, 1, left.len() / 2], &[before], left, right)[0];
        let same = found.to_bits() == sum.to_bits() || found.is_nan() && sum.is_nan();
        assert!(same, "{before:e} {left:x?} {right:x?}: {found:e}, not {sum:e}");
    }
}

#[test]
fn products_go_by_the_operands_places() {
    native();
    let mut numbers = Numbers(5);
    let [sums, left, right] = [1, 2, 3].map(|_| numbers.bf16s(512, 2));
    let expected = multiply([16, 16, 16], &floats(&le16(&sums)), &left, &right);
    let [sums, left, right] = [sums, left, right].map(|values| le16(&values));
    let stride = 64_usize;
    macro_rules! check {
        ($($into:literal $left:literal $right:literal,)*) => {$(
            let mut into = vec![0; 1024];
            Config::new(&[FULL; 8]).load();
            load!("tileloadd", $into, sums, 0, stride);
            load!("tileloadd", $left, left, 0, stride);
            load!("tileloadd", $right, right, 0, stride);
            tiles!("tdpbf16ps tmm", $into, ", tmm", $left, ", tmm", $right);
            store!($into, into, 0, stride);
            assert_eq!(floats(&into), expected);
            // The sources are as they were.
            store!($left, into, 0, stride);
            assert_eq!(into, left);
            store!($right, into, 0, stride);
            assert_eq!(into, right);
            tiles!("tilerelease");
        )*};
    }
    check!(0 1 2, 2 1 0, 1 2 0, 7 6 5, 5 7 6, 3 4 7, 4 0 3, 6 5 1, 0 7 4,);
}

/// A copy of 16 rows through a tile, by two operands with the same base, index and scale, and with
/// displacements of their own.
struct Form {
    name: &'static str,
    copy: unsafe fn(*mut u8, usize),
    scale: usize,
    displacements: [isize; 2],
}

macro_rules! forms {
    ($($base:literal $index:literal $scale:literal $from:literal $into:literal,)*) => {
        [$({
            unsafe fn copy(base: *mut u8, index: usize) {
                // SAFETY: all general registers are saved or clobbered, and the caller vouches for
                // the rows.
                unsafe {
                    asm!(
                        "push rbx",
                        "push rbp",
                        "push rax",
                        "push rdx",
                        concat!("pop ", $index),
                        concat!("pop ", $base),
                        concat!(
                            "tileloadd tmm2, [", $base, "+", $index, "*", $scale, "+", $from, "]"
                        ),
                        concat!(
                            "tilestored [", $base, "+", $index, "*", $scale, "+", $into, "], tmm2"
                        ),
                        "pop rbp",
                        "pop rbx",
                        inout("rax") base => _, inout("rdx") index => _,
                        out("rcx") _, out("rsi") _, out("rdi") _, out("r8") _, out("r9") _,
                        out("r10") _, out("r11") _, out("r12") _, out("r13") _, out("r14") _,
                        out("r15") _,
                    )
                }
            }
            let name = concat!($base, " ", $index, " ", $scale, " ", $from, " ", $into);
            Form { name, copy, scale: $scale, displacements: [$from, $into] }
        },)*]
    };
}

macro_rules! forms_on_the_stack {
    ($($index:literal $scale:literal $from:literal $into:literal,)*) => {
        [$({
            unsafe fn copy(base: *mut u8, index: usize) {
                // SAFETY: the stack pointer goes back to its place, and the caller vouches for the
                // rows, and for room for a signal's frame below the base.
                unsafe {
                    asm!(
                        "push rbx",
                        "push rbp",
                        "mov rbx, rsp",
                        "mov rsp, rax",
                        concat!("mov ", $index, ", rdx"),
                        concat!("tileloadd tmm2, [rsp+", $index, "*", $scale, "+", $from, "]"),
                        concat!("tilestored [rsp+", $index, "*", $scale, "+", $into, "], tmm2"),
                        "mov rsp, rbx",
                        "pop rbp",
                        "pop rbx",
                        inout("rax") base => _, inout("rdx") index => _,
                        out("r8") _, out("r12") _, out("r13") _, out("rcx") _,
                    )
                }
            }
            let name = concat!("rsp ", $index, " ", $scale, " ", $from, " ", $into);
            Form { name, copy, scale: $scale, displacements: [$from, $into] }
        },)*]
    };
}

#[test]
fn all_registers_address_memory() {
    native();
    let mut forms = Vec::from(forms![
        "rax" "rcx" 1 0 4096, "rcx" "rdx" 2 0 8192, "rdx" "rbx" 4 0 -4096, "rbx" "rbp" 8 0 4096,
        "rbp" "rsi" 1 0 4096, "rsi" "rdi" 1 64 4096, "rdi" "r8" 1 -128 -8192, "r8" "r9" 1 0 4096,
        "r9" "r10" 1 0 4096, "r10" "r11" 2 127 4096, "r11" "r12" 4 0 4096, "r12" "r13" 8 0 4096,
        "r13" "r14" 1 0 4096, "r14" "r15" 1 8 4096, "r15" "rax" 1 0 4096, "rax" "r12" 1 0 4096,
        "rbp" "r12" 1 0 4096, "rbp" "r13" 2 16 4096, "r12" "rbp" 1 0 4096, "r13" "r12" 1 0 4096,
        "r13" "rbp" 4 -64 4096, "r13" "rcx" 8 4096 0,
    ]);
    forms.extend(forms_on_the_stack![
        "rcx" 1 0 4096, "r12" 1 0 4096, "rbp" 2 8 4096, "r13" 4 -64 4096, "r8" 8 4096 0,
    ]);
    let mut numbers = Numbers(6);
    for form in forms {
        Config::new(&[FULL; 3]).load();
        // Also the room for a frame on a stack of one's own.
        let mut memory = numbers.bytes(1 << 18);
        let first = 1_usize << 17;
        // SAFETY: all rows are in the memory, on either side of its middle.
        unsafe { (form.copy)(memory.as_mut_ptr().add(first), 128 / form.scale) };
        tiles!("tilerelease");
        let [from, into] = form.displacements.map(|by| first.wrapping_add_signed(by));
        for row in 0..16 {
            let [from, into] = [from, into].map(|place| &memory[place + 128 * row..][..64]);
            assert_eq!(from, into, "{}, row {row}", form.name);
        }
    }
}

/// An instruction's bytes and registers decoded. The registers hold their numbers times 2^32.
fn decoded(bytes: &[u8]) -> Option<(Instruction, usize)> {
    let mut registers = [0; 23];
    for (number, place) in GENERAL.into_iter().enumerate() {
        registers[place as usize] = (number as i64) << 32;
    }
    registers[libc::REG_RIP as usize] = bytes.as_ptr() as i64;
    // SAFETY: callers give whole instructions.
    unsafe { decode(&registers) }
}

#[test]
fn forms_without_a_base_or_an_index_decode_too() {
    let load = |first: usize, stride: usize, length: usize| {
        Some((Instruction::Load { tile: 1, rows: Rows { first, stride } }, length))
    };
    let wide = |number: usize| number << 32;
    // tileloadd tmm1, [rax], [rsp], [r12], [rbp + 16] and [r13 - 16], all without an index.
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x4B, 0x0C, 0x20]), load(0, 0, 6));
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x4B, 0x0C, 0x24]), load(wide(4), 0, 6));
    assert_eq!(decoded(&[0xC4, 0xC2, 0x7B, 0x4B, 0x0C, 0x24]), load(wide(12), 0, 6));
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x4B, 0x4C, 0x25, 0x10]), load(wide(5) + 16, 0, 7));
    assert_eq!(decoded(&[0xC4, 0xC2, 0x7B, 0x4B, 0x4C, 0x25, 0xF0]), load(wide(13) - 16, 0, 7));
    // [r12*8 + 0x10203040] without a base, and the same with a displacement below zero.
    let bytes = [0xC4, 0xA2, 0x7B, 0x4B, 0x0C, 0xE5, 0x40, 0x30, 0x20, 0x10];
    assert_eq!(decoded(&bytes), load(0x1020_3040, wide(96), 10));
    let bytes = [0xC4, 0xA2, 0x7B, 0x4B, 0x0C, 0xE5, 0xFF, 0xFF, 0xFF, 0xFF];
    assert_eq!(decoded(&bytes), load(usize::MAX, wide(96), 10));
    // No base either where its number would be that of r13.
    let bytes = [0xC4, 0x82, 0x7B, 0x4B, 0x0C, 0xE5, 0x40, 0x30, 0x20, 0x10];
    assert_eq!(decoded(&bytes), load(0x1020_3040, wide(96), 10));
    // A tile's rows must have an index byte, so there is no [rax], nor [rip].
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x4B, 0x08]), None);
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x4B, 0x0D, 0, 0, 0, 0]), None);
    // There is no tile 8 or 15, no second length, no other map, and no other register zeroed.
    assert_eq!(decoded(&[0xC4, 0x62, 0x7B, 0x4B, 0x0C, 0x20]), None);
    assert_eq!(decoded(&[0xC4, 0xE2, 0x02, 0x5C, 0xC1]), None);
    assert_eq!(decoded(&[0xC4, 0xC2, 0x6A, 0x5C, 0xC1]), None);
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7F, 0x4B, 0x0C, 0x20]), None);
    assert_eq!(decoded(&[0xC4, 0xE1, 0x7B, 0x4B, 0x0C, 0x20]), None);
    assert_eq!(decoded(&[0xC4, 0xE2, 0x7B, 0x49, 0xC1]), None);

    // vcvtneps2bf16 ymm17, [rax - 128]: a displacement of one byte counts whole registers.
    let lower = Source::Memory(0_usize.wrapping_sub(128));
    let narrow = Some((Instruction::Narrow { into: 17, upper: None, lower }, 7));
    assert_eq!(decoded(&[0x62, 0xE2, 0x7E, 0x48, 0x72, 0x48, 0xFE]), narrow);
    // With a mask, 256 bits, a broadcast or another opcode: not ours.
    assert_eq!(decoded(&[0x62, 0xE2, 0x7E, 0x49, 0x72, 0x48, 0xFE]), None);
    assert_eq!(decoded(&[0x62, 0xE2, 0x7E, 0x28, 0x72, 0x48, 0xFE]), None);
    assert_eq!(decoded(&[0x62, 0xE2, 0x7E, 0x58, 0x72, 0x48, 0xFE]), None);
    assert_eq!(decoded(&[0x62, 0xE2, 0x7E, 0x48, 0x52, 0x48, 0xFE]), None);
}

#[test]
fn configurations_come_from_all_kinds_of_operands() {
    native();
    static SMALL: Config = {
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
        config.rows[6] = 2;
        config.bytes[6] = 5;
        config
    };
    let from: Vec<u8> = (1..=128).collect();
    let check = |configure: unsafe fn(*const Config)| {
        let mut into = vec![0; 128];
        // SAFETY: the operand is a configuration.
        unsafe { configure(&SMALL) };
        load!("tileloadd", 6, from, 0, 64_usize);
        store!(6, into, 0, 64_usize);
        tiles!("tilerelease");
        let kept = |place: usize| place % 64 < 5;
        assert!((0..128).all(|place| into[place] == if kept(place) { from[place] } else { 0 }));
    };
    macro_rules! configure {
        ($($register:tt $by:literal $operand:literal,)*) => {$(
            check({
                unsafe fn configure(config: *const Config) {
                    // SAFETY: the operand is the configuration; r9 holds 16 for an index.
                    unsafe {
                        asm!(concat!("ldtilecfg [", $operand, "]"),
                            in($register) config.byte_offset($by), in("r9") 16_usize,
                            options(nostack, preserves_flags))
                    }
                }
                configure
            });
        )*};
    }
    configure!(
        "rax" 0 "rax", "r12" 0 "r12", "r13" 0 "r13", "r15" 64 "r15 - 64", "r13" -1024 "r13 + 1024",
        "rsi" -16 "rsi + r9", "r12" -128 "r12 + r9*8", "r13" -32 "r13 + r9*2 + 0",
        "rdi" 4032 "rdi + 4*r9 - 4096",
    );
    check({
        unsafe fn relative(_: *const Config) {
            // SAFETY: the operand is the configuration.
            unsafe {
                asm!("ldtilecfg [rip + {}]", sym SMALL, options(nostack, preserves_flags));
            }
        }
        relative
    });
    check({
        unsafe fn on_the_stack(config: *const Config) {
            // SAFETY: the configuration is copied to below the stack pointer that comes back.
            unsafe {
                asm!("sub rsp, 256", "mov rdi, rsp", "mov ecx, 64", "rep movsb",
                    "ldtilecfg [rsp]", "lea rsp, [rsp + 256]",
                    inout("rsi") config => _, out("rdi") _, out("rcx") _)
            }
        }
        on_the_stack
    });
    check({
        unsafe fn on_the_frame(config: *const Config) {
            // SAFETY: rbp comes back.
            unsafe {
                asm!("push rbp", "mov rbp, rax", "ldtilecfg [rbp]", "pop rbp", in("rax") config)
            }
        }
        on_the_frame
    });
}

#[test]
fn what_the_processor_refuses_ends_the_process() {
    native();
    let illegal = Some(libc::SIGILL);
    let (small, wide) = ([(2, 8); 3], [(2, 8), (2, 12), (3, 8)]);
    assert_eq!(end(|| Config::new(&small).load()), None);
    // SAFETY: a trap that ends the child.
    assert_eq!(end(|| unsafe { asm!("ud2") }), illegal);
    // Tiles without a configuration, before one, after one, and beside one.
    assert_eq!(end(|| tiles!("tilezero tmm0")), illegal);
    let released = || {
        Config::new(&small).load();
        tiles!("tilerelease");
        tiles!("tilezero tmm0");
    };
    assert_eq!(end(released), illegal);
    let none = Config { palette: 0, ..Config::new(&[]) };
    assert_eq!(end(|| none.load()), None);
    let palette_0 = || {
        Config::new(&small).load();
        none.load();
        tiles!("tilezero tmm0");
    };
    assert_eq!(end(palette_0), illegal);
    let beside = || {
        Config::new(&small).load();
        tiles!("tilezero tmm3");
    };
    assert_eq!(end(beside), illegal);
    // Shapes of a product that do not fit each other.
    let product = |shapes: [(usize, usize); 3]| {
        end(|| {
            Config::new(&shapes).load();
            tiles!("tdpbf16ps tmm0, tmm1, tmm2");
        })
    };
    assert_eq!(product(small), None);
    assert_eq!(product(wide), None);
    assert_eq!(product([(3, 8), (2, 8), (2, 8)]), illegal);
    assert_eq!(product([(2, 8), (2, 12), (2, 8)]), illegal);
    assert_eq!(product([(2, 8), (2, 8), (2, 12)]), illegal);
    assert_eq!(product([(2, 6), (2, 8), (2, 6)]), illegal);
    let twice = || {
        Config::new(&small).load();
        // Not what an assembler would let through: tdpbf16ps tmm0, tmm1, tmm1.
        tiles!(".byte 0xC4, 0xE2, 0x72, 0x5C, 0xC1");
    };
    assert_eq!(end(twice), illegal);
    // Configurations that are none.
    let valid = Config::new(&small);
    let mut reserved = [valid; 3];
    reserved[0].reserved[13] = 1;
    reserved[1].rows[8] = 1;
    reserved[2].bytes[8] = 4;
    let invalid = [
        Config { palette: 2, ..valid },
        reserved[0],
        reserved[1],
        reserved[2],
        Config::new(&[(17, 64)]),
        Config::new(&[(16, 65)]),
        Config::new(&[(0, 64)]),
        Config::new(&[(16, 0)]),
    ];
    for config in invalid {
        assert!(end(|| config.load()).is_some());
    }
}

#[test]
fn threads_have_tiles_of_their_own() {
    native();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || {
                let (rows, bytes) = (16 - thread, 64 - 4 * thread);
                let mut numbers = Numbers(100 + thread as u64);
                for _ in 0..100 {
                    let from = numbers.bytes(1024);
                    let mut into = vec![0; 1024];
                    Config::new(&[FULL, FULL, (rows, bytes), FULL]).load();
                    load!("tileloadd", 2, from, 0, 64_usize);
                    std::thread::yield_now();
                    store!(2, into, 0, 64_usize);
                    tiles!("tilerelease");
                    for (row, (into, from)) in into.chunks(64).zip(from.chunks(64)).enumerate() {
                        let kept = if row < rows { bytes } else { 0 };
                        assert_eq!(into[..kept], from[..kept]);
                        assert!(into[kept..].iter().all(|&byte| byte == 0));
                    }
                }
            });
        }
    });
}

/// The nearest bfloat16 as the manual has it, by trying the two that are around.
fn nearest(bits: u32) -> u16 {
    let value = f32::from_bits(bits);
    let below = (bits >> 16) as u16;
    if value.is_nan() {
        return below | 0x40;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return below & 0x8000;
    }
    if value.is_infinite() {
        return below;
    }
    // Infinity stands for the value that would follow the greatest one.
    let wide = |bits: u16| match f32::from_bits(u32::from(bits) << 16) {
        value if value.is_infinite() => 2.0_f64.powi(128).copysign(value.into()),
        value => value.into(),
    };
    let [down, up] = [below, below + 1].map(|bits| (wide(bits) - f64::from(value)).abs());
    if down < up || down == up && below & 1 == 0 { below } else { below + 1 }
}

/// Values that are special, beside others without a pattern.
fn special(numbers: &mut Numbers) -> u32 {
    const SPECIAL: [u32; 24] = [
        0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x00807FFF, 0x00808000, 0x00808001,
        0x00078000, 0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F817FFF, 0x3F818000,
        0x3F818001, 0x3FFFFFFF, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0x7F800000, 0x7F800001,
        0x7FC00000, 0x7FBFFFFF, 0x7FFFFFFF,
    ];
    match numbers.next() {
        bits if bits % 2 == 0 => bits << 31 | SPECIAL[bits as usize / 4 % SPECIAL.len()],
        _ => numbers.next(),
    }
}

type Registers = [[u32; 16]; 32];

fn narrowed(low: [u32; 16], high: Option<[u32; 16]>) -> [u32; 16] {
    let mut halves: Vec<u16> = low.into_iter().map(nearest).collect();
    halves.extend(high.map_or([0; 16], |high| high.map(nearest)));
    std::array::from_fn(|n| u32::from(halves[2 * n]) | u32::from(halves[2 * n + 1]) << 16)
}

/// Registers in their initial state, as `xrstor` reads them: the header says that all are, and the
/// rest counts for nothing but the control word.
#[repr(C, align(64))]
struct Area([u32; 256]);

static INITIAL: Area = {
    let mut area = [0; 256];
    area[6] = 0x1F80;
    Area(area)
};

/// A line of assembly for each vector register.
macro_rules! each {
    ($before:literal, $between:literal, $after:literal) => {
        concat!(
            ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,",
            "29,30,31\n",
            $before,
            "\\n",
            $between,
            "\\n",
            $after,
            "\n.endr"
        )
    };
}

/// All vector registers loaded from memory, then instructions, then the registers in memory again.
/// The instructions may use this memory by `rdi`, and `rcx` points to the initial state.
macro_rules! on_registers {
    ($registers:expr, $($instruction:expr),+) => {{
        #[target_feature(enable = "avx512f")]
        fn run(registers: &mut Registers) {
            // SAFETY: reads and writes that memory, and clobbers all vector registers.
            unsafe {
                asm!(
                    each!("vmovdqu64 zmm", ", [rdi + 64 * ", "]"),
                    $($instruction,)+
                    each!("vmovdqu64 [rdi + 64 * ", "], zmm", ""),
                    in("rdi") registers, in("rcx") &INITIAL, out("rax") _, out("rdx") _,
                    out("zmm0") _, out("zmm1") _, out("zmm2") _, out("zmm3") _, out("zmm4") _,
                    out("zmm5") _, out("zmm6") _, out("zmm7") _, out("zmm8") _, out("zmm9") _,
                    out("zmm10") _, out("zmm11") _, out("zmm12") _, out("zmm13") _,
                    out("zmm14") _, out("zmm15") _, out("zmm16") _, out("zmm17") _,
                    out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _,
                    out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _,
                    out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _,
                    out("zmm30") _, out("zmm31") _, options(nostack)
                )
            }
        }
        // SAFETY: whoever comes here has asked for AVX-512.
        unsafe { run($registers) }
    }};
}

/// All vector registers into their initial state, which the processor keeps account of. The mask
/// registers stay as they are.
macro_rules! reset {
    () => {
        "mov eax, 0xC6\nxor edx, edx\nxrstor64 [rcx]"
    };
}

fn registers(numbers: &mut Numbers) -> Registers {
    std::array::from_fn(|_| std::array::from_fn(|_| special(numbers)))
}

#[test]
fn conversions_take_and_leave_any_register() {
    if !vectors() {
        return;
    }
    let native = is_x86_feature_detected!("avx512bf16");
    let mut numbers = Numbers(7);
    macro_rules! one {
        ($($into:literal $from:literal,)*) => {$(
            let mut found = registers(&mut numbers);
            let mut expected = found;
            expected[$into] = narrowed(found[$from], None);
            let count = instructions();
            on_registers!(&mut found, concat!("vcvtneps2bf16 ymm", $into, ", zmm", $from));
            assert!(native || instructions() > count);
            assert_eq!(found, expected, "{} {}", $into, $from);
        )*};
    }
    macro_rules! two {
        ($($into:literal $high:literal $low:literal,)*) => {$(
            let mut found = registers(&mut numbers);
            let mut expected = found;
            expected[$into] = narrowed(found[$low], Some(found[$high]));
            let count = instructions();
            on_registers!(
                &mut found,
                concat!("vcvtne2ps2bf16 zmm", $into, ", zmm", $high, ", zmm", $low)
            );
            assert!(native || instructions() > count);
            assert_eq!(found, expected, "{} {} {}", $into, $high, $low);
        )*};
    }
    // Enough for all special values in all kinds of places.
    for _ in 0..20 {
        one!(
            0 1, 1 0, 7 7, 8 15, 15 8, 3 16, 16 3, 9 24, 24 9, 31 31, 23 28, 28 23, 14 31, 31 14,
            17 1, 1 17, 19 20, 12 4,
        );
        two!(
            0 1 2, 2 1 0, 5 5 5, 8 9 10, 15 7 8, 16 17 18, 31 30 29, 24 8 16, 8 24 31, 7 23 15,
            17 1 2, 1 17 2, 1 2 17, 16 0 0, 0 16 0, 0 0 16, 27 11 27, 11 27 27, 30 30 6,
        );
    }
}

#[test]
fn conversions_read_memory() {
    if !vectors() {
        return;
    }
    let mut numbers = Numbers(8);
    macro_rules! check {
        ($($into:literal $high:literal $at:literal $place:literal,)*) => {$(
            let mut found = registers(&mut numbers);
            let mut expected = found;
            let low: [u32; 16] = found.as_flattened()[$place..$place + 16].try_into().unwrap();
            expected[$into] = narrowed(low, Some(found[$high]));
            on_registers!(
                &mut found,
                concat!("vcvtne2ps2bf16 zmm", $into, ", zmm", $high, ", [rdi + ", $at, "]")
            );
            assert_eq!(found, expected, "{} {} {}", $into, $high, $at);
            let mut found = registers(&mut numbers);
            let mut expected = found;
            let low: [u32; 16] = found.as_flattened()[$place..$place + 16].try_into().unwrap();
            expected[$into] = narrowed(low, None);
            on_registers!(
                &mut found,
                concat!("vcvtneps2bf16 ymm", $into, ", zmmword ptr [rdi + ", $at, "]")
            );
            assert_eq!(found, expected, "{} {}", $into, $at);
        )*};
    }
    check!(3 4 "0" 0, 20 21 "64" 16, 0 31 "4" 1, 18 2 "1024" 256, 9 10 "1980" 495,);
}

#[test]
fn registers_in_their_initial_state_are_zeros_and_stay_so() {
    if !vectors() {
        return;
    }
    let mut numbers = Numbers(9);
    macro_rules! check {
        ($($loaded:literal $into:literal,)*) => {$(
            // Nothing but one register is loaded, the others are zeros.
            let mut found = registers(&mut numbers);
            let mut expected = [[0; 16]; 32];
            expected[$loaded] = found[$loaded];
            expected[$into] = narrowed(found[$loaded], None);
            on_registers!(
                &mut found,
                reset!(),
                concat!("vmovdqu64 zmm", $loaded, ", [rdi + 64 * ", $loaded, "]"),
                concat!("vcvtneps2bf16 ymm", $into, ", zmm", $loaded)
            );
            assert_eq!(found, expected, "{} {}", $loaded, $into);
            // And nothing at all, so that even the operand is.
            on_registers!(
                &mut found,
                reset!(),
                concat!("vcvtne2ps2bf16 zmm", $into, ", zmm", $loaded, ", zmm", $into)
            );
            assert_eq!(found, [[0; 16]; 32], "{} {}", $loaded, $into);
        )*};
    }
    check!(1 20, 20 1, 3 5, 31 16, 0 15, 16 0,);

    // The upper parts of the lower sixteen only.
    let mut found = registers(&mut numbers);
    let mut expected = found;
    for value in &mut expected[..16] {
        value[4..].fill(0);
    }
    expected[6] = narrowed(expected[7], Some(expected[22]));
    on_registers!(&mut found, "vzeroupper", "vcvtne2ps2bf16 zmm6, zmm22, zmm7");
    assert_eq!(found, expected);
}

/// This kernel may well save zeros for a component in its initial state; others need not.
#[test]
fn frames_may_hold_anything_where_components_are_not_saved() {
    #[repr(C, align(64))]
    struct Frame([u64; 1024]);

    if !vectors() {
        return;
    }
    let upper_sixteen = __cpuid_count(0xD, 7).ebx as usize / 8;
    for (into, saved, area) in [(5, 0x46, 20..52), (21, 0x80, upper_sixteen..upper_sixteen + 128)] {
        let mut frame = Frame([0x4040_4040_4040_4040; 1024]);
        // The kernel's mark, the components that there are, and those that are saved.
        (frame.0[58], frame.0[59], frame.0[64]) = (0x4650_5853, 0xE7, 0);
        // SAFETY: a frame as a kernel might have it, and no source in memory.
        unsafe {
            let mut vectors = Vectors::new((&raw mut frame).cast()).expect("a complete frame");
            vectors.narrow(into, Some(1), Source::Register(17));
        }
        assert_eq!(frame.0[64], saved);
        assert!(frame.0[area].iter().all(|&word| word == 0));
        // Without the mark, or without one of the components, there is nothing to work with.
        for (mark, components) in [(0, 0xE7), (0x4650_5853, 0x67)] {
            (frame.0[58], frame.0[59]) = (mark, components);
            // SAFETY: as above.
            assert!(unsafe { Vectors::new((&raw mut frame).cast()) }.is_none());
        }
    }
}

#[test]
fn operands_of_the_compilers_choice_convert() {
    #[target_feature(enable = "avx512f")]
    fn check(numbers: &mut Numbers) {
        let [low, high, other] = [1, 2, 3].map(|_| std::array::from_fn(|_| special(numbers)));
        // SAFETY: arrays of the register's size and vectors are plain bits.
        let vector = |values: [u32; 16]| unsafe { transmute::<[u32; 16], __m512i>(values) };
        // SAFETY: as above.
        let values = |vector: __m512i| unsafe { transmute::<__m512i, [u32; 16]>(vector) };
        let (both, one, upper): (__m512i, __m256i, __m512i);
        let mut kept = vector(other);
        // SAFETY: vector registers only.
        unsafe {
            asm!("vcvtne2ps2bf16 {}, {}, {}", out(zmm_reg) both, in(zmm_reg) vector(high),
                in(zmm_reg) vector(low), options(nomem, nostack, preserves_flags));
            asm!("vcvtneps2bf16 {:y}, {:z}", out(ymm_reg) one, in(zmm_reg) vector(low),
                options(nomem, nostack, preserves_flags));
            asm!("vcvtne2ps2bf16 zmm30, zmm16, zmm17", out("zmm30") upper,
                in("zmm16") vector(high), in("zmm17") vector(low), inout("zmm29") kept,
                options(nomem, nostack, preserves_flags));
        }
        assert_eq!(values(both), narrowed(low, Some(high)));
        assert_eq!(values(upper), narrowed(low, Some(high)));
        assert_eq!(values(kept), other);
        // SAFETY: as above.
        let one = unsafe { transmute::<__m256i, [u32; 8]>(one) };
        assert_eq!(one, narrowed(low, None)[..8]);
    }
    if !vectors() {
        return;
    }
    // In several threads, as code under test would be.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut numbers = Numbers(200 + thread);
                for _ in 0..500 {
                    // SAFETY: the test has asked for AVX-512.
                    unsafe { check(&mut numbers) };
                }
            });
        }
    });
}
