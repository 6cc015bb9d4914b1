//! A GPU computes what the CPU does: draws, noise, layers, attacks and a training step.
//!
//! `cargo test --workspace --features webgpu --test gpu` runs on whatever graphics API there is,
//! Mesa's software Vulkan included; `cuda`, `vulkan`, `metal`, `rocm` and `wgpu` are features
//! likewise. Where several backends are compiled in, all of them are tested, or those that the
//! environment variable `CNI_DEVICE` names: `CNI_DEVICE=cuda`. Flex is what they are compared with,
//! so that it alone is no GPU and an error. One test, so that each device starts once; everything
//! is small and in single precision.

#![cfg(any(
    feature = "cuda",
    feature = "metal",
    feature = "rocm",
    feature = "vulkan",
    feature = "webgpu",
    feature = "wgpu"
))]

use cni_burn::device::{compared, device};
use cni_burn::device_check::DeviceCheck;

#[test]
fn a_gpu_computes_what_the_cpu_does() {
    let (check, cpu) = (DeviceCheck::new(), device("flex").unwrap());
    let mut names = compared().unwrap();
    names.retain(|name| *name != "flex");
    assert!(
        !names.is_empty(),
        "CNI_DEVICE: got {:?}, wanted a backend other than flex, which the others are compared \
         with",
        std::env::var("CNI_DEVICE").unwrap_or_default()
    );
    for name in names {
        let gpu = device(name).unwrap();
        let findings = check.run(&gpu, &cpu, &mut |finding| println!("{finding}"));
        let differ: Vec<String> =
            findings.iter().filter(|found| !found.agrees()).map(ToString::to_string).collect();
        assert!(differ.is_empty(), "{name}:\n{}", differ.join("\n"));
    }
}
