use super::{IMAGES, POSITIONS, SCALARS};
use crate::flex::geometry::Geometry;
use crate::flex::image_layout::ImageLayout;

/// The plan that all tasks share.
pub struct Work {
    pub geometry: Geometry,
    pub lanes: usize,
    /// True if the vectors are the input's.
    pub by_input: bool,
    /// Images whose positions pass by together.
    pub group: usize,
    /// Positions of an image that have vectors: those of the padded input or of the gradient.
    pub image: [usize; 2],
    /// The start of each position's vectors, image by image.
    pub positions: Vec<usize>,
    /// The places of a position's vectors from there: steps of channels and, if they are the
    /// input's, of taps.
    pub units: Vec<usize>,
    /// Groups of scalars.
    pub blocks: usize,
    /// The places of the values under each tap, if the scalars are the input's.
    pub layout: ImageLayout,
}

impl Work {
    pub fn new(geometry: Geometry, lanes: usize) -> Self {
        let Geometry { kernel, stride, dilation, output, .. } = geometry;
        let [channels, outputs] = geometry.channels;
        let taps = geometry.kernel_len();
        let grid = output[0] * output[1];
        // Zero padding up to full vectors costs as much as data.
        let costs =
            [channels.div_ceil(lanes) * taps * outputs, outputs.div_ceil(lanes) * taps * channels];
        let by_input = costs[0] <= costs[1];
        let group = POSITIONS.div_ceil(grid).min(IMAGES);
        let image = match by_input {
            true => [0, 1].map(|axis| {
                (output[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
            }),
            false => output,
        };
        let step = if by_input { stride } else { [1, 1] };
        let positions = (0..group * grid).map(|position| {
            let (index, row, column) =
                (position / grid, position % grid / output[1], position % output[1]);
            ((index * image[0] + row * step[0]) * image[1] + column * step[1]) * lanes
        });
        let vectors = (if by_input { channels } else { outputs }).div_ceil(lanes);
        let taps_of = |tap| {
            let [row, column] = geometry.reach(tap);
            row * image[1] + column
        };
        let taps: Vec<usize> = if by_input { (0..taps).map(taps_of).collect() } else { vec![0] };
        let units = (0..vectors).flat_map(|vector| {
            let start = vector * group * image[0] * image[1];
            taps.iter().map(move |tap| (start + tap) * lanes)
        });
        let scalars = if by_input { outputs } else { channels * geometry.kernel_len() };
        Self {
            geometry,
            lanes,
            by_input,
            group,
            image,
            positions: positions.collect(),
            units: units.collect(),
            blocks: scalars.div_ceil(SCALARS),
            layout: geometry.forward(),
        }
    }

    /// Positions of a block of scalars in memory: those of a group of images, and room for the
    /// zeros that a transposition writes behind the last image.
    pub fn block_len(&self) -> usize {
        self.positions.len() + self.lanes
    }

    /// Floats of a task's vectors, scalars and planes. The vectors end with room for a vector of
    /// positions.
    pub fn memory(&self) -> [usize; 3] {
        let [channels, outputs] = self.geometry.channels;
        let vectors = (if self.by_input { channels } else { outputs }).div_ceil(self.lanes);
        let positions = self.group * self.image[0] * self.image[1];
        let sizes = [
            (vectors * positions + self.lanes) * self.lanes,
            self.blocks * self.block_len() * SCALARS,
            if self.by_input { 0 } else { channels * self.layout.channel_len() },
        ];
        sizes.map(|size| size.next_multiple_of(self.lanes))
    }

    /// Sums `[units, blocks, 8, lanes]` in the gradient's order.
    pub fn sort(&self, sums: &[f32]) -> Vec<f32> {
        let [channels, outputs] = self.geometry.channels;
        let taps = self.geometry.kernel_len();
        let mut sorted = Vec::with_capacity(outputs * channels * taps);
        let at = |unit: usize, scalar: usize, lane: usize| {
            sums[(unit * self.blocks * SCALARS + scalar) * self.lanes + lane]
        };
        for output in 0..outputs {
            for channel in 0..channels {
                // No division in the innermost loop, which would take longer than all else.
                let first = match self.by_input {
                    true => channel / self.lanes * taps,
                    false => output / self.lanes,
                };
                let lane = if self.by_input { channel } else { output } % self.lanes;
                sorted.extend((0..taps).map(|tap| match self.by_input {
                    true => at(first + tap, output, lane),
                    false => at(first, channel * taps + tap, lane),
                }));
            }
        }
        sorted
    }
}
