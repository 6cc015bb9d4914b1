//! The generator of [`crate::draw`] in 32-bit arithmetic, for one value or for the four of a
//! block.

use crate::draw::{Distribution, GROUP, LANES, MULTIPLIERS, Stream, WEYL};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Start position of a kernel's draws.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Start {
    key_0: u32,
    key_1: u32,
    counter_2: u32,
    counter_3: u32,
    /// The first block, as a 64-bit number.
    block_low: u32,
    block_high: u32,
    /// Values of the first group before the first that is wanted.
    pub skip: u32,
}

pub(super) fn stream_launch(Stream { key, first }: Stream) -> StartLaunch {
    let [k0, k1, k2, k3] = key;
    let group = GROUP as u64;
    let block = (first / group).wrapping_mul(LANES as u64);
    let skip = (first % group) as u32;
    StartLaunch::new(k0, k1, k2, k3, block as u32, (block >> 32) as u32, skip)
}

/// The ten rounds over block number `block` of the stream.
#[cube]
fn block_words(stream: &Start, block: u32) -> (u32, u32, u32, u32) {
    let mut c0 = stream.block_low + block;
    let mut c1 = stream.block_high + select(c0 < block, 1u32, 0u32);
    let mut c2 = stream.counter_2;
    let mut c3 = stream.counter_3;
    let mut k0 = stream.key_0;
    let mut k1 = stream.key_1;
    let m0 = comptime!(MULTIPLIERS[0]).runtime();
    let m1 = comptime!(MULTIPLIERS[1]).runtime();
    #[unroll]
    for _ in 0..10 {
        let high_0 = c0.mul_hi(m0);
        let high_1 = c2.mul_hi(m1);
        let low_0 = c0 * m0;
        let low_1 = c2 * m1;
        c0 = high_1 ^ c1 ^ k0;
        c1 = low_1;
        c2 = high_0 ^ c3 ^ k1;
        c3 = low_0;
        k0 += comptime!(WEYL[0]).runtime();
        k1 += comptime!(WEYL[1]).runtime();
    }
    (c0, c1, c2, c3)
}

/// As [`crate::draw`]'s `radius`, with the exponent kept positive.
#[cube]
fn radius(word: u32) -> f32 {
    let u = f32::cast_from(word) * (1.0 / 4_294_967_296.0f32) + (0.5 / 4_294_967_296.0f32);
    let shifted = u32::reinterpret(u) - 0x3F35_04F3u32 + 0x2000_0000u32;
    let exponent = shifted >> 23u32;
    let f = f32::reinterpret(u32::reinterpret(u) - (exponent << 23u32) + 0x2000_0000u32) - 1.0f32;
    let e = f32::cast_from(exponent) - 64.0f32;
    let z = f * f;
    let mut p = f * 7.037_683_6e-2f32 - 1.151_461e-1f32;
    p = p * f + 1.167_699_9e-1f32;
    p = p * f - 1.242_014_1e-1f32;
    p = p * f + 1.424_932_3e-1f32;
    p = p * f - 1.666_805_7e-1f32;
    p = p * f + 2.000_071_4e-1f32;
    p = p * f - 2.499_999_4e-1f32;
    p = p * f + 3.333_333e-1f32;
    let y = p * f * z - e * 2.121_944_4e-4f32 - z * 0.5f32;
    let ln = f + y + e * 0.693_359_4f32;
    f32::max(ln * -2.0f32, 0.0f32).sqrt()
}

/// Sine and cosine of `2π w / 2³²`, as [`crate::draw`]'s `sin_cos_tau`.
#[cube]
fn sin_cos_tau(word: u32) -> (f32, f32) {
    let quarter = (word + 0x2000_0000u32) >> 30u32;
    let rest = i32::reinterpret(word - (quarter << 30u32));
    let x = f32::cast_from(rest) * (core::f32::consts::FRAC_PI_2 / 1_073_741_824.0f32);
    let z = x * x;
    let s = z * -1.951_529_6e-4f32 + 8.332_161e-3f32;
    let sin = x + x * z * (z * s - 1.666_665_5e-1f32);
    let c = z * 2.443_315_7e-5f32 - 1.388_731_6e-3f32;
    let cos = 1.0f32 - z * 0.5f32 + z * z * (z * c + 4.166_664_6e-2f32);
    let odd = (quarter & 1u32) == 1u32;
    let s = select(odd, cos, sin);
    let c = select(odd, sin, cos);
    (select(quarter >= 2u32, -s, s), select(((quarter + 1u32) & 2u32) == 2u32, -c, c))
}

#[cube]
fn uniform(word: u32) -> f32 {
    f32::cast_from(word >> 8u32) * (1.0 / 16_777_216.0f32)
}

#[cube]
fn sign(word: u32) -> f32 {
    select((word >> 31u32) == 0u32, 1.0f32, -1.0f32)
}

/// The four values of a block, which are 16 indices apart.
#[cube]
pub(super) fn block_values(
    stream: &Start,
    block: u32,
    #[comptime] distribution: Distribution,
) -> (f32, f32, f32, f32) {
    let (w0, w1, w2, w3) = block_words(stream, block);
    match comptime!(distribution) {
        Distribution::Uniform => (uniform(w0), uniform(w1), uniform(w2), uniform(w3)),
        Distribution::Sign => (sign(w0), sign(w1), sign(w2), sign(w3)),
        Distribution::Normal => {
            let (sin_0, cos_0) = sin_cos_tau(w1);
            let (sin_1, cos_1) = sin_cos_tau(w3);
            let radius_0 = radius(w0);
            let radius_1 = radius(w2);
            (radius_0 * cos_0, radius_0 * sin_0, radius_1 * cos_1, radius_1 * sin_1)
        }
    }
}

/// The standard normal value at place `at`, counted from the start of the stream's first group.
#[cube]
pub(super) fn normal_value(stream: &Start, at: u32) -> f32 {
    let (w0, w1, w2, w3) = block_words(stream, 16u32 * (at / 64u32) + at % 16u32);
    let word = (at % 64u32) / 16u32;
    let first = word < 2u32;
    let (sin, cos) = sin_cos_tau(select(first, w1, w3));
    radius(select(first, w0, w2)) * select((word & 1u32) == 0u32, cos, sin)
}
