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

    pub fn with<R>(arch: Arch, f: impl FnOnce() -> R) -> R {
        let before = CHOSEN.replace(Some(arch));
        let result = f();
        CHOSEN.set(before);
        result
    }
}
