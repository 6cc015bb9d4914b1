//! Noise on activations.

use crate::{Granularity, LearnedNoise, NoiseError, NoiseKind, NoiseScale};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_noise::current_examples;
use cni_noise::laws::{Colored, TensorShape, White};
use serde::{Deserialize, Serialize};

/// Whether something is done once for a batch or once for each of its examples.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivationNoiseConfig {
    /// The law and its initial values.
    pub law: NoiseKind,
    /// How the size follows the activation.
    // The name in files of before.
    #[serde(alias = "convention")]
    pub scale: NoiseScale,
    /// One draw for the batch, or one for each example.
    pub draw_per: Per,
    /// One standard deviation for the batch, or one for each example.
    pub std_per: Per,
}

impl ActivationNoiseConfig {
    /// PNI's white noise, initial α 0.25.
    pub fn white(granularity: Granularity) -> Self {
        Self::new(White::new(granularity))
    }

    /// CNI's colored noise of the given rank.
    pub fn colored(rank: usize) -> Self {
        Self::new(Colored::new(rank)).with_draw_per(Per::Batch)
    }

    /// Noise by any law, at the reference's scale, drawn per example and scaled per batch.
    pub fn new(law: impl Into<NoiseKind>) -> Self {
        let (scale, draw_per, std_per) = (NoiseScale::Reference, Per::Example, Per::Batch);
        Self { law: law.into(), scale, draw_per, std_per }
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

    /// A noise layer for activations of shape `[batch, features..]`, the channels first.
    ///
    /// `name` keys the draws: give every layer of a model its own, such as its path.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init(&self, name: &str, features: &[usize], device: &Device) -> ActivationNoise {
        self.try_init(name, features, device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`init`](Self::init).
    ///
    /// # Errors
    ///
    /// [`NoiseError`] for features that are empty or of size zero, for initial values that are not
    /// finite, and for a rank above the number of features.
    pub fn try_init(
        &self,
        name: &str,
        features: &[usize],
        device: &Device,
    ) -> Result<ActivationNoise, NoiseError> {
        if features.is_empty() || features.contains(&0) {
            return Err(NoiseError::Features { name: name.to_string(), got: features.to_vec() });
        }
        let shape = TensorShape::new(features, 0);
        LearnedNoise::validate(name, self.law, self.scale, &shape)?;
        Ok(ActivationNoise {
            noise: LearnedNoise::new(name.to_string(), self.law, self.scale, shape, device),
            features: features.to_vec(),
            draw_per: self.draw_per,
            std_per: self.std_per,
        })
    }
}

/// Adds learnable noise to activations, in training and at inference alike. Made by
/// [`ActivationNoiseConfig`].
#[derive(Module, Debug)]
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
    /// The input plus its noise; the input itself where noise is off.
    ///
    /// # Shapes
    ///
    /// - input and output: `[batch, features..]`, of any rank from 2 on. White noise with one α a
    ///   layer or a channel takes any size along the axes after the channels.
    ///
    /// # Panics
    ///
    /// Where the features are not those of the configuration.
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
            self.noise.name(),
            self.features
        );
        let examples = (self.draw_per == Per::Example).then(current_examples);
        let std_per_row = self.std_per == Per::Example;
        self.noise.add_to_rows(input, features, dims[0], examples, std_per_row)
    }
}
