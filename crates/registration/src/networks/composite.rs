use super::{GlobalNet, GlobalNetConfig, LocalNet, LocalNetConfig};
use crate::RegistrationError;
use crate::fields::{Sampling, compose, warp};
use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configures [`CompositeNet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompositeNetConfig {
    /// The affine network.
    pub global: GlobalNetConfig,
    /// The network of what is left.
    pub local: LocalNetConfig,
}

impl Config for CompositeNetConfig {}

impl CompositeNetConfig {
    /// A network for images of a size, with label-reg's features.
    pub fn new(size: impl Into<Vec<usize>>) -> Self {
        Self { global: GlobalNetConfig::new(size), local: LocalNetConfig::default() }
    }

    /// The network for images of rank `R`.
    ///
    /// # Panics
    ///
    /// With the message of the error that [`try_init`](Self::try_init) would give.
    pub fn init<const R: usize>(&self, device: &Device) -> CompositeNet<R> {
        self.try_init(device).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`init`](Self::init), with an error in place of the panic.
    ///
    /// # Errors
    ///
    /// Those of its two networks.
    pub fn try_init<const R: usize>(
        &self,
        device: &Device,
    ) -> Result<CompositeNet<R>, RegistrationError> {
        let (global, local) = (self.global.try_init(device)?, self.local.try_init(device)?);
        Ok(CompositeNet { global, local })
    }
}

/// An affine network, and a local one on the moving image that the affine one has warped
/// (label-reg's CompositeNet). Made by [`CompositeNetConfig`].
#[derive(Module, Debug)]
pub struct CompositeNet<const R: usize> {
    /// The affine network.
    pub global: GlobalNet<R>,
    /// The network of what is left.
    pub local: LocalNet<R>,
}

impl<const R: usize> CompositeNet<R> {
    /// The composition of both fields. Shapes and errors are those of [`GlobalNet::forward`].
    pub fn forward(
        &self,
        moving: Tensor<R>,
        fixed: Tensor<R>,
    ) -> Result<Tensor<R>, RegistrationError> {
        let global = self.global.forward(moving.clone(), fixed.clone())?;
        let warped = warp(moving, global.clone(), Sampling::default())?;
        compose(global, self.local.forward(warped, fixed)?)
    }
}
