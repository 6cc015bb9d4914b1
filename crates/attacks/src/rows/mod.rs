//! Rows of a batch: choosing them, putting them back, reading and checking them. This module
//! imports nothing from the crate.

mod active;
mod finite;
mod labels;
mod read;

pub use self::active::ActiveRows;
pub use self::finite::{count_not_finite, extremes, not_finite, peaks, zeros};
pub use self::labels::{align, align_to, own_class};
#[cfg(test)]
pub(crate) use self::read::reads;
pub use self::read::{at_least_single, bools, read, read_all, read_labels};

use burn::tensor::{Int, Tensor, TensorData};

/// Some rows of a batch, on the host and on its device.
#[derive(Clone, Debug)]
pub struct Rows {
    host: Vec<usize>,
    index: Tensor<1, Int>,
}

impl Rows {
    /// The given rows of a batch that is on the device of `like`.
    pub fn new(rows: Vec<usize>, like: &Tensor<4>) -> Self {
        let numbers: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let index = Tensor::from_data(numbers.as_slice(), &like.device().inner());
        Self { host: rows, index }
    }

    /// The rows for which `keep` holds.
    pub fn wherever(keep: impl IntoIterator<Item = bool>, like: &Tensor<4>) -> Self {
        let rows = keep.into_iter().enumerate().filter(|(_, keep)| *keep).map(|(row, _)| row);
        Self::new(rows.collect(), like)
    }

    /// Their numbers within the batch.
    pub fn as_slice(&self) -> &[usize] {
        &self.host
    }

    /// These rows of a tensor.
    ///
    /// # Panics
    ///
    /// If the tensor has too few rows.
    pub fn of<const D: usize>(&self, tensor: &Tensor<D>) -> Tensor<D> {
        self.assert_within(tensor.dims()[0]);
        tensor.clone().select(0, self.index.clone())
    }

    fn assert_within(&self, batch: usize) {
        if let Some(row) = self.host.iter().find(|row| **row >= batch) {
            panic!("rows: got row {row}, wanted rows in 0..{batch}");
        }
    }

    /// `whole` with these rows replaced by those of `part`, which has as many, in their order.
    ///
    /// # Panics
    ///
    /// If `part` has another number of rows, or `whole` has too few.
    pub fn replace<const D: usize>(&self, whole: &Tensor<D>, part: &Tensor<D>) -> Tensor<D> {
        let batch = whole.dims()[0];
        let (got, wanted) = (part.dims()[0], self.host.len());
        assert_eq!(got, wanted, "part: got {got} rows, wanted {wanted}");
        self.assert_within(batch);
        // The source of each row: itself, or a row of the part, which is appended to the whole.
        // Selecting rows is faster on the CPU than expanding a mask to the size of the images.
        let mut source: Vec<i32> = (0..batch as i32).collect();
        self.host.iter().enumerate().for_each(|(at, &row)| source[row] = (batch + at) as i32);
        let both = Tensor::cat(vec![whole.clone(), part.clone()], 0);
        both.select(0, Tensor::from_data(source.as_slice(), &self.index.device()))
    }

    /// These entries of a list of labels.
    ///
    /// # Panics
    ///
    /// If the list is too short.
    pub fn of_labels(&self, labels: &Tensor<1, Int>) -> Tensor<1, Int> {
        self.assert_within(labels.dims()[0]);
        labels.clone().select(0, self.index.clone())
    }

    /// These entries of a list.
    ///
    /// # Panics
    ///
    /// If the list is too short.
    pub fn of_list<T: Clone>(&self, list: &[T]) -> Vec<T> {
        self.host.iter().map(|&row| list[row].clone()).collect()
    }
}

/// One value for each row, as `[batch, 1, 1, 1]`.
pub fn per_row(values: &[f64], like: &Tensor<4>) -> Tensor<4> {
    let options = (&like.device().inner(), like.dtype());
    let data = TensorData::new(values.to_vec(), [values.len(), 1, 1, 1]);
    Tensor::from_data(data, options)
}

/// `new` in the rows for which `take` holds, `old` in the others.
pub fn where_rows(take: &[bool], old: Tensor<4>, new: &Tensor<4>) -> Tensor<4> {
    match (take.contains(&true), take.contains(&false)) {
        (false, _) => old,
        (true, false) => new.clone(),
        (true, true) => {
            let rows = Rows::wherever(take.iter().copied(), new);
            rows.replace(&old, &rows.of(new))
        }
    }
}
