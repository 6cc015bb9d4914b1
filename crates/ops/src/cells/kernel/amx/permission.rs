//! Whether this process may use AMX.

#![allow(unsafe_code, reason = "assembly; each block says why it is sound")]

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::arch::asm;
use std::arch::x86_64::{__cpuid_count, _xgetbv};

/// True if the processor has the tiles with their products of bfloat16, and the system lets this
/// process use them.
pub fn permitted() -> bool {
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    const OSXSAVE: u32 = 1 << 27;
    const TILE_STATE: u64 = 0b11 << 17;
    if __cpuid_count(0, 0).eax < 0xD {
        return false;
    }
    // Conversions come with AVX-512.
    if !is_x86_feature_detected!("avx512bf16") {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    if features & AMX_BF16 == 0 || features & AMX_TILE == 0 {
        return false;
    }
    if __cpuid_count(1, 0).ecx & OSXSAVE == 0 {
        return false;
    }
    // SAFETY: the system has enabled the instruction, which reads a register.
    let enabled = unsafe { _xgetbv(0) };
    enabled & TILE_STATE == TILE_STATE && requested()
}

/// Asks Linux for the tiles' state, which it keeps only for processes that want it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn requested() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let result: i64;
    // SAFETY: the call takes two numbers and no pointer, and a system that does not know it gives
    // an error back.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// How other systems hand out the state has not been tried.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn requested() -> bool {
    false
}
