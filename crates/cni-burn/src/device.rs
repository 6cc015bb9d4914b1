//! Devices by the name of their backend, of those that the program was built with.

use crate::panics::caught;
use burn::tensor::{Device, Tensor};

/// Makes a device.
pub type Make = fn() -> Device;

/// The backends there are. Each is compiled in by the cargo feature of its name.
const BACKENDS: [&str; 8] = ["flex", "cuda", "rocm", "cpu", "vulkan", "metal", "webgpu", "wgpu"];

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

/// The device of a backend, by name.
///
/// # Errors
///
/// In a sentence: where there is no such backend, it is not compiled in, or it finds no hardware or
/// driver here.
pub fn device(name: &str) -> Result<Device, String> {
    let compiled = compiled();
    let others: Vec<&str> =
        compiled.iter().map(|(backend, _)| *backend).filter(|backend| *backend != name).collect();
    match compiled.iter().find(|(backend, _)| *backend == name) {
        Some((_, make)) => probe(*make).map_err(|reason| {
            format!(
                "device: {name} finds no driver or device here ({reason}); wanted one of {others:?}"
            )
        }),
        None if BACKENDS.contains(&name) => Err(format!(
            "device: got {name}, which needs a program built with `--features {name}`; \
             wanted one of {others:?}"
        )),
        None => Err(format!("device: got {name}, wanted one of {others:?}")),
    }
}

/// The device, once it has computed something: a missing driver shows at first use.
fn probe(make: Make) -> Result<Device, String> {
    caught(|| {
        let device = make();
        let sum = Tensor::<1>::ones([2], &device).sum().try_into_scalar::<f32>();
        sum.map(|_| device).map_err(|error| error.to_string())
    })?
}

/// The backends that the repository's tests and benches compare with Flex: what the environment
/// variable `CNI_DEVICE` names, such as `cuda` or `cuda,vulkan`, else all that are compiled in.
///
/// # Errors
///
/// In a sentence, where the variable names a backend that is not compiled in.
pub fn compared() -> Result<Vec<&'static str>, String> {
    let all: Vec<&str> = compiled().into_iter().map(|(name, _)| name).collect();
    let Some(asked) = std::env::var_os("CNI_DEVICE") else {
        return Ok(all.into_iter().filter(|name| *name != "flex").collect());
    };
    let asked = asked.to_string_lossy();
    let known = |name: &str| {
        let found = all.iter().find(|known| **known == name).copied();
        found.ok_or_else(|| format!("CNI_DEVICE: got {name:?}, wanted one of {all:?}"))
    };
    asked.split(',').map(known).collect()
}
