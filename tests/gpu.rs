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
use cni_burn::device_check::{DeviceCheck, Difference, Finding, Outcome};

/// Wrong results of Burn 0.22.1 itself on `wgpu`, as seen on Mesa's software Vulkan: the gradient
/// of the weight of convolutions of one or three input channels is off by a tenth of its largest
/// value. What the command `check-device` names, too. Nothing else may differ.
const KNOWN: [(&str, [&str; 3]); 2] = [("webgpu", FEW_CHANNELS), ("wgpu", FEW_CHANNELS)];
const FEW_CHANNELS: [&str; 3] =
    ["convolution 3x3, one channel", "convolution 3x3, three channels", "convolution 5x5"];

#[test]
fn a_gpu_computes_what_the_cpu_does_but_for_what_is_known() {
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
        let known = |found: &Finding| {
            let weight_alone = |parts: &[Difference]| {
                parts.iter().all(|difference| difference.part == "gradient of the weight")
            };
            let mut known = KNOWN.iter().filter(|(backend, _)| *backend == name);
            known.any(|(_, all)| all.contains(&found.name.as_str()))
                && matches!(&found.outcome, Outcome::Differs(parts) if weight_alone(parts))
        };
        let differ: Vec<String> = findings
            .iter()
            .filter(|found| !found.agrees() && !known(found))
            .map(ToString::to_string)
            .collect();
        assert!(differ.is_empty(), "{name}:\n{}", differ.join("\n"));
    }
}
