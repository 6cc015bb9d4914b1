//! The gradient of a convolution's weights: for each distance between cells the products of the
//! output's gradient with the input, summed over images and positions.

use super::buffer::Cells;
use super::correlation::{Correlation, add_weight_gradient};
use super::kernel::{Format, Kernel, Sums, Units, Work};
use super::layout::{CELL, LANES, Task};
use crate::flex::memory::scratch;
use rayon::prelude::*;

/// Tasks of a gradient, at least where there is as much to do. Each has sums of its own.
const TASKS: usize = 32;

/// The gradient of the weight `[channels_out, channels_in, rows, columns]` of a convolution of
/// `input` with the gradient of its output, added to `out`.
pub fn weight_gradient(
    units: Units,
    correlation: &Correlation,
    input: &Cells,
    gradient: &Cells,
    out: &mut [f32],
) {
    let planes = correlation.to.planes();
    // Each plane has the same tasks: those of the first are the parts of all.
    let parts: Vec<Task> = correlation.to.tasks();
    let parts: Vec<Task> = parts.into_iter().filter(|task| task.plane == 0).collect();
    let count = TASKS.div_ceil(planes).min(parts.len()).max(1);
    let parts: Vec<&[Task]> = parts.chunks(parts.len().div_ceil(count)).collect();
    let per_plane = correlation.distances[0] * correlation.distances[1] * CELL;
    let len = correlation.from.planes() * per_plane;
    let most = |rows: &dyn Fn(&Task) -> usize| {
        parts.iter().flat_map(|part| part.iter()).map(rows).max().unwrap_or(0)
    };
    let cells = most(&|task| task.rows.len()) * correlation.to.columns();
    let window_rows = most(&|task| correlation.window(task.rows.clone()).len());
    let window_cells = window_rows * correlation.from.columns() * correlation.from.planes();
    let packed = units.sizes().packed;

    let of_part = |plane: usize, part: &[Task]| {
        let mut sums = vec![0.0; len];
        scratch((cells + window_cells) * packed, |memory| {
            let (gradients, inputs) = memory.split_at_mut(cells * packed);
            for task in part {
                let task = Task { plane, ..task.clone() };
                let (gradients, inputs) = (&mut *gradients, &mut *inputs);
                let sums = &mut sums[..];
                units.run(Job { correlation, input, gradient, task, gradients, inputs, sums });
            }
        });
        sums
    };
    // A plane has outputs of its own, and so a part of the gradient.
    let outputs = out.par_chunks_mut(out.len().div_ceil(correlation.to.channels) * LANES);
    outputs.enumerate().for_each(|(plane, out)| {
        let sums: Vec<Vec<f32>> = parts.par_iter().map(|part| of_part(plane, part)).collect();
        let mut total = vec![0.0f32; len];
        for sums in &sums {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        for (from, sums) in total.chunks_exact(per_plane).enumerate() {
            add_weight_gradient(correlation, [plane, from], sums, out);
        }
    });
}

struct Job<'a> {
    correlation: &'a Correlation,
    input: &'a Cells,
    gradient: &'a Cells,
    task: Task,
    gradients: &'a mut [f32],
    inputs: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Work for Job<'_> {
    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) {
        let Self { correlation, input, gradient, task, gradients, inputs, sums } = self;
        let (from, to) = (correlation.from, correlation.to);
        let (format, packed_len) = (kernel.format(), K::Format::PACKED);
        let cells = gradient.task(&task).chunks_exact(CELL);
        for (cell, packed) in cells.zip(gradients.chunks_exact_mut(packed_len)) {
            format.pack_gradient(cell, packed);
        }
        let window = correlation.window(task.rows.clone());
        let row_len = from.columns() * CELL;
        let planes = input.block(task.block).chunks_exact(from.plane_len());
        let plane_cells = window.len() * from.columns();
        for (index, plane) in planes.enumerate() {
            let packed = &mut inputs[index * plane_cells * packed_len..];
            let rows = &plane[window.start * row_len..window.end * row_len];
            for (cell, packed) in rows.chunks_exact(CELL).zip(packed.chunks_exact_mut(packed_len)) {
                format.pack_input(cell, packed);
            }
        }
        let images = to.images(task.block);
        let mut pairs = Vec::new();
        for distances in 0..correlation.distances[0] * correlation.distances[1] {
            let [row, column] =
                [distances / correlation.distances[1], distances % correlation.distances[1]];
            pairs.clear();
            for (y, links) in correlation.rows[task.rows.clone()].iter().enumerate() {
                for rows in links.iter().filter(|link| link.distance == row) {
                    for (x, links) in correlation.columns.iter().enumerate() {
                        for columns in links.iter().filter(|link| link.distance == column) {
                            let input = (rows.from - window.start) * from.columns() + columns.from;
                            pairs.push([y * to.columns() + x, input]);
                        }
                    }
                }
            }
            let uses = correlation.uses[column];
            for plane in 0..from.planes() {
                let inputs = &inputs[plane * plane_cells * packed_len..];
                let at = (plane * correlation.distances[0] * correlation.distances[1] + distances)
                    * CELL;
                let mut cell = Sums::ZERO;
                kernel.accumulate(gradients, inputs, &pairs, uses, images, &mut cell);
                let sums = &mut sums[at..][..CELL];
                sums.iter_mut().zip(cell.0).for_each(|(sum, value)| *sum += value);
            }
        }
    }
}
