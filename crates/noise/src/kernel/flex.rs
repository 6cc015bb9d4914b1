//! The kernels for Burn's CPU backend: one pass over memory each, in tiles of columns that stay in
//! the cache.
//!
//! Tiles and the order of sums do not depend on the number of threads, and so neither do results.
//! One file, because the passes share tiles, buffers and scales.

use super::operations::NoiseOperations;
use super::{Form, Plan};
use crate::Key;
use crate::draw::host;
use crate::philox::{GROUP, Law, fill_groups};
use burn::backend::Flex;
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Shape, TensorData};
use multiversion::multiversion;
use rayon::prelude::*;

type Primitive = FloatTensor<Flex>;

/// Columns that one task takes: a few buffers of them fit the first-level cache.
const TILE: usize = 1024;

/// Up to so many values the calling thread works alone: others take longer to wake than to help.
const ALONE: usize = 8 * TILE;

/// Neighbouring values whose moments are summed in single precision.
const PART: usize = 4096;

fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> Primitive {
    Primitive::from_data(TensorData::new(values, shape.into()))
}

/// The values in row-major order. A tensor that alone owns them hands over its memory.
fn contiguous(tensor: Primitive) -> Primitive {
    tensor.to_contiguous()
}

fn values(tensor: &Primitive) -> &[f32] {
    tensor.as_slice().expect("contiguous and of single precision, by the plan")
}

/// What scales the draws of a row: `p`, `q` and the derivative of `p` by the standard deviation.
struct Scales {
    p: f32,
    q: f32,
    slope: f32,
}

impl Scales {
    fn of(form: Form, std: f32) -> Self {
        match form {
            Form::White => Self { p: std, q: 0.0, slope: 1.0 },
            Form::Scaled => Self { p: std, q: std, slope: 1.0 },
            Form::Reference => {
                let p = std.sqrt();
                // A square root at zero has the gradient zero.
                Self { p, q: 1.0, slope: if p > 0.0 { 0.5 / p } else { 0.0 } }
            }
        }
    }

    fn rows(plan: &Plan, moments: &[f32]) -> Vec<Self> {
        let row = |r| Self::of(plan.form, moments[if plan.std_per_row { 2 * r + 1 } else { 1 }]);
        (0..plan.rows).map(row).collect()
    }
}

/// The constant inputs of a pass.
struct Inputs<'a> {
    plan: Plan,
    scales: Vec<Scales>,
    parameter: &'a [f32],
    factor: &'a [f32],
    /// `[draws, rank]`
    shared: Vec<f32>,
    /// A factor of `|a|` under the root. Where all rows have one `s` it is the reference's own,
    /// `√|s a|`, and `p` is 1: the same, but rounded as the laws round.
    inside: f32,
}

impl Inputs<'_> {
    /// `A` of the columns from `start` on.
    fn amplitudes(&self, start: usize, out: &mut [f32]) {
        let Plan { form, amplitudes: n, stride, .. } = self.plan;
        if form != Form::White {
            let parameter = &self.parameter[start..start + out.len()];
            out.iter_mut()
                .zip(parameter)
                .for_each(|(out, a)| *out = (self.inside * a.abs()).sqrt());
            return;
        }
        let stride = if n == 1 { self.plan.elements } else { stride };
        let (mut at, end) = (start, start + out.len());
        while at < end {
            let number = at / stride;
            let next = ((number + 1) * stride).min(end);
            out[at - start..next - start].fill(self.parameter[number % n]);
            at = next;
        }
    }
}

/// Buffers of a task.
struct Buffers {
    draw: Vec<f32>,
    amplitude: [f32; TILE],
    color: [f32; TILE],
    /// The factor's rows of a tile, transposed: `[rank, TILE]`.
    factor: Vec<f32>,
}

impl Buffers {
    fn new(rank: usize) -> Self {
        Self {
            draw: vec![0.0; TILE + 2 * GROUP],
            amplitude: [0.0; TILE],
            color: [0.0; TILE],
            factor: vec![0.0; rank * TILE],
        }
    }
}

/// Draws `e` for `len` columns of a row from `start` on: where they lie in the buffer.
fn draw(plan: &Plan, row: usize, start: usize, len: usize, buffer: &mut [f32]) -> usize {
    let (key, origin) = plan.independent();
    let first = origin + (row * plan.elements + start) as u64;
    let skip = (first % GROUP as u64) as usize;
    let groups = (skip + len).div_ceil(GROUP);
    fill_groups(Law::Normal, key, first / GROUP as u64, &mut buffer[..groups * GROUP]);
    skip
}

/// The parts of each row that belong to each tile.
fn tiles(out: &mut [f32], elements: usize) -> Vec<Vec<&mut [f32]>> {
    let mut tiles: Vec<Vec<&mut [f32]>> = Vec::new();
    tiles.resize_with(elements.div_ceil(TILE), Vec::new);
    for row in out.chunks_mut(elements) {
        tiles.iter_mut().zip(row.chunks_mut(TILE)).for_each(|(tile, part)| tile.push(part));
    }
    tiles
}

#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512bw+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
fn add_tile(inputs: &Inputs, start: usize, rows: &mut [&mut [f32]], buffers: &mut Buffers) {
    let rank = inputs.plan.rank;
    let len = rows[0].len();
    let amplitude = &mut buffers.amplitude[..len];
    inputs.amplitudes(start, amplitude);
    let factor = &inputs.factor[start * rank..(start + len) * rank];
    for k in 0..rank {
        let column = &mut buffers.factor[k * TILE..k * TILE + len];
        for i in 0..len {
            column[i] = factor[i * rank + k];
        }
    }
    let color = &mut buffers.color[..len];
    let mut skip = 0;
    for (row, out) in rows.iter_mut().enumerate() {
        if row == 0 || inputs.plan.draw_per_row {
            skip = draw(&inputs.plan, row, start, len, &mut buffers.draw);
            let unit = &mut buffers.draw[skip..skip + len];
            for i in 0..len {
                unit[i] *= amplitude[i];
            }
            color.fill(0.0);
            for k in 0..rank {
                let (column, e) =
                    (&buffers.factor[k * TILE..k * TILE + len], inputs.shared[row * rank + k]);
                for i in 0..len {
                    color[i] += column[i] * e;
                }
            }
        }
        let Scales { p, q, .. } = inputs.scales[row];
        let unit = &buffers.draw[skip..skip + len];
        let out = &mut out[..len];
        if rank == 0 {
            for i in 0..len {
                out[i] += p * unit[i];
            }
        } else {
            for i in 0..len {
                out[i] += p * unit[i] + q * color[i];
            }
        }
    }
}

/// Adds to `slopes` and returns what each standard deviation gets.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512bw+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
fn slopes_tile(
    inputs: &Inputs,
    gradient: &[f32],
    start: usize,
    slopes: &mut [f32],
    buffers: &mut Buffers,
) -> Vec<f64> {
    let Plan { form, rows, elements, draw_per_row, std_per_row, .. } = inputs.plan;
    let len = slopes.len();
    let amplitude = &mut buffers.amplitude[..len];
    inputs.amplitudes(start, amplitude);
    let mut by_std = vec![0.0; inputs.plan.stds()];
    let mut skip = 0;
    for row in 0..rows {
        if row == 0 || draw_per_row {
            skip = draw(&inputs.plan, row, start, len, &mut buffers.draw);
        }
        let Scales { p, slope, .. } = inputs.scales[row];
        let gradient = &gradient[row * elements + start..][..len];
        let draw = &buffers.draw[skip..skip + len];
        let products = &mut buffers.color[..len];
        for i in 0..len {
            let product = gradient[i] * draw[i];
            slopes[i] += p * product;
            products[i] = product * amplitude[i];
        }
        by_std[if std_per_row { row } else { 0 }] += f64::from(slope * sum(products));
    }
    if form != Form::White {
        let parameter = &inputs.parameter[start..start + len];
        for i in 0..len {
            // The derivative of √|a|, which is zero at zero.
            let chain = if parameter[i] == 0.0 { 0.0 } else { 0.5f32.copysign(parameter[i]) };
            let root = if parameter[i] == 0.0 { 1.0 } else { amplitude[i] };
            slopes[i] *= chain / root;
        }
    }
    by_std
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 32];
    let chunks = values.chunks_exact(32);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for i in 0..32 {
            lanes[i] += chunk[i];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Mean and sum of squared deviations.
#[multiversion(targets(
    "x86_64+avx512f+avx512dq+avx512bw+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
fn part_moments(values: &[f32]) -> (f64, f64) {
    let mean = sum(values) / values.len() as f32;
    let mut lanes = [0.0f32; 32];
    let mut rest = [0.0f32; 32];
    let chunks = values.chunks_exact(32);
    let last = chunks.remainder();
    rest[..last.len()].copy_from_slice(last);
    rest[last.len()..].fill(mean);
    for chunk in chunks.chain([&rest[..]]) {
        for i in 0..32 {
            lanes[i] += (chunk[i] - mean) * (chunk[i] - mean);
        }
    }
    (f64::from(mean), f64::from(lanes.iter().sum::<f32>()))
}

/// Mean and unbiased standard deviation, the parts' moments joined as T. F. Chan, G. H. Golub and
/// R. J. LeVeque do, "Algorithms for Computing the Sample Variance", The American Statistician 37
/// (1983), eq. 2.1.
fn row_moments(values: &[f32]) -> [f32; 2] {
    let parts: Vec<_> = if values.len() <= ALONE {
        values.chunks(PART).map(part_moments).collect()
    } else {
        values.par_chunks(PART).with_min_len(4).map(part_moments).collect()
    };
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for (part, (m, s)) in values.chunks(PART).zip(parts) {
        let n = part.len() as f64;
        let delta = m - mean;
        squares += s + delta * delta * count * n / (count + n);
        mean += delta * n / (count + n);
        count += n;
    }
    [mean as f32, (squares / (count - 1.0).max(1.0)).sqrt() as f32]
}

impl NoiseOperations for Flex {
    fn fill(out: Primitive, law: Law, key: Key, first: u64) -> Primitive {
        let shape = out.shape();
        tensor(host(law, key, first..first + shape.num_elements() as u64), shape)
    }

    fn moments(x: Primitive, plan: Plan) -> Primitive {
        let x = contiguous(x);
        let row = plan.rows * plan.elements / plan.stds();
        let moments: Vec<[f32; 2]> = if plan.stds() == 1 {
            vec![row_moments(values(&x))]
        } else {
            values(&x).par_chunks(row).map(row_moments).collect()
        };
        tensor(moments.concat(), [plan.stds(), 2])
    }

    fn add_noise(
        x: Primitive,
        moments: Primitive,
        parameter: Primitive,
        factor: Primitive,
        plan: Plan,
    ) -> Primitive {
        let [x, moments, parameter, factor] = [x, moments, parameter, factor].map(contiguous);
        let (key, first) = plan.shared();
        let mut scales = Scales::rows(&plan, values(&moments));
        let mut inside = 1.0;
        if plan.form == Form::Reference && !plan.std_per_row {
            inside = values(&moments)[1];
            scales.iter_mut().for_each(|scales| scales.p = 1.0);
        }
        let inputs = Inputs {
            plan,
            scales,
            inside,
            parameter: values(&parameter),
            factor: if plan.rank > 0 { values(&factor) } else { &[] },
            shared: host(Law::Normal, key, first..first + (plan.draws() * plan.rank) as u64),
        };
        let x_values = values(&x);
        let add = |buffers: &mut Buffers, (tile, mut rows): (usize, Vec<&mut [f32]>)| {
            add_tile(&inputs, tile * TILE, &mut rows, buffers);
        };
        let out = if x_values.len() <= ALONE {
            let mut out = x_values.to_vec();
            let mut buffers = Buffers::new(plan.rank);
            let tiles = tiles(&mut out, plan.elements).into_iter().enumerate();
            tiles.for_each(|tile| add(&mut buffers, tile));
            out
        } else {
            // A copy made in parallel, since new memory is slow to touch for the first time.
            let mut out: Vec<f32> = x_values.par_iter().with_min_len(16 * TILE).copied().collect();
            let tiles = tiles(&mut out, plan.elements).into_par_iter().enumerate();
            tiles.for_each_init(|| Buffers::new(plan.rank), add);
            out
        };
        tensor(out, x.shape())
    }

    fn slopes(
        gradient: Primitive,
        moments: Primitive,
        parameter: Primitive,
        plan: Plan,
    ) -> (Primitive, Primitive) {
        let [gradient, moments, parameter] = [gradient, moments, parameter].map(contiguous);
        let inputs = Inputs {
            plan,
            scales: Scales::rows(&plan, values(&moments)),
            parameter: values(&parameter),
            factor: &[],
            shared: Vec::new(),
            inside: 1.0,
        };
        let mut slopes = vec![0.0; plan.elements];
        let of_tile = |buffers: &mut Buffers, (tile, slopes): (usize, &mut [f32])| {
            slopes_tile(&inputs, values(&gradient), tile * TILE, slopes, buffers)
        };
        let parts: Vec<Vec<f64>> = if plan.rows * plan.elements <= ALONE {
            let mut buffers = Buffers::new(0);
            let tiles = slopes.chunks_mut(TILE).enumerate();
            tiles.map(|tile| of_tile(&mut buffers, tile)).collect()
        } else {
            let tiles = slopes.par_chunks_mut(TILE).enumerate();
            tiles.map_init(|| Buffers::new(0), of_tile).collect()
        };
        let by_std = (0..plan.stds()).map(|r| parts.iter().map(|part| part[r]).sum::<f64>() as f32);
        (tensor(slopes, [plan.elements]), tensor(by_std.collect(), [plan.stds(), 1]))
    }

    fn through_std(
        gradient: Primitive,
        x: Primitive,
        moments: Primitive,
        slope: Primitive,
        plan: Plan,
    ) -> Primitive {
        let [x, moments, slope] = [x, moments, slope].map(contiguous);
        // In place where the gradient has no other owner.
        let mut gradient = contiguous(gradient);
        let row = plan.rows * plan.elements / plan.stds();
        let pieces = |r: usize| {
            let [mean, std] = [values(&moments)[2 * r], values(&moments)[2 * r + 1]];
            let n = row.saturating_sub(1).max(1) as f32;
            (mean, if std > 0.0 { values(&slope)[r] / (n * std) } else { 0.0 })
        };
        let (values, x) = (gradient.storage_mut::<f32>(), values(&x));
        let add = |(r, (gradient, x)): (usize, (&mut [f32], &[f32]))| {
            let (mean, scale) = pieces(r);
            let add = |(gradient, x): (&mut [f32], &[f32])| {
                gradient.iter_mut().zip(x).for_each(|(g, x)| *g += scale * (x - mean));
            };
            if x.len() <= ALONE {
                add((gradient, x));
            } else {
                let parts = gradient.par_chunks_mut(PART).zip(x.par_chunks(PART)).with_min_len(4);
                parts.for_each(add);
            }
        };
        if x.len() <= ALONE {
            values.chunks_mut(row).zip(x.chunks(row)).enumerate().for_each(add);
        } else {
            values.par_chunks_mut(row).zip(x.par_chunks(row)).enumerate().for_each(add);
        }
        gradient
    }

    fn outer(column: Primitive, row: Primitive, plan: Plan) -> Primitive {
        let [column, row] = [column, row].map(contiguous);
        let (column, row) = (values(&column), values(&row));
        let mut out = vec![0.0; column.len() * plan.rank];
        let multiply = |(out, column): (&mut [f32], &[f32])| {
            for (out, c) in out.chunks_exact_mut(plan.rank).zip(column) {
                out.iter_mut().zip(row).for_each(|(out, r)| *out = c * r);
            }
        };
        if column.len() <= ALONE {
            multiply((&mut out, column));
        } else {
            let tiles = out.par_chunks_mut(TILE * plan.rank).zip(column.par_chunks(TILE));
            tiles.with_min_len(4).for_each(multiply);
        }
        tensor(out, [plan.elements, plan.rank])
    }
}
