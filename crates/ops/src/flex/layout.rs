//! Where weights are read and where outputs are written.

/// Output channels whose weights lie side by side.
pub const BLOCK: usize = 8;

/// Weights in the order in which the tiles read them: `[outputs / 8, channels, taps, 8]`, padded with zeros.
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

/// A regular grid within an image of `size`.
pub struct Place {
    pub step: [usize; 2],
    pub start: [usize; 2],
    pub grid: [usize; 2],
    pub size: [usize; 2],
}

impl Place {
    /// Copies dense outputs, channel by channel, to their places in the image.
    #[inline(always)]
    pub fn scatter(&self, dense: &[f32], out: &mut [f32]) {
        let [rows, columns] = self.grid;
        let images = out.chunks_exact_mut(self.size[0] * self.size[1]);
        for (dense, out) in dense.chunks_exact(rows * columns).zip(images) {
            for (row, values) in dense.chunks_exact(columns).enumerate() {
                let at = (row * self.step[0] + self.start[0]) * self.size[1] + self.start[1];
                for (target, &value) in out[at..].iter_mut().step_by(self.step[1]).zip(values) {
                    *target = value;
                }
            }
        }
    }
}
