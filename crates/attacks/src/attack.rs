//! What every attack is, and what several of them share.

use crate::problem::{read, where_rows};
use crate::{AttackError, Classifier, Eot, Goal, Objective, Oracle, Problem, Rows, Runner, Threat};
use burn::tensor::Tensor;
use cni_noise::{Examples, Key};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// What an attack asks of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Gradients.
    Gradients,
    /// The logits of chosen images.
    Scores,
    /// The predicted class of chosen images.
    Decisions,
    /// Another model.
    Transfer,
    /// Nothing, or no more than a choice among random points.
    None,
}

/// An attack: an immutable value that perturbs images within its threat.
pub trait Attack: Send + Sync {
    /// A short name for tables, from the parameters that matter most, such as `PGD-20`.
    fn name(&self) -> String;

    /// What the attack may change. Its results stay within it, to the rounding of the images' element type.
    fn threat(&self) -> Threat;

    /// What it asks of the model.
    fn access(&self) -> Access;

    /// The attack with all its parameters, for records.
    fn spec(&self) -> serde_json::Value;

    /// How many draws of the attacked model's noise each of its gradients averages over (EOT); `None` for an attack that
    /// takes no gradient of that model.
    ///
    /// Draws that score candidates or decide between them do not count: a gradient under a single draw leads a run astray
    /// however well its results are compared. Of a suite it is the most that any of its attacks averages over.
    fn gradient_draws(&self) -> Option<usize>;

    /// The fewest classes that the model must tell apart, known before the first pass.
    fn min_classes(&self) -> usize {
        2
    }

    /// Perturbs the images of `problem`; gives them in its order, `[batch, channels, height, width]`.
    ///
    /// What an attack is. Callers want [`perturb`](Self::perturb), or a [`Runner`]; an attack made of others runs them
    /// by [`Oracle::run`]. Every random number, and the noise of the model, is a function of `key` and of the examples'
    /// numbers.
    ///
    /// # Errors
    ///
    /// Those of [`input_gradient`](crate::input_gradient), and of the attack.
    fn run(
        &self,
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        key: Key,
    ) -> Result<Tensor<4>, AttackError>;

    /// Perturbs `images`, `[batch, channels, height, width]` with pixels in [0, 1], towards `goal`, all at once.
    ///
    /// `first_example` is the number of the first in the data set. The result is a function of the model, the images
    /// and `key`; noise stays off where the caller's scope has switched it off. A [`Runner`] cuts large batches into
    /// chunks, and knows budgets, progress and traces.
    ///
    /// # Errors
    ///
    /// Those of [`Problem::new`] and [`run`](Self::run).
    fn perturb(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        goal: &Goal,
        key: Key,
        first_example: u64,
    ) -> Result<Adversarial, AttackError> {
        Runner::default().run(self, classifier, images, goal, key, first_example)
    }
}

/// What an attack gives back.
#[derive(Clone, Debug)]
pub struct Adversarial {
    /// The perturbed images, without autodiff graph, `[batch, channels, height, width]`.
    pub images: Tensor<4>,
    /// What they cost.
    pub passes: Passes,
    /// The numbers of the examples that met a gradient of zero: a sign of masking, since nothing leads an attack on.
    pub zero_gradients: Vec<u64>,
    /// Whether a budget ended the attack.
    pub exhausted: bool,
}

/// What an attack has cost, in passes of single images through the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Passes {
    /// Forward passes.
    pub forwards: u64,
    /// Backward passes.
    pub backwards: u64,
}

impl AddAssign for Passes {
    fn add_assign(&mut self, other: Self) {
        self.forwards += other.forwards;
        self.backwards += other.backwards;
    }
}

impl Add for Passes {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Passes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            forwards: self.forwards - other.forwards,
            backwards: self.backwards - other.backwards,
        }
    }
}

impl Mul<u64> for Passes {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { forwards: times * self.forwards, backwards: times * self.backwards }
    }
}

impl Sum for Passes {
    fn sum<I: Iterator<Item = Self>>(passes: I) -> Self {
        passes.fold(Self::default(), Add::add)
    }
}

/// The settings of an attack, as the records have them.
pub(crate) fn spec(attack: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(attack).expect("names and finite numbers have a JSON form")
}

/// That a model of so many classes can be attacked by each of these: to be asked before the first of them runs.
pub(crate) fn check_classes<'a>(
    attacks: impl IntoIterator<Item = &'a (dyn Attack + 'a)>,
    got: usize,
) -> Result<(), AttackError> {
    for attack in attacks {
        let wanted = attack.min_classes();
        if got < wanted {
            return Err(AttackError::Classes { got, wanted, of: attack.name() });
        }
    }
    Ok(())
}

/// The best candidate of each example so far.
///
/// All candidates are scored under the same draws of the model's noise, and not those of any gradient: a candidate that
/// merely met friendly noise does not win.
pub(crate) struct Selection {
    pub objective: Objective,
    pub eot: Eot,
    pub key: Key,
    best: Option<(Tensor<4>, Vec<f64>)>,
}

impl Selection {
    pub fn new(objective: Objective, eot: Eot, key: Key) -> Self {
        Self { objective, eot, key, best: None }
    }

    /// Goes on with some of the rows.
    pub fn select(&mut self, rows: &Rows) {
        self.objective = self.objective.select(rows);
        let kept =
            |(images, record): (Tensor<4>, Vec<f64>)| (rows.of(&images), rows.of_list(&record));
        self.best = self.best.take().map(kept);
    }

    /// The best so far.
    pub fn images(&self) -> Option<&Tensor<4>> {
        self.best.as_ref().map(|(images, _)| images)
    }

    /// The scores of the best so far; empty before any.
    pub fn record(&self) -> &[f64] {
        self.best.as_ref().map_or(&[], |(_, record)| record)
    }

    /// Keeps `candidate` for the examples where it beats all before it; its own scores.
    pub fn offer(
        &mut self,
        oracle: &mut Oracle<'_>,
        candidate: &Tensor<4>,
        examples: &Examples,
    ) -> Result<Vec<f64>, AttackError> {
        let scores = oracle.score(candidate, &self.objective, examples, self.eot, self.key)?;
        let scores = read(&scores.score);
        self.best = Some(match self.best.take() {
            None => (candidate.clone(), scores.clone()),
            Some((images, record)) => {
                let better: Vec<bool> = scores.iter().zip(&record).map(|(a, b)| a > b).collect();
                let record = scores.iter().zip(&record).map(|(a, b)| a.max(*b)).collect();
                (where_rows(&better, images, candidate), record)
            }
        });
        Ok(scores)
    }

    /// The best of all candidates; `otherwise` where there was none.
    pub fn into_images(self, otherwise: Tensor<4>) -> Tensor<4> {
        self.best.map_or(otherwise, |(images, _)| images)
    }
}
