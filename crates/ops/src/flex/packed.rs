//! In which order weights are read and outputs written.

/// Output channels whose weights lie side by side.
pub const BLOCK: usize = 8;

/// Weights in the order in which the tiles read them: `[outputs / 8, channels, taps, 8]`, padded
/// with zeros.
pub struct Packed {
    values: Vec<f32>,
    pub outputs: usize,
    pub channels: usize,
}

impl Packed {
    /// Packs `weight(output, channel, tap)`.
    pub fn new(
        outputs: usize,
        channels: usize,
        taps: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let mut values = vec![0.0; outputs.div_ceil(BLOCK) * channels * taps * BLOCK];
        for output in 0..outputs {
            let (block, lane) = (output / BLOCK, output % BLOCK);
            for channel in 0..channels {
                for tap in 0..taps {
                    values[((block * channels + channel) * taps + tap) * BLOCK + lane] =
                        weight(output, channel, tap);
                }
            }
        }
        Self { values, outputs, channels }
    }

    /// The weights of a block of outputs, `[channels, taps, 8]`.
    pub fn block(&self, block: usize) -> &[f32] {
        let len = self.values.len() / self.outputs.div_ceil(BLOCK).max(1);
        &self.values[block * len..][..len]
    }
}

/// Merges the outputs of a stride's phases, `[phases, channels, grid]`, to images of `size`: the
/// one at `[row, column]` of the image is that of phase `[row, column] % stride` at
/// `[row, column] / stride`.
#[inline(always)]
pub fn merge(
    phases: &[f32],
    grid: [usize; 2],
    stride: [usize; 2],
    size: [usize; 2],
    out: &mut [f32],
) {
    let grid_len = grid[0] * grid[1];
    let phase_len = phases.len() / (stride[0] * stride[1]);
    for (channel, image) in out.chunks_exact_mut(size[0] * size[1]).enumerate() {
        for (row, out) in image.chunks_exact_mut(size[1]).enumerate() {
            let start = channel * grid_len + row / stride[0] * grid[1];
            let of_phase = |column: usize| {
                let phase = row % stride[0] * stride[1] + column;
                &phases[phase * phase_len + start..][..grid[1]]
            };
            if stride[1] == 2 {
                let (pairs, last) = out.as_chunks_mut::<2>();
                let (even, odd) = (of_phase(0), of_phase(1));
                for (pair, (&even, &odd)) in pairs.iter_mut().zip(even.iter().zip(odd)) {
                    *pair = [even, odd];
                }
                if let [last] = last {
                    *last = even[size[1] / 2];
                }
                continue;
            }
            for column in 0..stride[1].min(size[1]) {
                let values = of_phase(column);
                for (out, &value) in out[column..].iter_mut().step_by(stride[1]).zip(values) {
                    *out = value;
                }
            }
        }
    }
}
