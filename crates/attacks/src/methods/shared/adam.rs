//! The optimizer of attacks that follow a gradient by Adam.

use crate::Rows;
use crate::rows::at_least_single;
use crate::rows::{per_row, where_rows};
use burn::tensor::Tensor;

/// Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) with its authors' settings.
pub(crate) struct Adam {
    step_size: f64,
    /// The steps of each row; none before the first.
    times: Vec<i32>,
    moments: Option<[Tensor<4>; 2]>,
}

impl Adam {
    const DECAY: [f64; 2] = [0.9, 0.999];

    pub fn new(step_size: f64) -> Self {
        Self { step_size, times: Vec::new(), moments: None }
    }

    /// Keeps only the given rows.
    pub fn select(&mut self, rows: &Rows) {
        if let Some(moments) = self.moments.take() {
            self.moments = Some(moments.map(|moment| rows.of(&moment)));
            self.times = rows.of_list(&self.times);
        }
    }

    /// Resets the state of some of the rows.
    pub fn restart(&mut self, rows: &[bool]) {
        if let Some(moments) = self.moments.take() {
            let none = moments[0].zeros_like();
            self.moments = Some(moments.map(|moment| where_rows(rows, moment, &none)));
            let times = self.times.iter_mut().zip(rows).filter(|(_, restarts)| **restarts);
            times.for_each(|(time, _)| *time = 0);
        }
    }

    /// The step along a gradient: to be added in ascent, to be subtracted in descent.
    ///
    /// Moments are kept in at least single precision: in half, squares and the constant that keeps
    /// the quotient finite would be zero.
    pub fn step(&mut self, gradient: Tensor<4>) -> Tensor<4> {
        let dtype = gradient.dtype();
        let gradient = at_least_single(gradient);
        self.times.resize(gradient.dims()[0], 0);
        self.times.iter_mut().for_each(|time| *time += 1);
        let [first, second] = Self::DECAY;
        let square = gradient.clone().square().mul_scalar(1.0 - second);
        let gradient = gradient.mul_scalar(1.0 - first);
        let [mean, variance] = match self.moments.take() {
            None => [gradient, square],
            Some([mean, variance]) => {
                [mean.mul_scalar(first) + gradient, variance.mul_scalar(second) + square]
            }
        };
        self.moments = Some([mean.clone(), variance.clone()]);
        let of_times = |f: &dyn Fn(i32) -> f64| {
            let values: Vec<f64> = self.times.iter().map(|time| f(*time)).collect();
            per_row(&values, &mean)
        };
        let scale = of_times(&|time| self.step_size / (1.0 - first.powi(time)));
        let spread = (variance / of_times(&|time| 1.0 - second.powi(time))).sqrt();
        (mean.clone() * scale / spread.add_scalar(1e-8)).cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, TensorData};

    /// By hand: gradients 2 and −1 give means of 0.2 and 0.08, variances of 0.004 and 0.004996.
    #[test]
    fn adam_steps_by_the_ratio_of_its_corrected_moments() {
        let gradient = |value: f64| {
            let data = TensorData::new(vec![value], [1, 1, 1, 1]);
            Tensor::<4>::from_data(data, (&Device::flex(), DType::F64))
        };
        let mut adam = Adam::new(0.01);
        let first = adam.step(gradient(2.0)).into_scalar::<f64>();
        assert!((first - 0.01).abs() < 1e-9, "{first}");
        let second = adam.step(gradient(-1.0)).into_scalar::<f64>();
        let wanted = 0.01 * (0.08 / 0.19) / (0.004996f64 / 0.001999).sqrt();
        assert!((second - wanted).abs() < 1e-9, "{second}, wanted {wanted}");
    }

    #[test]
    fn a_row_that_begins_anew_steps_like_a_new_one() {
        let gradient = |values: [f64; 2]| {
            let data = TensorData::new(values.to_vec(), [2, 1, 1, 1]);
            Tensor::<4>::from_data(data, (&Device::flex(), DType::F64))
        };
        let mut adam = Adam::new(0.01);
        let mut step = |values: [f64; 2]| adam.step(gradient(values)).try_to_vec_as::<f64>();
        let first = step([2.0, 2.0]).unwrap();
        step([-1.0, -1.0]).unwrap();
        adam.restart(&[false, true]);
        let mut step = |values: [f64; 2]| adam.step(gradient(values)).try_to_vec_as::<f64>();
        let both = step([2.0, 2.0]).unwrap();
        assert_eq!(both[1], first[1]);
        let mut without = Adam::new(0.01);
        let mut step = |values: [f64; 2]| without.step(gradient(values)).try_to_vec_as::<f64>();
        step([2.0, 2.0]).unwrap();
        step([-1.0, -1.0]).unwrap();
        assert_eq!(both[0], step([2.0, 2.0]).unwrap()[0]);
        assert_ne!(both[0], both[1]);
    }
}
