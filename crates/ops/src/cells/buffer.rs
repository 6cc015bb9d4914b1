//! Memory of activations in cells.

use super::bf16::{narrow, widen};
use super::layout::{CELL, HALF, IMAGES, LANES, Layout, Task};
use crate::flex::Block;
use crate::flex::memory::build;
use pulp::bytemuck::{cast_slice, cast_slice_mut};
use rayon::prelude::*;

/// Values of an activation in bfloat16.
pub struct Cells {
    pub layout: Layout,
    memory: Block,
}

impl Cells {
    /// Cells with whatever the memory's last user left there.
    pub fn new(layout: Layout) -> Self {
        Self { layout, memory: Block::new(layout.len() / 2) }
    }

    pub fn values(&self) -> &[u16] {
        cast_slice(self.memory.values())
    }

    pub fn values_mut(&mut self) -> &mut [u16] {
        cast_slice_mut(self.memory.values_mut())
    }

    /// The values of one block of images.
    pub fn block(&self, block: usize) -> &[u16] {
        let len = self.layout.block_len();
        &self.values()[block * len..][..len]
    }

    /// The values of a task.
    pub fn task(&self, task: &Task) -> &[u16] {
        let cells = task.cells(self.layout);
        &self.values()[cells.start * CELL..cells.end * CELL]
    }

    /// Images `[batch, channels, height, width]`, rounded.
    pub fn from_images(images: &[f32], layout: Layout) -> Self {
        let mut cells = Self::new(layout);
        let tasks = layout.tasks();
        let parts = split(cells.values_mut(), &tasks, layout, CELL);
        tasks.par_iter().zip(parts).for_each(|(task, out)| fill(images, layout, task, out));
        cells
    }

    /// Images `[batch, channels, height, width]`.
    pub fn to_images(&self) -> Block {
        images(self.values(), self.layout, widen)
    }
}

/// Cells in single precision as images `[batch, channels, height, width]`.
pub fn exact_images(cells: &Block, layout: Layout) -> Block {
    images(cells.values(), layout, |value| value)
}

fn images<T: Copy + Sync>(cells: &[T], layout: Layout, value: impl Fn(T) -> f32 + Sync) -> Block {
    let len = layout.channels * layout.size[0] * layout.size[1];
    build(layout.batch * len, len, |image, out| {
        let block = &cells[image / IMAGES * layout.block_len()..][..layout.block_len()];
        copy_image(block, layout, image % IMAGES, &value, out);
    })
}

/// Copies an image out of its block.
fn copy_image<T: Copy>(
    block: &[T],
    layout: Layout,
    image: usize,
    value: impl Fn(T) -> f32,
    out: &mut [f32],
) {
    let Layout { size: [height, width], pixels, .. } = layout;
    for (plane, cells) in block.chunks_exact(layout.plane_len()).enumerate() {
        for (at, cell) in cells.chunks_exact(CELL).enumerate() {
            let (row, column) = (at / layout.columns(), at % layout.columns());
            let lanes = &cell[image * LANES..][..LANES];
            for half in 0..2 {
                let (pixel, channel) = layout.lane(plane, half * HALF);
                let start = (channel * height + row) * width + column * pixels + pixel;
                for lane in 0..layout.lanes_in_use(plane, half) {
                    out[start + lane * height * width] = value(lanes[half * HALF + lane]);
                }
            }
        }
    }
}

/// Writes a task's cells.
fn fill(images: &[f32], layout: Layout, task: &Task, out: &mut [u16]) {
    let Layout { channels, size: [height, width], pixels, .. } = layout;
    out.fill(0);
    let row_len = layout.columns() * CELL;
    for image in 0..layout.images(task.block) {
        let first = (task.block * IMAGES + image) * channels;
        for (row, out) in task.rows.clone().zip(out.chunks_exact_mut(row_len)) {
            for half in 0..2 {
                let (pixel, channel) = layout.lane(task.plane, half * HALF);
                for lane in 0..layout.lanes_in_use(task.plane, half) {
                    let start = ((first + channel + lane) * height + row) * width + pixel;
                    let values = images
                        [start..(first + channel + lane) * height * width + (row + 1) * width]
                        .iter()
                        .step_by(pixels);
                    let at = image * LANES + half * HALF + lane;
                    for (out, &value) in out[at..].iter_mut().step_by(CELL).zip(values) {
                        *out = narrow(value);
                    }
                }
            }
        }
    }
}

/// One bit for each value of an activation: those of an image's lanes in a cell make up a word.
pub struct Bits {
    layout: Layout,
    memory: Block,
}

impl Bits {
    pub fn new(layout: Layout) -> Self {
        Self { layout, memory: Block::new(layout.len() / LANES) }
    }

    pub fn words_mut(&mut self) -> &mut [u32] {
        cast_slice_mut(self.memory.values_mut())
    }

    /// The words of a task.
    pub fn task(&self, task: &Task) -> &[u32] {
        let cells = task.cells(self.layout);
        let words: &[u32] = cast_slice(self.memory.values());
        &words[cells.start * IMAGES..cells.end * IMAGES]
    }
}

/// The parts of memory that tasks write, `per_cell` values for each cell.
pub fn split<'a, T>(
    mut memory: &'a mut [T],
    tasks: &[Task],
    layout: Layout,
    per_cell: usize,
) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(tasks.len());
    for task in tasks {
        let (part, rest) = memory.split_at_mut(task.cells(layout).len() * per_cell);
        parts.push(part);
        memory = rest;
    }
    parts
}
