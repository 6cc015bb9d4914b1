//! The input of a convolution, without its high frequencies.

use super::limit::Grid;
use super::{Band, BandLimit2d, BandLimit2dConfig};
use crate::NoiseError;
use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;
use cni_ops::{SpectralEnergy, SpectrumError, conv2d_output_size, padding_pairs, spectral_energy};
use serde::{Deserialize, Serialize};

/// Configures how the input of a convolution is limited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandLimitedInputConfig {
    /// The frequencies that are kept, and what a draw of a random band is for.
    pub limit: BandLimit2dConfig,
    /// True if the grid of the transform has powers of two as its sizes, as in the published
    /// trainings. A band of a larger grid is another band.
    #[serde(default)]
    pub power_of_two: bool,
}

impl Config for BandLimitedInputConfig {}

impl BandLimitedInputConfig {
    /// A band; a random one is drawn for each example.
    pub fn new(band: Band) -> Self {
        Self { limit: BandLimit2dConfig::new(band), power_of_two: false }
    }

    /// Sets the band with what a draw of it is for, and the name that keys it.
    pub fn with_limit(mut self, limit: BandLimit2dConfig) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether the grid has powers of two as its sizes.
    pub fn with_power_of_two(mut self, power_of_two: bool) -> Self {
        self.power_of_two = power_of_two;
        self
    }

    /// This input at a layer within a model, whose name keys its draws.
    pub(crate) fn within(&self, layer: &str) -> Self {
        let name = match (layer, self.limit.name.as_str()) {
            ("", name) => name.to_string(),
            (layer, "") => format!("{layer}.band"),
            (layer, name) => format!("{layer}.{name}"),
        };
        self.clone().with_limit(self.limit.clone().with_name(name))
    }

    /// The grid of an axis of so many pixels, those of the padding included, of which a kernel
    /// spans `span`.
    pub(crate) fn grid_of(&self, padded: usize, span: usize) -> usize {
        grid_of(padded, span, self.power_of_two)
    }

    /// The input of a convolution that had this padding. The convolution itself must have none.
    pub(crate) fn try_init(
        &self,
        padding: PaddingConfig2d,
    ) -> Result<BandLimitedInput, NoiseError> {
        let limit = self.limit.try_init()?;
        Ok(BandLimitedInput { limit, padding, power_of_two: self.power_of_two })
    }
}

/// The grid of an axis of a padded input, large enough for the correlation not to wrap.
fn grid_of(padded: usize, span: usize, power_of_two: bool) -> usize {
    let n = padded + span.max(padded + 1 - span) - 1;
    if power_of_two { n.next_power_of_two() } else { n }
}

/// The low frequencies of a convolution's input, with its padding.
///
/// The input lies between the zeros of its padding on a grid that is large enough for the
/// correlation not to wrap, `n = padded + max(output, kernel) − 1` along an axis; its projection on
/// the low frequencies of that grid is what the convolution reads.
#[derive(Module, Debug)]
pub struct BandLimitedInput {
    /// The frequencies that are kept.
    pub limit: BandLimit2d,
    #[module(skip)]
    padding: PaddingConfig2d,
    #[module(skip)]
    power_of_two: bool,
}

impl BandLimitedInput {
    /// The padded input, projected: `[batch, channels, height, width]` to as much as the
    /// convolution, which has no padding of its own, reads.
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded input.
    pub fn forward(&self, conv: &Conv2d, x: Tensor<4>) -> Tensor<4> {
        let (grid, _) = self.grid(conv, &x);
        self.limit.on_grid(x, grid)
    }

    /// The energy of an activation, `[batch, channels, height, width]`, by the frequencies of the
    /// grid on which the convolution reads it, for [`Band::preserving`]: what is read by the band
    /// for a share differs from the activation by at most the rest of its energy.
    ///
    /// # Errors
    ///
    /// Those of [`spectral_energy`].
    ///
    /// # Panics
    ///
    /// If the kernel is larger than the padded input.
    pub fn energy(&self, conv: &Conv2d, x: Tensor<4>) -> Result<SpectralEnergy, SpectrumError> {
        let [_, _, height, width] = x.dims();
        let (Grid { size, .. }, _) = self.grid(conv, &x);
        // On whichever side of the activation its zeros lie, an energy is the same.
        let zeros = [(0, size[0] - height), (0, size[1] - width)];
        spectral_energy(x.inner().pad(zeros, PadMode::Constant(0.0)))
    }

    /// The grid for an input, and the size of the output.
    pub(super) fn grid(&self, conv: &Conv2d, x: &Tensor<4>) -> (Grid, [usize; 2]) {
        let [_, _, height, width] = x.dims();
        let [_, _, kernel_height, kernel_width] = conv.weight.lazy_shape().dims();
        let (input, kernel) = ([height, width], [kernel_height, kernel_width]);
        let (stride, dilation) = (conv.stride, conv.dilation);
        let pads = padding_pairs(&self.padding, input, kernel, stride);
        let output = conv2d_output_size(input, kernel, stride, dilation, pads);
        let output = output.unwrap_or_else(|| {
            panic!(
                "kernel_size: got {kernel:?}, dilation {dilation:?}, for an input of {input:?}, \
                 wanted a kernel no larger than the padded input"
            )
        });
        let out = [0, 1].map(|axis| input[axis] + pads[axis].0 + pads[axis].1);
        let size = [0, 1].map(|axis| {
            let span = dilation[axis] * (kernel[axis] - 1) + 1;
            grid_of(out[axis], span, self.power_of_two)
        });
        (Grid { size, before: pads.map(|(before, _)| before), out }, output)
    }
}
