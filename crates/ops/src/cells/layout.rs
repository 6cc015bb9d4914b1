//! The layout of an activation in cells.

use super::kernel::Lanes;
use std::ops::Range;

/// Images of a cell.
pub const IMAGES: usize = 32;
/// Values that a cell has of each image.
pub const LANES: usize = 32;
/// Values of a cell.
pub const CELL: usize = IMAGES * LANES;
/// Lanes of one operand of the kernels: half a cell's, for the channels of one of two pixels.
pub const HALF: usize = LANES / 2;
/// Cells that a task writes, at least where there are as many.
const TASK: usize = 64;

/// The shape of an activation `[batch, channels, height, width]`, whose values lie in cells
/// `[block of images, plane of channels, row, column]` of `[32 images, 32 lanes]`.
///
/// A cell has 32 channels of one pixel. Up to 16 channels would leave half of it empty: then it has
/// 16 channels each of two neighbouring pixels, if the width is even. Images and channels that fill
/// up the last block and the last plane are zero, and every operation keeps them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub batch: usize,
    pub channels: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// Neighbouring pixels of a row in a cell, 1 or 2.
    pub pixels: usize,
}

impl Layout {
    pub fn new(batch: usize, channels: usize, size: [usize; 2]) -> Self {
        let pixels = if channels <= HALF && size[1].is_multiple_of(2) { 2 } else { 1 };
        Self { batch, channels, size, pixels }
    }

    /// Blocks of images.
    pub fn blocks(&self) -> usize {
        self.batch.div_ceil(IMAGES)
    }

    /// Planes of channels.
    pub fn planes(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    pub fn rows(&self) -> usize {
        self.size[0]
    }

    /// Cells of a row.
    pub fn columns(&self) -> usize {
        self.size[1] / self.pixels
    }

    /// Values of a plane of one block.
    pub fn plane_len(&self) -> usize {
        self.rows() * self.columns() * CELL
    }

    /// Values of a block.
    pub fn block_len(&self) -> usize {
        self.planes() * self.plane_len()
    }

    pub fn len(&self) -> usize {
        self.blocks() * self.block_len()
    }

    /// Images of a block that are not there to fill it up.
    pub fn images(&self, block: usize) -> usize {
        (self.batch - block * IMAGES).min(IMAGES)
    }

    /// Values of a channel.
    pub fn samples(&self) -> f64 {
        (self.batch * self.size[0] * self.size[1]) as f64
    }

    /// Pixel and channel of a lane in a plane. The channel may be one that fills up the plane.
    pub fn lane(&self, plane: usize, lane: usize) -> (usize, usize) {
        match self.pixels {
            1 => (0, plane * LANES + lane),
            _ => (lane / HALF, lane % HALF),
        }
    }

    /// Lanes of half a cell, 0 or 1, that hold channels.
    pub fn lanes_in_use(&self, plane: usize, half: usize) -> usize {
        let before = if self.pixels == 1 { plane * LANES + half * HALF } else { 0 };
        self.channels.saturating_sub(before).min(HALF)
    }

    /// Values of the channels, at the lanes of a plane; zero where there is no channel.
    pub fn spread(&self, channels: &[f32], plane: usize) -> [f32; LANES] {
        std::array::from_fn(|lane| channels.get(self.lane(plane, lane).1).map_or(0.0, |&v| v))
    }

    /// As a row of a kernel's arithmetic.
    pub fn row<L: Lanes>(&self, lanes: L, channels: &[f32], plane: usize) -> L::Row {
        lanes.load(&self.spread(channels, plane))
    }

    /// Values of positions, `[channels, height, width]`, at the lanes of the cells of one image,
    /// `[planes, rows, columns, 32]`; zero where there is no channel.
    pub fn spread_positions(&self, values: &[f32]) -> Vec<f32> {
        let mut lanes = vec![0.0; self.block_len() / IMAGES];
        self.for_each_position(|lane, value| lanes[lane] = values[value]);
        lanes
    }

    /// The inverse of [`spread_positions`](Self::spread_positions).
    pub fn gather_positions(&self, lanes: &[f32]) -> Vec<f32> {
        let mut values = vec![0.0; self.channels * self.size[0] * self.size[1]];
        self.for_each_position(|lane, value| values[value] = lanes[lane]);
        values
    }

    /// Calls `visit` with each value's index among lanes and among `[channels, height, width]`.
    fn for_each_position(&self, mut visit: impl FnMut(usize, usize)) {
        let [height, width] = self.size;
        for cell in 0..self.block_len() / CELL {
            let (line, column) = (cell / self.columns(), cell % self.columns());
            let (plane, row) = (line / height, line % height);
            for half in 0..2 {
                let (pixel, channel) = self.lane(plane, half * HALF);
                let first = (channel * height + row) * width + column * self.pixels + pixel;
                for lane in 0..self.lanes_in_use(plane, half) {
                    visit(cell * LANES + half * HALF + lane, first + lane * height * width);
                }
            }
        }
    }

    /// Sums of lanes, `[planes, 32]`, as sums of channels.
    pub fn gather(&self, lanes: &[f64]) -> Vec<f64> {
        let mut channels = vec![0.0; self.channels];
        for (index, &sum) in lanes.iter().enumerate() {
            let (_, channel) = self.lane(index / LANES, index % LANES);
            if let Some(total) = channels.get_mut(channel) {
                *total += sum;
            }
        }
        channels
    }

    /// Tasks that cover the activation in the order of its memory.
    pub fn tasks(&self) -> Vec<Task> {
        let rows = TASK.div_ceil(self.columns()).min(self.rows()).max(1);
        let mut tasks = Vec::new();
        for block in 0..self.blocks() {
            for plane in 0..self.planes() {
                for first in (0..self.rows()).step_by(rows) {
                    let rows = first..(first + rows).min(self.rows());
                    tasks.push(Task { block, plane, rows });
                }
            }
        }
        tasks
    }
}

/// Some rows of a plane of a block: work that is done by one thread. How an activation is cut into
/// tasks does not depend on the number of threads, and with it no sum does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub block: usize,
    pub plane: usize,
    pub rows: Range<usize>,
}

impl Task {
    /// The task's cells in the activation.
    pub fn cells(&self, layout: Layout) -> Range<usize> {
        let first = (self.block * layout.planes() + self.plane) * layout.rows();
        (first + self.rows.start) * layout.columns()..(first + self.rows.end) * layout.columns()
    }
}
