//! Addresses of operands, in all their forms.

use super::*;

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
