//! Normalization: the first layer of a model, and the constants it is made from. One file, because
//! the layer is nothing but its constants on a device.

use crate::NoiseError;
use burn::config::Config;
use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param, ParamId,
};
use burn::tensor::{Device, Tensor, TensorData};
use cni_ops::normalize;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Configures [`Normalize`]: the mean and the standard deviation of each channel, in units of
/// pixels in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Channels", into = "Channels")]
pub struct NormalizeConfig(Channels);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Channels {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Config for NormalizeConfig {}

/// The texts that [`NormalizeConfig::named`] takes.
const NAMES: &str = "cni, cifar10, imagenet, centered, none, or numbers: the means, a slash and \
                     the standard deviations, such as 0.5,0.5,0.5/0.25,0.25,0.25";

impl NormalizeConfig {
    /// A mean and a standard deviation for each channel.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_new`](Self::try_new) would give.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        Self::try_new(mean, std).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`new`](Self::new), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if the two differ in length, are empty or not finite in single
    /// precision, or a standard deviation is not above zero.
    pub fn try_new(mean: &[f64], std: &[f64]) -> Result<Self, NoiseError> {
        let wrong = |field, got, wanted| Err(NoiseError::Model { field, got, wanted });
        if mean.is_empty() || mean.len() != std.len() {
            let got = format!("{} and {} channels", mean.len(), std.len());
            return wrong("mean, std", got, "the same number of channels, at least one");
        }
        if !mean.iter().all(|&m| (m as f32).is_finite()) {
            return wrong("mean", format!("{mean:?}"), "finite numbers");
        }
        if !std.iter().all(|&s| (s as f32).is_finite() && s as f32 > 0.0) {
            return wrong("std", format!("{std:?}"), "finite numbers above zero");
        }
        Ok(Self(Channels { mean: mean.to_vec(), std: std.to_vec() }))
    }

    /// The constants of CNI's code for CIFAR-10 and CIFAR-100, those of most robust CIFAR models:
    /// mean 0.491, 0.482, 0.447 and std 0.247, 0.243, 0.262.
    pub fn cni() -> Self {
        Self::new(&[0.491, 0.482, 0.447], &[0.247, 0.243, 0.262])
    }

    /// The constants of many CIFAR-10 models (kuangliu's code): mean 0.4914, 0.4822, 0.4465 and std
    /// 0.2023, 0.1994, 0.2010.
    pub fn cifar10() -> Self {
        Self::new(&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.2010])
    }

    /// The constants of ImageNet, which some CIFAR models use too (akamaster's code): mean 0.485,
    /// 0.456, 0.406 and std 0.229, 0.224, 0.225.
    pub fn imagenet() -> Self {
        Self::new(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225])
    }

    /// Mean ½ and standard deviation ½ in each of `channels`: pixels to [−1, 1].
    ///
    /// # Panics
    ///
    /// For no channels.
    pub fn centered(channels: usize) -> Self {
        Self::new(&vec![0.5; channels], &vec![0.5; channels])
    }

    /// No normalization of `channels`: mean 0 and standard deviation 1.
    ///
    /// # Panics
    ///
    /// For no channels.
    pub fn none(channels: usize) -> Self {
        Self::new(&vec![0.0; channels], &vec![1.0; channels])
    }

    /// The normalization that a text names, for images of `channels` (one or more): `cni`,
    /// `cifar10`, `imagenet`, `centered`, `none`, or numbers such as `0.5,0.5,0.5/0.25,0.25,0.25`.
    /// A single number counts for every channel.
    ///
    /// ```
    /// use cni_layers::models::NormalizeConfig;
    /// assert_eq!(NormalizeConfig::named("cni", 3), Ok(NormalizeConfig::cni()));
    /// assert_eq!(NormalizeConfig::named("0.5/0.5", 1), Ok(NormalizeConfig::centered(1)));
    /// assert!(NormalizeConfig::named("imagenet", 1).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`] if the text names none, or one of another number of channels.
    pub fn named(text: &str, channels: usize) -> Result<Self, NoiseError> {
        let wrong = |got, wanted| NoiseError::Model { field: "normalization", got, wanted };
        if channels == 0 {
            return Err(wrong("no channels".to_string(), "at least one"));
        }
        let found = match text.trim() {
            "cni" => Self::cni(),
            "cifar10" => Self::cifar10(),
            "imagenet" => Self::imagenet(),
            "centered" => Self::centered(channels),
            "none" => Self::none(channels),
            numbers => {
                let list = |text: &str| -> Option<Vec<f64>> {
                    let numbers = text.split(',').map(|number| number.trim().parse().ok());
                    let numbers = numbers.collect::<Option<Vec<f64>>>()?;
                    Some(spread(numbers, channels))
                };
                let lists = numbers.split_once('/').map(|(mean, std)| [list(mean), list(std)]);
                match lists {
                    Some([Some(mean), Some(std)]) => Self::try_new(&mean, &std)?,
                    _ => return Err(wrong(format!("{text:?}"), NAMES)),
                }
            }
        };
        if found.channels() != channels {
            let got = format!("{text:?}, which has {} channels", found.channels());
            let wanted = if channels == 1 { "one channel" } else { "that of the images' channels" };
            return Err(wrong(got, wanted));
        }
        Ok(found)
    }

    /// The mean of each channel.
    pub fn mean(&self) -> &[f64] {
        &self.0.mean
    }

    /// The standard deviation of each channel.
    pub fn std(&self) -> &[f64] {
        &self.0.std
    }

    /// The number of channels.
    pub fn channels(&self) -> usize {
        self.0.mean.len()
    }

    /// The layer.
    pub fn init(&self, device: &Device) -> Normalize {
        let constant = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [values.len()]);
            // Not `from_tensor`, which makes a parameter that is trained.
            Param::initialized(ParamId::new(), Tensor::from_data(data, device))
        };
        Normalize { mean: constant(self.mean()), std: constant(self.std()) }
    }
}

/// One number for each channel, of one that counts for all.
pub(super) fn spread(numbers: Vec<f64>, channels: usize) -> Vec<f64> {
    if numbers.len() == 1 { vec![numbers[0]; channels] } else { numbers }
}

/// `mean 0.5 0.5 0.5, std 0.25 0.25 0.25`
impl fmt::Display for NormalizeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f64]| {
            let texts: Vec<String> = values.iter().map(f64::to_string).collect();
            texts.join(" ")
        };
        write!(f, "mean {}, std {}", list(self.mean()), list(self.std()))
    }
}

impl TryFrom<Channels> for NormalizeConfig {
    type Error = NoiseError;

    fn try_from(channels: Channels) -> Result<Self, NoiseError> {
        Self::try_new(&channels.mean, &channels.std)
    }
}

impl From<NormalizeConfig> for Channels {
    fn from(config: NormalizeConfig) -> Self {
        config.0
    }
}

/// The first layer of a classifier: pixels in [0, 1] to `(x - mean) / std` by channel. Made by
/// [`NormalizeConfig`].
///
/// Attacks work on pixels; only this layer knows the mean and the standard deviation. Both are
/// saved and loaded with the model. They are constants all the same: no gradient reaches them, so
/// no optimizer changes them, noise leaves them out, and
/// [`count_parameters`](crate::count_parameters) does not count them.
#[derive(Clone, Debug)]
pub struct Normalize {
    mean: Param<Tensor<1>>,
    std: Param<Tensor<1>>,
}

impl Normalize {
    /// The container that visitors of a module are told for the two constants. Written by hand, so
    /// that no user's type has the same.
    pub(crate) const CONTAINER: &'static str = "cni_layers::Normalize";

    /// `[batch, channels, height, width]` in [0, 1] to the same shape, normalized.
    ///
    /// # Panics
    ///
    /// If the images have another number of channels than the layer, unless one of the two has one.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        // Constants, whatever the parameters are set to: `unfreeze()` makes all of them trainable.
        let of = |constant: &Param<Tensor<1>>| {
            let constant = constant.val().inner();
            match constant.dtype() == images.dtype() {
                true => constant,
                false => constant.cast(images.dtype()),
            }
        };
        let (mean, std) = (of(&self.mean), of(&self.std));
        normalize(images, mean, std)
    }

    /// The images of a model that takes so many channels, normalized.
    ///
    /// # Panics
    ///
    /// If the images have another number of channels, to which constants would be broadcast.
    pub(super) fn of_model(&self, images: Tensor<4>, channels: usize) -> Tensor<4> {
        let got = images.dims()[1];
        assert!(
            got == channels,
            "images: got {got} channels, wanted {channels}, those of the model"
        );
        self.forward(images)
    }

    /// The constants, read back from the device.
    ///
    /// # Errors
    ///
    /// [`NoiseError::Model`], as of [`NormalizeConfig::try_new`], if a record has been loaded with
    /// constants that no configuration has.
    pub fn config(&self) -> Result<NormalizeConfig, NoiseError> {
        let [mean, std] = [&self.mean, &self.std].map(numbers);
        NormalizeConfig::try_new(&mean, &std)
    }
}

/// The shortest decimals that give a constant's numbers in single precision.
fn numbers(constant: &Param<Tensor<1>>) -> Vec<f64> {
    let numbers = constant.val().inner().try_to_vec_as::<f32>();
    let numbers = numbers.expect("a few numbers of a tensor at hand can be read");
    let shortest = |number: f32| number.to_string().parse().unwrap_or(f64::from(number));
    numbers.into_iter().map(shortest).collect()
}

impl Module for Normalize {
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (name, constant) in [("mean", &self.mean), ("std", &self.std)] {
            visitor.enter_module(name, Self::CONTAINER);
            constant.visit(visitor);
            visitor.exit_module(name, Self::CONTAINER);
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let mut map = |name, constant| {
            mapper.enter_module(name, Self::CONTAINER);
            let constant = Module::map(constant, mapper);
            mapper.exit_module(name, Self::CONTAINER);
            constant
        };
        Self { mean: map("mean", self.mean), std: map("std", self.std) }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { mean: self.mean.to_device(device), std: self.std.to_device(device) }
    }

    fn fork(self, device: &Device) -> Self {
        Self { mean: self.mean.fork(device), std: self.std.fork(device) }
    }

    fn collect_devices(&self, devices: Devices) -> Devices {
        self.std.collect_devices(self.mean.collect_devices(devices))
    }

    fn materialize(self) -> Self {
        Self { mean: self.mean.materialize(), std: self.std.materialize() }
    }

    fn valid(&self) -> Self {
        Self { mean: self.mean.valid(), std: self.std.valid() }
    }

    fn train(self) -> Self {
        Self { mean: self.mean.train(), std: self.std.train() }
    }
}

impl ModuleDisplayDefault for Normalize {
    fn content(&self, content: Content) -> Option<Content> {
        let [mean, std] = [&self.mean, &self.std].map(numbers);
        let content = content.add_debug_attribute("mean", &mean).add_debug_attribute("std", &std);
        content.optional()
    }
}

impl ModuleDisplay for Normalize {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(DisplaySettings::default()))
    }
}
