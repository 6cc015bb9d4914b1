//! The linear readout of the active test.

use burn::tensor::{Tensor, TensorData};
use cni_attacks::Classifier;
use cni_noise::current_examples;
use std::collections::HashMap;

/// Where the boundary lies on the way from the outermost inner point to the planted one: close to
/// it, so that chance finds little else.
const BETWEEN: f64 = 0.9;

/// The linear function that separates a planted point from those inside, `margin(z) = weight · (z −
/// center) − offset`, in standard deviations of the points inside.
#[derive(Clone, Debug)]
pub(super) struct Separation {
    center: Vec<f64>,
    weight: Vec<f64>,
    offset: f64,
}

impl Separation {
    /// The margin of a point; positive if it counts as outside.
    pub fn margin(&self, logits: &[f64]) -> f64 {
        self.along(logits) - self.offset
    }

    fn along(&self, logits: &[f64]) -> f64 {
        let centered = logits.iter().zip(&self.center).map(|(z, center)| z - center);
        centered.zip(&self.weight).map(|(z, weight)| z * weight).sum()
    }
}

/// The separation of the candidate that Fisher's discriminant sets apart most clearly from the
/// points inside; none if it sets no candidate apart.
pub(super) fn separate(inner: &[Vec<f64>], candidates: &[Vec<f64>]) -> Option<Separation> {
    let (count, classes) = (inner.len() as f64, inner[0].len());
    let center: Vec<f64> = (0..classes)
        .map(|class| inner.iter().map(|point| point[class]).sum::<f64>() / count)
        .collect();
    let centered = |point: &[f64]| -> Vec<f64> {
        point.iter().zip(&center).map(|(z, center)| z - center).collect()
    };
    let cloud: Vec<Vec<f64>> = inner.iter().map(|point| centered(point)).collect();
    let mut covariance = vec![vec![0.0; classes]; classes];
    for point in &cloud {
        for (row, a) in covariance.iter_mut().zip(point) {
            row.iter_mut().zip(point).for_each(|(entry, b)| *entry += a * b / count);
        }
    }
    let mean_variance =
        (0..classes).map(|class| covariance[class][class]).sum::<f64>() / classes as f64;
    if !(mean_variance > 0.0 && mean_variance.is_finite()) {
        return None;
    }
    // Fewer points than classes, and logits that only their differences move, leave directions
    // without variance.
    (0..classes).for_each(|class| covariance[class][class] += 1e-3 * mean_variance);
    let factor = cholesky(covariance)?;
    let mut best: Option<(f64, Separation)> = None;
    for candidate in candidates {
        let weight = solve(&factor, centered(candidate));
        let mut separation = Separation { center: center.clone(), weight, offset: 0.0 };
        let inside: Vec<f64> = inner.iter().map(|point| separation.along(point)).collect();
        let spread = (inside.iter().map(|along| along * along).sum::<f64>() / count).sqrt();
        if !(spread > 0.0 && spread.is_finite()) {
            continue;
        }
        separation.weight.iter_mut().for_each(|weight| *weight /= spread);
        let outermost = inside.into_iter().fold(f64::NEG_INFINITY, f64::max) / spread;
        let gap = separation.along(candidate) - outermost;
        separation.offset = outermost + BETWEEN * gap;
        if gap > 0.0 && best.as_ref().is_none_or(|(record, _)| gap > *record) {
            best = Some((gap, separation));
        }
    }
    best.map(|(_, separation)| separation)
}

/// The lower triangular factor of a positive definite matrix.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    for row in 0..matrix.len() {
        for column in 0..=row {
            let known: f64 = (0..column).map(|k| matrix[row][k] * matrix[column][k]).sum();
            let rest = matrix[row][column] - known;
            matrix[row][column] = match row == column {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / matrix[column][column],
            };
        }
    }
    Some(matrix)
}

/// The solution of a linear system, from the Cholesky factor of its matrix.
fn solve(factor: &[Vec<f64>], mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for row in 0..size {
        let known: f64 = (0..row).map(|k| factor[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / factor[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| factor[k][row] * right[k]).sum();
        right[row] = (right[row] - known) / factor[row][row];
    }
    right
}

/// The model as a classifier of two classes for each image: 0 inside, 1 outside.
pub(super) struct Readout<'a> {
    classifier: &'a dyn Classifier,
    /// The row of each example's number.
    rows: HashMap<u64, usize>,
    center: Tensor<2>,
    weight: Tensor<2>,
    offset: Tensor<2>,
}

impl<'a> Readout<'a> {
    /// The readouts of the examples of these numbers, in order, on the device and in the type of
    /// `like`.
    pub fn new(
        classifier: &'a dyn Classifier,
        examples: Vec<u64>,
        separations: &[Option<Separation>],
        like: &Tensor<4>,
    ) -> Self {
        let all: Vec<&Separation> = separations.iter().flatten().collect();
        let classes = all[0].weight.len();
        let tensor = |values: Vec<f64>, columns: usize| {
            let data = TensorData::new(values, [all.len(), columns]);
            Tensor::from_data(data, (&like.device().inner(), like.dtype()))
        };
        Self {
            classifier,
            rows: examples.into_iter().enumerate().map(|(row, number)| (number, row)).collect(),
            center: tensor(all.iter().flat_map(|one| one.center.clone()).collect(), classes),
            weight: tensor(all.iter().flat_map(|one| one.weight.clone()).collect(), classes),
            offset: tensor(all.iter().map(|one| one.offset).collect(), 1),
        }
    }
}

impl Classifier for Readout<'_> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let examples = current_examples();
        let rows: Vec<i32> =
            (0..images.dims()[0]).map(|row| self.rows[&examples.id(row)] as i32).collect();
        let logits = self.classifier.logits(images);
        let rows = Tensor::from_data(rows.as_slice(), &self.weight.device());
        let [center, weight, offset] = [&self.center, &self.weight, &self.offset]
            .map(|values| values.clone().select(0, rows.clone()).cast(logits.dtype()));
        let margin = ((logits - center) * weight).sum_dim(1) - offset;
        Tensor::cat(vec![margin.clone().neg(), margin], 1).mul_scalar(0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_noise::{Key, host_normal};

    #[test]
    fn a_point_far_out_is_set_apart_and_one_inside_is_not() {
        let draws = host_normal(Key::new(3), 0..120);
        let inner: Vec<Vec<f64>> =
            draws.chunks(3).map(|point| point.iter().map(|z| f64::from(*z)).collect()).collect();
        let (far, middle) = (vec![9.0, -9.0, 4.0], vec![0.0, 0.0, 0.1]);
        let found = separate(&inner, &[middle.clone(), far.clone()]).unwrap();
        assert!(found.margin(&far) > 0.0 && inner.iter().all(|point| found.margin(point) < 0.0));
        assert!(separate(&inner, &[middle]).is_none());
        // Logits that are all alike say nothing.
        assert!(separate(&vec![vec![1.0; 3]; 20], &[far]).is_none());
    }
}
