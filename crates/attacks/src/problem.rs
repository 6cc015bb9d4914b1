//! What an attack is given to solve.

use crate::checks::{check_batch, check_examples, check_not_empty, count_not_finite, zeros};
use crate::device::read_all;
pub(crate) use crate::device::{bools, read};
use crate::loss::align_to;
use crate::{AttackError, Goal};
use burn::tensor::{Int, Tensor, TensorData};
use cni_noise::Examples;

/// Images, what the attacker wants of each, and which examples of the data set they are.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Pixels in [0, 1], without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// What the attacker wants, on the device of the images.
    pub goal: Goal,
    /// The examples' numbers, from which their random numbers and the model's noise derive.
    pub examples: Examples,
}

/// How far outside [0, 1] a pixel may be by rounding.
const ROUNDING: f64 = 1e-6;

impl Problem {
    /// The problem, once its images are found fit for an attack.
    ///
    /// # Errors
    ///
    /// Where the batch is empty, there is not one label, or not one number, for each image, or
    /// pixels are not finite or outside [0, 1]. What is outside by at most 1e-6 is taken for
    /// rounding, and clipped.
    pub fn new(
        images: Tensor<4>,
        goal: &Goal,
        examples: impl Into<Examples>,
    ) -> Result<Self, AttackError> {
        let examples = examples.into();
        check_batch(&images, goal.labels(), &examples)?;
        let images = check_images(images, &examples)?;
        let goal = goal.map(|labels| align_to(labels, &images.device()));
        Ok(Self { images, goal, examples })
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.dims()[0]
    }

    /// Whether there is no image. [`new`](Self::new) refuses that.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The problem of some of the rows, in that order.
    pub fn select(&self, rows: &Rows) -> Self {
        Self {
            images: rows.of(&self.images),
            goal: self.goal.select(rows),
            examples: self.examples.select(rows.as_slice()),
        }
    }
}

/// The images without autodiff graph, where they are pixels in [0, 1]; what is outside by rounding is clipped.
pub(crate) fn check_images(
    images: Tensor<4>,
    examples: &Examples,
) -> Result<Tensor<4>, AttackError> {
    check_not_empty(&images)?;
    check_examples(examples, images.dims()[0])?;
    let images = images.inner();
    let read = read_all(&[zeros(&images), images.clone().min(), images.clone().max()]);
    if let Some((row, got)) = count_not_finite(&read[0]) {
        return Err(AttackError::NonFinite { field: "images", got, example: examples.number(row) });
    }
    // The worst is the one farthest from the middle of the box.
    let excess = |pixel: f64| (pixel - 0.5).abs() - 0.5;
    let worst = read[1..].concat().into_iter();
    let worst = worst.fold(0.5, |a, b| if excess(b) > excess(a) { b } else { a });
    if excess(worst) > ROUNDING {
        return Err(AttackError::PixelRange { got: worst });
    }
    Ok(if excess(worst) > 0.0 { images.clamp(0.0, 1.0) } else { images })
}

/// Some rows of a batch, on the host and on its device.
#[derive(Clone, Debug)]
pub struct Rows {
    host: Vec<usize>,
    index: Tensor<1, Int>,
}

impl Rows {
    /// The given rows of a batch that lies where `like` does.
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
    /// Where the tensor has fewer rows.
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
    /// Where `part` has another number of rows, or `whole` has fewer than these name.
    pub fn replace<const D: usize>(&self, whole: &Tensor<D>, part: &Tensor<D>) -> Tensor<D> {
        let batch = whole.dims()[0];
        let (got, wanted) = (part.dims()[0], self.host.len());
        assert_eq!(got, wanted, "part: got {got} rows, wanted {wanted}");
        self.assert_within(batch);
        // Where each row comes from: itself, or the part, which is put behind the whole. Rows are picked rather than
        // masked: a mask the size of a row is slow to spread on the CPU.
        let mut source: Vec<i32> = (0..batch as i32).collect();
        self.host.iter().enumerate().for_each(|(at, &row)| source[row] = (batch + at) as i32);
        let both = Tensor::cat(vec![whole.clone(), part.clone()], 0);
        both.select(0, Tensor::from_data(source.as_slice(), &self.index.device()))
    }

    /// These entries of a list of labels.
    ///
    /// # Panics
    ///
    /// Where the list has fewer.
    pub fn of_labels(&self, labels: &Tensor<1, Int>) -> Tensor<1, Int> {
        self.assert_within(labels.dims()[0]);
        labels.clone().select(0, self.index.clone())
    }

    /// These entries of a list.
    ///
    /// # Panics
    ///
    /// Where the list has fewer.
    pub fn of_list<T: Clone>(&self, list: &[T]) -> Vec<T> {
        self.host.iter().map(|&row| list[row].clone()).collect()
    }
}

/// What an attack has found so far, while examples that are finished leave its batch.
///
/// Rows are those of the batch as it is now; [`finish`](Self::finish) puts all images in the order of the batch that it
/// was made for.
pub(crate) struct Harvest {
    active: Vec<usize>,
    done: Vec<usize>,
    images: Vec<Tensor<4>>,
}

impl Harvest {
    pub fn new(batch: usize) -> Self {
        Self { active: (0..batch).collect(), done: Vec::new(), images: Vec::new() }
    }

    /// Takes the images of finished rows; gives the rows that remain, or `None` where all do.
    pub fn take(&mut self, finished: &[bool], images: &Tensor<4>) -> Option<Rows> {
        if !finished.contains(&true) {
            return None;
        }
        let leaving = Rows::wherever(finished.iter().copied(), images);
        self.images.push(leaving.of(images));
        self.done.extend(leaving.of_list(&self.active));
        let staying = Rows::wherever(finished.iter().map(|done| !done), images);
        self.active = staying.of_list(&self.active);
        Some(staying)
    }

    /// Whether no row is left.
    pub fn is_complete(&self) -> bool {
        self.active.is_empty()
    }

    /// The rows, in the order of the whole batch, that have not been taken.
    pub fn remaining(&self) -> &[usize] {
        &self.active
    }

    /// The images of the whole batch: those taken, and these of the rows that remain.
    pub fn finish(mut self, rest: Tensor<4>) -> Tensor<4> {
        if self.done.is_empty() {
            return rest;
        }
        if !self.active.is_empty() {
            self.images.push(rest);
            self.done.extend(self.active);
        }
        let all = Tensor::cat(self.images, 0);
        let mut place = vec![0; self.done.len()];
        self.done.iter().enumerate().for_each(|(at, &row)| place[row] = at);
        Rows::new(place, &all).of(&all)
    }
}

/// One value for each row, as `[batch, 1, 1, 1]`.
pub(crate) fn per_row(values: &[f64], like: &Tensor<4>) -> Tensor<4> {
    let options = (&like.device().inner(), like.dtype());
    let data = TensorData::new(values.to_vec(), [values.len(), 1, 1, 1]);
    Tensor::from_data(data, options)
}

/// `new` in the rows where `take` holds, else `old`.
pub(crate) fn where_rows(take: &[bool], old: Tensor<4>, new: &Tensor<4>) -> Tensor<4> {
    match (take.contains(&true), take.contains(&false)) {
        (false, _) => old,
        (true, false) => new.clone(),
        (true, true) => {
            let rows = Rows::wherever(take.iter().copied(), new);
            rows.replace(&old, &rows.of(new))
        }
    }
}
