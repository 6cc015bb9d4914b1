//! Instruction sets of the kernels, chosen at run time.

use pulp::Arch;
#[cfg(feature = "flex")]
use pulp::{Simd, WithSimd};

/// Floats in the widest vector that is known.
#[cfg(feature = "flex")]
pub const WIDEST: usize = 16;

/// The widest vectors that this processor has, known at run time.
pub fn arch() -> Arch {
    #[cfg(test)]
    if let Some(arch) = chosen::get() {
        return arch;
    }
    Arch::new()
}

/// Floats in one of these vectors.
#[cfg(feature = "flex")]
pub fn vector_len() -> usize {
    struct Lanes;

    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            S::F32_LANES
        }
    }
    arch().dispatch(Lanes)
}

/// `a b + c`, rounded once where the processor does both at once. WebAssembly's vectors do not:
/// there one rounding would take a routine in software, ten times as long, and two do.
#[cfg(feature = "flex")]
#[inline(always)]
pub fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if cfg!(target_arch = "wasm32") {
        simd.mul_add_e_f32s(a, b, c)
    } else {
        simd.mul_add_f32s(a, b, c)
    }
}

/// Other instructions than the widest, for operations called by this thread.
#[cfg(test)]
pub mod chosen {
    use pulp::Arch;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Arch>> = const { Cell::new(None) };
    }

    pub fn get() -> Option<Arch> {
        CHOSEN.get()
    }

    /// Instructions that this processor has beside its widest.
    pub fn narrower() -> Vec<Arch> {
        let mut narrower = vec![Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        narrower.extend(pulp::x86::V3::try_new().map(Arch::V3));
        narrower
    }

    pub fn with<R>(arch: Arch, f: impl FnOnce() -> R) -> R {
        let before = CHOSEN.replace(Some(arch));
        let result = f();
        CHOSEN.set(before);
        result
    }
}
