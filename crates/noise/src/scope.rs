//! The noise scope: which noise the noisy layers of a forward pass draw.
//!
//! Burn's `forward` takes no key, so the key travels beside it, in the thread that runs the forward pass.

use crate::{Examples, Key};
use burn::tensor::{DType, Device, Distribution, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;

/// What noisy layers do. The scope is the only switch: `valid()`, `freeze()` and plain devices do not silence noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noise {
    /// A new draw at every use. The keys come from the device's generator, so `device.seed(..)` governs them as it
    /// governs any Burn layer. The state outside any scope.
    #[default]
    Fresh,
    /// Draws that are functions of this key: the same scope around the same forward pass replays the same noise.
    Keyed(Key),
    /// No noise at all: every noisy layer computes exactly what it would without noise.
    Off,
}

#[derive(Default)]
struct Frame {
    noise: Noise,
    examples: Examples,
    /// How often each name has asked for its key in this scope, so that a layer used twice draws twice.
    uses: HashMap<String, u64>,
}

thread_local! {
    static FRAMES: RefCell<Vec<Frame>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` with `noise` in force on this thread.
///
/// Scopes nest: the innermost one counts, and the outer one is in force again afterwards, also when `f` panics. Threads
/// that `f` starts are outside the scope.
///
/// ```
/// use cni_noise::{Key, Noise, current_noise, scope};
/// let key = Key::new(1);
/// scope(Noise::Keyed(key), || {
///     assert_eq!(current_noise(), Noise::Keyed(key));
///     scope(Noise::Off, || assert_eq!(current_noise(), Noise::Off));
/// });
/// assert_eq!(current_noise(), Noise::Fresh);
/// ```
pub fn scope<R>(noise: Noise, f: impl FnOnce() -> R) -> R {
    scope_at(noise, Examples::default(), f)
}

/// As [`scope`], for a batch whose rows are these examples of its data set; a number is that of the first row, with the
/// others after it.
///
/// Noise drawn per example is then a function of the example's number, so that splitting the data into other batches
/// does not change it.
pub fn scope_at<R>(noise: Noise, examples: impl Into<Examples>, f: impl FnOnce() -> R) -> R {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            FRAMES.with_borrow_mut(|frames| frames.pop());
        }
    }
    let examples = examples.into();
    FRAMES.with_borrow_mut(|frames| {
        frames.push(Frame { noise, examples, ..Frame::default() });
    });
    let _restore = Restore;
    f()
}

/// The noise in force on this thread.
pub fn current_noise() -> Noise {
    FRAMES.with_borrow(|frames| frames.last().map(|frame| frame.noise).unwrap_or_default())
}

/// Which examples the rows of the batch in force on this thread are; those from 0 on unless [`scope_at`] said otherwise.
pub fn current_examples() -> Examples {
    FRAMES
        .with_borrow(|frames| frames.last().map(|frame| frame.examples.clone()).unwrap_or_default())
}

/// For a noisy layer: the key of its next draw, or `None` where noise is off.
///
/// `name` identifies the layer within its model. In a keyed scope the `n`-th call with a name gives
/// `key.named(name).child(n)`, whatever other layers do meanwhile.
pub fn layer_key(name: &str, device: &Device) -> Option<Key> {
    let keyed = FRAMES.with_borrow_mut(|frames| match frames.last_mut() {
        None => Some(None),
        Some(frame) => match frame.noise {
            Noise::Off => None,
            Noise::Fresh => Some(None),
            Noise::Keyed(key) => {
                let uses = match frame.uses.get_mut(name) {
                    Some(uses) => uses,
                    None => frame.uses.entry(name.to_string()).or_insert(0),
                };
                let n = *uses;
                *uses += 1;
                Some(Some(key.named(name).child(n)))
            }
        },
    })?;
    Some(keyed.unwrap_or_else(|| device_key(device)))
}

/// A key from the device's own generator, which advances it.
fn device_key(device: &Device) -> Key {
    let options = (&device.clone().inner(), DType::F32);
    let draws = Tensor::<1>::random([8], Distribution::Uniform(0.0, 1.0), options);
    // Sixteen bits of each draw: all that every backend's single-precision uniform is good for.
    let bits: Vec<u32> = draws
        .try_to_vec_as::<f32>()
        .expect("eight values of a tensor made here can be read")
        .into_iter()
        .map(|u| (u * 65_536.0) as u32 & 0xFFFF)
        .collect();
    Key::from_words([0, 2, 4, 6].map(|i| bits[i] | bits[i + 1] << 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn scopes_nest_and_are_restored_on_panic() {
        let key = Key::new(1);
        scope_at(Noise::Keyed(key), 7, || {
            let inner = catch_unwind(AssertUnwindSafe(|| scope(Noise::Off, || panic!("inside"))));
            assert!(inner.is_err());
            assert_eq!((current_noise(), current_examples()), (Noise::Keyed(key), 7.into()));
        });
        assert_eq!((current_noise(), current_examples()), (Noise::Fresh, 0.into()));
    }

    #[test]
    fn keyed_draws_replay_and_count_the_uses_of_each_name() {
        let device = Device::flex();
        let key = Key::new(1);
        let draw = || {
            scope(Noise::Keyed(key), || {
                ["a", "b", "a"].map(|name| layer_key(name, &device).unwrap())
            })
        };
        assert_eq!(draw(), draw());
        assert_eq!(
            draw(),
            [key.named("a").child(0), key.named("b").child(0), key.named("a").child(1)]
        );
    }

    #[test]
    fn an_inner_scope_does_not_disturb_the_outer_ones_count() {
        let device = Device::flex();
        let key = Key::new(1);
        scope(Noise::Keyed(key), || {
            layer_key("a", &device);
            scope(Noise::Keyed(Key::new(2)), || layer_key("a", &device));
            assert_eq!(layer_key("a", &device), Some(key.named("a").child(1)));
        });
    }

    #[test]
    fn fresh_noise_is_new_each_time_and_off_is_none() {
        let device = Device::flex().autodiff();
        assert_ne!(layer_key("a", &device), layer_key("a", &device));
        assert_eq!(scope(Noise::Off, || layer_key("a", &device)), None);
    }

    #[test]
    fn other_threads_are_outside_the_scope() {
        scope(Noise::Off, || {
            let seen = std::thread::spawn(current_noise).join().unwrap();
            assert_eq!(seen, Noise::Fresh);
        });
    }
}
