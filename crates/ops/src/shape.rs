//! The sizes of a convolution.

use burn::nn::PaddingConfig2d;

/// The rows and columns that a convolution adds to its input: `[(top, bottom), (left, right)]`.
///
/// `Same` is computed as Burn computes it: for an output of the input's size over the stride, an
/// odd row or column at the end. Burn leaves the dilation out, so that with a dilation the output
/// is smaller than that.
///
/// - `input`: height and width;
/// - `kernel`, `stride`: rows and columns.
pub fn padding_pairs(
    padding: &PaddingConfig2d,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
) -> [(usize, usize); 2] {
    match *padding {
        PaddingConfig2d::Explicit(top, left, bottom, right) => [(top, bottom), (left, right)],
        PaddingConfig2d::Valid => [(0, 0); 2],
        PaddingConfig2d::Same => [0, 1].map(|axis| {
            let stride = stride[axis].max(1);
            let output = input[axis].div_ceil(stride);
            let reached = output.saturating_sub(1) * stride + kernel[axis];
            let total = if output > 0 { reached.saturating_sub(input[axis]) } else { 0 };
            (total / 2, total - total / 2)
        }),
    }
}

/// Height and width of a convolution's output; `None` if a stride, a dilation or a kernel is zero,
/// or the kernel is larger than the padded input.
///
/// - `padding`: as [`padding_pairs`] gives it.
pub fn conv2d_output_size(
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [(usize, usize); 2],
) -> Option<[usize; 2]> {
    let mut output = [0; 2];
    for axis in 0..2 {
        let reach = kernel[axis].checked_sub(1)?.checked_mul(dilation[axis])?.checked_add(1)?;
        let (begin, end) = padding[axis];
        let padded = input[axis].checked_add(begin)?.checked_add(end)?;
        if dilation[axis] == 0 {
            return None;
        }
        output[axis] = padded.checked_sub(reach)?.checked_div(stride[axis])? + 1;
    }
    Some(output)
}
