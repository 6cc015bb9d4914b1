//! The choice of a kernel, at run time.

#[cfg(target_arch = "x86_64")]
use super::amx::{Amx, Configured};
use super::lanes::AnyLanes;
use super::vectors::Vectors;
#[cfg(target_arch = "x86_64")]
use super::wide::WideLanes;
use super::{Kernel, Work};
use crate::arch::arch;
use crate::cells::correlation::Correlation;
use crate::cells::weights::Weights;
use pulp::{Arch, Simd, WithSimd};

/// The units of this processor that multiply in half precision.
#[derive(Clone, Copy, Debug)]
pub enum Units {
    /// The matrix units of AMX.
    #[cfg(target_arch = "x86_64")]
    Amx(Amx),
    /// Vectors of single precision that hold rounded values.
    Vectors,
}

impl Units {
    /// The fastest there are.
    pub fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(amx) = Amx::try_new() {
            return Self::Amx(amx);
        }
        Self::Vectors
    }

    /// All that a test can try here.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if let Some(amx) = Amx::emulated() {
            return vec![Self::Vectors, Self::Amx(amx)];
        }
        vec![Self::Vectors]
    }

    /// Floats of memory for a cell of a window and a packed cell.
    pub fn sizes(self) -> Sizes {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(_) => Sizes::of::<Configured>(),
            Self::Vectors => Sizes::of::<Vectors<pulp::Scalar, AnyLanes>>(),
        }
    }

    /// Packs the weights of a correlation.
    pub fn pack(self, correlation: &Correlation, weight: &[f32]) -> Weights {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(_) => Weights::of::<Configured>(correlation, weight),
            Self::Vectors => Weights::of::<Vectors<pulp::Scalar, AnyLanes>>(correlation, weight),
        }
    }

    /// Runs some work with these units.
    pub fn run(self, work: impl Work) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(amx) => amx.run(work),
            Self::Vectors => match arch() {
                #[cfg(target_arch = "x86_64")]
                Arch::V4(simd) => simd.vectorize(ByWide(simd, work)),
                arch => arch.dispatch(ByAny(work)),
            },
        }
    }
}

/// Floats of memory that a kernel needs.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// For a cell of a window.
    pub window: usize,
    /// For a packed cell.
    pub packed: usize,
}

impl Sizes {
    fn of<K: Kernel>() -> Self {
        Self { window: K::WINDOW, packed: K::PACKED }
    }
}

struct ByAny<W>(W);

impl<W: Work> WithSimd for ByAny<W> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(Vectors { simd, lanes: AnyLanes });
    }
}

#[cfg(target_arch = "x86_64")]
struct ByWide<W>(pulp::x86::V4, W);

#[cfg(target_arch = "x86_64")]
impl<W: Work> pulp::NullaryFnOnce for ByWide<W> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.1.run(Vectors { simd: self.0, lanes: WideLanes::new(self.0) });
    }
}
