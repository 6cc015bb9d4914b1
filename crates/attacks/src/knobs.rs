//! Settings that many attacks share. Sweeps and audits use them to make variants of an attack.

use crate::{AttackError, Expectation, Loss};
use serde::{Deserialize, Serialize};

/// The choice of the iterate that a run returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Iterate {
    /// The last iterate, as in training: no pass is spent on choosing.
    #[default]
    Last,
    /// The best of the start and all iterates for each example, chosen in the same way as among
    /// restarts. This adds as many forward passes as the gradients take, and those of the start.
    Best,
}

/// A setting that many attacks have, with a value for it.
///
/// [`Attack::with_knob`](crate::Attack::with_knob) gives the attack with that value.
#[derive(Clone, Debug, PartialEq)]
pub enum Knob {
    /// The radius of the threat, in units of the pixel range; infinite for no bound. A step size in
    /// proportion to the radius scales with it.
    Epsilon(f64),
    /// The number of steps, iterations or queries of a run.
    Steps(usize),
    /// The length of a step, in units of the pixel range. If the attack optimizes another variable
    /// than the image, as Carlini and Wagner's does, the unit is that of the variable.
    StepSize(f64),
    /// The number of runs, each from a start of its own.
    Restarts(usize),
    /// The number of draws of the model's noise behind each gradient, score or decision (EOT).
    Draws(usize),
    /// The quantity that is averaged over these draws.
    Expectation(Expectation),
    /// The loss that the attack raises.
    Loss(Loss),
    /// The choice of the iterate that a run returns.
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

    /// The error for an attack of this name that does not have the setting.
    pub fn lacked_by(&self, attack: String) -> AttackError {
        AttackError::NoKnob { attack, field: self.field() }
    }
}

/// The values of an attack's knobs; `None` if it does not have the knob. The radius is not among
/// them: the attack's [`threat`](crate::Attack::threat) has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs {
    /// The number of steps, iterations or queries of a run.
    pub steps: Option<usize>,
    /// The length of a step, in the unit that [`Knob::StepSize`] names.
    pub step_size: Option<f64>,
    /// The number of runs, each from a start of its own.
    pub restarts: Option<usize>,
    /// The number of draws of the model's noise behind each gradient, score or decision (EOT).
    pub draws: Option<usize>,
    /// The quantity that is averaged over these draws.
    pub expectation: Option<Expectation>,
    /// The loss that the attack raises.
    pub loss: Option<Loss>,
    /// The choice of the iterate that a run returns.
    pub iterate: Option<Iterate>,
}

impl FromIterator<Knob> for Knobs {
    /// The knobs with these values. A radius is ignored, since it belongs to the threat.
    fn from_iter<I: IntoIterator<Item = Knob>>(values: I) -> Self {
        let mut knobs = Self::default();
        for value in values {
            match value {
                Knob::Epsilon(_) => (),
                Knob::Steps(steps) => knobs.steps = Some(steps),
                Knob::StepSize(step_size) => knobs.step_size = Some(step_size),
                Knob::Restarts(restarts) => knobs.restarts = Some(restarts),
                Knob::Draws(draws) => knobs.draws = Some(draws),
                Knob::Expectation(expectation) => knobs.expectation = Some(expectation),
                Knob::Loss(loss) => knobs.loss = Some(loss),
                Knob::Iterate(iterate) => knobs.iterate = Some(iterate),
            }
        }
        knobs
    }
}

/// Writes [`Attack::knobs`](crate::Attack::knobs) and
/// [`Attack::with_knob`](crate::Attack::with_knob) of an attack: each knob with the field that has
/// its value and the setter that changes it. The radius is that of the field `threat`.
macro_rules! knobs {
    ($($knob:ident($($field:ident).+) => $setter:expr),+ $(,)?) => {
        fn knobs(&self) -> $crate::Knobs {
            [$($crate::Knob::$knob(Clone::clone(&self.$($field).+))),+].into_iter().collect()
        }

        fn with_knob(
            &self,
            knob: $crate::Knob,
        ) -> Result<std::sync::Arc<dyn $crate::Attack>, $crate::AttackError> {
            let attack = self.clone();
            Ok(std::sync::Arc::new(match knob {
                $crate::Knob::Epsilon(epsilon) => {
                    Self { threat: self.threat.with_epsilon(epsilon)?, ..attack }
                }
                $($crate::Knob::$knob(value) => {
                    let set: fn(Self, _) -> Result<Self, $crate::AttackError> = $setter;
                    set(attack, value)?
                })+
                _ => return Err(knob.lacked_by(self.name())),
            }))
        }
    };
}

pub(crate) use knobs;
