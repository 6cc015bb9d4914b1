//! Noise on activations.

mod config;

pub use config::{ActivationNoiseConfig, Per};

use super::LearnedNoise;
use crate::Granularity;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, current_examples};
use cni_ops::{ChainNoise, FusedNoise, NoiseRows};
use config::shown;

/// Adds learnable noise to activations, in training and at inference alike. Made by
/// [`ActivationNoiseConfig`].
///
/// # In an existing model
///
/// A model calls the forward passes of its layers itself, and Burn has no hook between them, so
/// that no function can put noise on the activations of a model from outside, as
/// [`WeightNoise`](crate::WeightNoise) does on weights. The noise is a field of the model: an
/// `ActivationNoise` that `forward` calls, or a [`Noisy`](crate::Noisy) in the place of a layer.
/// The layer itself, trained or loaded, moves into it:
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig, conv::{Conv2d, Conv2dConfig}}};
/// # use burn::tensor::{Device, Tensor};
/// use cni_layers::{ActivationNoiseConfig, LayerNoise, Noisy};
/// #[derive(Module, Debug)]
/// struct Net {
///     conv: Conv2d,
///     fc: Linear,
/// }
/// #[derive(Module, Debug)]
/// struct NoisyNet {
///     conv: Noisy<Conv2d>,
///     fc: Linear,
/// }
/// impl NoisyNet {
///     fn new(net: Net, noise: &LayerNoise, device: &Device) -> Self {
///         Self { conv: noise.wrap(net.conv, device), fc: net.fc }
///     }
///
///     fn forward(&self, images: Tensor<4>) -> Tensor<2> {
///         let x = self.conv.forward(images, Conv2d::forward); // was self.conv.forward(images)
///         self.fc.forward(x.flatten(1, 3))
///     }
/// }
/// # let device = Device::flex();
/// # let conv = Conv2dConfig::new([1, 4], [3, 3]).init(&device);
/// # let net = Net { conv, fc: LinearConfig::new(144, 10).init(&device) };
/// let noise = ActivationNoiseConfig::colored(5).with_features([4, 6, 6]);
/// let noise = LayerNoise::none().with_output(noise).with_name("conv");
/// let net = NoisyNet::new(net, &noise, &device);
/// assert_eq!(net.forward(Tensor::ones([2, 1, 8, 8], &device)).dims(), [2, 10]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct ActivationNoise {
    /// The learned parameters.
    pub noise: LearnedNoise,
    #[module(skip)]
    features: Vec<usize>,
    #[module(skip)]
    draw_per: Per,
    #[module(skip)]
    std_per: Per,
}

impl ActivationNoise {
    /// The input plus its noise; if noise is off its mean by the law, which is most often the input
    /// itself.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, features..]`, of any rank from 2 on. White noise with one α a
    ///   layer or a channel takes any size along the axes after the channels.
    ///
    /// # Panics
    ///
    /// If the features are not those of the configuration.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let dims = input.dims();
        let features = &dims[1..];
        assert!(
            self.fits(features),
            "{}: got an input of shape {dims:?}, wanted [batch, features..] with features {:?}",
            shown(self.noise.name()),
            self.features
        );
        self.add(input, features, dims[0], 1)
    }

    /// True if the parameters are those of an example of this shape.
    fn fits(&self, features: &[usize]) -> bool {
        match self.noise.law().granularity() {
            Granularity::Layer => !features.is_empty(),
            Granularity::Channel => features.first() == self.features.first(),
            Granularity::Element => features == self.features,
        }
    }

    /// The input plus its noise, each position before the last axes a row of its own, as in a
    /// linear layer: all positions share the parameters, and what is drawn or scaled per example is
    /// so per position.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, .., features..]`
    ///
    /// # Panics
    ///
    /// If the last axes are not the features of the configuration.
    pub fn forward_last<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let dims = input.dims();
        let first = D.saturating_sub(self.features.len());
        assert!(
            first > 0 && dims[first..] == self.features,
            "{}: got an input of shape {dims:?}, wanted [batch, .., features..] with features {:?}",
            shown(self.noise.name()),
            self.features
        );
        let positions = dims[1..first].iter().product();
        self.add(input, &dims[first..], dims[0] * positions, positions)
    }

    /// The input plus its noise; the input has `rows`, and each example `positions` of them.
    fn add<const D: usize>(
        &self,
        input: Tensor<D>,
        features: &[usize],
        rows: usize,
        positions: usize,
    ) -> Tensor<D> {
        let examples = || positions_of(current_examples(), rows, positions);
        let examples = (self.draw_per == Per::Example).then(examples);
        let std_per_row = self.std_per == Per::Example;
        self.noise.add_to_rows(input, features, rows, examples, std_per_row)
    }
}

impl ChainNoise for ActivationNoise {
    fn add(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward(x)
    }

    fn is_shared(&self, [_, features @ ..]: [usize; 4]) -> bool {
        let per_batch = [self.draw_per, self.std_per] == [Per::Batch; 2];
        // Sizes that do not fit are refused where the layer runs.
        per_batch && self.fits(&features) && self.noise.has_kernels(&features)
    }

    fn draw(&self, [batch, features @ ..]: [usize; 4]) -> Option<(FusedNoise, NoiseRows)> {
        self.noise.for_kernels(&features, batch)
    }
}

impl ModuleDisplay for ActivationNoise {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("noise", &self.noise)
            .add_debug_attribute("features", &self.features)
            .add_debug_attribute("draw_per", &self.draw_per)
            .add_debug_attribute("std_per", &self.std_per)
            .add_debug_attribute("name", &self.noise.name())
            .optional()
    }
}

/// The numbers of the rows of a batch in which each example has `positions` rows, one after the
/// other.
fn positions_of(examples: ExampleIds, rows: usize, positions: usize) -> ExampleIds {
    let first = |number: u64| number.wrapping_mul(positions as u64);
    match examples {
        examples if positions == 1 => examples,
        ExampleIds::From(number) => ExampleIds::From(first(number)),
        ExampleIds::Each(_) => {
            let row = |row| {
                let position = (row % positions) as u64;
                first(examples.id(row / positions)).wrapping_add(position)
            };
            ExampleIds::Each((0..rows).map(row).collect())
        }
    }
}
