use super::joined;
use super::pyramid::{Encoder, Pyramid};
use crate::RegistrationError;
use crate::fields::affine_field;
use crate::fields::grid::{check_sizes, sizes};
use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`GlobalNet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalNetConfig {
    /// The size of the images, which the number of the last layer's weights depends on.
    pub size: Vec<usize>,
    /// The sizes and channels of its features.
    #[serde(default)]
    pub pyramid: Pyramid,
}

impl Config for GlobalNetConfig {}

impl GlobalNetConfig {
    /// A network for images of a size, with label-reg's features.
    pub fn new(size: impl Into<Vec<usize>>) -> Self {
        Self { size: size.into(), pyramid: Pyramid::default() }
    }

    /// The network for images of rank `R`.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init<const R: usize>(&self, device: &Device) -> GlobalNet<R> {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// Those of [`LocalNetConfig::try_init`](super::LocalNetConfig::try_init), and
    /// [`RegistrationError::Shape`] for a size of another number of axes, with 0, or too large.
    pub fn try_init<const R: usize>(
        &self,
        device: &Device,
    ) -> Result<GlobalNet<R>, RegistrationError> {
        let Self { size, pyramid } = self;
        pyramid.check::<R>()?;
        check_sizes::<R>("size", size, 1)?;
        let last = pyramid.levels - 1;
        let axes = R - 2;
        let mut left = size.iter().map(|voxels| voxels.div_ceil(1 << last));
        let features = left
            .try_fold(pyramid.channels_at(last), |product, left| product.checked_mul(left))
            .filter(|features| *features <= 1 << 30);
        let Some(features) = features else {
            let wanted = "one of which the convolutions leave at most 2³⁰ values".into();
            return Err(RegistrationError::Shape { field: "size", got: size.clone(), wanted });
        };
        Ok(GlobalNet {
            encoder: pyramid.init(device),
            kernel: Initializer::Zeros.init([features, axes * (axes + 1)], device),
            offset: Initializer::Zeros.init([axes * (axes + 1)], device),
            image_channels: pyramid.image_channels,
            size: size.clone(),
        })
    }
}

/// A network of affine maps (label-reg's GlobalNet), the identity at first. Made by
/// [`GlobalNetConfig`].
#[derive(Module, Debug)]
pub struct GlobalNet<const R: usize> {
    encoder: Encoder<R>,
    // No `weight` and `bias`, so that `keyed_init` leaves them at zero.
    kernel: Param<Tensor<2>>,
    offset: Param<Tensor<1>>,
    image_channels: usize,
    #[module(skip)]
    size: Vec<usize>,
}

impl<const R: usize> GlobalNet<R> {
    /// The affine maps, `[batch, axes, axes + 1]`, as [`affine_field`] takes them. Images and
    /// errors are those of [`forward`](Self::forward).
    pub fn matrix(
        &self,
        moving: Tensor<R>,
        fixed: Tensor<R>,
    ) -> Result<Tensor<3>, RegistrationError> {
        if sizes(&moving) != self.size {
            let wanted = format!("a grid of {:?}", self.size);
            let got = moving.dims().to_vec();
            return Err(RegistrationError::Shape { field: "moving", got, wanted });
        }
        let (x, _) = self.encoder.forward(joined(moving, fixed, self.image_channels)?);
        let (axes, batch) = (R - 2, x.dims()[0]);
        let change =
            x.flatten::<2>(1, R - 1).matmul(self.kernel.val()) + self.offset.val().unsqueeze::<2>();
        let change = change.reshape([batch, axes, axes + 1]);
        let (device, dtype) = (change.device().inner(), change.dtype());
        let identity = Tensor::<2>::eye(axes, &device).cast(dtype);
        let none = Tensor::<2>::zeros([axes, 1], (&device, dtype));
        Ok(change + Tensor::cat(vec![identity, none], 1).unsqueeze::<3>())
    }

    /// The affine field that pulls the moving image back to the fixed one.
    ///
    /// # Shapes
    ///
    /// - moving, fixed: `[batch, image channels, ..spatial]`, of the size of the configuration
    /// - output: `[batch, axes, ..spatial]`, in voxels
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for images of different shapes, or of another size or other
    /// channels than those of the configuration.
    pub fn forward(
        &self,
        moving: Tensor<R>,
        fixed: Tensor<R>,
    ) -> Result<Tensor<R>, RegistrationError> {
        affine_field(self.matrix(moving, fixed)?, &self.size)
    }
}
