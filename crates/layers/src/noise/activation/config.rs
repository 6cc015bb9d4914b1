//! The settings of noise on activations.

use super::ActivationNoise;
use crate::noise::LearnedNoise;
use crate::{Granularity, NoiseError, NoiseKind, NoiseScale};
use burn::config::Config;
use burn::tensor::Device;
use cni_noise::laws::{Colored, TensorShape, White};
use cni_noise::named_values;
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

named_values!(Per, NoiseError, NoiseError::unnamed("per"), [Batch, Example]);

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
    /// Noise by any law, at the reference's scale, drawn per example and scaled per batch. A custom
    /// law is taken as by [`WeightNoise::new`](crate::WeightNoise::new).
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
    /// [`NoiseError`] for features that are empty or of size zero, and where the law does not fit
    /// them: a setting out of its range, or a custom law that breaks the contract of its trait.
    pub fn try_init(&self, device: &Device) -> Result<ActivationNoise, NoiseError> {
        let (name, features) = (self.name.clone(), self.features.clone());
        if features.is_empty() || features.contains(&0) {
            return Err(NoiseError::Features { name: shown(&name), got: features });
        }
        let shape = TensorShape::new(&features, 0);
        LearnedNoise::validate(&shown(&name), &self.law, self.scale, &shape)?;
        let (draw_per, std_per) = (self.draw_per, self.std_per);
        let noise = LearnedNoise::new(name, self.law.clone(), self.scale, shape, device)
            .with_batch_std(std_per == Per::Batch);
        Ok(ActivationNoise { noise, features, draw_per, std_per })
    }
}

/// The name of a noise layer for a message.
pub(super) fn shown(name: &str) -> String {
    if name.is_empty() { "activation noise".to_string() } else { name.to_string() }
}
