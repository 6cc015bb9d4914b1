//! The optimizer of attacks that follow a gradient by Adam.

use crate::Rows;
use crate::device::at_least_single;
use burn::tensor::Tensor;

/// Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) with its authors' settings.
pub(crate) struct Adam {
    step_size: f64,
    time: i32,
    moments: Option<[Tensor<4>; 2]>,
}

impl Adam {
    const DECAY: [f64; 2] = [0.9, 0.999];

    pub fn new(step_size: f64) -> Self {
        Self { step_size, time: 0, moments: None }
    }

    /// Goes on with some of the rows.
    pub fn select(&mut self, rows: &Rows) {
        self.moments = self.moments.take().map(|moments| moments.map(|moment| rows.of(&moment)));
    }

    /// The step along a gradient: to be added in ascent, to be subtracted in descent.
    ///
    /// Moments are kept in at least single precision: in half, squares and what keeps the quotient
    /// finite are zero.
    pub fn step(&mut self, gradient: Tensor<4>) -> Tensor<4> {
        let dtype = gradient.dtype();
        let gradient = at_least_single(gradient);
        self.time += 1;
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
        let [first, second] = Self::DECAY.map(|decay| 1.0 - decay.powi(self.time));
        let spread = variance.div_scalar(second).sqrt().add_scalar(1e-8);
        (mean.mul_scalar(self.step_size / first) / spread).cast(dtype)
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
}
