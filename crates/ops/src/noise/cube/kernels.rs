//! The kernels. Threads that draw work on one block of the generator: four values of a row, 16
//! indices apart. One file, because they share how amplitudes and standard deviations are read.

use super::philox::{Start, block_values, normal_value};
use crate::draw::Distribution;
use crate::noise::{Amplitude, NoiseForm, StdPower};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The sizes of a [`NoiseLaunch`](crate::noise::NoiseLaunch).
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Sizes {
    pub rows: u32,
    pub elements: u32,
    pub amplitudes: u32,
    pub stride: u32,
    pub rank: u32,
    /// Blocks that cover a row wherever it starts in a group.
    pub blocks: u32,
}

/// The choices that are made when a kernel is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Choices {
    pub form: NoiseForm,
    pub draw_per_row: bool,
    pub std_per_row: bool,
    pub colored: bool,
}

#[cube(launch)]
pub(super) fn fill(
    out: &mut [f32],
    stream: Start,
    len: u32,
    #[comptime] distribution: Distribution,
) {
    let block = ABSOLUTE_POS as u32;
    let (v0, v1, v2, v3) = block_values(&stream, block, distribution);
    let first = 64u32 * (block / 16u32) + block % 16u32;
    put(out, first, stream.skip, len, v0);
    put(out, first + 16u32, stream.skip, len, v1);
    put(out, first + 32u32, stream.skip, len, v2);
    put(out, first + 48u32, stream.skip, len, v3);
}

#[cube]
fn put(out: &mut [f32], at: u32, skip: u32, len: u32, value: f32) {
    if at >= skip && at - skip < len {
        out[(at - skip) as usize] = value;
    }
}

#[cube]
fn std_of(moments: &[f32], row: u32, #[comptime] choices: Choices) -> f32 {
    let mut std = 1.0f32;
    if comptime!(choices.form.reads_std()) {
        std = match comptime!(choices.std_per_row) {
            true => moments[(2u32 * row + 1u32) as usize],
            false => moments[1],
        };
    }
    std
}

/// `p` of a row and its derivative by the standard deviation.
#[cube]
fn scales(moments: &[f32], row: u32, #[comptime] choices: Choices) -> (f32, f32) {
    let std = std_of(moments, row, choices);
    match comptime!(choices.form.independent) {
        StdPower::Half => {
            let p = std.sqrt();
            // A square root at zero has the gradient zero.
            (p, select(p > 0.0f32, 0.5f32 / p, 0.0f32))
        }
        StdPower::One => (std, 1.0f32),
        // Not the deviation, which may be read for the factor. A pair of nothing but literals would
        // be one of the host, not of the kernel.
        StdPower::Zero => (comptime!(1.0f32).runtime(), 0.0f32),
    }
}

#[cube]
fn amplitude(parameter: &[f32], sizes: &Sizes, i: u32, #[comptime] choices: Choices) -> f32 {
    match comptime!(choices.form.amplitude) {
        Amplitude::Value => parameter[((i / sizes.stride) % sizes.amplitudes) as usize],
        Amplitude::Root => parameter[i as usize].abs().sqrt(),
    }
}

/// `x` plus noise.
#[cube(launch)]
pub(super) fn add_noise(
    x: &[f32],
    moments: &[f32],
    parameter: &[f32],
    factor: &[f32],
    shared: &[f32],
    out: &mut [f32],
    stream: Start,
    sizes: Sizes,
    #[comptime] choices: Choices,
) {
    let at = ABSOLUTE_POS as u32;
    let row = at / sizes.blocks;
    if row >= sizes.rows {
        terminate!();
    }
    let mut start = stream.skip;
    let mut draw = 0u32;
    if comptime!(choices.draw_per_row) {
        start += row * sizes.elements;
        draw = row;
    }
    let block = 16u32 * (start / 64u32) + at % sizes.blocks;
    let (e0, e1, e2, e3) = block_values(&stream, block, Distribution::Normal);
    let first = 64u32 * (block / 16u32) + block % 16u32;
    let std = std_of(moments, row, choices);
    #[unroll]
    for word in 0..4u32 {
        let e = match comptime!(word) {
            0u32 => e0,
            1u32 => e1,
            2u32 => e2,
            _ => e3,
        };
        let place = first + 16u32 * word;
        if place >= start && place - start < sizes.elements {
            let i = place - start;
            let amplitude = amplitude(parameter, &sizes, i, choices);
            let size = match comptime!(choices.form.independent) {
                StdPower::Zero => amplitude,
                StdPower::One => std * amplitude,
                StdPower::Half => match comptime!(choices.form.amplitude) {
                    // Rounded as the law rounds.
                    Amplitude::Root => (std * parameter[i as usize].abs()).sqrt(),
                    Amplitude::Value => std.sqrt() * amplitude,
                },
            };
            let mut noise = size * e;
            if comptime!(choices.colored) {
                let mut color = 0.0f32;
                for k in 0..sizes.rank {
                    color += factor[(i * sizes.rank + k) as usize]
                        * shared[(draw * sizes.rank + k) as usize];
                }
                noise += match comptime!(choices.form.factor_by_std) {
                    true => std * color,
                    false => color,
                };
            }
            let position = (row * sizes.elements + i) as usize;
            out[position] = x[position] + noise;
        }
    }
}

/// Gradients that take the draws `e`, one thread an element: of the parameter, and the terms of the
/// standard deviations', `[stds, elements]`.
#[cube(launch)]
pub(super) fn slopes(
    gradient: &[f32],
    moments: &[f32],
    parameter: &[f32],
    slopes: &mut [f32],
    terms: &mut [f32],
    stream: Start,
    sizes: Sizes,
    #[comptime] choices: Choices,
) {
    let i = ABSOLUTE_POS as u32;
    if i >= sizes.elements {
        terminate!();
    }
    let amplitude = amplitude(parameter, &sizes, i, choices);
    let mut e = 0.0f32;
    if comptime!(!choices.draw_per_row) {
        e = normal_value(&stream, stream.skip + i);
    }
    let mut total = 0.0f32;
    let mut along = 0.0f32;
    for row in 0..sizes.rows {
        let at = row * sizes.elements + i;
        if comptime!(choices.draw_per_row) {
            e = normal_value(&stream, stream.skip + at);
        }
        let (p, slope) = scales(moments, row, choices);
        let product = gradient[at as usize] * e;
        total += p * product;
        let term = slope * product * amplitude;
        if comptime!(choices.std_per_row) {
            terms[at as usize] = term;
        } else {
            along += term;
        }
    }
    if comptime!(!choices.std_per_row) {
        terms[i as usize] = along;
    }
    if comptime!(choices.form.amplitude == Amplitude::Root) {
        // The derivative of √|a|, which is zero at zero.
        let a = parameter[i as usize];
        let half = select(a > 0.0f32, 0.5f32, -0.5f32);
        total = select(a == 0.0f32, 0.0f32, total * half / select(a == 0.0f32, 1.0f32, amplitude));
    }
    slopes[i as usize] = total;
}

/// Joins moments: each of `units` threads a row takes every `units`-th of the row's `inputs`.
///
/// Inputs are values at the leaves and triples (count, mean, sum of squared deviations) above;
/// outputs are triples, and pairs (mean, unbiased standard deviation) at the root.
#[cube(launch)]
pub(super) fn join_moments(
    input: &[f32],
    output: &mut [f32],
    rows: u32,
    inputs: u32,
    units: u32,
    #[comptime] leaves: bool,
    #[comptime] root: bool,
) {
    let at = ABSOLUTE_POS as u32;
    let row = at / units;
    if row >= rows {
        terminate!();
    }
    let mut count = 0.0f32;
    let mut mean = 0.0f32;
    let mut squares = 0.0f32;
    let mut v = at % units;
    while v < inputs {
        let place = row * inputs + v;
        let (n, m, s) = match comptime!(leaves) {
            true => (1.0f32, input[place as usize], 0.0f32),
            false => (
                input[(3u32 * place) as usize],
                input[(3u32 * place + 1u32) as usize],
                input[(3u32 * place + 2u32) as usize],
            ),
        };
        let delta = m - mean;
        let share = n / (count + n);
        squares += s + delta * delta * count * share;
        mean += delta * share;
        count += n;
        v += units;
    }
    if comptime!(root) {
        output[(2u32 * at) as usize] = mean;
        output[(2u32 * at + 1u32) as usize] = (squares / f32::max(count - 1.0f32, 1.0f32)).sqrt();
    } else {
        output[(3u32 * at) as usize] = count;
        output[(3u32 * at + 1u32) as usize] = mean;
        output[(3u32 * at + 2u32) as usize] = squares;
    }
}

/// The gradient of `x` with what comes through the standard deviations.
#[cube(launch)]
pub(super) fn through_std(
    gradient: &[f32],
    x: &[f32],
    moments: &[f32],
    slope: &[f32],
    out: &mut [f32],
    stds: u32,
    row_len: u32,
) {
    let at = ABSOLUTE_POS as u32;
    let row = at / row_len;
    if row >= stds {
        terminate!();
    }
    let std = moments[(2u32 * row + 1u32) as usize];
    let n = f32::max(f32::cast_from(row_len) - 1.0f32, 1.0f32);
    let nothing = std == 0.0f32;
    let scale = select(nothing, 0.0f32, slope[row as usize] / (n * select(nothing, 1.0f32, std)));
    let deviation = x[at as usize] - moments[(2u32 * row) as usize];
    out[at as usize] = gradient[at as usize] + scale * deviation;
}
