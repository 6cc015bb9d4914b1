//! The backends that this program was built with.

use burn::tensor::{Device, Tensor};
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};

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
        // Burn's `Device::webgpu` is a browser's own; elsewhere the feature means WebGPU's shading language.
        #[cfg(feature = "webgpu")]
        ("webgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "wgpu")]
        ("wgpu", || Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
    ];
    backends.to_vec()
}

/// The device of a backend that works on this machine, or what could have been asked for.
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
            "device: got {name}, which needs a program built with `--features {name}`; wanted one of {others:?}"
        )),
        None => Err(format!("device: got {name}, wanted one of {others:?}")),
    }
}

/// The device, once it has computed something: a missing driver shows at first use, as panics of Burn's threads. The
/// first of them names the cause.
fn probe(make: Make) -> Result<Device, String> {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let heard = panics.clone();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or("no reason given").to_string();
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }));
    let probed = std::thread::spawn(move || {
        let device = make();
        let sum = Tensor::<1>::ones([2], &device).sum().try_into_scalar::<f32>();
        sum.map(|_| device).map_err(|error| error.to_string())
    })
    .join();
    panic::set_hook(hook);
    let reason = match probed {
        Ok(Ok(device)) => return Ok(device),
        Ok(Err(error)) => error,
        Err(_) => panics.lock().unwrap_or_else(PoisonError::into_inner).swap_remove(0),
    };
    Err(reason.split_whitespace().collect::<Vec<_>>().join(" "))
}
