//! Lanes of two vectors that change places. The patterns are known at compile time, so each becomes an instruction or two.

use pulp::Simd;
use pulp::bytemuck::cast_slice_mut;

/// Applies, by the number of lanes in two vectors, the pattern that tells where each lane comes from.
macro_rules! permute {
    ($pair:ident, $lanes:ident, $from:expr, [$($count:literal),+]) => {{
        let values: &mut [f32] = cast_slice_mut(&mut $pair);
        match values.len() {
            $($count => {
                const $lanes: usize = $count / 2;
                let values: &mut [f32; $count] = values.try_into().expect("as long as it is");
                *values = std::array::from_fn(|i| values[$from(i)]);
            })+
            _ => unreachable!("vectors of one, two, four, eight or sixteen lanes"),
        }
        $pair
    }};
}

/// `a0 b0 a1 b1 ..` of two vectors.
#[inline(always)]
pub fn zip<S: Simd>(_: S, mut pair: [S::f32s; 2]) -> [S::f32s; 2] {
    permute!(pair, LANES, |i: usize| i % 2 * LANES + i / 2, [2, 4, 8, 16, 32])
}

/// The inverse of [`zip`].
#[inline(always)]
pub fn unzip<S: Simd>(_: S, mut pair: [S::f32s; 2]) -> [S::f32s; 2] {
    permute!(pair, LANES, |i: usize| i % LANES * 2 + i / LANES, [2, 4, 8, 16, 32])
}

/// Of four half vectors the two in the middle change places, where `grouped`.
#[inline(always)]
pub fn group<S: Simd>(_: S, grouped: bool, mut pair: [S::f32s; 2]) -> [S::f32s; 2] {
    if !grouped {
        return pair;
    }
    permute!(
        pair,
        LANES,
        |i: usize| {
            let half = LANES / 2;
            (i / half % 2 * 2 + i / LANES) * half + i % half
        },
        [4, 8, 16, 32]
    )
}
