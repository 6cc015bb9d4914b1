//! Expectation over transformation: averages over the draws of a stochastic model.

use crate::error::at_least_one;
use crate::rows::at_least_single;
use crate::{AttackError, Goal, Loss, Objective, Passes};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use cni_noise::{ExampleIds, Key, Noise, current_noise, scope_at};
use serde::{Deserialize, Serialize};

/// The quantity that is averaged over a stochastic model's draws. All three agree for a single
/// draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// The mean of the losses, and of their gradients (Athalye et al., arXiv 1707.07397): against
    /// one random draw.
    #[default]
    Loss,
    /// The loss of the mean logits: against a model that averages logits.
    Logits,
    /// The loss of the mean probabilities: against a model that averages its softmax, and the
    /// nearest that has a gradient to one that votes.
    Probabilities,
}

/// Expectation over transformation: the number of draws that make one score, and how they are
/// averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eot {
    /// Draws of the model's noise.
    pub draws: usize,
    /// The quantity that is averaged.
    pub expectation: Expectation,
}

impl Eot {
    /// A single draw.
    pub const ONE: Self = Self { draws: 1, expectation: Expectation::Loss };

    /// The mean of the loss over `draws` draws; an error if they are zero.
    pub fn new(draws: usize) -> Result<Self, AttackError> {
        Self::ONE.with_draws(draws)
    }

    /// The same over `draws` draws; an error if they are zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }

    /// The cost of a gradient for each example.
    pub fn gradient_cost(self) -> Passes {
        let draws = self.draws as u64;
        let twice = draws > 1 && self.expectation != Expectation::Loss;
        Passes { forwards: if twice { 2 * draws } else { draws }, backwards: draws }
    }

    /// The cost of a score for each example: a forward pass for each draw.
    pub fn score_cost(self) -> Passes {
        Passes { forwards: self.draws as u64, backwards: 0 }
    }

    /// The name of an attack: `EOT-{name}x{draws}` and the expectation if there are several draws.
    pub(crate) fn name(self, name: String) -> String {
        match self.draws {
            1 => name,
            draws => format!("EOT-{name}x{draws}{}", self.expectation.suffix()),
        }
    }
}

/// Runs `f` under draw number `draw` of the noise that belongs to `key`, for a batch of these
/// examples.
///
/// Noise stays off if the caller has switched it off; this is how the noise-free model is attacked.
pub fn draw_scope<R>(
    key: Key,
    draw: u64,
    examples: impl Into<ExampleIds>,
    f: impl FnOnce() -> R,
) -> R {
    let noise = match current_noise() {
        Noise::Off => Noise::Off,
        Noise::Fresh | Noise::Keyed(_) => Noise::Keyed(key.child(draw)),
    };
    scope_at(noise, examples, f)
}

impl Expectation {
    /// The suffix for an attack's name; empty for the mean of the losses.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Loss => "",
            Self::Logits => "-logits",
            Self::Probabilities => "-probabilities",
        }
    }

    /// The quantity to average, from the logits of one draw.
    pub fn averaged(self, logits: Tensor<2>) -> Tensor<2> {
        let logits = at_least_single(logits);
        match self {
            Self::Loss | Self::Logits => logits,
            Self::Probabilities => softmax(logits, 1),
        }
    }

    /// The logits that correspond to the average.
    pub fn logits(self, averaged: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Loss | Self::Logits => averaged,
            // A probability that has underflowed has a finite logarithm, far below all others.
            Self::Probabilities => averaged.clamp_min(f64::from(f32::MIN_POSITIVE)).log(),
        }
    }
}

/// The mean over draws.
pub(crate) struct Mean {
    pub score: Tensor<1>,
    pub logits: Tensor<2>,
    /// The mean of the averaged quantity.
    pub averaged: Tensor<2>,
    /// The success of the images, if a goal was given.
    pub success: Option<Success>,
}

/// The success of images: how near they are to a goal, over the draws of a stochastic model or for
/// the average of its draws.
#[derive(Clone)]
pub(crate) struct Success {
    /// The share of the draws in which the goal is reached, `[batch]`.
    pub reached: Tensor<1>,
    /// The mean margin in the attacker's favour, `[batch]`.
    pub margin: Tensor<1>,
}

impl Success {
    /// The success by the margin; an error if a custom margin gives the wrong number of values.
    pub fn of(logits: Tensor<2>, goal: &Goal) -> Result<Self, AttackError> {
        let margin = Objective::new(Loss::Margin, goal).checked_score(logits)?;
        // A margin is positive exactly if the goal is reached.
        let reached = margin.clone().greater_elem(0.0).float().cast(margin.dtype());
        Ok(Self { reached, margin })
    }

    fn plus(self, other: Self) -> Self {
        Self { reached: self.reached + other.reached, margin: self.margin + other.margin }
    }

    fn over(self, draws: usize) -> Self {
        let mean = |sum: Tensor<1>| if draws == 1 { sum } else { sum.div_scalar(draws as f64) };
        Self { reached: mean(self.reached), margin: mean(self.margin) }
    }
}

impl Mean {
    /// Averages over draws. `pass` gives the logits of a draw, and its score if that is already
    /// known. With a goal, `success` tells how near the images are to it.
    pub fn over(
        draws: usize,
        expectation: Expectation,
        objective: &Objective,
        goal: Option<&Goal>,
        mut pass: impl FnMut(u64) -> Result<(Tensor<2>, Option<Tensor<1>>), AttackError>,
    ) -> Result<Self, AttackError> {
        let add = |sum: &mut Option<Tensor<2>>, term: Tensor<2>| {
            *sum = Some(match sum.take() {
                None => term,
                Some(sum) => sum + term,
            });
        };
        let (mut logits, mut averaged, mut scores) = (None, None, None);
        let mut success: Option<Success> = None;
        for draw in 0..draws as u64 {
            let (of_draw, score) = pass(draw)?;
            let of_draw = at_least_single(of_draw);
            if expectation == Expectation::Loss {
                if let Some(goal) = goal {
                    let found = Success::of(of_draw.clone(), goal)?;
                    success = Some(match success.take() {
                        None => found,
                        Some(sum) => sum.plus(found),
                    });
                }
                let score = match score {
                    Some(score) => score,
                    None => objective.checked_score(of_draw.clone())?,
                };
                add(&mut scores, score.unsqueeze_dim(1));
            }
            if expectation == Expectation::Probabilities {
                add(&mut averaged, softmax(of_draw.clone(), 1));
            }
            add(&mut logits, of_draw);
        }
        let mean = |sum: Tensor<2>| if draws == 1 { sum } else { sum.div_scalar(draws as f64) };
        let logits = mean(logits.expect("there is at least one draw"));
        let averaged = averaged.map_or_else(|| logits.clone(), mean);
        let score = match scores {
            Some(scores) => mean(scores).squeeze_dim(1),
            None => objective.checked_score(expectation.logits(averaged.clone()))?,
        };
        let success = match (success, goal) {
            (Some(sum), _) => Some(sum.over(draws)),
            (None, Some(goal)) => Some(Success::of(expectation.logits(averaged.clone()), goal)?),
            (None, None) => None,
        };
        Ok(Self { score, logits, averaged, success })
    }
}
