//! Linear maps along the axes of a grid, made on the host in double precision.
//!
//! Blurs, sums over windows, differences, resizing and B-splines are products of one matrix for
//! each axis. Their gradients are the transposed products, and they work for any number of axes.

use burn::tensor::{Tensor, TensorData};

/// A map of the voxels of an axis: a matrix for row vectors on its left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AxisMap {
    from: usize,
    to: usize,
    values: Vec<f64>,
}

impl AxisMap {
    /// The map of `from` voxels to `to` voxels with the weight `at(from, to)`.
    pub fn new(from: usize, to: usize, at: impl Fn(usize, usize) -> f64) -> Self {
        let all = (0..from).flat_map(|x| (0..to).map(move |y| (x, y)));
        Self { from, to, values: all.map(|(x, y)| at(x, y)).collect() }
    }

    /// A weight that depends on the distance of two voxels alone; zero outside of the grid.
    pub fn kernel(voxels: usize, weight: impl Fn(usize) -> f64) -> Self {
        Self::new(voxels, voxels, |x, y| weight(x.abs_diff(y)))
    }

    /// The interpolation of an axis at other places. Each takes the voxel before it and the one
    /// after, so that `place(to)` must be in `[0, from - 1]`.
    pub fn linear(from: usize, to: usize, place: impl Fn(usize) -> f64) -> Self {
        Self::new(from, to, |x, y| (1.0 - (place(y) - x as f64).abs()).max(0.0))
    }

    /// The same map with the weights of each result divided by their Euclidean norm, so that
    /// independent values of variance 1 become values of variance 1.
    pub fn of_unit_variance(mut self) -> Self {
        for y in 0..self.to {
            let column = || (0..self.from).map(|x| x * self.to + y);
            let norm = column().map(|i| self.values[i].powi(2)).sum::<f64>().sqrt();
            for i in column() {
                self.values[i] /= norm;
            }
        }
        self
    }

    /// Applies the map to an axis of a tensor.
    pub fn apply<const R: usize>(&self, x: Tensor<R>, axis: usize) -> Tensor<R> {
        let x = x.swap_dims(axis, R - 1);
        let mut dims = x.dims();
        let rows = dims[..R - 1].iter().product::<usize>();
        let matrix = TensorData::new(self.values.clone(), [self.from, self.to]);
        let matrix = Tensor::<2>::from_data(matrix, (&x.device().inner(), x.dtype()));
        let y = x.reshape([rows, self.from]).matmul(matrix);
        dims[R - 1] = self.to;
        y.reshape(dims).swap_dims(axis, R - 1)
    }
}

/// Applies a map to every spatial axis of `[batch, channels, ..spatial]`: the one that `map` makes
/// for the axis, counted from 0, and its number of voxels.
pub(crate) fn along_all<const R: usize>(
    x: Tensor<R>,
    map: impl Fn(usize, usize) -> AxisMap,
) -> Tensor<R> {
    (0..R - 2).fold(x, |x, axis| {
        let voxels = x.dims()[axis + 2];
        map(axis, voxels).apply(x, axis + 2)
    })
}
