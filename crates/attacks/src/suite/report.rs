//! What a suite leaves behind.

use super::Flag;
use crate::{Access, Passes};
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One attack of a suite and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub attack: String,
    /// What it asks of the model.
    pub access: Access,
    /// Examples that were left for it.
    pub attacked: usize,
    /// Examples that it broke.
    pub broken: usize,
    /// What it cost, in passes of single images, the decision on its images included.
    pub passes: Passes,
    /// Seconds that it took.
    pub seconds: f64,
    /// The numbers of the examples that met a gradient of zero.
    pub zero_gradients: Vec<u64>,
    /// Whether a budget ended it.
    pub exhausted: bool,
}

/// How one example fared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its number.
    pub example: u64,
    /// Its label.
    pub label: i64,
    /// In how many of the draws the model was right on the example itself.
    pub clean: usize,
    /// In how many of the draws the model was right on the worst image.
    pub robust: usize,
    /// The attack that broke it in every draw that decided.
    pub broken_by: Option<String>,
    /// The distance of the worst image in the threat's norm.
    pub distance: f64,
}

/// The result of a suite over a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteReport {
    /// The suite's name.
    pub suite: String,
    /// All its parameters.
    pub spec: serde_json::Value,
    /// The key of its random numbers.
    pub key: Key,
    /// Whether two draws gave different logits.
    pub stochastic: bool,
    /// Draws behind each outcome: one for a model without noise.
    pub draws: usize,
    /// The attacks, in their order.
    pub stages: Vec<Stage>,
    /// The examples, in their order.
    pub outcomes: Vec<Outcome>,
    /// What casts doubt on the result.
    pub flags: Vec<Flag>,
}

impl SuiteReport {
    /// The share of examples and draws in which the model is right on the examples themselves.
    pub fn clean_accuracy(&self) -> f64 {
        self.share(|outcome| outcome.clean)
    }

    /// The share of examples and draws in which the model is right on the worst image of each example.
    pub fn robust_accuracy(&self) -> f64 {
        self.share(|outcome| outcome.robust)
    }

    fn share(&self, correct: impl Fn(&Outcome) -> usize) -> f64 {
        let all = self.outcomes.len() * self.draws;
        self.outcomes.iter().map(correct).sum::<usize>() as f64 / all.max(1) as f64
    }
}

impl fmt::Display for SuiteReport {
    /// A line for each attack, the result and the flags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.stages.iter().map(|stage| stage.attack.len()).max().unwrap_or(0).max(6);
        writeln!(f, "{:<width$}  attacked  broken   seconds    forwards   backwards", "attack")?;
        for stage in &self.stages {
            writeln!(
                f,
                "{:<width$}  {:>8}  {:>6}  {:>8.1}  {:>10}  {:>10}",
                stage.attack,
                stage.attacked,
                stage.broken,
                stage.seconds,
                stage.passes.forwards,
                stage.passes.backwards
            )?;
        }
        let percent = |share: f64| 100.0 * share;
        writeln!(
            f,
            "{} examples: clean {:.2} %, {} {:.2} %",
            self.outcomes.len(),
            percent(self.clean_accuracy()),
            self.suite,
            percent(self.robust_accuracy())
        )?;
        self.flags.iter().try_for_each(|flag| writeln!(f, "flag: {flag}"))
    }
}
