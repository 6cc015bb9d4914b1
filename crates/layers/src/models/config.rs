//! The settings of a [`ResNet`].

use super::block::Form;
use super::{Activation, Architecture, ModelNoise, NormKind, NormalizeConfig, ResNet};
use crate::NoiseError;
#[cfg(feature = "band-limited")]
use crate::band_limited::BandLimitedInputConfig;
use burn::config::Config;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// The most channels of a stage: beyond any published network, and below what no memory holds.
const WIDEST: usize = 16_384;

/// The least height and width of an airbench network's images: its layers leave one pixel of them.
const LEAST_OF_AIRBENCH: usize = 9;

/// Configures a [`ResNet`].
///
/// ```
/// use cni_layers::models::{ModelNoise, ResNetConfig};
/// use cni_layers::{count_parameters, keyed_init};
/// use cni_noise::Key;
/// # let device = burn::tensor::Device::flex();
/// let config = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5));
/// let model = keyed_init(config.init(&device), Key::new(42));
/// assert_eq!(count_parameters(&model), 1_894_650);
/// ```
///
/// The configuration saves and loads, so that a folder with it and with the weights is enough to
/// have the model again. A file with a setting or a value that is not known is refused.
///
/// ```
/// use burn::config::Config;
/// use cni_layers::models::ResNetConfig;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.json");
/// let config = ResNetConfig::cifar(20, 10);
/// config.save(&path).unwrap();
/// assert_eq!(ResNetConfig::load(&path).unwrap(), config);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResNetConfig {
    /// The family.
    pub architecture: Architecture,
    /// Multiplies the channels of every stage, and those of a stem that has as many as the first.
    pub width: f64,
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the images. Only noise on activations needs them; but an airbench
    /// network needs at least 9 by 9 pixels.
    pub image_size: [usize; 2],
    /// The first layer; its number of channels is that of the images.
    pub normalize: NormalizeConfig,
    /// The noise of the model, place by place.
    pub noise: ModelNoise,
    /// The activation; without one that of the [architecture](Architecture::activation).
    #[serde(default)]
    pub activation: Option<Activation>,
    /// The kind of the norms between the layers.
    #[serde(default, skip_serializing_if = "is_batch")]
    pub norm: NormKind,
    /// The frequencies that the inputs of all convolutions keep, all without.
    #[cfg(feature = "band-limited")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<BandLimitedInputConfig>,
}

impl Config for ResNetConfig {}

impl ResNetConfig {
    /// A CIFAR ResNet with shortcut B for 32x32 color images, as in CNI's code.
    pub fn cifar(depth: usize, classes: usize) -> Self {
        Self::new(Architecture::cifar(depth), classes)
    }

    /// A wide ResNet for 32x32 color images: `wide(28, 10.0, 10)` is WRN-28-10 for ten classes.
    pub fn wide(depth: usize, width: f64, classes: usize) -> Self {
        Self::new(Architecture::WideResNet { depth }, classes).with_width(width)
    }

    /// Any architecture, for 32x32 color images, with the normalization of CNI's code.
    pub fn new(architecture: Architecture, classes: usize) -> Self {
        Self {
            architecture,
            width: 1.0,
            classes,
            image_size: [32, 32],
            normalize: NormalizeConfig::cni(),
            noise: ModelNoise::none(),
            activation: None,
            norm: NormKind::Batch,
            #[cfg(feature = "band-limited")]
            band: None,
        }
    }

    /// Sets the frequencies that the inputs of all convolutions keep.
    #[cfg(feature = "band-limited")]
    pub fn with_band(mut self, band: BandLimitedInputConfig) -> Self {
        self.band = Some(band);
        self
    }

    /// Sets the width multiplier.
    pub fn with_width(mut self, width: f64) -> Self {
        self.width = width;
        self
    }

    /// Sets the size of the images and the normalization, whose channels are those of the images.
    pub fn with_images(mut self, size: [usize; 2], normalize: NormalizeConfig) -> Self {
        (self.image_size, self.normalize) = (size, normalize);
        self
    }

    /// Sets the normalization, whose channels are those of the images.
    pub fn with_normalization(mut self, normalize: NormalizeConfig) -> Self {
        self.normalize = normalize;
        self
    }

    /// Sets the noise of the model.
    pub fn with_noise(mut self, noise: ModelNoise) -> Self {
        self.noise = noise;
        self
    }

    /// Sets the activation.
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = Some(activation);
        self
    }

    /// Sets the kind of the norms between the layers.
    pub fn with_norm(mut self, norm: NormKind) -> Self {
        self.norm = norm;
        self
    }

    /// Replaces batch norm by group norm of 32 groups, or of as many as there are channels, if
    /// these are fewer: the replacement of Opacus's `ModuleValidator.fix`. Training that looks at
    /// each example alone, as private training does, refuses batch norm.
    pub fn without_batch_norm(self) -> Self {
        self.with_norm(NormKind::Group { groups: 32 })
    }

    /// True if two passes over the same images can differ: with noise, or a band that is drawn.
    pub fn is_stochastic(&self) -> bool {
        #[cfg(feature = "band-limited")]
        if self.band.as_ref().is_some_and(|input| input.limit.band.is_random()) {
            return true;
        }
        self.noise != ModelNoise::none()
    }

    /// The activation of the model: the one that was set, or that of its architecture.
    pub fn activation(&self) -> Activation {
        self.activation.unwrap_or(self.architecture.activation())
    }

    /// The model, its weights drawn lazily by Burn; [`keyed_init`](crate::keyed_init) makes them a
    /// function of a key.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, device: &Device) -> ResNet {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if the depth of a CIFAR ResNet is not 6n + 2 or that of a wide one not
    /// 6n + 4, with n from 1 to 1,000, `classes` is not from 2 to 1,000,000, `image_size` is zero
    /// or below 9 for an airbench network, or `width` does not leave from 1 to 16,384 channels in
    /// every stage, if the groups of a norm do not divide its channels, or if a band's numbers of
    /// frequencies leave nothing out; the other variants if a noise does not fit.
    pub fn try_init(&self, device: &Device) -> Result<ResNet, NoiseError> {
        let wrong = |field, got: String, wanted| Err(NoiseError::Model { field, got, wanted });
        let deep = |depth: usize, more| depth % 6 == more && (1..=1_000).contains(&(depth / 6));
        match self.architecture {
            Architecture::Cifar { depth, .. } if !deep(depth, 2) => {
                return wrong("depth", depth.to_string(), "6n + 2 with n > 0, at most 1,000");
            }
            Architecture::WideResNet { depth } if !deep(depth, 4) => {
                return wrong("depth", depth.to_string(), "6n + 4 with n > 0, at most 1,000");
            }
            _ => {}
        }
        if !(2..=1_000_000).contains(&self.classes) {
            return wrong("classes", self.classes.to_string(), "at least 2, at most 1,000,000");
        }
        if self.image_size.contains(&0) {
            return wrong("image_size", format!("{:?}", self.image_size), "sizes above zero");
        }
        let too_small = self.image_size.iter().any(|&side| side < LEAST_OF_AIRBENCH);
        if self.architecture == Architecture::Airbench && too_small {
            let wanted = "at least 9 by 9 pixels for an airbench network";
            return wrong("image_size", format!("{:?}", self.image_size), wanted);
        }
        let stages = self.architecture.stages();
        let fits = |[_, base]: &[usize; 2]| (1..=WIDEST).contains(&self.channels(*base));
        if !self.width.is_finite() || !stages.iter().all(fits) {
            let wanted = "a finite number that leaves 1 to 16,384 channels in every stage";
            return wrong("width", self.width.to_string(), wanted);
        }
        let stem = self.architecture.stem(self.normalize.channels(), self.channels(stages[0][1]));
        #[cfg(feature = "band-limited")]
        if let Some(input) = &self.band {
            // The stem's grid is the largest, or that of the convolution behind it, whose kernel is
            // of 3 pixels and whose padding adds 2.
            let largest = self.image_size.map(|side| {
                let padded = side + 2 * stem.padding;
                let behind = padded + 1 - stem.kernel + 2;
                input.grid_of(padded, stem.kernel).max(input.grid_of(behind, 3))
            });
            input.limit.band.check_within(largest)?;
        }
        // An airbench network has no norm behind its stem.
        let of_stem = (self.architecture.form() != Form::Pooled).then_some(stem.channels);
        let normed = stages.iter().map(|[_, base]| self.channels(*base)).chain(of_stem);
        if let Some(channels) = normed.into_iter().find(|channels| !self.norm.fits(*channels)) {
            let got = format!("{:?} for {channels} channels", self.norm);
            return wrong("norm", got, "groups that divide the channels of every norm");
        }
        self.build(device)
    }

    /// Channels of a stage.
    pub(super) fn channels(&self, base: usize) -> usize {
        (base as f64 * self.width).round() as usize
    }
}

fn is_batch(norm: &NormKind) -> bool {
    *norm == NormKind::Batch
}
