//! Emulator of Intel AMX and of the conversions of AVX-512 BF16, for tests on processors without
//! them.
//!
//! A processor that does not know an instruction stops in front of it, and Linux sends SIGILL.
//! Once [`install`] has been called, a handler decodes the instruction, does to the memory and the
//! registers what it would have done, and lets the thread go on behind it: kernels are tested as
//! they are, instruction by instruction. Known are `ldtilecfg`, `tilerelease`, `tilezero`,
//! `tileloadd`, `tileloaddt1`, `tilestored`, `tdpbf16ps`, and `vcvtneps2bf16` and `vcvtne2ps2bf16`
//! on whole 512-bit registers. The semantics are those of Intel's Software Developer's Manual,
//! volume 2.
//!
//! Whatever else raises SIGILL, a misuse of a known instruction included, ends the process as it
//! would have without the emulator. An invalid tile configuration also ends it, though by SIGILL
//! where the processor would raise SIGSEGV.
#![allow(unsafe_code, reason = "a signal handler works on the interrupted thread's raw state")]

mod decode;
mod tests;
mod tiles;
mod vectors;

use decode::{Instruction, decode};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use tiles::Tiles;
use vectors::Vectors;

static EMULATED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Constant and without a destructor: the handler finds it without allocating. Only the handler
    // uses it, and it does not interrupt itself.
    static TILES: RefCell<Tiles> = const { RefCell::new(Tiles::RELEASED) };
}

/// Number of instructions emulated so far, by all threads.
pub fn instructions() -> u64 {
    EMULATED.load(Ordering::Relaxed)
}

/// Installation of the emulator for the whole process. Further calls do nothing.
///
/// # Panics
///
/// If the processor does not have AVX2 and FMA.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let fused = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        assert!(fused, "the emulator needs AVX2 and FMA");
        vectors::locate();
        // SAFETY: zeros are a valid `sigaction`. The handler does nothing that a signal handler
        // must not: it neither allocates nor locks nor panics.
        let failed = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            // Without `SA_ONSTACK`: nothing here is about an exhausted stack, and the alternate
            // stack has but some 8 KiB, of which a frame with AVX-512 takes three.
            action.sa_flags = libc::SA_SIGINFO;
            action.sa_sigaction = on_illegal_instruction as *const () as usize;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut())
        };
        assert_eq!(failed, 0, "no handler for SIGILL");
    });
}

extern "C" fn on_illegal_instruction(
    _signal: c_int,
    _information: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: with `SA_SIGINFO` the kernel passes the interrupted thread's state, which is the
    // handler's own until it returns.
    let state = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext };
    if let Some(length) = emulate(state) {
        state.gregs[libc::REG_RIP as usize] += length as libc::greg_t;
        EMULATED.fetch_add(1, Ordering::Relaxed);
    } else {
        // The thread runs into the same instruction again, now with the default action.
        // SAFETY: `signal` is safe to call in a handler.
        unsafe { libc::signal(libc::SIGILL, libc::SIG_DFL) };
    }
}

/// The length of the instruction, if it is known and valid, once its effect is done.
fn emulate(state: &mut libc::mcontext_t) -> Option<usize> {
    // SAFETY: the processor has just tried to execute what the instruction pointer points to.
    let (instruction, length) = unsafe { decode(&state.gregs) }?;
    // SAFETY: the memory operands are those of an instruction that the program executes, and the
    // kernel saved the vector registers for the handler.
    TILES.with(|tiles| unsafe {
        let mut tiles = tiles.try_borrow_mut().ok()?;
        match instruction {
            Instruction::Configure { address } => tiles.configure(address),
            Instruction::Release => {
                tiles.release();
                Some(())
            }
            Instruction::Zero { tile } => tiles.zero(tile),
            Instruction::Load { tile, rows } => tiles.load(tile, rows),
            Instruction::Store { rows, tile } => tiles.store(rows, tile),
            Instruction::Multiply { into, left, right } => tiles.multiply(into, left, right),
            Instruction::Narrow { into, upper, lower } => {
                Vectors::new(state.fpregs)?.narrow(into, upper, lower);
                Some(())
            }
        }
    })?;
    Some(length)
}
