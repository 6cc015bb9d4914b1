//! Settings that many attacks share, by which sweeps and audits make variants of an attack.

use crate::{AttackError, Expectation, Loss};
use serde::{Deserialize, Serialize};

/// Which point of a run is its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Iterate {
    /// The last, as in training: no pass is spent on choosing.
    #[default]
    Last,
    /// Of start and iterates the best for each example, chosen as among restarts. It costs as many
    /// more forward passes as the gradients took, and those of the start.
    Best,
}

/// A setting that many attacks have, with a value for it.
///
/// [`Attack::with_knob`](crate::Attack::with_knob) gives the attack with that value.
#[derive(Clone, Debug, PartialEq)]
pub enum Knob {
    /// The radius of the threat, in units of the pixel range; infinite for no bound. A step size
    /// that is in proportion to the radius follows it.
    Epsilon(f64),
    /// Steps, iterations or queries of a run.
    Steps(usize),
    /// The length of a step, in units of the pixel range; of an attack that moves another variable
    /// than the image, such as Adam's in Carlini and Wagner's, in units of that variable.
    StepSize(f64),
    /// Runs from other starts.
    Restarts(usize),
    /// Draws of the model's noise behind each gradient, score or decision (EOT).
    Draws(usize),
    /// What is averaged over these draws.
    Expectation(Expectation),
    /// The loss that is climbed.
    Loss(Loss),
    /// The point of a run that is its result.
    Iterate(Iterate),
}

impl Knob {
    /// The setting's name in error messages.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Epsilon(_) => "epsilon",
            Self::Steps(_) => "steps",
            Self::StepSize(_) => "step_size",
            Self::Restarts(_) => "restarts",
            Self::Draws(_) => "draws",
            Self::Expectation(_) => "expectation",
            Self::Loss(_) => "loss",
            Self::Iterate(_) => "iterate",
        }
    }

    /// The error of the attack of this name, which lacks the setting.
    pub fn lacked_by(&self, attack: String) -> AttackError {
        AttackError::NoKnob { attack, field: self.field() }
    }
}

/// The values of an attack's knobs; `None` for those that it lacks. Every attack has a radius, that
/// of its [`threat`](crate::Attack::threat).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs {
    /// Steps, iterations or queries of a run.
    pub steps: Option<usize>,
    /// The length of a step, in the unit that [`Knob::StepSize`] names.
    pub step_size: Option<f64>,
    /// Runs from other starts.
    pub restarts: Option<usize>,
    /// Draws of the model's noise behind each gradient, score or decision (EOT).
    pub draws: Option<usize>,
    /// What is averaged over these draws.
    pub expectation: Option<Expectation>,
    /// The loss that is climbed.
    pub loss: Option<Loss>,
    /// The point of a run that is its result.
    pub iterate: Option<Iterate>,
}
