//! Conversions to bfloat16. One file, because all of its tests share the macros that fill
//! registers.

use super::*;

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
