use super::SPOTS;

/// Output channels whose filters lie side by side.
pub const BLOCK: usize = 8;

/// The filters `G g Gᵀ` in the order in which the products read them: `[16, outputs / 8, channels, 8]`, padded with zeros.
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
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let blocks = outputs.div_ceil(BLOCK);
        let mut values = vec![0.0; SPOTS * blocks * channels * BLOCK];
        for (output, channel) in
            (0..outputs).flat_map(|output| (0..channels).map(move |channel| (output, channel)))
        {
            let element = |row: usize, column: usize| weight(output, channel, 3 * row + column);
            let rows = [0, 1, 2].map(|row| side([0, 1, 2].map(|column| element(row, column))));
            for column in 0..4 {
                for (row, value) in side(rows.map(|row| row[column])).into_iter().enumerate() {
                    let block = (4 * row + column) * blocks + output / BLOCK;
                    values[(block * channels + channel) * BLOCK + output % BLOCK] = value;
                }
            }
        }
        Self { values, outputs, channels }
    }

    pub fn blocks(&self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// The filters of a block of outputs at one spot, channel by channel.
    pub fn of(&self, spot: usize, block: usize) -> &[[f32; BLOCK]] {
        let len = self.channels * BLOCK;
        self.values[(spot * self.blocks() + block) * len..][..len].as_chunks().0
    }
}

/// `G` times a column.
fn side([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c]
}
