//! Checks on images, labels, logits and gradients that every attack needs.

use super::Objective;
use super::custom::LossFn;
use super::goal::Goal;
use super::loss::Loss;
use crate::AttackError;
use crate::rows::{count_not_finite, own_class, peaks, read_all, read_labels, zeros};
use burn::tensor::{Bool, DType, Int, Tensor};
use cni_noise::ExampleIds;

/// Checks that there is at least one pixel.
pub(crate) fn check_not_empty(images: &Tensor<4>) -> Result<(), AttackError> {
    match images.shape().num_elements() {
        0 => Err(AttackError::EmptyBatch { got: images.dims() }),
        _ => Ok(()),
    }
}

/// Checks that there is a number for each row, if numbers are given one by one.
pub(crate) fn check_examples(examples: &ExampleIds, wanted: usize) -> Result<(), AttackError> {
    match examples {
        ExampleIds::Each(numbers) if numbers.len() != wanted => {
            Err(AttackError::ExampleCount { got: numbers.len(), wanted })
        }
        _ => Ok(()),
    }
}

/// Checks that each image has a label and an example's number; returns the number of images.
pub(crate) fn check_batch(
    images: &Tensor<4>,
    labels: &Tensor<1, Int>,
    examples: &ExampleIds,
) -> Result<usize, AttackError> {
    check_not_empty(images)?;
    let ([got], [wanted, ..]) = (labels.dims(), images.dims());
    if got != wanted {
        return Err(AttackError::LabelCount { got, wanted });
    }
    check_examples(examples, wanted)?;
    Ok(wanted)
}

/// Checks that each image has a row of logits with as many classes as the loss needs.
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

/// The checks of one pass on labels, logits and gradients. They stay on the device until the next
/// read.
pub(crate) struct Flags {
    examples: ExampleIds,
    classes: usize,
    /// The labels, if they must be classes, and for each row 1 if its label is a class, otherwise
    /// 0.
    labels: Option<(Tensor<1, Int>, Tensor<1>)>,
    /// For each row: zero if its logits are finite.
    logits: Tensor<1>,
    /// For each row: the largest absolute entry of its gradient, NaN if the gradient is not finite.
    gradient: Option<Tensor<1>>,
    /// The name of each custom function, and for each row zero if its value is finite.
    values: Vec<(String, Tensor<1>)>,
}

impl Flags {
    /// The checks of a pass, from its mean logits: they are finite exactly if those of every draw
    /// are.
    pub fn new(
        labels: Option<&Tensor<1, Int>>,
        logits: &Tensor<2>,
        gradient: Option<&Tensor<4>>,
        examples: &ExampleIds,
    ) -> Self {
        let named = |labels: &Tensor<1, Int>| {
            let named = own_class(labels, logits).int().sum_dim(1).squeeze_dim(1).float();
            (labels.clone(), named.cast(DType::F32))
        };
        Self {
            examples: examples.clone(),
            classes: logits.dims()[1],
            labels: labels.map(named),
            logits: zeros(logits),
            gradient: gradient.map(peaks),
            values: Vec::new(),
        }
    }

    /// Adds the values of an objective's custom functions for these logits: its score, and the
    /// margin of its goal.
    pub fn with_values_of(
        mut self,
        objective: &Objective,
        score: &Tensor<1>,
        logits: &Tensor<2>,
    ) -> Result<Self, AttackError> {
        if let Some(function) = objective.function() {
            self.add_values(function, score);
        }
        if let Objective::Goal { goal, loss } = objective
            && *loss != Loss::Margin
        {
            self.add_margin(goal, logits)?;
        }
        Ok(self)
    }

    /// Adds the margin of a custom goal.
    pub fn add_margin(&mut self, goal: &Goal, logits: &Tensor<2>) -> Result<(), AttackError> {
        if let Goal::Custom { labels, margin } = goal {
            let values = margin.values(logits.clone(), labels);
            margin.check_shape(&values, logits.dims()[0])?;
            self.add_values(margin, &values);
        }
        Ok(())
    }

    /// Adds the values of a custom function.
    pub fn add_values(&mut self, function: &LossFn, values: &Tensor<1>) {
        self.values.push((function.name().to_string(), zeros(&values.clone().inner())));
    }

    /// True if the gradient of each row is zero throughout, `[batch]`; `None` without a gradient.
    pub fn zero_gradient(&self) -> Option<Tensor<1, Bool>> {
        self.gradient.as_ref().map(|largest| largest.clone().equal_elem(0.0))
    }

    /// The lists to read.
    fn lists(&self) -> Vec<Tensor<1>> {
        let named = self.labels.iter().map(|(_, named)| named);
        let values = self.values.iter().map(|(_, values)| values);
        named.chain([&self.logits]).chain(&self.gradient).chain(values).cloned().collect()
    }

    /// Checks the values that were read; returns the rows whose gradient is zero throughout.
    fn check(&self, lists: Vec<Vec<f64>>) -> Result<Vec<usize>, AttackError> {
        let mut lists = lists.into_iter();
        let mut next = || lists.next().unwrap_or_default();
        if let Some((labels, _)) = &self.labels
            && next().contains(&0.0)
        {
            let classes = 0..self.classes as i64;
            let labels = read_labels(labels);
            let got = labels.into_iter().find(|label| !classes.contains(label)).unwrap_or(-1);
            return Err(AttackError::Label { got, classes: self.classes });
        }
        let finite = |field: &'static str, rows: &[f64]| match count_not_finite(rows) {
            Some((row, got)) => {
                Err(AttackError::NonFinite { field, got, example: self.examples.id(row) })
            }
            None => Ok(()),
        };
        finite("logits", &next())?;
        let slopes = if self.gradient.is_some() { next() } else { Vec::new() };
        // A value that is not finite makes the gradient not finite, so that the cause is reported
        // first.
        self.check_values(&mut next)?;
        finite("gradient", &slopes)?;
        let slopes = slopes.iter().enumerate();
        Ok(slopes.filter(|(_, slope)| **slope == 0.0).map(|(row, _)| row).collect())
    }

    fn check_values(&self, mut next: impl FnMut() -> Vec<f64>) -> Result<(), AttackError> {
        for (name, _) in &self.values {
            if let Some((row, got)) = count_not_finite(&next()) {
                let (name, example) = (name.clone(), self.examples.id(row));
                return Err(AttackError::LossNotFinite { name, got, example });
            }
        }
        Ok(())
    }
}

/// Reads `values` and the flags of several passes at once; gives the values, and the numbers of the
/// examples that met a gradient of zero.
///
/// # Errors
///
/// The error of the first pass with a failed check.
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
        zero.extend(flags.check(lists)?.into_iter().map(|row| flags.examples.id(row)));
    }
    Ok((read.collect(), zero))
}
