//! The rows of a batch that an attack still works on.

use super::Rows;
use burn::tensor::Tensor;

/// The rows that an attack still works on, and the images of those that have left.
///
/// Row numbers refer to the current, shrunken batch; [`finish`](Self::finish) restores the order of
/// the original batch.
pub struct ActiveRows {
    active: Vec<usize>,
    done: Vec<usize>,
    images: Vec<Tensor<4>>,
}

impl ActiveRows {
    /// A batch of so many rows, all active.
    pub fn new(batch: usize) -> Self {
        Self { active: (0..batch).collect(), done: Vec::new(), images: Vec::new() }
    }

    /// Stores the images of finished rows. Returns the rows that stay, or `None` if no row is
    /// finished.
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

    /// True if all rows have finished.
    pub fn is_complete(&self) -> bool {
        self.active.is_empty()
    }

    /// The numbers, in the original batch, of the rows that are still active.
    pub fn remaining(&self) -> &[usize] {
        &self.active
    }

    /// The images of the whole batch: those stored, and `rest` for the rows still active.
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
