//! Devices of a backend.

use burn::tensor::{Device, DeviceType};
use clap::ValueEnum;
use cni_burn::device::device;
use cni_burn::training::Parallel;

/// How several devices share the batches.
#[derive(Clone, Copy, ValueEnum)]
pub enum Sharing {
    /// One model, gradients summed on the first device; any backend.
    Multi,
    /// A model on each device, gradients summed by NCCL; CUDA only, untested.
    #[cfg(feature = "experimental-ddp")]
    Ddp,
}

impl From<Sharing> for Parallel {
    fn from(sharing: Sharing) -> Self {
        match sharing {
            Sharing::Multi => Self::Multi,
            #[cfg(feature = "experimental-ddp")]
            Sharing::Ddp => Self::Ddp,
        }
    }
}

/// The first `count` devices of a backend.
///
/// A CPU backend has one device. Several handles of it are not faster, but they show how several
/// devices would work.
pub fn devices(name: &str, count: usize) -> Result<Vec<Device>, String> {
    let first = device(name)?;
    match listed(name) {
        Some(all) if count > 1 && all.len() < count => {
            Err(format!("--devices: got {count}, wanted at most the {} that {name} has", all.len()))
        }
        Some(all) if count > 1 => Ok(all[..count].to_vec()),
        _ => Ok(vec![first; count]),
    }
}

/// All devices of a backend with hardware of its own.
fn listed(name: &str) -> Option<Vec<Device>> {
    let kinds: &[(&str, DeviceType)] = &[
        #[cfg(feature = "cuda")]
        ("cuda", DeviceType::Cuda),
        #[cfg(feature = "rocm")]
        ("rocm", DeviceType::Rocm),
        #[cfg(feature = "vulkan")]
        ("vulkan", DeviceType::Vulkan),
        #[cfg(feature = "metal")]
        ("metal", DeviceType::Metal),
        #[cfg(feature = "webgpu")]
        ("webgpu", DeviceType::WebGpu),
        #[cfg(feature = "wgpu")]
        ("wgpu", DeviceType::Wgpu),
    ];
    let (_, kind) = kinds.iter().find(|(backend, _)| *backend == name)?;
    Some(Device::enumerate(kind.clone()).to_vec())
}
