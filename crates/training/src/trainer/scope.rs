//! The noise scope, precision and generator of a step.

use burn::tensor::Device;
use cni_noise::{ExampleIds, Key, Noise, scope_at};
use cni_ops::{Precision, autocast};

/// Runs a step in a scope of its own in place of the caller's, noise and precision alike.
///
/// A run is a function of its configuration, and a step on another device runs in another thread,
/// which the caller's scope does not reach. The forward passes open scopes of their own within.
pub(super) fn own_scope<R>(
    key: Key,
    examples: impl Into<ExampleIds>,
    step: impl FnOnce() -> R,
) -> R {
    let noise = Noise::Keyed(key.named("step"));
    autocast(Precision::Full, || scope_at(noise, examples, step))
}

/// Seeds the device's generator, from which layers of Burn's own such as `Dropout` draw.
///
/// The one place of this library that touches that generator: nothing of ours draws from it, and
/// layers that do are part of the run only if every step finds it in a state that follows from the
/// run's key. It is shared by all threads and devices of the process, so several devices that train
/// at once cannot have it.
pub(super) fn seed(device: &Device, key: Key) {
    let [low, high, ..] = key.named("device").words();
    device.seed(u64::from(low) | u64::from(high) << 32);
}
