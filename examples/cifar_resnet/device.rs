//! The backends that this program was built with.

use burn::tensor::Device;

type Make = fn() -> Device;

/// Every backend that is compiled in, by name.
fn backends() -> Vec<(&'static str, Make)> {
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
        #[cfg(feature = "webgpu")]
        ("webgpu", || Device::webgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "wgpu")]
        ("wgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
    ];
    backends.to_vec()
}

/// The device of a backend, or what could have been asked for.
pub fn device(name: &str) -> Result<Device, String> {
    let backends = backends();
    let names: Vec<&str> = backends.iter().map(|(name, _)| *name).collect();
    let found = backends.iter().find(|(backend, _)| *backend == name);
    found.map(|(_, make)| make()).ok_or_else(|| {
        format!("device: got {name}, wanted one that this program was built with: {names:?}")
    })
}
