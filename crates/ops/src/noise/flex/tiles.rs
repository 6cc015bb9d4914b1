//! The passes over a tile of columns, in plain Rust that the compiler turns into vector code.

use super::moments::sum;
use crate::arch::arch;
use crate::draw::{Distribution, GROUP, fill_groups};
use crate::noise::launch::NoiseLaunch;
use crate::noise::{Amplitude, NoiseForm};
use pulp::{Simd, WithSimd};

/// Columns that one task takes: a few buffers of them fit the first-level cache.
pub const TILE: usize = 1024;

/// The scales of a row's draws: `p`, `q` and the derivative of `p` by the standard deviation.
pub struct Scales {
    pub p: f32,
    q: f32,
    slope: f32,
}

impl Scales {
    fn of(form: NoiseForm, std: f32) -> Self {
        let [p, slope] = form.independent.at(std);
        Self { p, q: if form.factor_by_std { std } else { 1.0 }, slope }
    }

    pub fn rows(launch: &NoiseLaunch, moments: &[f32]) -> Vec<Self> {
        let std = |row| match (launch.form.reads_std(), launch.rows.std_per_row) {
            (false, _) => 1.0,
            (true, false) => moments[1],
            (true, true) => moments[2 * row + 1],
        };
        (0..launch.rows.rows).map(|row| Self::of(launch.form, std(row))).collect()
    }
}

/// The constant inputs of a pass.
pub struct Inputs<'a> {
    pub launch: NoiseLaunch,
    pub scales: Vec<Scales>,
    pub parameter: &'a [f32],
    pub factor: &'a [f32],
    /// `[draws, rank]`
    pub shared: Vec<f32>,
    /// A factor of `|a|` under the root. If all rows have one `s` it is the reference's own,
    /// `√|s a|`, and `p` is 1: the same, but rounded as the laws round.
    pub inside: f32,
}

impl Inputs<'_> {
    /// `A` of the columns from `start` on.
    #[inline(always)]
    fn amplitudes(&self, start: usize, out: &mut [f32]) {
        let NoiseLaunch { form, amplitudes: n, stride, elements, .. } = self.launch;
        if form.amplitude == Amplitude::Root {
            let parameter = &self.parameter[start..start + out.len()];
            out.iter_mut()
                .zip(parameter)
                .for_each(|(out, a)| *out = (self.inside * a.abs()).sqrt());
            return;
        }
        let stride = if n == 1 { elements } else { stride };
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
pub struct Buffers {
    draw: Vec<f32>,
    amplitude: [f32; TILE],
    color: [f32; TILE],
    /// The factor's rows of a tile, transposed: `[rank, TILE]`.
    factor: Vec<f32>,
}

impl Buffers {
    pub fn new(rank: usize) -> Self {
        Self {
            draw: vec![0.0; TILE + 2 * GROUP],
            amplitude: [0.0; TILE],
            color: [0.0; TILE],
            factor: vec![0.0; rank * TILE],
        }
    }
}

/// Draws `e` for `len` columns of a row from `start` on: where they lie in the buffer.
fn draw(launch: &NoiseLaunch, row: usize, start: usize, len: usize, buffer: &mut [f32]) -> usize {
    let stream = launch.independent();
    let first = stream.first + (row * launch.elements + start) as u64;
    let skip = (first % GROUP as u64) as usize;
    let groups = &mut buffer[..(skip + len).div_ceil(GROUP) * GROUP];
    fill_groups(Distribution::Normal, stream.key, first / GROUP as u64, groups);
    skip
}

/// Writes the columns of a tile from `start` on: each row's part of `x` plus its noise.
pub fn add_tile<'b>(
    inputs: &Inputs,
    start: usize,
    rows: &mut [(&'b mut [f32], &'b [f32])],
    buffers: &mut Buffers,
) {
    arch().dispatch(AddTile { inputs, start, rows, buffers });
}

struct AddTile<'a, 'b> {
    inputs: &'a Inputs<'a>,
    start: usize,
    rows: &'a mut [(&'b mut [f32], &'b [f32])],
    buffers: &'a mut Buffers,
}

impl WithSimd for AddTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { inputs, start, rows, buffers } = self;
        let rank = inputs.launch.rank;
        let len = rows[0].0.len();
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
        for (row, (out, x)) in rows.iter_mut().enumerate() {
            if row == 0 || inputs.launch.rows.draw_per_row {
                skip = draw(&inputs.launch, row, start, len, &mut buffers.draw);
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
            let (out, x) = (&mut out[..len], &x[..len]);
            if rank == 0 {
                for i in 0..len {
                    out[i] = x[i] + p * unit[i];
                }
            } else {
                for i in 0..len {
                    out[i] = x[i] + (p * unit[i] + q * color[i]);
                }
            }
        }
    }
}

/// Writes the slopes of a tile's columns and returns the slope of each standard deviation.
pub fn slopes_tile(
    inputs: &Inputs,
    gradient: &[f32],
    start: usize,
    slopes: &mut [f32],
    buffers: &mut Buffers,
) -> Vec<f64> {
    arch().dispatch(SlopesTile { inputs, gradient, start, slopes, buffers })
}

struct SlopesTile<'a> {
    inputs: &'a Inputs<'a>,
    gradient: &'a [f32],
    start: usize,
    slopes: &'a mut [f32],
    buffers: &'a mut Buffers,
}

impl WithSimd for SlopesTile<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let Self { inputs, gradient, start, slopes, buffers } = self;
        let NoiseLaunch { form, rows, elements, .. } = inputs.launch;
        slopes.fill(0.0);
        let len = slopes.len();
        let amplitude = &mut buffers.amplitude[..len];
        inputs.amplitudes(start, amplitude);
        let mut by_std = vec![0.0; inputs.launch.stds()];
        let mut skip = 0;
        for row in 0..rows.rows {
            if row == 0 || rows.draw_per_row {
                skip = draw(&inputs.launch, row, start, len, &mut buffers.draw);
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
            by_std[if rows.std_per_row { row } else { 0 }] += f64::from(slope * sum(products));
        }
        if form.amplitude == Amplitude::Root {
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
}
