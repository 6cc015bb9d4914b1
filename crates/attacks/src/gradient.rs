//! The score of images under a stochastic model and its gradient with respect to them, averaged over draws of the noise.

use crate::error::at_least_one;
use crate::loss::own_class;
use crate::problem::{check_batch_size, read};
use crate::{AttackError, Classifier, Objective, Passes};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor};
use cni_noise::{Examples, Key, Noise, current_noise, scope_at};
use serde::{Deserialize, Serialize};

/// What the expectation over a stochastic model's draws is taken of. The three agree for a single draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The mean of the losses, and of their gradients (Athalye et al., arXiv 1707.07397): against one random draw.
    #[default]
    Loss,
    /// The loss of the mean logits: against a model that averages logits.
    Logits,
    /// The loss of the mean probabilities: against a model that averages its softmax, and the nearest that has a gradient
    /// to one that votes.
    Probabilities,
}

/// Expectation over transformation: how a stochastic model's draws become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eot {
    /// Draws of the model's noise.
    pub draws: usize,
    /// What is averaged.
    pub expectation: Expectation,
}

impl Eot {
    /// A single draw.
    pub const ONE: Self = Self { draws: 1, expectation: Expectation::Loss };

    /// The mean of the loss over `draws` draws; an error where they are zero.
    pub fn new(draws: usize) -> Result<Self, AttackError> {
        Self::ONE.with_draws(draws)
    }

    /// The same over `draws` draws; an error where they are zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }

    /// The name of an attack, `EOT-{name}x{draws}` and the expectation where there are several draws.
    pub(crate) fn name(self, name: String) -> String {
        match self.draws {
            1 => name,
            draws => format!("EOT-{name}x{draws}{}", self.expectation.suffix()),
        }
    }
}

/// The answer of [`score`].
#[derive(Clone, Debug)]
pub struct Scores {
    /// The score of each image, `[batch]`.
    pub score: Tensor<1>,
    /// The mean logits of each image over the draws, `[batch, classes]`.
    pub logits: Tensor<2>,
    /// The passes it took.
    pub passes: Passes,
}

/// The answer of [`input_gradient`]. Its tensors carry no autodiff graph.
#[derive(Clone, Debug)]
pub struct InputGradient {
    /// The gradient of each image's own score, `[batch, channels, height, width]`.
    pub gradient: Tensor<4>,
    /// The score of each image, `[batch]`, under the draws that the gradient saw.
    pub score: Tensor<1>,
    /// The mean logits of each image over these draws, `[batch, classes]`.
    pub logits: Tensor<2>,
    /// The rows whose gradient is zero throughout.
    pub zero: Vec<usize>,
    /// The passes it took.
    pub passes: Passes,
}

/// Runs `f` under draw number `draw` of the noise that belongs to `key`, for a batch of these examples.
///
/// Where the caller has switched noise off it stays off: that is how the noise-free model is attacked.
pub fn draw_scope<R>(
    key: Key,
    draw: u64,
    examples: impl Into<Examples>,
    f: impl FnOnce() -> R,
) -> R {
    let noise = match current_noise() {
        Noise::Off => Noise::Off,
        Noise::Fresh | Noise::Keyed(_) => Noise::Keyed(key.child(draw)),
    };
    scope_at(noise, examples, f)
}

/// The gradient of the objective's score with respect to the images, in expectation over the model's noise.
///
/// Draw `d` runs in the [`draw_scope`] of `key`. Each example's gradient is that of its own score, whatever the size of
/// the batch. [`Expectation::Logits`] and [`Expectation::Probabilities`] take a second forward pass for each draw, since
/// the slope of the loss is known only after the first; memory is that of one draw.
///
/// # Errors
///
/// Where `draws` is zero; where images, labels and logits do not fit together; where a logit or the gradient is not
/// finite; where the logits do not depend on the images.
pub fn input_gradient(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    eot: Eot,
    key: Key,
    examples: &Examples,
) -> Result<InputGradient, AttackError> {
    let batch = check_batch_size(images, objective.labels())?;
    let draws = at_least_one("draws", eot.draws)?;
    let images = images.clone().inner();
    let mut gradient = None;
    let mut add = |of_draw: Tensor<4>| {
        gradient = Some(match gradient.take() {
            None => of_draw,
            Some(sum) => sum + of_draw,
        });
    };
    let forwards;
    let mean = if draws == 1 || eot.expectation == Expectation::Loss {
        forwards = draws;
        Mean::over(draws, Expectation::Loss, objective, |draw| {
            let leaf = images.clone().autodiff().require_grad();
            let logits =
                draw_scope(key, draw, examples.clone(), || classifier.logits(leaf.clone()));
            check_shape(&logits, batch, objective)?;
            let score = objective.score(logits.clone());
            if !score.is_tracked() {
                return Err(AttackError::NoGradient);
            }
            let mut gradients = score.clone().sum().backward();
            add(leaf.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?);
            Ok((logits.inner(), Some(score.inner())))
        })?
    } else {
        forwards = 2 * draws;
        let plain = |draw| -> Result<_, AttackError> {
            let forward = || classifier.logits(images.clone());
            let logits = draw_scope(key, draw, examples.clone(), forward).inner();
            check_shape(&logits, batch, objective)?;
            Ok((logits, None))
        };
        let mean = Mean::over(draws, eot.expectation, objective, plain)?;
        let averaged = mean.averaged.clone().autodiff().require_grad();
        let mut gradients =
            objective.score(eot.expectation.logits(averaged.clone())).sum().backward();
        let slope = averaged.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?;
        for draw in 0..draws as u64 {
            let leaf = images.clone().autodiff().require_grad();
            let logits =
                draw_scope(key, draw, examples.clone(), || classifier.logits(leaf.clone()));
            let along = eot.expectation.averaged(logits) * slope.clone();
            if !along.is_tracked() {
                return Err(AttackError::NoGradient);
            }
            let mut gradients = along.sum().backward();
            add(leaf.grad_remove(&mut gradients).ok_or(AttackError::NoGradient)?);
        }
        mean
    };
    let gradient = gradient.ok_or(AttackError::NoGradient)?;
    let gradient = if draws == 1 { gradient } else { gradient.div_scalar(draws as f64) };
    let zero = check_values(objective.labels(), &mean.logits, Some(&gradient), examples)?;
    let passes = Passes { forwards: (batch * forwards) as u64, backwards: (batch * draws) as u64 };
    Ok(InputGradient { gradient, score: mean.score, logits: mean.logits, zero, passes })
}

/// The score of each image, in expectation over the model's noise, without a gradient.
///
/// Equal keys give equal draws, so that candidates can be compared under the same noise. Errors as [`input_gradient`].
pub fn score(
    classifier: &dyn Classifier,
    images: &Tensor<4>,
    objective: &Objective,
    eot: Eot,
    key: Key,
    examples: &Examples,
) -> Result<Scores, AttackError> {
    let batch = check_batch_size(images, objective.labels())?;
    let draws = at_least_one("draws", eot.draws)?;
    let plain = images.clone().inner();
    let mean = Mean::over(draws, eot.expectation, objective, |draw| {
        let forward = || classifier.logits(plain.clone());
        let logits = draw_scope(key, draw, examples.clone(), forward).inner();
        check_shape(&logits, batch, objective)?;
        Ok((logits, None))
    })?;
    check_values(objective.labels(), &mean.logits, None, examples)?;
    let passes = Passes { forwards: (batch * draws) as u64, backwards: 0 };
    Ok(Scores { score: mean.score, logits: mean.logits, passes })
}

impl Expectation {
    /// What an attack's name says of it; nothing for the mean of the losses.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Loss => "",
            Self::Logits => "-logits",
            Self::Probabilities => "-probabilities",
        }
    }

    /// What is averaged, of the logits of one draw.
    fn averaged(self, logits: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Loss | Self::Logits => logits,
            Self::Probabilities => softmax(logits, 1),
        }
    }

    /// Logits that stand for the average.
    fn logits(self, averaged: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Loss | Self::Logits => averaged,
            // A probability that has underflowed has a finite logarithm, far below all others.
            Self::Probabilities => averaged.clamp_min(f64::from(f32::MIN_POSITIVE)).log(),
        }
    }
}

/// The mean over draws.
struct Mean {
    score: Tensor<1>,
    logits: Tensor<2>,
    /// The mean of what the expectation is taken of.
    averaged: Tensor<2>,
}

impl Mean {
    /// Runs `pass`, which gives logits, and the score where it is known already, for each draw.
    fn over(
        draws: usize,
        expectation: Expectation,
        objective: &Objective,
        mut pass: impl FnMut(u64) -> Result<(Tensor<2>, Option<Tensor<1>>), AttackError>,
    ) -> Result<Self, AttackError> {
        let add = |sum: &mut Option<Tensor<2>>, term: Tensor<2>| {
            *sum = Some(match sum.take() {
                None => term,
                Some(sum) => sum + term,
            });
        };
        let (mut logits, mut averaged, mut scores) = (None, None, None);
        for draw in 0..draws as u64 {
            let (of_draw, score) = pass(draw)?;
            if expectation == Expectation::Loss {
                let score = score.unwrap_or_else(|| objective.score(of_draw.clone()));
                add(&mut scores, score.unsqueeze_dim(1));
            }
            if expectation == Expectation::Probabilities {
                add(&mut averaged, log_softmax(of_draw.clone(), 1).exp());
            }
            add(&mut logits, of_draw);
        }
        let mean = |sum: Tensor<2>| if draws == 1 { sum } else { sum.div_scalar(draws as f64) };
        let logits = mean(logits.expect("there is at least one draw"));
        let averaged = averaged.map_or_else(|| logits.clone(), mean);
        let score = match scores {
            Some(scores) => mean(scores).squeeze_dim(1),
            None => objective.score(expectation.logits(averaged.clone())),
        };
        Ok(Self { score, logits, averaged })
    }
}

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

/// That every label names a class, and that logits and gradient are finite; the rows whose gradient is zero throughout.
///
/// The mean logits are checked, which are finite just where those of every draw are. All is read from the device at once.
pub(crate) fn check_values(
    labels: &Tensor<1, Int>,
    logits: &Tensor<2>,
    gradient: Option<&Tensor<4>>,
    examples: &Examples,
) -> Result<Vec<usize>, AttackError> {
    let [batch, classes] = logits.dims();
    let dtype = gradient.map_or(logits.dtype(), Tensor::dtype);
    let named = own_class(labels, logits).int().sum_dim(1).squeeze_dim(1).float().cast(dtype);
    // Zero times anything finite is zero, and the sum of zeros does not overflow.
    let mut sums = vec![named, row_sums(logits.clone().mul_scalar(0.0)).cast(dtype)];
    sums.extend(gradient.map(|gradient| row_sums(gradient.clone().abs())));
    let sums = read(&Tensor::cat(sums, 0));
    let [named, logits, gradient] =
        [0, 1, 2].map(|part| sums.get(part * batch..(part + 1) * batch));
    if named.is_some_and(|named| named.contains(&0.0)) {
        let labels: Vec<i64> = labels.try_to_vec_as().expect("the device can be read");
        let named = 0..classes as i64;
        let got = labels.into_iter().find(|label| !named.contains(label)).unwrap_or(-1);
        return Err(AttackError::Label { got, classes });
    }
    for (field, sums) in [("logits", logits), ("gradient", gradient)] {
        if let Some((row, got)) = sums.and_then(count_not_finite) {
            return Err(AttackError::NonFinite { field, got, example: examples.number(row) });
        }
    }
    let sizes = gradient.unwrap_or_default().iter().enumerate();
    Ok(sizes.filter(|(_, size)| **size == 0.0).map(|(row, _)| row).collect())
}

/// The first row that holds a value which is NaN or infinite, and how many such rows there are.
pub(crate) fn not_finite<const D: usize>(values: &Tensor<D>) -> Option<(usize, usize)> {
    count_not_finite(&read(&row_sums(values.clone().mul_scalar(0.0))))
}

fn count_not_finite(sums: &[f64]) -> Option<(usize, usize)> {
    let first = sums.iter().position(|sum| !sum.is_finite())?;
    Some((first, sums.iter().filter(|sum| !sum.is_finite()).count()))
}

fn row_sums<const D: usize>(values: Tensor<D>) -> Tensor<1> {
    let rows = values.dims()[0] as i32;
    values.reshape([rows, -1]).sum_dim(1).squeeze_dim(1)
}
