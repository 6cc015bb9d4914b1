//! Devices.

use crate::output::Output;
use burn::tensor::Device;
use clap::Args;
use cni_burn::device::{self, DeviceError};
use cni_burn::ops::HalfPrecision;
use cni_burn::prelude::Precision;
use std::error::Error;

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

    /// Says how the CPU computes in bf16 and in f16, if it will.
    ///
    /// # Errors
    ///
    /// If the environment asks for a way that is not there, or the text cannot be printed.
    pub fn say_half_precision(
        &self,
        precisions: &[Precision],
        output: Output,
    ) -> Result<(), Box<dyn Error>> {
        if self.device != "flex" {
            return Ok(());
        }
        if precisions.contains(&Precision::Bf16) {
            output.say(format_args!("bf16 {}", by(HalfPrecision::in_force()?)))?;
        }
        if precisions.contains(&Precision::F16) {
            output.say(format_args!("f16 {F16}"))?;
        }
        Ok(())
    }

    /// The first `count` devices of the backend.
    pub fn devices(&self, count: usize) -> Result<Vec<Device>, String> {
        device::devices(&self.device, count).map_err(flag)
    }
}

/// How the CPU computes in f16, in words: there are no kernels for it, so it saves no time.
pub const F16: &str = "by Burn's own operations, layer by layer, which is slow on a CPU: bf16 has \
                       kernels of its own";

/// How the CPU computes in bf16, in words.
pub fn by(way: HalfPrecision) -> &'static str {
    match way {
        HalfPrecision::Amx => "by the matrix units of AMX",
        HalfPrecision::Avx512Bf16 => "by the dot products of AVX-512 for bf16",
        HalfPrecision::Vectors => "by vectors of single precision",
        HalfPrecision::Layers => "by Burn's own operations, layer by layer",
    }
}

/// The sentence of an error, in which the field is a flag.
pub fn flag(error: DeviceError) -> String {
    format!("--{error}")
}
