//! The change of variables that keeps pixels in the box.

use crate::Rows;
use crate::methods::shared::adam::Adam;
use crate::rows::at_least_single;
use crate::rows::where_rows;
use burn::tensor::Tensor;

/// Keeps the inverse of tanh finite at black and white.
const INSIDE: f64 = 0.999999;

/// The variable `w` of images `x = (1 + tanh w) / 2`, which no step leads out of the box. It has at
/// least single precision: in half precision [`INSIDE`] would round to one.
pub(super) struct Variable {
    w: Tensor<4>,
    tanh: Tensor<4>,
    adam: Adam,
}

impl Variable {
    /// The variable at these images, with black and white pixels moved slightly into the box, and
    /// with Adam's learning rate in units of `w`.
    pub fn new(images: &Tensor<4>, step_size: f64) -> Self {
        let w = inverse(images);
        Self { tanh: w.clone().tanh(), w, adam: Adam::new(step_size) }
    }

    /// The images, in at least single precision.
    pub fn pixels(&self) -> Tensor<4> {
        self.tanh.clone().mul_scalar(0.5).add_scalar(0.5)
    }

    /// Takes a step against the gradient of a loss with respect to the pixels.
    pub fn descend(&mut self, slope: Tensor<4>) {
        // The chain rule: the slope of (1 + tanh w) / 2 is (1 − tanh² w) / 2.
        let inner = self.tanh.clone().square().neg().add_scalar(1.0).mul_scalar(0.5);
        self.w = self.w.clone() - self.adam.step(slope * inner);
        self.tanh = self.w.clone().tanh();
    }

    /// Starts again at these images, in the rows that are marked.
    pub fn restart(&mut self, rows: &[bool], images: &Tensor<4>) {
        if !rows.contains(&true) {
            return;
        }
        self.w = where_rows(rows, self.w.clone(), &inverse(images));
        self.tanh = self.w.clone().tanh();
        self.adam.restart(rows);
    }

    /// Keeps only the given rows.
    pub fn select(&mut self, rows: &Rows) {
        self.w = rows.of(&self.w);
        self.tanh = rows.of(&self.tanh);
        self.adam.select(rows);
    }
}

fn inverse(images: &Tensor<4>) -> Tensor<4> {
    let centered = at_least_single(images.clone()).mul_scalar(2.0).sub_scalar(1.0);
    centered.mul_scalar(INSIDE).atanh()
}
