//! The noise scope: which noise the noisy layers of a forward pass draw.
//!
//! Burn's `forward` takes no key, so the key travels beside it, in the thread that runs the forward
//! pass.

use crate::{ExampleIds, Key};
use burn::tensor::{DType, Device, Distribution, Tensor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The state of the noise: what noisy layers do.
///
/// The scope is the only switch: `valid()`, `freeze()` and plain devices do not silence noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noise {
    /// A new draw at every use. The keys come from the device's generator, so `device.seed(..)`
    /// governs them as it governs any Burn layer. The state outside any scope.
    ///
    /// A scope reads one key from its device, when its first noisy layer runs, and derives all
    /// others from it: two forward passes in it draw differently, and so do two scopes. Outside any
    /// scope no one knows where a forward pass begins, so that every noisy layer reads a key of its
    /// own and waits for the device each time: on a GPU run the model in `scope(Noise::Fresh, ..)`.
    #[default]
    Fresh,
    /// Draws that are functions of this key: the same scope around the same forward pass replays
    /// the same noise.
    Keyed(Key),
    /// No noise at all: every noisy layer computes exactly what it would without noise. A law that
    /// learns a mean, such as [`Multiplicative`](crate::laws::Multiplicative), keeps the mean.
    Off,
}

/// A noise scope as a value, to be carried to another thread.
///
/// It is the scope itself and no copy: both threads count the uses of each layer together, so that
/// a layer draws anew wherever it runs next. Which of two threads that run at once gets which draw
/// is up to chance; give each a scope of its own if that matters. The precision that
/// `cni_ops::autocast` sets is none of its parts.
///
/// ```
/// use cni_noise::{Key, Noise, Scope, current_noise, scope};
/// let noise = Noise::Keyed(Key::new(1));
/// scope(noise, || {
///     let here = Scope::current();
///     let there = std::thread::spawn(move || here.enter(current_noise));
///     assert_eq!(there.join().unwrap(), noise);
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Scope {
    noise: Noise,
    examples: ExampleIds,
    draws: Arc<Mutex<Draws>>,
}

/// The draws of a scope so far.
#[derive(Debug, Default)]
struct Draws {
    /// The parent of all keys of a fresh scope, once it has been read.
    root: Option<Key>,
    /// The number of times that each name has asked for its key in this scope, so that a layer
    /// that is used twice draws twice.
    uses: HashMap<String, u64>,
}

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

impl Scope {
    /// The scope in force on this thread; outside any scope a new one of [`Noise::Fresh`].
    pub fn current() -> Self {
        SCOPES.with_borrow(|scopes| scopes.last().cloned()).unwrap_or_default()
    }

    /// Runs `f` with this scope in force on this thread, as [`scope`] does.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                SCOPES.with_borrow_mut(|scopes| scopes.pop());
            }
        }
        SCOPES.with_borrow_mut(|scopes| scopes.push(self.clone()));
        let _restore = Restore;
        f()
    }
}

/// Runs `f` with `noise` in force on this thread.
///
/// Scopes nest: the innermost one counts, and the outer one is in force again afterwards, also when
/// `f` panics. Threads that `f` starts are outside the scope; [`Scope`] carries it there.
///
/// Open the scope inside a job of a thread pool, not around the pool: a worker of Rayon that waits
/// for a job runs others meanwhile, on the same thread and so in the same scope. If those run a
/// model without a scope of their own, as in `scope(noise, || batches.par_iter().map(forward))`,
/// they draw in this scope or in none, as it happens.
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
    scope_at(noise, ExampleIds::default(), f)
}

/// Like [`scope`], and sets the numbers of the batch's rows within their data set. A single number
/// is that of the first row; the others follow it.
///
/// Noise drawn per example is then a function of the example's number, so that splitting the data
/// into other batches does not change it.
pub fn scope_at<R>(noise: Noise, examples: impl Into<ExampleIds>, f: impl FnOnce() -> R) -> R {
    Scope { noise, examples: examples.into(), ..Scope::default() }.enter(f)
}

/// The noise in force on this thread.
pub fn current_noise() -> Noise {
    SCOPES.with_borrow(|scopes| scopes.last().map(|scope| scope.noise).unwrap_or_default())
}

/// The examples that the rows of the batch in force on this thread are; those from 0 on unless
/// [`scope_at`] said otherwise.
pub fn current_examples() -> ExampleIds {
    SCOPES
        .with_borrow(|scopes| scopes.last().map(|scope| scope.examples.clone()).unwrap_or_default())
}

/// The key of the next draw of a noisy layer, or `None` if noise is off.
///
/// `name` identifies the layer within its model. In a keyed scope the `n`-th call with a name gives
/// `key.named(name).child(n)`, whatever other layers do meanwhile. A scope of [`Noise::Fresh`]
/// does the same with a key that it reads from the device once.
///
/// # Panics
///
/// If noise is fresh and the device fails.
pub fn layer_key(name: &str, device: &Device) -> Option<Key> {
    let scope = SCOPES.with_borrow(|scopes| scopes.last().map(|s| (s.noise, s.draws.clone())));
    let Some((noise, draws)) = scope else {
        return Some(device_key(device));
    };
    // A count is whole whatever happened to the thread that made it.
    let draws = || draws.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let root = match noise {
        Noise::Off => return None,
        Noise::Keyed(key) => key,
        Noise::Fresh => {
            let known = draws().root;
            match known {
                Some(root) => root,
                None => {
                    // Read while nothing is locked: a backend may run other jobs as it waits.
                    let root = device_key(device);
                    *draws().root.get_or_insert(root)
                }
            }
        }
    };
    let mut draws = draws();
    let uses = match draws.uses.get_mut(name) {
        Some(uses) => uses,
        None => draws.uses.entry(name.to_string()).or_insert(0),
    };
    let n = *uses;
    *uses += 1;
    Some(root.named(name).child(n))
}

/// A key from the device's own generator, which advances it.
fn device_key(device: &Device) -> Key {
    #[cfg(test)]
    tests::READS.set(tests::READS.get() + 1);
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
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local! {
        /// Keys that this thread has read from a device.
        pub static READS: Cell<usize> = const { Cell::new(0) };
    }

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
    fn a_fresh_scope_reads_the_device_once_and_draws_anew_at_every_use() {
        let device = Device::flex();
        let forward = || ["a", "b", "a"].map(|name| layer_key(name, &device).unwrap());
        let before = READS.get();
        let (first, second) = scope(Noise::Fresh, || (forward(), forward()));
        assert_eq!(READS.get() - before, 1);
        let other = scope(Noise::Fresh, forward);
        assert_eq!(READS.get() - before, 2);
        scope(Noise::Fresh, || scope(Noise::Off, || layer_key("a", &device)));
        scope(Noise::Keyed(Key::new(1)), forward);
        assert_eq!(READS.get() - before, 2);
        let all: std::collections::HashSet<Key> =
            [first, second, other].into_iter().flatten().collect();
        assert_eq!(all.len(), 9);
    }

    #[test]
    fn a_scope_goes_on_with_its_counts_and_examples_on_another_thread() {
        let device = Device::flex();
        let key = Key::new(1);
        scope_at(Noise::Keyed(key), 7, || {
            let next = || layer_key("a", &device).unwrap();
            assert_eq!(next(), key.named("a").child(0));
            let here = Scope::current();
            let there = device.clone();
            let there = std::thread::spawn(move || {
                here.enter(|| (layer_key("a", &there).unwrap(), current_examples()))
            });
            assert_eq!(there.join().unwrap(), (key.named("a").child(1), 7.into()));
            assert_eq!(next(), key.named("a").child(2));
        });
        assert_eq!(Scope::current().enter(current_noise), Noise::Fresh);
    }

    #[test]
    fn other_threads_are_outside_the_scope() {
        scope(Noise::Off, || {
            let seen = std::thread::spawn(current_noise).join().unwrap();
            assert_eq!(seen, Noise::Fresh);
        });
    }
}
