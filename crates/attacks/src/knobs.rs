//! Settings that many attacks share, by which sweeps and audits make variants of an attack.

use crate::Loss;

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
    /// The length of a step, in units of the pixel range.
    StepSize(f64),
    /// Runs from other starts.
    Restarts(usize),
    /// Draws of the model's noise behind each gradient, score or decision (EOT).
    Draws(usize),
    /// The loss that is climbed.
    Loss(Loss),
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
            Self::Loss(_) => "loss",
        }
    }
}

/// The values of an attack's knobs; `None` for those that it lacks. Every attack has a radius, that
/// of its [`threat`](crate::Attack::threat).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs {
    /// Steps, iterations or queries of a run.
    pub steps: Option<usize>,
    /// The length of a step, in units of the pixel range.
    pub step_size: Option<f64>,
    /// Runs from other starts.
    pub restarts: Option<usize>,
    /// Draws of the model's noise behind each gradient, score or decision (EOT).
    pub draws: Option<usize>,
    /// The loss that is climbed.
    pub loss: Option<Loss>,
}
