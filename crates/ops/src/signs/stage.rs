//! Stages of dense networks of signs.

use super::conv2d::Job;
use super::{PackedKernel, SignGeometry, WORD, pack_image};
use rayon::prelude::*;

/// A unit of a dense stage: an affine map of each channel, the sign, a convolution of signs.
#[derive(Clone, Copy, Debug)]
pub struct SignUnit<'a> {
    /// The factor of each channel.
    pub scale: &'a [f32],
    /// The shift of each channel.
    pub shift: &'a [f32],
    /// The kernel, of as many input channels.
    pub kernel: &'a PackedKernel,
    /// The geometry, which keeps height and width.
    pub geometry: SignGeometry,
}

/// A stage of a dense network, in which each unit sees the stage's input and what all units before
/// it have put behind it: `[batch, channels, height, width]` to the same with the units' outputs,
/// whole numbers, as further channels; both in row-major order.
///
/// A sign is that of `x * scale + shift`, rounded twice, as
/// [`batch_norm`](crate::batch_norm) computes it.
///
/// # Panics
///
/// If there are not as many values as the shape has, if a unit has another number of input channels
/// than lie before it, or if its geometry does not keep height and width.
pub fn sign_stage(values: &[f32], shape: [usize; 4], units: &[SignUnit]) -> Vec<f32> {
    let [batch, inputs, height, width] = shape;
    let pixels = height * width;
    assert_eq!(values.len(), batch * inputs * pixels, "values of {shape:?}");
    let mut channels = inputs;
    for unit in units {
        let [outputs, own, kernel_height, kernel_width] = unit.kernel.shape();
        assert_eq!([own, unit.scale.len(), unit.shift.len()], [channels; 3], "channels of a unit");
        let output = unit.geometry.output([height, width], [kernel_height, kernel_width]);
        assert_eq!(output, Some([height, width]), "height and width behind a unit");
        channels += outputs;
    }
    let mut out = vec![0.0; batch * channels * pixels];
    let images = out.par_chunks_exact_mut((channels * pixels).max(1));
    images.zip(values.par_chunks_exact((inputs * pixels).max(1))).for_each(|(out, values)| {
        out[..values.len()].copy_from_slice(values);
        let mut words = Vec::new();
        let mut channels = inputs;
        for unit in units {
            let [outputs, ..] = unit.kernel.shape();
            let (before, behind) = out.split_at_mut(channels * pixels);
            words.clear();
            words.resize(pixels * channels.div_ceil(WORD), 0);
            pack_image(before, pixels, &mut words, |channel| {
                let (scale, shift) = (unit.scale[channel], unit.shift[channel]);
                move |value| value * scale + shift < 0.0
            });
            let (kernel, geometry) = (unit.kernel, unit.geometry);
            let out = &mut behind[..outputs * pixels];
            let size = [height, width];
            Job { words: &words, size, kernel, geometry, output: size, out }.run();
            channels += outputs;
        }
    });
    out
}
