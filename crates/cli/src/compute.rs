//! Devices and precision.

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
    /// Element type in which convolutions and linear layers multiply: full, bf16 or f16. The rest
    /// is in full precision.
    #[arg(long, default_value_t = Precision::Full)]
    pub precision: Precision,
}

impl Compute {
    /// The first device of the backend.
    ///
    /// # Errors
    ///
    /// A sentence if there is none, or if it does not multiply in the precision.
    pub fn device(&self) -> Result<Device, String> {
        let device = device::device(&self.device).map_err(flag)?;
        match self.precision.works_on(&device) {
            true => Ok(device),
            false => {
                Err(format!("--precision: got {}, which {} lacks", self.precision, self.device))
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
