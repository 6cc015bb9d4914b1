//! The product of the kept parts of two spectra.
//!
//! A transform is a product with cosines and sines, so that sizes are any and frequencies that are
//! not kept are never computed. For each frequency the channels are mixed by one product of real
//! matrices, `[batch, 2 channels]` by `[2 channels, 2 outputs]`. What the gradient needs, and the
//! backward pass keeps, are these two spectra; it is the exact adjoint.

use super::basis::{Matrix, both_signs, waves};
use burn::tensor::{Tensor, TensorData};

/// A correlation on a grid.
#[derive(Clone, Copy, Debug)]
pub struct Correlation {
    /// Rows and columns of the grid.
    pub size: [usize; 2],
    /// Rows above and columns left of the input.
    pub before: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Kept frequencies of rows and columns.
    pub kept: [usize; 2],
}

/// The correlation of the low frequencies of `x`, `[batch, channels_in, height, width]`, with
/// `weight`, `[channels_out, channels_in, height, width]`.
pub fn correlate(x: Tensor<4>, weight: Tensor<4>, on: Correlation) -> Tensor<4> {
    let [batch, inputs, height, width] = x.dims();
    let [outputs, _, kernel_height, kernel_width] = weight.dims();
    let frequencies = [both_signs(on.size[0], on.kept[0]), (0..on.kept[1]).collect()];
    let [rows, columns] = [frequencies[0].len(), frequencies[1].len()];

    let [of_rows, of_columns] = on.before;
    let of_input =
        [(of_rows..of_rows + height).collect(), (of_columns..of_columns + width).collect()];
    let taps = |count: usize, step: usize| (0..count).map(|tap| step * tap).collect();
    let of_kernel = [taps(kernel_height, on.dilation[0]), taps(kernel_width, on.dilation[1])];

    // [columns, rows, batch, real and imaginary, channels]
    let x = transform(x, on.size, &frequencies, &of_input).permute([2, 4, 0, 3, 1]);
    let x = x.reshape([columns * rows, batch, 2 * inputs]);
    // [columns, rows, real and imaginary, channels in, channels out]
    let weight = transform(weight, on.size, &frequencies, &of_kernel).permute([2, 4, 3, 1, 0]);
    let weight = weight.reshape([columns * rows, 2, inputs, outputs]);
    let part = |n: usize| -> Tensor<3> { weight.clone().narrow(1, n, 1).squeeze_dim(1) };
    let (re, im) = (part(0), part(1));
    // By the conjugate, (a + bi)(c - di): a real matrix for the parts of one and of the other.
    let of_re = Tensor::cat(vec![re.clone(), im.clone().neg()], 2);
    let of_im = Tensor::cat(vec![im, re], 2);
    let product = x.matmul(Tensor::cat(vec![of_re, of_im], 1));

    let product = product.reshape([columns, rows, batch, 2, outputs]);
    inverse(product.permute([2, 4, 0, 3, 1]), on, &frequencies)
}

/// The kept part of a spectrum, `[outer, inner, columns, 2, rows]`, of values at some positions of
/// the grid's rows and columns.
fn transform(
    x: Tensor<4>,
    size: [usize; 2],
    frequencies: &[Vec<usize>; 2],
    positions: &[Vec<usize>; 2],
) -> Tensor<5> {
    let [outer, inner, height, width] = x.dims();
    let [rows, columns] = [frequencies[0].len(), frequencies[1].len()];
    let [cos, sin] = waves(size[1], &frequencies[1], &positions[1]);
    // e^(-it) = cos t - i sin t: [width, 2 columns]
    let matrix = Matrix::new(width, 2 * columns, |x, f| match f < columns {
        true => cos.values[f * width + x],
        false => -sin.values[(f - columns) * width + x],
    });
    let x = times(x.reshape([outer * inner * height, width]), matrix);
    // The parts of a row beside each other: [outer, inner, columns, 2 height]
    let x = x.reshape([outer, inner, height, 2, columns]).permute([0, 1, 4, 3, 2]);
    let x = x.reshape([outer * inner * columns, 2 * height]);
    let [cos, sin] = waves(size[0], &frequencies[0], &positions[0]);
    let matrix = Matrix::new(2 * height, 2 * rows, |y, f| {
        let (imaginary, at) = (y >= height, (f % rows) * height + y % height);
        match (imaginary, f >= rows) {
            (false, false) | (true, true) => cos.values[at],
            (true, false) => sin.values[at],
            (false, true) => -sin.values[at],
        }
    });
    times(x, matrix).reshape([outer, inner, columns, 2, rows])
}

/// The values at the output's positions of a spectrum `[batch, channels, columns, 2, rows]`.
fn inverse(spectrum: Tensor<5>, on: Correlation, frequencies: &[Vec<usize>; 2]) -> Tensor<4> {
    let [batch, channels, columns, _, rows] = spectrum.dims();
    let [height, width] = on.output;
    let at =
        |axis: usize| -> Vec<usize> { (0..on.output[axis]).map(|x| x * on.stride[axis]).collect() };
    let [cos, sin] = waves(on.size[0], &frequencies[0], &at(0));
    // e^(it): [2 rows, 2 height]
    let matrix = Matrix::new(2 * rows, 2 * height, |f, y| {
        let (imaginary, at) = (f >= rows, (f % rows) * height + y % height);
        match (imaginary, y >= height) {
            (false, false) | (true, true) => cos.values[at],
            (false, true) => sin.values[at],
            (true, false) => -sin.values[at],
        }
    });
    let x = times(spectrum.reshape([batch * channels * columns, 2 * rows]), matrix);
    let x = x.reshape([batch, channels, columns, 2, height]).permute([0, 1, 4, 3, 2]);
    let x = x.reshape([batch * channels * height, 2 * columns]);
    let [cos, sin] = waves(on.size[1], &frequencies[1], &at(1));
    let pixels = (on.size[0] * on.size[1]) as f64;
    // Both signs of a column's frequency, whose parts are conjugates.
    let matrix = Matrix::new(2 * columns, width, |f, x| {
        let (frequency, at) = (f % columns, (f % columns) * width + x);
        let signs = if frequency == 0 || 2 * frequency == on.size[1] { 1.0 } else { 2.0 };
        signs / pixels * if f < columns { cos.values[at] } else { -sin.values[at] }
    });
    times(x, matrix).reshape([batch, channels, height, width])
}

/// Row vectors times a matrix.
fn times(x: Tensor<2>, matrix: Matrix) -> Tensor<2> {
    let data = TensorData::new(matrix.values, [matrix.rows, matrix.columns]);
    let options = (&x.device().inner(), x.dtype());
    x.matmul(Tensor::from_data(data, options))
}
