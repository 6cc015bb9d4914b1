use super::joined;
use super::layers::{Head, Up};
use super::pyramid::{Encoder, Pyramid};
use crate::RegistrationError;
use crate::fields::grid::sizes;
use crate::fields::resized;
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`LocalNet`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalNetConfig {
    /// The sizes and channels of its features.
    pub pyramid: Pyramid,
}

impl Config for LocalNetConfig {}

impl LocalNetConfig {
    /// The network for images of rank `R`.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init<const R: usize>(&self, device: &Device) -> LocalNet<R> {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Count`] for a rank other than 4 and 5, an even kernel, fewer than 2
    /// levels, and channels that do not form groups of two or more, or too many.
    pub fn try_init<const R: usize>(
        &self,
        device: &Device,
    ) -> Result<LocalNet<R>, RegistrationError> {
        let pyramid = self.pyramid;
        pyramid.check::<R>()?;
        // From the smallest size to the full one.
        let channels = || (0..pyramid.levels).rev().map(|level| pyramid.channels_at(level));
        let up = |channels| Up::new(channels, pyramid.kernel, pyramid.groups, device);
        Ok(LocalNet {
            encoder: pyramid.init(device),
            up: channels().skip(1).map(up).collect(),
            heads: channels().map(|from| Head::new(from, pyramid.kernel, device)).collect(),
            image_channels: pyramid.image_channels,
        })
    }
}

/// A network of dense displacements (label-reg's LocalNet). Made by [`LocalNetConfig`].
///
/// Residual blocks with max pooling lead down, transposed convolutions beside additive upsampling
/// and summed skips lead up. At every level a convolution, zero at first, gives a field, in voxels
/// of the full size; the prediction is the sum of all of them at full size.
#[derive(Module, Debug)]
pub struct LocalNet<const R: usize> {
    encoder: Encoder<R>,
    up: Vec<Up<R>>,
    heads: Vec<Head<R>>,
    image_channels: usize,
}

impl<const R: usize> LocalNet<R> {
    /// The field that pulls the moving image back to the fixed one.
    ///
    /// # Shapes
    ///
    /// - moving, fixed: `[batch, image channels, ..spatial]`, of any size
    /// - output: `[batch, axes, ..spatial]`, in voxels
    ///
    /// # Errors
    ///
    /// [`RegistrationError::Shape`] for images of different shapes or other channels than those of
    /// the configuration.
    pub fn forward(
        &self,
        moving: Tensor<R>,
        fixed: Tensor<R>,
    ) -> Result<Tensor<R>, RegistrationError> {
        let size = sizes(&moving);
        let (mut x, mut skips) = self.encoder.forward(joined(moving, fixed, self.image_channels)?);
        let mut field = resized(self.heads[0].forward(x.clone()), &size);
        for (up, head) in self.up.iter().zip(&self.heads[1..]) {
            let skip = skips.pop().expect("there is a skip for each block");
            x = up.forward(x, skip);
            field = field + resized(head.forward(x.clone()), &size);
        }
        Ok(field)
    }
}
