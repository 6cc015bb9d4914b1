//! Noise on activations.

use crate::{Granularity, LearnedNoise, NoiseError, NoiseKind, NoiseScale};
use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use cni_noise::laws::{Colored, TensorShape, White};
use cni_noise::{ExampleIds, current_examples};
use serde::{Deserialize, Serialize};

/// Granularity within a batch: one for the whole batch, or one for each of its examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Once for the whole batch.
    Batch,
    /// Once for each example.
    Example,
}

/// Configures [`ActivationNoise`].
///
/// The defaults are the references': white noise is drawn per example (PNI), colored noise per
/// batch (CNI), and the standard deviation that scales it is taken over the whole batch, so that an
/// example's noise depends on its batch mates. With both per example it does not.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_layers::ActivationNoiseConfig;
/// # let device = Device::flex();
/// let noise = ActivationNoiseConfig::colored(5).with_features([16, 8, 8]).init(&device);
/// let noisy = noise.forward(Tensor::<4>::ones([2, 16, 8, 8], &device));
/// assert_eq!(noisy.dims(), [2, 16, 8, 8]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationNoiseConfig {
    /// The law and its initial values.
    pub law: NoiseKind,
    /// The way in which the size follows the activation.
    // The name in files of before.
    #[serde(alias = "convention")]
    pub scale: NoiseScale,
    /// One draw for the batch, or one for each example.
    pub draw_per: Per,
    /// One standard deviation for the batch, or one for each example.
    pub std_per: Per,
    /// The shape of an example's activation, one axis or more, the channels first. The layers and
    /// models of this crate set it; elsewhere [`with_features`](Self::with_features) does.
    #[serde(default)]
    pub features: Vec<usize>,
    /// The name that keys the draws, as with [`with_name`](Self::with_name).
    #[serde(default)]
    pub name: String,
}

impl Config for ActivationNoiseConfig {}

impl ActivationNoiseConfig {
    /// Noise by any law, at the reference's scale, drawn per example and scaled per batch.
    pub fn new(law: impl Into<NoiseKind>) -> Self {
        Self {
            law: law.into(),
            scale: NoiseScale::Reference,
            draw_per: Per::Example,
            std_per: Per::Batch,
            features: Vec::new(),
            name: String::new(),
        }
    }

    /// PNI's white noise, initial α 0.25.
    pub fn white(granularity: Granularity) -> Self {
        Self::new(White::new(granularity))
    }

    /// CNI's colored noise of the given rank, drawn per batch.
    pub fn colored(rank: usize) -> Self {
        Self::new(Colored::new(rank)).with_draw_per(Per::Batch)
    }

    /// Sets the law with its initial values.
    pub fn with_law(mut self, law: impl Into<NoiseKind>) -> Self {
        self.law = law.into();
        self
    }

    /// Sets how the size follows the activation.
    pub fn with_scale(mut self, scale: NoiseScale) -> Self {
        self.scale = scale;
        self
    }

    /// Sets what one draw is for.
    pub fn with_draw_per(mut self, per: Per) -> Self {
        self.draw_per = per;
        self
    }

    /// Sets what the standard deviation is taken over.
    pub fn with_std_per(mut self, per: Per) -> Self {
        self.std_per = per;
        self
    }

    /// Sets the shape of an example's activation, the channels first: `[features]`,
    /// `[channels, height, width]` or any other number of axes.
    pub fn with_features(mut self, features: impl Into<Vec<usize>>) -> Self {
        self.features = features.into();
        self
    }

    /// Sets the name that keys the draws, empty by default.
    ///
    /// Layers of one name draw in the order in which they run within a
    /// [scope](cni_noise::scope). A name of its own, such as its path in the model, makes the draws
    /// of a layer independent of what else runs.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// This noise at a place of a layer within a model: the layer's name keys its draws, and it has
    /// these features unless it has its own.
    pub(crate) fn within(&self, layer: &str, place: &str, features: &[usize]) -> Self {
        let mut noise = self.clone();
        if noise.name.is_empty() {
            noise.name = place.to_string();
        }
        if !layer.is_empty() {
            noise.name = format!("{layer}.{}", noise.name);
        }
        if noise.features.is_empty() {
            noise.features = features.to_vec();
        }
        noise
    }

    /// The noise layer, for activations of shape `[batch, features..]`.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> ActivationNoise {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] for features that are empty or of size zero, for initial values that are not
    /// finite, and for a rank above the number of features.
    pub fn try_init(&self, device: &Device) -> Result<ActivationNoise, NoiseError> {
        let (name, features) = (self.name.clone(), self.features.clone());
        if features.is_empty() || features.contains(&0) {
            return Err(NoiseError::Features { name: shown(&name), got: features });
        }
        let shape = TensorShape::new(&features, 0);
        LearnedNoise::validate(&shown(&name), self.law, self.scale, &shape)?;
        let noise = LearnedNoise::new(name, self.law, self.scale, shape, device);
        let (draw_per, std_per) = (self.draw_per, self.std_per);
        Ok(ActivationNoise { noise, features, draw_per, std_per })
    }
}

/// The name of a noise layer for a message.
fn shown(name: &str) -> String {
    if name.is_empty() { "activation noise".to_string() } else { name.to_string() }
}

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
    /// The input plus its noise; the input itself if noise is off.
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
        let fits = match self.noise.law().granularity() {
            Granularity::Layer => !features.is_empty(),
            Granularity::Channel => features.first() == self.features.first(),
            Granularity::Element => features == self.features,
        };
        assert!(
            fits,
            "{}: got an input of shape {dims:?}, wanted [batch, features..] with features {:?}",
            shown(self.noise.name()),
            self.features
        );
        self.add(input, features, dims[0], 1)
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
