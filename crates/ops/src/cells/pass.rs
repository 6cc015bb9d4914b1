//! A pass over an activation: where its values come from, and what happens to them before they are
//! rounded and written.

use super::buffer::{Bits, Cells, split};
use super::kernel::{Kernel, Lanes, Sums, Units, Work};
use super::layout::{CELL, IMAGES, LANES, Layout, Task};
use crate::flex::Block;
use crate::flex::memory::scratch;
use rayon::prelude::*;

/// The values of a pass, cell by cell.
pub trait Source: Sync {
    /// The activation that the pass makes.
    fn layout(&self) -> Layout;

    /// Floats of memory that a task needs.
    fn memory(&self, units: Units) -> usize {
        let _ = units;
        0
    }

    /// Gives a task's cells to `sink`, in their order.
    fn cells<K: Kernel>(
        &self,
        kernel: K,
        task: &Task,
        memory: &mut [f32],
        sink: Sink<'_, K::Lanes>,
    );
}

/// The steps between a pass's values and memory: `gate · max(0, value + shift + add)`, each part
/// if wanted, and sums of the result.
#[derive(Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// One value a channel.
    pub shift: Option<&'a [f32]>,
    pub add: Option<&'a Cells>,
    /// A rectifier, which leaves the bits of what it let pass.
    pub relu: bool,
    /// The bits of a rectifier whose gradient the values are.
    pub gate: Option<&'a Bits>,
    pub sums: Option<Sum<'a>>,
    /// The result in single precision too, before it is rounded.
    pub exact: bool,
}

/// Sums over images and positions, one of each kind a channel.
#[derive(Clone, Copy)]
pub enum Sum<'a> {
    /// `Σ v` and `Σ v²`.
    Moments,
    /// `Σ v` and `Σ v (x - mean)`, the mean one value a channel.
    Products(&'a Cells, &'a [f32]),
}

/// The result of a pass.
pub struct Passed {
    pub cells: Cells,
    /// The rectifier's.
    pub bits: Option<Bits>,
    /// By channels; empty if none were wanted.
    pub sums: [Vec<f64>; 2],
    /// The values of `cells` before they were rounded.
    pub exact: Option<Block>,
}

/// Runs a pass on all threads.
pub fn pass<S: Source>(units: Units, source: &S, epilogue: Epilogue) -> Passed {
    let layout = source.layout();
    let tasks = layout.tasks();
    let mut cells = Cells::new(layout);
    let mut bits = epilogue.relu.then(|| Bits::new(layout));
    let mut lanes = vec![[[0.0; LANES]; 2]; tasks.len()];
    let outs = split(cells.values_mut(), &tasks, layout, CELL);
    let mut words: Vec<&mut [u32]> = match &mut bits {
        Some(bits) => split(bits.words_mut(), &tasks, layout, IMAGES),
        None => tasks.iter().map(|_| Default::default()).collect(),
    };
    let mut exact = epilogue.exact.then(|| Block::new(layout.len()));
    let mut exacts: Vec<&mut [f32]> = match &mut exact {
        Some(exact) => split(exact.values_mut(), &tasks, layout, CELL),
        None => tasks.iter().map(|_| Default::default()).collect(),
    };
    let memory = source.memory(units);
    let parts = outs.into_par_iter().zip(&mut words).zip(&mut exacts).zip(&mut lanes);
    tasks.par_iter().zip(parts).for_each(|(task, (((out, bits), exact), lanes))| {
        scratch(memory, |memory| {
            units.run(Job { source, epilogue, task, memory, out, bits, exact, lanes });
        });
    });
    let sums = match epilogue.sums {
        Some(_) => totals(layout, &tasks, &lanes),
        None => Default::default(),
    };
    Passed { cells, bits, sums, exact }
}

/// The sums of all tasks, in their order.
fn totals(layout: Layout, tasks: &[Task], lanes: &[[[f64; LANES]; 2]]) -> [Vec<f64>; 2] {
    let mut totals = [0, 1].map(|_| vec![0.0; layout.planes() * LANES]);
    for (task, sums) in tasks.iter().zip(lanes) {
        for (total, sums) in totals.iter_mut().zip(sums) {
            let total = &mut total[task.plane * LANES..][..LANES];
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    }
    totals.map(|lanes| layout.gather(&lanes))
}

struct Job<'a, S> {
    source: &'a S,
    epilogue: Epilogue<'a>,
    task: &'a Task,
    memory: &'a mut [f32],
    out: &'a mut [u16],
    bits: &'a mut [u32],
    exact: &'a mut [f32],
    lanes: &'a mut [[f64; LANES]; 2],
}

impl<S: Source> Work for Job<'_, S> {
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { source, epilogue, task, memory, out, bits, exact, lanes: totals } = self;
        let (layout, lanes) = (source.layout(), kernel.lanes());
        let (x, mean) = match epilogue.sums {
            Some(Sum::Products(x, mean)) => (Some(x.task(task)), mean),
            _ => (None, &[][..]),
        };
        let sink = Sink {
            lanes,
            images: layout.images(task.block),
            shift: epilogue.shift.map(|shift| layout.row(lanes, shift, task.plane)),
            add: epilogue.add.map(|add| add.task(task)),
            relu: epilogue.relu,
            gate: epilogue.gate.map(|gate| gate.task(task)),
            sums: epilogue.sums.is_some(),
            x,
            mean: layout.row(lanes, mean, task.plane),
            out,
            bits,
            exact,
            totals,
        };
        source.cells(kernel, task, memory, sink);
    }
}

/// The values of a cell.
pub trait Rows<L: Lanes> {
    /// The lanes of an image.
    fn row(&self, lanes: L, image: usize) -> L::Row;
}

impl<L: Lanes> Rows<L> for Sums {
    #[inline(always)]
    fn row(&self, lanes: L, image: usize) -> L::Row {
        lanes.load(self.0[image * LANES..].first_chunk().expect("an image's lanes"))
    }
}

/// What a task's cells pass through.
pub struct Sink<'a, L: Lanes> {
    lanes: L,
    pub images: usize,
    shift: Option<L::Row>,
    add: Option<&'a [u16]>,
    relu: bool,
    gate: Option<&'a [u32]>,
    sums: bool,
    x: Option<&'a [u16]>,
    mean: L::Row,
    out: &'a mut [u16],
    bits: &'a mut [u32],
    /// Empty if it is not wanted.
    exact: &'a mut [f32],
    totals: &'a mut [[f64; LANES]; 2],
}

/// The lanes of an image in one of a task's cells.
#[inline(always)]
pub fn lanes_of(values: &[u16], cell: usize, image: usize) -> &[u16; LANES] {
    values[cell * CELL + image * LANES..].first_chunk().expect("an image's lanes")
}

impl<L: Lanes> Sink<'_, L> {
    /// Finishes the task's cell of the given number.
    #[inline(always)]
    pub fn cell(&mut self, cell: usize, values: &impl Rows<L>) {
        let lanes = self.lanes;
        let mut sums = [lanes.zero(); 2];
        let out = &mut self.out[cell * CELL..][..CELL];
        let (out, _) = out.as_chunks_mut::<LANES>();
        for (image, out) in out[..self.images].iter_mut().enumerate() {
            let mut row = values.row(lanes, image);
            if let Some(shift) = self.shift {
                row = lanes.add(row, shift);
            }
            if let Some(add) = self.add {
                row = lanes.add(row, lanes.widen(lanes_of(add, cell, image)));
            }
            if self.relu {
                (row, self.bits[cell * IMAGES + image]) = lanes.rectify(row);
            }
            if let Some(gate) = self.gate {
                row = lanes.gate(row, gate[cell * IMAGES + image]);
            }
            if !self.exact.is_empty() {
                let exact = &mut self.exact[cell * CELL + image * LANES..];
                lanes.store(row, exact.first_chunk_mut().expect("an image's lanes"));
            }
            let written = lanes.narrow(row, out);
            if self.sums {
                // What is written counts, not what was rounded.
                let other = match self.x {
                    Some(x) => lanes.sub(lanes.widen(lanes_of(x, cell, image)), self.mean),
                    None => written,
                };
                sums[0] = lanes.add(sums[0], written);
                sums[1] = lanes.mul_add(written, other, sums[1]);
            }
        }
        out[self.images..].fill([0; LANES]);
        if self.relu {
            self.bits[cell * IMAGES..][self.images..IMAGES].fill(0);
        }
        if self.sums {
            for (total, sum) in self.totals.iter_mut().zip(sums) {
                let mut values = [0.0; LANES];
                lanes.store(sum, &mut values);
                for (total, value) in total.iter_mut().zip(values) {
                    *total += f64::from(value);
                }
            }
        }
    }
}
