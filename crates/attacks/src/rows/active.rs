//! The rows of a batch that an attack still works on.

use super::Rows;
use burn::tensor::Tensor;

/// What an attack has found so far, while examples that are finished leave its batch.
///
/// Rows are those of the batch as it is now; [`finish`](Self::finish) puts all images in the order
/// of the batch that it was made for.
pub struct ActiveRows {
    active: Vec<usize>,
    done: Vec<usize>,
    images: Vec<Tensor<4>>,
}

impl ActiveRows {
    /// Of a batch of so many rows, none of which has left.
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
