//! Configurations, and what the processor refuses.

use super::*;

#[test]
fn configurations_come_from_all_kinds_of_operands() {
    native();
    static SMALL: Config = {
        let mut config =
            Config { palette: 1, start_row: 0, reserved: [0; 14], bytes: [0; 16], rows: [0; 16] };
        config.rows[6] = 2;
        config.bytes[6] = 8;
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
        let kept = |place: usize| place % 64 < 8;
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
    // Rows that end within a word.
    let from = [0; 64];
    let broken = || {
        Config::new(&[(1, 5)]).load();
        load!("tileloadd", 0, from, 0, 64_usize);
    };
    assert_eq!(end(broken), illegal);
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
