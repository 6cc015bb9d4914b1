//! The examples of each batch of an epoch.

mod epochs;
mod sequential;

pub use epochs::Epochs;
pub use sequential::Sequential;

use crate::DataError;
use cni_noise::Key;
use std::fmt;

/// A rule for the batches of each epoch.
///
/// Training that resumes exactly rests on `plan` being a pure function of its arguments.
///
/// ```
/// use cni_data::Sampler;
/// use cni_noise::{Key, host_uniform};
///
/// /// Batches with replacement.
/// #[derive(Debug)]
/// struct Bootstrap {
///     batch_size: usize,
/// }
///
/// impl Sampler for Bootstrap {
///     fn batch_size(&self) -> usize {
///         self.batch_size
///     }
///
///     fn plan(&self, key: Key, epoch: usize, examples: usize) -> Vec<Vec<usize>> {
///         let draws = host_uniform(key.child(epoch as u64), 0..examples as u64);
///         let index = |u: &f32| (f64::from(*u) * examples as f64) as usize;
///         draws.chunks(self.batch_size).map(|batch| batch.iter().map(index).collect()).collect()
///     }
/// }
/// # let plan = Bootstrap { batch_size: 3 }.plan(Key::new(1), 0, 8);
/// # assert_eq!(plan.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 2]);
/// # assert!(plan.concat().iter().all(|&i| i < 8));
/// ```
pub trait Sampler: fmt::Debug + Send + Sync {
    /// Examples of every batch but the last, or their expected number if it is random. At least 1.
    fn batch_size(&self) -> usize;

    /// The examples of each batch of an epoch, as positions in `0..examples`.
    ///
    /// `key` is the same in every epoch; the epochs count from 0. A plan has
    /// [`batches`](Self::batches) of them, none empty. An example may occur more than once or not
    /// at all.
    fn plan(&self, key: Key, epoch: usize, examples: usize) -> Vec<Vec<usize>>;

    /// The number of batches of every epoch, by default as many as it takes to hold each example
    /// once.
    fn batches(&self, examples: usize) -> usize {
        examples.div_ceil(self.batch_size())
    }
}

/// Refuses a plan that breaks the contract of [`Sampler::plan`].
pub(crate) fn check_plan<'a>(
    sampler: &dyn Sampler,
    plan: impl ExactSizeIterator<Item = &'a [usize]>,
    epoch: usize,
    examples: usize,
) -> Result<(), DataError> {
    let name = || format!("{sampler:?}");
    let wanted = sampler.batches(examples);
    if plan.len() != wanted {
        return Err(DataError::PlanLength { sampler: name(), epoch, got: plan.len(), wanted });
    }
    for (batch, indices) in plan.enumerate() {
        if indices.is_empty() {
            return Err(DataError::EmptyBatch { sampler: name(), epoch, batch });
        }
        if let Some(&got) = indices.iter().find(|&&index| index >= examples) {
            return Err(DataError::PlanIndex { sampler: name(), epoch, batch, got, examples });
        }
    }
    Ok(())
}
