use crate::RegistrationError;
use crate::error::{at_least, odd, positive};
use crate::fields::grid::{check_field, check_sizes, sizes};
use crate::networks::{Conv, WIDEST};
use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`Discriminator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// The size of the fields, which the number of the last layer's weights depends on.
    pub size: Vec<usize>,
    /// Channels after the first convolution. They double with each one, to at most 16,384.
    pub channels: usize,
    /// Convolutions of stride 2.
    pub levels: usize,
    /// Voxels of their kernels along each axis, odd.
    pub kernel: usize,
    /// The displacement that the network sees as 1, in voxels.
    pub unit: f64,
}

impl Config for DiscriminatorConfig {}

impl DiscriminatorConfig {
    /// Three convolutions from 16 channels on, kernels of 3, displacements in voxels.
    pub fn new(size: impl Into<Vec<usize>>) -> Self {
        Self { size: size.into(), channels: 16, levels: 3, kernel: 3, unit: 1.0 }
    }

    /// The network for fields of rank `R`.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init<const R: usize>(&self, device: &Device) -> Discriminator<R> {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for a size of another number of axes, with 0, or so large that
    /// the last layer has more than 2³⁰ weights, [`RegistrationError::Count`] for no channels or
    /// too many, for levels out of 1 to 16 or an even kernel, [`RegistrationError::Value`] for a
    /// unit that is not above 0.
    pub fn try_init<const R: usize>(
        &self,
        device: &Device,
    ) -> Result<Discriminator<R>, RegistrationError> {
        check_sizes::<R>("size", &self.size, 1)?;
        at_least("channels", self.channels, 1)?;
        if !(1..=16).contains(&self.levels) {
            let wanted = "1 to 16".into();
            return Err(RegistrationError::Count { field: "levels", got: self.levels, wanted });
        }
        if self.channels > WIDEST >> (self.levels - 1) {
            let wanted = format!("at most {WIDEST} after {} doublings", self.levels - 1);
            let got = self.channels;
            return Err(RegistrationError::Count { field: "channels", got, wanted });
        }
        odd("kernel", self.kernel)?;
        positive("unit", self.unit)?;
        let channels = |level: usize| match level {
            0 => R - 2,
            level => self.channels << (level - 1),
        };
        let conv = |level| Conv::new(channels(level), channels(level + 1), self.kernel, 2, device);
        let mut left = self.size.iter().map(|size| size.div_ceil(1 << self.levels));
        let inputs = left
            .try_fold(channels(self.levels), |product, left| product.checked_mul(left))
            .filter(|inputs| *inputs <= 1 << 30);
        let Some(inputs) = inputs else {
            let wanted = "one of which the convolutions leave at most 2³⁰ values".into();
            let got = self.size.clone();
            return Err(RegistrationError::Shape { field: "size", got, wanted });
        };
        Ok(Discriminator {
            convs: (0..self.levels).map(conv).collect(),
            last: LinearConfig::new(inputs, 1).init(device),
            unit: self.unit,
            size: self.size.clone(),
        })
    }
}

/// A network that tells true displacement fields from predicted ones. Made by
/// [`DiscriminatorConfig`].
///
/// Convolutions of stride 2 with leaky rectifiers (slope 0.2), and a linear layer on all that is
/// left, so that it sees where in the image a displacement is. No norm: each field is judged by
/// itself.
#[derive(Module, Debug)]
pub struct Discriminator<const R: usize> {
    convs: Vec<Conv<R>>,
    last: Linear,
    unit: f64,
    #[module(skip)]
    size: Vec<usize>,
}

impl<const R: usize> Discriminator<R> {
    /// The logit of each field, high for a true one.
    ///
    /// # Shapes
    ///
    /// - field: `[batch, axes, ..spatial]`, in voxels, of the size of the configuration
    /// - output: `[batch]`
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for fields of another size.
    pub fn forward(&self, field: Tensor<R>) -> Result<Tensor<1>, RegistrationError> {
        check_field("field", &field, 1)?;
        if sizes(&field) != self.size {
            let wanted = format!("a grid of {:?}", self.size);
            let got = field.dims().to_vec();
            return Err(RegistrationError::Shape { field: "field", got, wanted });
        }
        let x = self
            .convs
            .iter()
            .fold(field.div_scalar(self.unit), |x, conv| leaky_relu(conv.forward(x), 0.2));
        Ok(self.last.forward(x.flatten::<2>(1, R - 1)).flatten(0, 1))
    }
}
