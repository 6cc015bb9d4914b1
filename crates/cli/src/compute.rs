//! Devices.

use burn::tensor::Device;
use clap::Args;
use cni_burn::device::{self, DeviceError};
use cni_burn::prelude::Precision;

/// The flags of what computes.
#[derive(Args)]
pub struct Compute {
    /// Backend: flex, or any other that the program was built with.
    #[arg(long, default_value = "flex")]
    pub device: String,
}

impl Compute {
    /// The first device of the backend, for flags of precision.
    ///
    /// # Errors
    ///
    /// A sentence if there is none, or if it does not multiply in one of the precisions.
    pub fn device(&self, precisions: &[(&str, Precision)]) -> Result<Device, String> {
        let device = device::device(&self.device).map_err(flag)?;
        match precisions.iter().find(|(_, precision)| !precision.works_on(&device)) {
            None => Ok(device),
            Some((flag, precision)) => {
                Err(format!("--{flag}: got {precision}, which {} lacks", self.device))
            }
        }
    }

    /// The first `count` devices of the backend.
    pub fn devices(&self, count: usize) -> Result<Vec<Device>, String> {
        device::devices(&self.device, count).map_err(flag)
    }
}

/// The sentence of an error, in which the field is a flag.
pub fn flag(error: DeviceError) -> String {
    format!("--{error}")
}
