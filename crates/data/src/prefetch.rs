//! Values made ahead of their use.

use crate::DataError;
use std::io;
use std::mem;
use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Values that may be finished or in work before they are asked for.
pub(crate) const AHEAD: usize = 2;

/// The values of an iterator in its order, made by a thread of their own at most [`AHEAD`] before
/// they are asked for.
pub(crate) struct Prefetch<T> {
    /// `None` once the iterator has ended.
    running: Option<(Receiver<T>, JoinHandle<()>)>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system's, if it has no thread left.
    pub fn new(values: impl Iterator<Item = T> + Send + 'static) -> io::Result<Self> {
        // The value in work is one more than those that wait.
        let (sender, receiver) = sync_channel(AHEAD - 1);
        let work = move || {
            for value in values {
                if sender.send(value).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("cni-data prefetch".into()).spawn(work)?;
        Ok(Self { running: Some((receiver, thread)) })
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Ok(value) = self.running.as_ref()?.0.recv() {
            return Some(value);
        }
        let (_, thread) = self.running.take()?;
        // A panic in the thread is the caller's, and not an early end.
        thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        None
    }
}

impl<T> Drop for Prefetch<T> {
    /// Waits for the value in work, so that nothing is read any more after the iterator is gone.
    fn drop(&mut self) {
        if let Some((receiver, thread)) = self.running.take() {
            drop(receiver);
            // Nobody asked for the value that a panic would be about.
            let _ = thread.join();
        }
    }
}

/// A [`Prefetch`] of results that starts with the first call of `next` and ends with the first
/// error.
pub(crate) enum ReadAhead<T> {
    Waiting(Start<T>),
    Reading(Prefetch<Result<T, DataError>>),
    Ended,
}

/// The start of a [`ReadAhead`].
type Start<T> = Box<dyn FnOnce() -> Result<Prefetch<Result<T, DataError>>, DataError> + Send>;

impl<T: Send + 'static> ReadAhead<T> {
    /// The values that `start` makes, or its error.
    pub fn new<I>(start: impl FnOnce() -> Result<I, DataError> + Send + 'static) -> Self
    where
        I: Iterator<Item = Result<T, DataError>> + Send + 'static,
    {
        Self::Waiting(Box::new(|| {
            Prefetch::new(start()?).map_err(|reason| DataError::Thread { reason })
        }))
    }
}

impl<T: Send + 'static> Iterator for ReadAhead<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut values = match mem::replace(self, Self::Ended) {
            Self::Waiting(start) => match start() {
                Ok(values) => values,
                Err(error) => return Some(Err(error)),
            },
            Self::Reading(values) => values,
            Self::Ended => return None,
        };
        let value = values.next();
        if let Some(Ok(_)) = value {
            *self = Self::Reading(values);
        }
        value
    }
}

/// Runs a parallel iterator on the threads that read images.
///
/// They are apart from rayon's global pool: a training step that waits there for its kernels would
/// otherwise take up an image and finish after it.
pub(crate) fn on_readers<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static READERS: LazyLock<Option<rayon::ThreadPool>> = LazyLock::new(|| {
        let name = |i| format!("cni-data reader {i}");
        rayon::ThreadPoolBuilder::new().thread_name(name).build().ok()
    });
    match &*READERS {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::yield_now;

    /// Numbers from 0, and how many of them have been begun.
    fn counted(n: usize) -> (impl Iterator<Item = usize> + Send, Arc<AtomicUsize>) {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = begun.clone();
        let numbers = (0..n).inspect(move |_| _ = count.fetch_add(1, Ordering::SeqCst));
        (numbers, begun)
    }

    #[test]
    fn values_come_in_order_and_all_of_them() {
        let values = Prefetch::new(counted(100).0).unwrap();
        assert_eq!(values.collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn the_thread_is_ahead_by_a_fixed_number_and_never_more() {
        let (numbers, begun) = counted(50);
        let mut values = Prefetch::new(numbers).unwrap();
        for taken in 0..50 {
            // It does get so far ahead.
            while begun.load(Ordering::SeqCst) < (taken + AHEAD).min(50) {
                yield_now();
            }
            for _ in 0..100 {
                yield_now();
            }
            assert!(begun.load(Ordering::SeqCst) <= taken + AHEAD);
            assert_eq!(values.next(), Some(taken));
        }
        assert_eq!((values.next(), values.next()), (None, None));
    }

    #[test]
    fn after_the_drop_nothing_is_begun_any_more() {
        let (numbers, begun) = counted(50);
        let mut values = Prefetch::new(numbers).unwrap();
        values.next();
        drop(values);
        let count = begun.load(Ordering::SeqCst);
        assert!(count <= 1 + AHEAD);
        (0..100).for_each(|_| yield_now());
        assert_eq!(begun.load(Ordering::SeqCst), count);
    }

    #[test]
    fn an_error_of_a_value_or_of_the_start_is_the_last_that_comes() {
        let values = (0..9).map(|i| if i == 2 { Err(DataError::BatchSize) } else { Ok(i) });
        let mut values = ReadAhead::new(|| Ok(values));
        let mut next = || values.next().map(|value| value.map_err(|error| error.to_string()));
        let error = "batch_size: got 0, wanted at least 1".to_string();
        assert_eq!(
            [next(), next(), next(), next(), next()],
            [Some(Ok(0)), Some(Ok(1)), Some(Err(error)), None, None]
        );
        type Values = std::vec::IntoIter<Result<usize, DataError>>;
        let mut values = ReadAhead::new(|| Err::<Values, _>(DataError::BatchSize));
        assert!(values.next().unwrap().is_err() && values.next().is_none());
    }

    #[test]
    #[should_panic(expected = "number 3")]
    fn a_panic_of_the_thread_reaches_the_caller() {
        let numbers = (0..9).inspect(|i| assert!(*i < 3, "number {i}"));
        Prefetch::new(numbers).unwrap().for_each(drop);
    }
}
