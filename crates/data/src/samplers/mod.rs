//! The samplers: which examples make each batch of an epoch.
//!
//! A new built-in sampler is one file here, and one row in [`BUILT_IN`].

mod epochs;
mod mixture;
mod poisson;
mod replays;
mod sequential;

pub use epochs::Epochs;
pub use mixture::Mixture;
pub use poisson::Poisson;
pub use replays::Replays;
pub use sequential::Sequential;

use crate::DataError;
use crate::slots::{Load, check_spec, custom_or_built_in, load, rule_name};
use cni_noise::Key;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A rule that chooses the examples of each batch.
///
/// Built-in samplers and custom ones implement it alike. Training that resumes exactly rests on
/// `plan` being a pure function of its arguments.
///
/// ```
/// use cni_data::SamplerRule;
/// use cni_noise::{Key, host_uniform};
/// use serde_json::{Value, json};
///
/// /// Batches with replacement.
/// struct Bootstrap;
///
/// impl SamplerRule for Bootstrap {
///     fn spec(&self) -> Value {
///         json!({ "sampler": "bootstrap" })
///     }
///
///     fn plan(&self, key: Key, epoch: usize, examples: usize, batch: usize) -> Vec<Vec<usize>> {
///         let draws = host_uniform(key.child(epoch as u64), 0..examples as u64);
///         let index = |u: &f32| (f64::from(*u) * examples as f64) as usize;
///         draws.chunks(batch).map(|batch| batch.iter().map(index).collect()).collect()
///     }
/// }
/// # let plan = Bootstrap.plan(Key::new(1), 0, 8, 3);
/// # assert_eq!(plan.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 2]);
/// # assert!(plan.concat().iter().all(|&i| i < 8));
/// ```
pub trait SamplerRule: Send + Sync {
    /// All settings, as a JSON object whose entry `sampler` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// The examples of each batch of an epoch, as positions in `0..examples`.
    ///
    /// `key` is the same in every epoch; the epochs count from 0. `batch_size`, at least 1, is the
    /// size that the user asked for: that of every batch but the last, or the expected one if it is
    /// random. A plan has [`batches`](Self::batches) of them, none empty unless the sampler
    /// [says so](Self::may_be_empty). An example may occur more than once or not at all.
    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>>;

    /// The number of batches of every epoch, by default as many as it takes to hold each example
    /// once.
    fn batches(&self, examples: usize, batch_size: usize) -> usize {
        examples.div_ceil(batch_size)
    }

    /// True if a batch may be empty, as a batch of a random size may. A run trains on it: its
    /// gradient is zero, and rules and the optimizer do what they do in every step.
    fn may_be_empty(&self) -> bool {
        false
    }

    /// True if the sizes of batches are drawn at random, and may be private. What a run draws for a
    /// batch is then a function of its number in the epoch, and not of the examples before it, and
    /// what it draws for an example one of its position in the set: an example more or less changes
    /// nothing for the others.
    fn sizes_are_random(&self) -> bool {
        false
    }

    /// The times that an epoch shows each example, as the cost of a training counts them.
    fn times(&self) -> u64 {
        1
    }

    /// Checks the settings for so many examples and this batch size.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for a setting out of its range, or data that it does not suit.
    fn check(&self, _examples: usize, _batch_size: usize) -> Result<(), DataError> {
        Ok(())
    }
}

/// A choice of the examples of each batch: a built-in sampler, or a custom [`SamplerRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone)]
pub struct Sampler(Arc<dyn SamplerRule>);

/// The built-in samplers by name, and how they are read.
const BUILT_IN: &[(&str, Load<Sampler>)] = &[
    (Epochs::NAME, load::<Epochs, _>),
    (Mixture::NAME, load::<Mixture, _>),
    (Poisson::NAME, load::<Poisson, _>),
    (Sequential::NAME, load::<Sequential, _>),
    (Replays::NAME, load::<Replays, _>),
];

impl Sampler {
    /// Every example once an epoch, in a new random order each time: [`Epochs`].
    pub fn epochs() -> Self {
        Epochs {}.into()
    }

    /// Half of each batch from the examples at the position `extra` and behind, an epoch being one
    /// pass over those before: [`Mixture`], which takes other shares too.
    pub fn mixture(extra: usize) -> Self {
        Mixture { extra, share: 0.5 }.into()
    }

    /// Each example by itself with one probability in every batch: [`Poisson`].
    pub fn poisson() -> Self {
        Poisson {}.into()
    }

    /// Every example once an epoch, in the order of the set: [`Sequential`].
    pub fn sequential() -> Self {
        Sequential {}.into()
    }

    /// Every example so many times an epoch, each batch several times in a row: [`Replays`].
    pub fn replays(times: usize) -> Self {
        Replays { times }.into()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    /// The number of batches of every epoch.
    pub fn batches(&self, examples: usize, batch_size: usize) -> usize {
        self.0.batches(examples, batch_size)
    }

    /// True if a batch may be empty.
    pub fn may_be_empty(&self) -> bool {
        self.0.may_be_empty()
    }

    /// True if the sizes of batches are random: see [`SamplerRule::sizes_are_random`].
    pub fn sizes_are_random(&self) -> bool {
        self.0.sizes_are_random()
    }

    /// The times that an epoch shows each example, as the cost of a training counts them.
    pub fn times(&self) -> u64 {
        self.0.times()
    }

    /// The plan of the rule, as it is: see [`check_plan`](Self::check_plan).
    pub(crate) fn plan(
        &self,
        key: Key,
        epoch: usize,
        examples: usize,
        batch_size: usize,
    ) -> Vec<Vec<usize>> {
        self.0.plan(key, epoch, examples, batch_size)
    }

    /// Refuses a plan of so many batches that breaks the contract of [`SamplerRule::plan`].
    pub(crate) fn check_plan<'a>(
        &self,
        plan: impl ExactSizeIterator<Item = &'a [usize]>,
        epoch: usize,
        examples: usize,
        wanted: usize,
    ) -> Result<(), DataError> {
        let sampler = || self.label();
        if plan.len() != wanted {
            let (sampler, got) = (sampler(), plan.len());
            return Err(DataError::PlanLength { sampler, epoch, got, wanted });
        }
        for (batch, indices) in plan.enumerate() {
            if indices.is_empty() && !self.may_be_empty() {
                return Err(DataError::EmptyBatch { sampler: sampler(), epoch, batch });
            }
            if let Some(&got) = indices.iter().find(|&&index| index >= examples) {
                let sampler = sampler();
                return Err(DataError::PlanIndex { sampler, epoch, batch, got, examples });
            }
        }
        Ok(())
    }

    /// The name of the rule, for errors.
    #[doc(hidden)]
    pub fn label(&self) -> String {
        format!("sampler {}", rule_name("sampler", &self.spec()))
    }

    pub(crate) fn check(&self, examples: usize, batch_size: usize) -> Result<(), DataError> {
        check_spec("sampler", &self.spec())?;
        self.0.check(examples, batch_size).map_err(|error| error.of(|| self.label()))
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::epochs()
    }
}

impl<R: SamplerRule + 'static> From<R> for Sampler {
    fn from(rule: R) -> Self {
        Self(Arc::new(rule))
    }
}

impl Serialize for Sampler {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sampler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("sampler", BUILT_IN, Sampler::spec, spec).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sampler({})", self.spec())
    }
}
