//! Links between cells: those that a cell is computed from, and the weights that lie between them.

use super::layout::{HALF, LANES, Layout};
use std::ops::Range;

/// The shape of a convolution on cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub input: Layout,
    pub output: Layout,
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Rows above and columns left of the input.
    pub padding: [usize; 2],
}

/// A convolution's taps along one axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Pixels and cells of the input.
    input: (usize, usize),
    /// Pixels and cells of the output.
    output: (usize, usize),
}

impl Axis {
    /// Distances between a cell of the output and one of the input that have a tap in common.
    ///
    /// Cell `x` of the output and cell `u` of the input have the distance `p_i u - s p_o x +
    /// padding` with `p` pixels a cell and the stride `s`; between pixel `i` of the one and `j` of
    /// the other lies the tap `distance + i - s j`. Distances are counted from the smallest, which
    /// is `1 - p_i`.
    fn distances(&self) -> usize {
        self.kernel + self.stride * (self.output.0 - 1) + self.input.0 - 1
    }

    /// The tap between pixel `i` of an input cell and pixel `j` of an output cell.
    fn tap(&self, distance: usize, i: usize, j: usize) -> Option<usize> {
        let tap = (distance + i).checked_sub(self.input.0 - 1 + self.stride * j)?;
        (tap < self.kernel).then_some(tap)
    }

    fn links(&self) -> Vec<(usize, usize, usize)> {
        let (inputs, outputs) = (self.input.0, self.output.0);
        let cells = (0..self.output.1).flat_map(|x| (0..self.input.1).map(move |u| (x, u)));
        let link = |(x, u): (usize, usize)| {
            let distance =
                (inputs * u + self.padding + inputs - 1).checked_sub(self.stride * outputs * x)?;
            let meets = |i| (0..outputs).any(|j| self.tap(distance, i, j).is_some());
            (distance < self.distances() && (0..inputs).any(meets)).then_some((x, u, distance))
        };
        cells.filter_map(link).collect()
    }
}

/// A cell that another is computed from, and their distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub from: usize,
    pub distance: usize,
}

/// A product of cells with weights: a convolution, or its gradient to the input.
pub struct Correlation {
    pub from: Layout,
    pub to: Layout,
    /// The links of each row and of each column of `to`.
    pub rows: Vec<Vec<Link>>,
    pub columns: Vec<Vec<Link>>,
    /// Distances along rows and columns.
    pub distances: [usize; 2],
    /// For each distance between columns: whether half `k` of a cell in `from` counts for half `n`
    /// of one in `to`.
    pub uses: Vec<[[bool; 2]; 2]>,
    /// For each plane of `from` how many lanes of each half hold channels.
    pub lanes: Vec<[usize; 2]>,
    axes: [Axis; 2],
    backward: bool,
}

impl Correlation {
    /// The convolution.
    pub fn forward(shape: Shape) -> Self {
        Self::new(shape, false)
    }

    /// The gradient to its input.
    pub fn backward(shape: Shape) -> Self {
        Self::new(shape, true)
    }

    fn new(shape: Shape, backward: bool) -> Self {
        let Shape { input, output, kernel, stride, padding } = shape;
        let axis = |axis: usize, [i, o]: [(usize, usize); 2]| Axis {
            kernel: kernel[axis],
            stride: stride[axis],
            padding: padding[axis],
            input: i,
            output: o,
        };
        let axes = [
            axis(0, [(1, input.rows()), (1, output.rows())]),
            axis(1, [(input.pixels, input.columns()), (output.pixels, output.columns())]),
        ];
        let [rows, columns] = axes.map(|axis| {
            let count = if backward { axis.input.1 } else { axis.output.1 };
            let mut of = vec![Vec::new(); count];
            for (x, u, distance) in axis.links() {
                let (to, from) = if backward { (u, x) } else { (x, u) };
                of[to].push(Link { from, distance });
            }
            of
        });
        let (from, to) = if backward { (output, input) } else { (input, output) };
        let lanes = |plane| [0, 1].map(|half| from.lanes_in_use(plane, half));
        let mut correlation = Self {
            from,
            to,
            rows,
            columns,
            distances: axes.map(|axis| axis.distances()),
            uses: Vec::new(),
            lanes: (0..from.planes()).map(lanes).collect(),
            axes,
            backward,
        };
        let uses =
            |distance| [0, 1].map(|k| [0, 1].map(|n| correlation.tap(distance, k, n).is_some()));
        correlation.uses = (0..correlation.distances[1]).map(uses).collect();
        correlation
    }

    /// The rows of `from` that some rows of `to` are computed from.
    pub fn window(&self, rows: Range<usize>) -> Range<usize> {
        let links = || self.rows[rows.clone()].iter().flatten();
        let first = links().map(|link| link.from).min().unwrap_or(0);
        first..links().map(|link| link.from + 1).max().unwrap_or(0)
    }

    /// The column of the kernel between half `k` of a cell in `from` and half `n` of one in `to`.
    fn tap(&self, distance: usize, k: usize, n: usize) -> Option<usize> {
        let pixel = |layout: Layout, half| if layout.pixels == 1 { 0 } else { half };
        let (k, n) = (pixel(self.from, k), pixel(self.to, n));
        let (i, j) = if self.backward { (n, k) } else { (k, n) };
        self.axes[1].tap(distance, i, j)
    }

    /// Weights of a plane of `to`, in tiles of 32 by 16.
    pub fn tiles(&self) -> usize {
        self.distances[0] * self.distances[1] * self.from.planes() * 2
    }

    /// The blocks of a plane's tiles that hold weights of the convolution.
    pub fn blocks(&self, plane: usize) -> Vec<WeightBlock> {
        let (from, to) = (self.from, self.to);
        let [height, width] = self.axes.map(|axis| axis.kernel);
        // Steps in the weight from one channel of its input, and of its output, to the next.
        let input_step = height * width;
        let inputs = if self.backward { to.channels } else { from.channels };
        let output_step = inputs * input_step;
        let steps = match self.backward {
            true => [output_step, input_step],
            false => [input_step, output_step],
        };
        let mut blocks = Vec::new();
        for row in 0..self.distances[0] {
            for column in 0..self.distances[1] {
                for source in 0..from.planes() {
                    let tile = ((row * self.distances[1] + column) * from.planes() + source) * 2;
                    for [k, n] in [[0, 0], [1, 0], [0, 1], [1, 1]] {
                        let Some(tap) = self.tap(column, k, n) else { continue };
                        let count = [from.lanes_in_use(source, k), to.lanes_in_use(plane, n)];
                        if count.contains(&0) {
                            continue;
                        }
                        let (_, from_channel) = from.lane(source, k * HALF);
                        let (_, to_channel) = to.lane(plane, n * HALF);
                        let first = from_channel * steps[0] + to_channel * steps[1];
                        blocks.push(WeightBlock {
                            tile: tile + n,
                            lane: k * HALF,
                            count,
                            first: first + row * width + tap,
                            steps,
                        });
                    }
                }
            }
        }
        blocks
    }
}

/// Weights from some lanes of a cell to some lanes of another.
pub struct WeightBlock {
    /// The number of the tile.
    pub tile: usize,
    /// The first lane of the cell that is multiplied.
    pub lane: usize,
    /// Lanes of that cell, and of the tile's output.
    pub count: [usize; 2],
    /// The place of the first weight in `[channels_out, channels_in, rows, columns]`, and the steps
    /// from there for each of the two.
    pub first: usize,
    pub steps: [usize; 2],
}

/// Sums of products of gradients and inputs, `[distances of rows, distances of columns, 32, 32]`
/// with the output's lanes outside, for one plane of each, added to the output plane's part of the
/// gradient of the weight `[channels_out, channels_in, rows, columns]`.
pub fn add_weight_gradient(
    shape: &Correlation,
    [output, input]: [usize; 2],
    sums: &[f32],
    gradient: &mut [f32],
) {
    let kernel = [shape.axes[0].kernel, shape.axes[1].kernel];
    let (inputs, outputs) = (shape.from, shape.to);
    for (index, sums) in sums.chunks_exact(LANES * LANES).enumerate() {
        let (row, column) = (index / shape.distances[1], index % shape.distances[1]);
        for [i, j] in [[0, 0], [1, 0], [0, 1], [1, 1]] {
            let Some(tap) = shape.tap(column, i, j) else { continue };
            let (_, first_input) = inputs.lane(input, i * HALF);
            let (_, first_output) = outputs.lane(0, j * HALF);
            for o in 0..outputs.lanes_in_use(output, j) {
                for c in 0..inputs.lanes_in_use(input, i) {
                    let place = ((first_output + o) * inputs.channels + first_input + c)
                        * kernel[0]
                        * kernel[1]
                        + row * kernel[1]
                        + tap;
                    gradient[place] += sums[(j * HALF + o) * LANES + i * HALF + c];
                }
            }
        }
    }
}
