//! The choice of a kernel, at run time.

#[cfg(target_arch = "x86_64")]
use super::amx::Amx;
#[cfg(target_arch = "x86_64")]
use super::dots::Dots;
use super::lanes::AnyLanes;
#[cfg(target_arch = "x86_64")]
use super::pairs::Pairs;
use super::singles::Singles;
use super::vectors::Vectors;
#[cfg(target_arch = "x86_64")]
use super::wide::WideLanes;
use super::{Format, Work};
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
    /// The dot products of AVX-512 for bfloat16.
    #[cfg(target_arch = "x86_64")]
    Dots(Dots),
    /// Vectors of single precision that hold rounded values, by these instructions.
    Vectors(Arch),
}

impl Units {
    /// Those of this processor, the fastest first.
    pub fn here() -> Vec<Self> {
        let mut here = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            here.extend(Amx::try_new().map(Self::Amx));
            here.extend(Dots::try_new().map(Self::Dots));
        }
        here.push(Self::Vectors(arch()));
        here
    }

    /// Those that a test can try here: AMX as software where there is none, and vectors of every
    /// width.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut all = Self::here();
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if !matches!(all[0], Self::Amx(_)) {
            all.extend(Amx::emulated().map(Self::Amx));
        }
        all.extend(crate::arch::chosen::narrower().into_iter().map(Self::Vectors));
        all
    }

    /// Floats of memory for a cell of a window and a packed cell.
    pub fn sizes(self) -> Sizes {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(_) | Self::Dots(_) => Sizes::of::<Pairs>(),
            Self::Vectors(_) => Sizes::of::<Singles>(),
        }
    }

    /// Packs the weights of a correlation.
    pub fn pack(self, correlation: &Correlation, weight: &[f32]) -> Weights {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(_) | Self::Dots(_) => Weights::of::<Pairs>(correlation, weight),
            Self::Vectors(_) => Weights::of::<Singles>(correlation, weight),
        }
    }

    /// Runs some work with these units.
    pub fn run(self, work: impl Work) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx(amx) => amx.run(work),
            #[cfg(target_arch = "x86_64")]
            Self::Dots(dots) => dots.run(work),
            #[cfg(target_arch = "x86_64")]
            Self::Vectors(Arch::V4(simd)) => simd.vectorize(ByWide(simd, work)),
            Self::Vectors(arch) => arch.dispatch(ByAny(work)),
        }
    }
}

/// Floats of memory that a format needs.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// For a cell of a window.
    pub window: usize,
    /// For a packed cell.
    pub packed: usize,
}

impl Sizes {
    fn of<F: Format>() -> Self {
        Self { window: F::WINDOW, packed: F::PACKED }
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
