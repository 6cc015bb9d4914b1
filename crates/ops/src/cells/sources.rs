//! Where the values of a pass come from.

use super::buffer::Cells;
use super::correlation::Correlation;
use super::kernel::{Format, Kernel, Lanes, Multiply, Sums, Units};
use super::layout::{IMAGES, LANES, Layout, Task};
use super::pass::{Rows, Sink, Source, lanes_of};
use super::weights::Weights;

/// A product with weights.
pub struct Product<'a> {
    pub correlation: &'a Correlation,
    pub weights: &'a Weights,
    pub from: &'a Cells,
}

impl Source for Product<'_> {
    fn layout(&self) -> Layout {
        self.correlation.to
    }

    fn memory(&self, units: Units) -> usize {
        let from = self.correlation.from;
        let tasks = self.layout().tasks();
        let rows = tasks
            .iter()
            .map(|task| self.correlation.window(task.rows.clone()).len())
            .max()
            .unwrap_or(0);
        rows * from.planes() * from.columns() * units.sizes().window
    }

    #[inline(always)]
    fn cells<K: Kernel>(
        &self,
        kernel: K,
        task: &Task,
        memory: &mut [f32],
        mut sink: Sink<'_, K::Lanes>,
    ) {
        let to = self.correlation.to;
        let block = self.from.block(task.block);
        let rows = self.correlation.window(task.rows.clone());
        let window = kernel.format().window(block, self.correlation.from, rows, memory);
        let work = Multiply {
            window,
            correlation: self.correlation,
            weights: self.weights.plane(task.plane),
            halves: if to.lanes_in_use(task.plane, 1) > 0 { 2 } else { 1 },
        };
        // The matrix units work on a cell while the vector units finish the one before.
        let mut sums = [Sums::ZERO; 2];
        let count = task.rows.len() * to.columns();
        for cell in 0..=count {
            if cell < count {
                let at = [task.rows.start + cell / to.columns(), cell % to.columns()];
                kernel.multiply(&work, at, sink.images, &mut sums[cell % 2]);
            }
            if cell > 0 {
                sink.cell(cell - 1, &sums[(cell - 1) % 2]);
            }
        }
    }
}

/// `x · scale`, the scale one value a channel.
pub struct Scaled<'a> {
    pub x: &'a Cells,
    pub scale: &'a [f32],
}

impl Source for Scaled<'_> {
    fn layout(&self) -> Layout {
        self.x.layout
    }

    #[inline(always)]
    fn cells<K: Kernel>(&self, k: K, task: &Task, _: &mut [f32], mut sink: Sink<'_, K::Lanes>) {
        let scale = self.layout().row(k.lanes(), self.scale, task.plane);
        let x = self.x.task(task);
        for cell in 0..cells(self, task) {
            sink.cell(cell, &ScaledCell { x, cell, scale });
        }
    }
}

/// Cells of a task.
fn cells(source: &impl Source, task: &Task) -> usize {
    task.rows.len() * source.layout().columns()
}

struct ScaledCell<'a, R> {
    x: &'a [u16],
    cell: usize,
    scale: R,
}

impl<L: Lanes> Rows<L> for ScaledCell<'_, L::Row> {
    #[inline(always)]
    fn row(&self, lanes: L, image: usize) -> L::Row {
        lanes.mul(lanes.widen(lanes_of(self.x, self.cell, image)), self.scale)
    }
}

/// `g · a + (x - mean) · b + c`, all but `g` and `x` one value a channel: the input gradient of a
/// batch norm.
pub struct NormGradient<'a> {
    pub gradient: &'a Cells,
    pub x: &'a Cells,
    /// `a`, the mean, `b` and `c`.
    pub factors: [&'a [f32]; 4],
}

impl Source for NormGradient<'_> {
    fn layout(&self) -> Layout {
        self.x.layout
    }

    #[inline(always)]
    fn cells<K: Kernel>(&self, k: K, task: &Task, _: &mut [f32], mut sink: Sink<'_, K::Lanes>) {
        let (layout, lanes) = (self.layout(), k.lanes());
        let [a, mean, b, c] = self.factors;
        let [a, mean, b, c] = [
            layout.row(lanes, a, task.plane),
            layout.row(lanes, mean, task.plane),
            layout.row(lanes, b, task.plane),
            layout.row(lanes, c, task.plane),
        ];
        let (gradient, x) = (self.gradient.task(task), self.x.task(task));
        for cell in 0..cells(self, task) {
            sink.cell(cell, &NormGradientCell { gradient, x, cell, factors: [a, mean, b, c] });
        }
    }
}

struct NormGradientCell<'a, R> {
    gradient: &'a [u16],
    x: &'a [u16],
    cell: usize,
    factors: [R; 4],
}

impl<L: Lanes> Rows<L> for NormGradientCell<'_, L::Row> {
    #[inline(always)]
    fn row(&self, lanes: L, image: usize) -> L::Row {
        let [a, mean, b, c] = self.factors;
        let gradient = lanes.widen(lanes_of(self.gradient, self.cell, image));
        let distance = lanes.sub(lanes.widen(lanes_of(self.x, self.cell, image)), mean);
        lanes.mul_add(gradient, a, lanes.mul_add(distance, b, c))
    }
}

/// One value for all positions of a channel, `[batch, channels]`, times a factor: the gradient of a
/// mean over positions.
pub struct Spread<'a> {
    pub values: &'a [f32],
    pub factor: f32,
    pub layout: Layout,
}

impl Source for Spread<'_> {
    fn layout(&self) -> Layout {
        self.layout
    }

    #[inline(always)]
    fn cells<K: Kernel>(&self, _: K, task: &Task, _: &mut [f32], mut sink: Sink<'_, K::Lanes>) {
        let layout = self.layout;
        let mut spread = Sums::ZERO;
        for (image, row) in spread.rows()[..sink.images].iter_mut().enumerate() {
            let image = task.block * IMAGES + image;
            let values = &self.values[image * layout.channels..][..layout.channels];
            *row = layout.spread(values, task.plane).map(|value| value * self.factor);
        }
        for cell in 0..cells(self, task) {
            sink.cell(cell, &spread);
        }
    }
}

/// `x + table`, the table one value for each channel and position, as
/// [`Layout::spread_positions`] has it.
pub struct Shifted<'a> {
    pub x: &'a Cells,
    pub table: &'a [f32],
}

impl Source for Shifted<'_> {
    fn layout(&self) -> Layout {
        self.x.layout
    }

    #[inline(always)]
    fn cells<K: Kernel>(&self, _: K, task: &Task, _: &mut [f32], mut sink: Sink<'_, K::Lanes>) {
        let (layout, x) = (self.layout(), self.x.task(task));
        let first = (task.plane * layout.rows() + task.rows.start) * layout.columns();
        let (table, _) = self.table[first * LANES..].as_chunks::<LANES>();
        for (cell, shift) in table.iter().enumerate().take(cells(self, task)) {
            sink.cell(cell, &ShiftedCell { x, cell, shift });
        }
    }
}

struct ShiftedCell<'a> {
    x: &'a [u16],
    cell: usize,
    shift: &'a [f32; LANES],
}

impl<L: Lanes> Rows<L> for ShiftedCell<'_> {
    #[inline(always)]
    fn row(&self, lanes: L, image: usize) -> L::Row {
        lanes.add(lanes.widen(lanes_of(self.x, self.cell, image)), lanes.load(self.shift))
    }
}

/// An activation as it is.
pub struct Plain<'a>(pub &'a Cells);

impl Source for Plain<'_> {
    fn layout(&self) -> Layout {
        self.0.layout
    }

    #[inline(always)]
    fn cells<K: Kernel>(&self, _: K, task: &Task, _: &mut [f32], mut sink: Sink<'_, K::Lanes>) {
        let values = self.0.task(task);
        for cell in 0..cells(self, task) {
            sink.cell(cell, &PlainCell { values, cell });
        }
    }
}

struct PlainCell<'a> {
    values: &'a [u16],
    cell: usize,
}

impl<L: Lanes> Rows<L> for PlainCell<'_> {
    #[inline(always)]
    fn row(&self, lanes: L, image: usize) -> L::Row {
        lanes.widen(lanes_of(self.values, self.cell, image))
    }
}
