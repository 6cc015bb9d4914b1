//! Philox 4x32-10, the counter-based generator behind every draw.
//!
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2,
//! 3", SC 2011. A block of four 32-bit words is a pure function of a 64-bit key and a 128-bit
//! counter, so any part of a stream can be computed anywhere, in any order.
//!
//! The inner loops run over arrays of [`LANES`] blocks in plain Rust that the compiler turns into
//! vector code, once for each instruction set that Pulp knows. Only additions and multiplications
//! that are never fused take part, so every instruction set gives the same bits.

use super::Distribution;
use crate::arch::arch;
use pulp::{Simd, WithSimd};

/// Blocks that are computed together.
pub(crate) const LANES: usize = 16;

/// Values in a group: four words of each of the [`LANES`] blocks.
///
/// Value `i` of a stream is word `(i % 64) / 16` of block `16 (i / 64) + i % 16`. This order lets
/// one word of sixteen blocks be written side by side.
pub(crate) const GROUP: usize = 4 * LANES;

type Words = [[u32; LANES]; 4];

pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of Philox 4x32-10: ten rounds over `counter` with `key`.
///
/// Words lie in the lower halves of 64-bit numbers, whose upper halves are left over from products:
/// what vector units multiply in one instruction. A loop over blocks around this keeps the rounds
/// in vector registers.
#[inline(always)]
pub fn block(counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const LOW: u64 = 0xFFFF_FFFF;
    let mut c = counter.map(u64::from);
    for _ in 0..10 {
        let a = (c[0] & LOW) * u64::from(MULTIPLIERS[0]);
        let b = (c[2] & LOW) * u64::from(MULTIPLIERS[1]);
        c = [(b >> 32) ^ c[1] ^ u64::from(key[0]), b, (a >> 32) ^ c[3] ^ u64::from(key[1]), a];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    c.map(|word| word as u32)
}

/// The sixteen blocks of one group. The upper half of the key takes the upper half of the counter.
#[inline(always)]
fn group_words(key: [u32; 4], group: u64) -> Words {
    let [k0, k1, k2, k3] = key;
    let first = group.wrapping_mul(LANES as u64);
    let mut words: Words = [[0; LANES]; 4];
    for i in 0..LANES {
        // A group's first block is a multiple of sixteen, so that no lane carries.
        let block = block([first as u32 | i as u32, (first >> 32) as u32, k2, k3], [k0, k1]);
        for (word, value) in words.iter_mut().zip(block) {
            word[i] = value;
        }
    }
    words
}

/// Writes whole groups, the first of which is group `first`. `out` is a multiple of [`GROUP`] long.
pub(crate) fn fill_groups(distribution: Distribution, key: [u32; 4], first: u64, out: &mut [f32]) {
    arch().dispatch(FillGroups { distribution, key, first, out });
}

struct FillGroups<'a> {
    distribution: Distribution,
    key: [u32; 4],
    first: u64,
    out: &'a mut [f32],
}

impl WithSimd for FillGroups<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (offset, group) in self.out.chunks_exact_mut(GROUP).enumerate() {
            let words = group_words(self.key, self.first.wrapping_add(offset as u64));
            match self.distribution {
                Distribution::Uniform => {
                    each_word(&words, group, |w| (w >> 8) as f32 * (1.0 / 16_777_216.0));
                }
                Distribution::Sign => {
                    each_word(&words, group, |w| if w >> 31 == 0 { 1.0 } else { -1.0 });
                }
                Distribution::Normal => normals(&words, group),
            }
        }
    }
}

#[inline(always)]
fn each_word(words: &Words, out: &mut [f32], f: impl Fn(u32) -> f32) {
    for (row, lanes) in words.iter().zip(out.chunks_exact_mut(LANES)) {
        for i in 0..LANES {
            lanes[i] = f(row[i]);
        }
    }
}

/// Box and Muller's transform: words 0 and 1 make values 0 and 1, words 2 and 3 make values 2 and
/// 3.
#[inline(always)]
fn normals(words: &Words, out: &mut [f32]) {
    for (pair, lanes) in words.chunks_exact(2).zip(out.chunks_exact_mut(2 * LANES)) {
        let (cosines, sines) = lanes.split_at_mut(LANES);
        for i in 0..LANES {
            let radius = radius(pair[0][i]);
            let (sin, cos) = sin_cos_tau(pair[1][i]);
            cosines[i] = radius * cos;
            sines[i] = radius * sin;
        }
    }
}

/// `sqrt(-2 ln u)` with `u = (w + 1/2) / 2³²`, so the largest radius is 6.8.
///
/// The logarithm is the polynomial of `logf` in S. L. Moshier's Cephes library after splitting
/// `u = 2ᵉ m` with `m` in [√½, √2).
#[inline(always)]
fn radius(word: u32) -> f32 {
    let u = word as f32 * (1.0 / 4_294_967_296.0) + (0.5 / 4_294_967_296.0);
    let shifted = u.to_bits().wrapping_sub(0x3F35_04F3) as i32;
    let exponent = shifted >> 23;
    let f = f32::from_bits(u.to_bits().wrapping_sub((exponent << 23) as u32)) - 1.0;
    let e = exponent as f32;
    let z = f * f;
    let mut p = 7.037_683_6e-2f32;
    for c in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        p = p * f + c;
    }
    let mut y = p * f * z;
    y += e * -2.121_944_4e-4;
    y += -0.5 * z;
    let ln = f + y + e * 0.693_359_4;
    // Rounding may leave +1e-8 where u rounds to one.
    (-2.0 * ln).max(0.0).sqrt()
}

/// Sine and cosine of `2π w / 2³²`: the nearest quarter of a circle is split off in integers,
/// exactly.
#[inline(always)]
fn sin_cos_tau(word: u32) -> (f32, f32) {
    let quarter = word.wrapping_add(1 << 29) >> 30;
    let rest = word.wrapping_sub(quarter << 30) as i32;
    let x = rest as f32 * (core::f32::consts::FRAC_PI_2 / 1_073_741_824.0);
    let z = x * x;
    let sin = x + x * z * (-1.666_665_5e-1 + z * (8.332_161e-3 + z * -1.951_529_6e-4));
    let cos = 1.0 - 0.5 * z + z * z * (4.166_664_6e-2 + z * (-1.388_731_6e-3 + z * 2.443_315_7e-5));
    let odd = quarter & 1 == 1;
    let (s, c) = if odd { (cos, sin) } else { (sin, cos) };
    let flip = |v: f32, on: u32| f32::from_bits(v.to_bits() ^ (on << 31));
    (flip(s, (quarter >> 1) & 1), flip(c, (quarter.wrapping_add(1) >> 1) & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that the authors publish with Random123 (`kat_vectors`,
    /// `philox4x32 10`).
    #[test]
    fn philox_gives_the_published_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(block(counter, key), expected);
        }
    }

    #[test]
    fn a_group_holds_its_blocks_word_by_word() {
        let words = group_words([1, 2, 3, 4], 5);
        for lane in 0..LANES {
            let expected = block([(5 * LANES + lane) as u32, 0, 3, 4], [1, 2]);
            assert_eq!(words.map(|w| w[lane]), expected);
        }
    }

    /// Error of the polynomials against double precision, over a lattice of words and both ends of
    /// the range.
    #[test]
    fn polynomials_agree_with_double_precision() {
        let lattice =
            (0..100_000u32).map(|i| i.wrapping_mul(42_949)).chain([0, 1, u32::MAX - 1, u32::MAX]);
        for w in lattice {
            let u = (f64::from(w) + 0.5) / 4_294_967_296.0;
            let exact = (-2.0 * u.ln()).sqrt();
            // Near u = 1 the argument itself is rounded to 2⁻²⁴, which the square root magnifies.
            let tolerance = 4e-7 * exact.max(1.0) + 6e-8 / exact.max(2.5e-4);
            assert!((f64::from(radius(w)) - exact).abs() < tolerance, "radius({w})");
            let angle = std::f64::consts::TAU * f64::from(w) / 4_294_967_296.0;
            let (s, c) = sin_cos_tau(w);
            assert!((f64::from(s) - angle.sin()).abs() < 2e-7, "sin({w})");
            assert!((f64::from(c) - angle.cos()).abs() < 2e-7, "cos({w})");
        }
    }
}
