//! What images, labels, logits and gradients must be like, whichever attack they are of.

use super::Objective;
use crate::AttackError;
use crate::rows::{count_not_finite, own_class, read_all, read_labels, zeros};
use burn::tensor::{Bool, DType, Int, Tensor};
use cni_noise::Examples;

/// That there is a pixel.
pub(crate) fn check_not_empty(images: &Tensor<4>) -> Result<(), AttackError> {
    match images.shape().num_elements() {
        0 => Err(AttackError::EmptyBatch { got: images.dims() }),
        _ => Ok(()),
    }
}

/// That there is a number for each row, where they are given one by one.
pub(crate) fn check_examples(examples: &Examples, wanted: usize) -> Result<(), AttackError> {
    match examples {
        Examples::Each(numbers) if numbers.len() != wanted => {
            Err(AttackError::ExampleCount { got: numbers.len(), wanted })
        }
        _ => Ok(()),
    }
}

/// The number of images, for each of which there is a label and an example's number.
pub(crate) fn check_batch(
    images: &Tensor<4>,
    labels: &Tensor<1, Int>,
    examples: &Examples,
) -> Result<usize, AttackError> {
    check_not_empty(images)?;
    let ([got], [wanted, ..]) = (labels.dims(), images.dims());
    if got != wanted {
        return Err(AttackError::LabelCount { got, wanted });
    }
    check_examples(examples, wanted)?;
    Ok(wanted)
}

/// That there is a row of logits for each image, of as many classes as the loss compares.
pub(crate) fn check_shape(
    logits: &Tensor<2>,
    batch: usize,
    objective: &Objective,
) -> Result<(), AttackError> {
    let [rows, classes] = logits.dims();
    if rows != batch || classes < 2 {
        return Err(AttackError::LogitsShape { got: [rows, classes], batch });
    }
    objective.check(classes)
}

/// What must hold of the labels, logits and gradients of one pass, on the device until someone
/// reads from it anyway.
pub(crate) struct Flags {
    examples: Examples,
    labels: Tensor<1, Int>,
    classes: usize,
    /// For each row: how many classes its label names; zero where its logits are finite.
    rows: [Tensor<1>; 2],
    /// For each row: zero where its gradient is finite; its largest slope.
    gradient: Option<[Tensor<1>; 2]>,
}

impl Flags {
    /// The mean logits tell, which are finite just where those of every draw are.
    pub fn new(
        labels: &Tensor<1, Int>,
        logits: &Tensor<2>,
        gradient: Option<&Tensor<4>>,
        examples: &Examples,
    ) -> Self {
        let named = own_class(labels, logits).int().sum_dim(1).squeeze_dim(1).float();
        let slopes = |gradient: &Tensor<4>| {
            let largest = gradient.clone().flatten::<2>(1, 3).max_abs_dim(1).squeeze_dim(1);
            [zeros(gradient), largest]
        };
        Self {
            examples: examples.clone(),
            labels: labels.clone(),
            classes: logits.dims()[1],
            rows: [named.cast(DType::F32), zeros(logits)],
            gradient: gradient.map(slopes),
        }
    }

    /// Whether the gradient of each row is zero throughout, `[batch]`, where there is a gradient.
    pub fn zero_gradient(&self) -> Option<Tensor<1, Bool>> {
        self.gradient.as_ref().map(|[_, largest]| largest.clone().equal_elem(0.0))
    }

    /// The lists to read.
    fn lists(&self) -> Vec<Tensor<1>> {
        self.rows.iter().chain(self.gradient.iter().flatten()).cloned().collect()
    }

    /// The rows whose gradient is zero throughout, once all is found to be in order.
    fn check(&self, lists: &[Vec<f64>]) -> Result<Vec<usize>, AttackError> {
        if lists[0].contains(&0.0) {
            let named = 0..self.classes as i64;
            let labels = read_labels(&self.labels);
            let got = labels.into_iter().find(|label| !named.contains(label)).unwrap_or(-1);
            return Err(AttackError::Label { got, classes: self.classes });
        }
        for (field, list) in [("logits", lists.get(1)), ("gradient", lists.get(2))] {
            if let Some((row, got)) = list.and_then(|list| count_not_finite(list)) {
                let example = self.examples.number(row);
                return Err(AttackError::NonFinite { field, got, example });
            }
        }
        let slopes = lists.get(3).map_or(&[][..], Vec::as_slice).iter().enumerate();
        Ok(slopes.filter(|(_, slope)| **slope == 0.0).map(|(row, _)| row).collect())
    }
}

/// Reads `values` and the flags of several passes at once; gives the values, and the numbers of the
/// examples that met a gradient of zero.
///
/// # Errors
///
/// Those of the first pass in which something is wrong.
pub(crate) fn settle(
    flags: &[Flags],
    values: &[Tensor<1>],
) -> Result<(Vec<Vec<f64>>, Vec<u64>), AttackError> {
    let of_flags: Vec<Vec<Tensor<1>>> = flags.iter().map(Flags::lists).collect();
    let all: Vec<Tensor<1>> = of_flags.iter().flatten().chain(values).cloned().collect();
    let mut read = read_all(&all).into_iter();
    let mut zero = Vec::new();
    for (flags, lists) in flags.iter().zip(&of_flags) {
        let lists: Vec<Vec<f64>> = read.by_ref().take(lists.len()).collect();
        zero.extend(flags.check(&lists)?.into_iter().map(|row| flags.examples.number(row)));
    }
    Ok((read.collect(), zero))
}
