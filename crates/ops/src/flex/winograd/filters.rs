use super::COEFFICIENTS;
use crate::flex::packed::BLOCK;
use rayon::prelude::*;

/// Values of a task, at least: to wake another thread takes longer than to compute fewer.
const TASK: usize = 1 << 14;

/// The filters `G g Gᵀ` in the order in which the products read them:
/// `[outputs / 8, 16, channels, 8]`, padded with zeros.
pub struct Filters {
    values: Vec<f32>,
    pub outputs: usize,
    pub channels: usize,
}

impl Filters {
    /// Transforms `weight(output, channel, element)`.
    pub fn new(
        outputs: usize,
        channels: usize,
        weight: impl Fn(usize, usize, usize) -> f32 + Sync,
    ) -> Self {
        let len = COEFFICIENTS * channels * BLOCK;
        let mut values = vec![0.0; outputs.div_ceil(BLOCK) * len];
        let blocks = values.par_chunks_mut(len.max(1)).enumerate();
        blocks.with_min_len(TASK.div_ceil(len.max(1))).for_each(|(block, values)| {
            let values = values.as_chunks_mut::<BLOCK>().0;
            for channel in 0..channels {
                let mut elements = [[0.0; BLOCK]; 9];
                for (lane, output) in (block * BLOCK..outputs).take(BLOCK).enumerate() {
                    for (i, element) in elements.iter_mut().enumerate() {
                        element[lane] = weight(output, channel, i);
                    }
                }
                let [a, b, c, d, e, f, g, h, i] = elements;
                let [top, middle, bottom] = [side([a, b, c]), side([d, e, f]), side([g, h, i])];
                for column in 0..4 {
                    let coefficients = side([top[column], middle[column], bottom[column]]);
                    for (row, coefficient) in coefficients.into_iter().enumerate() {
                        values[(4 * row + column) * channels + channel] = coefficient;
                    }
                }
            }
        });
        Self { values, outputs, channels }
    }

    pub fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// The filters of a block of outputs at one coefficient, channel by channel.
    pub fn of(&self, coefficient: usize, block: usize) -> &[[f32; BLOCK]] {
        let filters = self.values.as_chunks::<BLOCK>().0;
        &filters[(block * COEFFICIENTS + coefficient) * self.channels..][..self.channels]
    }
}

/// `G` times a column, of each output of a block.
fn side([a, b, c]: [[f32; BLOCK]; 3]) -> [[f32; BLOCK]; 4] {
    let mut side = [a, a, a, c];
    for i in 0..BLOCK {
        side[1][i] = (a[i] + b[i] + c[i]) / 2.0;
        side[2][i] = (a[i] - b[i] + c[i]) / 2.0;
    }
    side
}
