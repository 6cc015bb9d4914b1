//! The arithmetic of noise that all images of a value share: tables of one draw, scaled by powers
//! of the value's standard deviation.

use super::plan::Noise;
use crate::cells::Layout;
use crate::draw::{Distribution, Stream, draw};
use crate::noise::{FusedNoise, NoiseForm, NoiseLaunch, NoiseRows, StdPower};
use burn::tensor::Tensor;

/// Mean and unbiased standard deviation of all of a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deviation {
    pub mean: f32,
    pub std: f32,
    /// Values less one, at least one.
    freedom: f64,
}

impl Deviation {
    /// From the sums of a value and of its squares, by channels.
    pub fn new(layout: Layout, [sums, squares]: &[Vec<f64>; 2]) -> Self {
        let count = layout.samples() * layout.channels as f64;
        let [sum, square] = [sums, squares].map(|values| values.iter().sum::<f64>());
        let (mean, freedom) = (sum / count, (count - 1.0).max(1.0));
        // Rounding can leave less than nothing. A NaN stays.
        let left = square - sum * mean;
        let std = if left < 0.0 { 0.0 } else { (left / freedom).sqrt() };
        Self { mean: mean as f32, std: std as f32, freedom }
    }

    /// The factor of `x - mean` in the gradient of `x`, from that of the standard deviation.
    pub fn slope_to_values(self, slope: f64) -> f32 {
        match self.std > 0.0 {
            true => (slope / (self.freedom * f64::from(self.std))) as f32,
            false => 0.0,
        }
    }
}

impl Noise {
    /// The table that is added to each image, `[channels, height, width]`.
    pub fn table(&self, deviation: Deviation, parameters: &[f32]) -> Vec<f32> {
        let mut sum = Vec::new();
        for (power, range) in &self.terms {
            let [scale, _] = power.at(deviation.std);
            let table = &parameters[range.clone()];
            sum.resize(table.len(), 0.0);
            sum.iter_mut().zip(table).for_each(|(sum, value)| *sum += scale * value);
        }
        sum
    }

    /// The gradients of the tables, from that of the result summed over images.
    pub fn tables_gradient(&self, deviation: Deviation, sums: &[f32], out: &mut [f32]) {
        for (power, range) in &self.terms {
            let [scale, _] = power.at(deviation.std);
            out[range.clone()].iter_mut().zip(sums).for_each(|(out, sum)| *out = scale * sum);
        }
    }

    /// The gradient of the standard deviation.
    pub fn slope(&self, deviation: Deviation, parameters: &[f32], sums: &[f32]) -> f64 {
        let of_term = |(power, range): &(StdPower, std::ops::Range<usize>)| {
            let [_, slope] = power.at(deviation.std);
            let products = parameters[range.clone()].iter().zip(sums);
            let product: f64 = products.map(|(&t, &sum)| f64::from(t) * f64::from(sum)).sum();
            f64::from(slope) * product
        };
        self.terms.iter().map(of_term).sum()
    }
}

/// The tables of a draw, each flat and with the power of the standard deviation that scales it.
/// Gradients flow to the parameters of the noise. `None` if there are no kernels for them.
///
/// # Panics
///
/// If the draw is not one for all rows of these elements, as [`ChainNoise`](super::ChainNoise) has
/// to give it.
pub fn tables(
    noise: FusedNoise,
    rows: NoiseRows,
    elements: usize,
) -> Option<Vec<(StdPower, Tensor<1>)>> {
    let one = !rows.draw_per_row && !rows.std_per_row;
    assert!(one, "noise in a chain: got {rows:?}, wanted one draw and one standard deviation");
    if let Some(fault) = noise.fault(elements) {
        panic!("noise in a chain: {fault}");
    }
    let rows = NoiseRows { rows: 1, ..rows };
    let independent = noise.form.independent;
    let shared = if noise.form.factor_by_std { StdPower::One } else { StdPower::Zero };
    let apart = match &noise.factor {
        Some(factor) if shared != independent => Some(factor.clone()),
        _ => None,
    };
    let zeros = Tensor::<1>::zeros([elements], &noise.amplitudes.device());
    let alone = FusedNoise {
        form: NoiseForm { independent: StdPower::Zero, factor_by_std: false, ..noise.form },
        through_std: false,
        factor: if apart.is_some() { None } else { noise.factor.clone() },
        ..noise
    };
    let table = NoiseLaunch::new(&alone, &rows, &zeros)?.add(alone, zeros);
    let mut tables = vec![(independent, table)];
    if let Some(factor) = apart {
        let [_, rank] = factor.dims();
        let stream = Stream { key: rows.shared, first: rows.first.wrapping_mul(rank as u64) };
        let options = (&factor.device(), factor.dtype());
        let draws: Tensor<2> = draw(Distribution::Normal, stream, [rank, 1], options);
        tables.push((shared, factor.matmul(draws).flatten(0, 1)));
    }
    Some(tables)
}
