//! The one place where values come back from the device.
//!
//! A read waits until the device has finished all earlier work, so that attacks read rarely.

use burn::tensor::{Bool, DType, Int, Tensor};

/// The assertion of each read: see the crate's documentation under `# Panics`.
const READABLE: &str = "the device can be read";

#[cfg(test)]
thread_local! {
    static READS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The number of reads from a device in this thread.
#[cfg(test)]
pub(crate) fn reads() -> usize {
    READS.get()
}

fn count() {
    #[cfg(test)]
    READS.set(READS.get() + 1);
}

/// The values of a tensor on the host.
pub fn read<const D: usize>(values: &Tensor<D>) -> Vec<f64> {
    count();
    // The tensor's own conversion matches on the type for every value, which is slow.
    match values.dtype() {
        DType::F32 => {
            let single = values.try_to_vec_as::<f32>();
            single.map(|all| all.into_iter().map(f64::from).collect())
        }
        _ => values.try_to_vec_as(),
    }
    .expect(READABLE)
}

/// The values of several lists on the host, by a single read.
pub fn read_all(lists: &[Tensor<1>]) -> Vec<Vec<f64>> {
    if lists.is_empty() {
        return Vec::new();
    }
    // Half precision holds neither a class above 2048 nor a count; single precision holds every
    // half.
    let double = lists.iter().any(|list| list.dtype() == DType::F64);
    let dtype = if double { DType::F64 } else { DType::F32 };
    let device = lists[0].device();
    let parts = lists.iter().map(|list| list.clone().to_device(&device).cast(dtype));
    let mut all = read(&Tensor::cat(parts.collect(), 0)).into_iter();
    lists.iter().map(|list| all.by_ref().take(list.dims()[0]).collect()).collect()
}

/// The labels on the host.
pub fn read_labels(labels: &Tensor<1, Int>) -> Vec<i64> {
    count();
    labels.try_to_vec_as().expect(READABLE)
}

/// The values of a condition on the host.
pub fn bools(values: &Tensor<1, Bool>) -> Vec<bool> {
    count();
    values.try_to_vec_as().expect(READABLE)
}

/// Values in half precision converted to single, so that sums neither overflow nor lose small
/// terms.
pub fn at_least_single<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    match values.dtype() {
        DType::F16 | DType::BF16 => values.cast(DType::F32),
        _ => values,
    }
}
