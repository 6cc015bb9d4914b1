//! Devices by the name of their backend, of those that the program was built with.

use crate::panics::caught;
use burn::tensor::{Device, DeviceType, Tensor};

/// Makes a device.
pub type Make = fn() -> Device;

/// The names of all backends. Each is compiled in by the cargo feature of its name.
const BACKENDS: [&str; 8] = ["flex", "cuda", "rocm", "cpu", "vulkan", "metal", "webgpu", "wgpu"];

/// A device that a program asked for and does not get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// A name that is no backend's.
    #[error("device: got {got}, wanted one of {compiled:?}")]
    Unknown {
        /// The name given.
        got: String,
        /// The backends that are compiled in.
        compiled: Vec<&'static str>,
    },
    /// A backend that is not compiled in.
    #[error(
        "device: got {got}, which needs a program built with `--features {got}`; wanted one of \
         {compiled:?}"
    )]
    NotCompiled {
        /// The backend.
        got: String,
        /// The backends that are compiled in.
        compiled: Vec<&'static str>,
    },
    /// A backend that cannot compute on this machine.
    #[error("device: {got} finds no driver or device here ({reason}); wanted one of {others:?}")]
    NotFound {
        /// The backend.
        got: String,
        /// The backend's reason.
        reason: String,
        /// The other backends that are compiled in.
        others: Vec<&'static str>,
    },
    /// More devices than a backend has.
    #[error("devices: got {got}, wanted at most the {len} that {backend} has")]
    TooFew {
        /// The number asked for.
        got: usize,
        /// The number of devices there are.
        len: usize,
        /// The backend.
        backend: String,
    },
}

/// Every backend that is compiled in, by name.
pub fn compiled() -> Vec<(&'static str, Make)> {
    let backends: &[(&str, Make)] = &[
        #[cfg(feature = "flex")]
        ("flex", || Device::flex()),
        #[cfg(feature = "cuda")]
        ("cuda", || Device::cuda(0)),
        #[cfg(feature = "rocm")]
        ("rocm", || Device::rocm(0)),
        #[cfg(feature = "cpu")]
        ("cpu", || Device::cpu()),
        #[cfg(feature = "vulkan")]
        ("vulkan", || Device::vulkan(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "metal")]
        ("metal", || Device::metal(burn::tensor::DeviceKind::DefaultDevice)),
        // Burn's `Device::webgpu` is a browser's own; elsewhere the feature means WebGPU's shading
        // language.
        #[cfg(feature = "webgpu")]
        ("webgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "wgpu")]
        ("wgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
    ];
    backends.to_vec()
}

/// The first device of a backend, by the backend's name.
///
/// # Errors
///
/// [`DeviceError`] if there is no such backend, it is not compiled in, or it finds no hardware or
/// driver here.
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let all = compiled();
    let names = || all.iter().map(|(backend, _)| *backend);
    match all.iter().find(|(backend, _)| *backend == name) {
        Some((_, make)) => probe(*make).map_err(|reason| DeviceError::NotFound {
            got: name.to_string(),
            reason,
            others: names().filter(|backend| *backend != name).collect(),
        }),
        None => {
            let (got, compiled) = (name.to_string(), names().collect());
            Err(match BACKENDS.contains(&name) {
                true => DeviceError::NotCompiled { got, compiled },
                false => DeviceError::Unknown { got, compiled },
            })
        }
    }
}

/// The first `count` devices of a backend.
///
/// A CPU backend has one device. Several handles of it compute nothing sooner, but show what
/// several devices would do.
///
/// # Errors
///
/// [`DeviceError`] if the backend has fewer devices, and as for [`device`].
pub fn devices(name: &str, count: usize) -> Result<Vec<Device>, DeviceError> {
    let first = device(name)?;
    match hardware(name) {
        Some(all) if count > 1 && all.len() < count => {
            let (len, backend) = (all.len(), name.to_string());
            Err(DeviceError::TooFew { got: count, len, backend })
        }
        Some(all) if count > 1 => Ok(all[..count].to_vec()),
        _ => Ok(vec![first; count]),
    }
}

/// All devices of a backend that has hardware of its own.
fn hardware(name: &str) -> Option<Vec<Device>> {
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

/// The device, once it has computed something: a missing driver shows at first use.
fn probe(make: Make) -> Result<Device, String> {
    caught(|| {
        let device = make();
        let sum = Tensor::<1>::ones([2], &device).sum().try_into_scalar::<f32>();
        sum.map(|_| device).map_err(|error| error.to_string())
    })?
}

/// The backends that the repository's tests and benches compare with Flex: those that the
/// environment variable `CNI_DEVICE` names, such as `cuda` or `cuda,vulkan`, and all that are
/// compiled in without it.
///
/// # Errors
///
/// [`DeviceError::Unknown`] if the variable names a backend that is not compiled in.
pub fn compared() -> Result<Vec<&'static str>, DeviceError> {
    let all: Vec<&str> = compiled().into_iter().map(|(name, _)| name).collect();
    let Some(asked) = std::env::var_os("CNI_DEVICE") else {
        return Ok(all.into_iter().filter(|name| *name != "flex").collect());
    };
    let asked = asked.to_string_lossy();
    let known = |name: &str| {
        let found = all.iter().find(|known| **known == name).copied();
        let (got, compiled) = (name.to_string(), all.clone());
        found.ok_or(DeviceError::Unknown { got, compiled })
    };
    asked.split(',').map(known).collect()
}
