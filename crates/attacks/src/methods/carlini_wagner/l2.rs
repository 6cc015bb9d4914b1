//! Carlini and Wagner's attack in L2: distance and margin in one loss, whose balance is searched for.

use super::slope_of_shortfall;
use super::variable::Variable;
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::methods::shared::minimum_norm::Search;
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Knob, Knobs, Loss, ModelAccess, Norm, Objective,
    Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;
use std::sync::Arc;

/// The attack of Carlini and Wagner (arXiv 1608.04644, section VI-A), in L2.
///
/// Adam lowers `‖x − x₀‖₂² + c · max(κ − m(x), 0)`, with `m` the margin of [`Loss::Margin`] and κ the confidence, over
/// `w` in `x = (1 + tanh w) / 2`, for 1000 iterations of step 0.01. Nine such runs search for the least `c` with which
/// the goal is reached: from 0.001 on by factors of ten until one does, then by bisection. The nearest image found in
/// any iteration with a margin of at least κ is the result, where it is within the threat, else the original.
///
/// Settings and search are those of foolbox's `L2CarliniWagnerAttack`, whose runs have 10 000 iterations, without its
/// `abort_early`. An image that reaches the goal as it is stays as it is. Whether an image of a stochastic model is
/// adversarial is asked of the mean logits over `draws` draws, the same for all images; without noise the pass of the
/// gradient tells. Where the caller wants early stopping, examples leave between two runs.
///
/// ```
/// use cni_attacks::{Attack, CarliniWagner, Threat};
/// let attack = CarliniWagner::new(Threat::l2(0.5)?)?;
/// assert_eq!(attack.name(), "CW-9x1000");
/// assert_eq!(attack.with_steps(100)?.with_search_steps(5)?.name(), "CW-5x100");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "carlini_wagner")]
pub struct CarliniWagner {
    threat: Threat,
    steps: usize,
    search_steps: usize,
    step_size: f64,
    initial_constant: f64,
    confidence: f64,
    #[serde(flatten)]
    eot: Eot,
}

impl CarliniWagner {
    /// The settings above; an error unless the norm is L2.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::L2 {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::L2] });
        }
        Ok(Self {
            threat,
            steps: 1000,
            search_steps: 9,
            step_size: 0.01,
            initial_constant: 1e-3,
            confidence: 0.0,
            eot: Eot::ONE,
        })
    }

    /// The number of iterations of a run; an error where it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of runs, each with another `c`; an error where it is zero. From ten on the last is with the least `c`
    /// that is known to do, or 1e10.
    pub fn with_search_steps(self, search_steps: usize) -> Result<Self, AttackError> {
        Ok(Self { search_steps: at_least_one("search_steps", search_steps)?, ..self })
    }

    /// Adam's step in `w`; an error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The first `c`; an error unless above 0.
    pub fn with_initial_constant(self, constant: f64) -> Result<Self, AttackError> {
        let initial_constant = within("initial_constant", constant, |c| c > 0.0, "above 0")?;
        Ok(Self { initial_constant, ..self })
    }

    /// The margin κ by which the goal is to be reached, in units of the logits; an error unless at least 0.
    pub fn with_confidence(self, confidence: f64) -> Result<Self, AttackError> {
        let confidence = within("confidence", confidence, |k| k >= 0.0, "at least 0")?;
        Ok(Self { confidence, ..self })
    }

    /// The number of draws of the model's noise behind each gradient, and behind each answer to whether an image is
    /// adversarial; an error where it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// A run with these `c`: which rows reached the goal in it, and whether the budget allows another.
    fn descend(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut Search,
        constants: &[f64],
        key: Key,
    ) -> Result<(Vec<bool>, bool), AttackError> {
        let objective = Objective::new(Loss::Margin, &search.problem.goal);
        let dtype = search.problem.images.dtype();
        let mut variable = Variable::new(&search.problem.images, self.step_size);
        let origin = variable.pixels();
        let mut reached = vec![false; constants.len()];
        for step in 0..self.steps as u64 {
            let exact = variable.pixels();
            let x = exact.clone().cast(dtype);
            let examples = &search.problem.examples;
            let found = access.gradient(&x, &objective, examples, self.eot, key.child(step))?;
            let look = search.look(access, &x, Some(&found))?;
            reached.iter_mut().zip(&look.reached).for_each(|(ever, now)| *ever |= now);
            if !search.proceed(access, &x, &look) {
                return Ok((reached, false));
            }
            let constants = constants.iter().copied();
            let shortfall =
                slope_of_shortfall(access, search, found, &look, self.confidence, constants)?;
            variable.descend((exact - origin.clone()).mul_scalar(2.0) + shortfall);
        }
        Ok((reached, true))
    }
}

/// The search for each row's `c`.
struct Balance {
    constant: f64,
    low: f64,
    high: f64,
}

impl Balance {
    /// After a run with its `c`.
    fn update(&mut self, reached: bool) {
        if reached {
            self.high = self.constant
        } else {
            self.low = self.constant
        }
        self.constant = match self.high.is_infinite() {
            true => 10.0 * self.constant,
            false => 0.5 * (self.low + self.high),
        };
    }
}

impl Attack for CarliniWagner {
    /// `CW-{search_steps}x{steps}`; with several draws `EOT-…x{draws}`; then `-k{confidence}` where there is any.
    fn name(&self) -> String {
        let mut name = format!("CW-{}x{}", self.search_steps, self.steps);
        name = self.eot.name(name);
        if self.confidence > 0.0 {
            name += &format!("-k{}", self.confidence);
        }
        name
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(self.eot.draws)
    }

    fn knobs(&self) -> Knobs {
        Knobs {
            steps: Some(self.steps),
            step_size: Some(self.step_size),
            draws: Some(self.eot.draws),
            ..Knobs::default()
        }
    }

    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        let attack = self.clone();
        Ok(Arc::new(match knob {
            Knob::Epsilon(epsilon) => Self { threat: self.threat.with_epsilon(epsilon)?, ..attack },
            Knob::Steps(steps) => attack.with_steps(steps)?,
            Knob::StepSize(step_size) => attack.with_step_size(step_size)?,
            Knob::Draws(draws) => attack.with_draws(draws)?,
            _ => return Err(knob.lacked_by(self.name())),
        }))
    }

    fn cost(&self, _: usize, stochastic: bool) -> Option<Passes> {
        let score = Passes { forwards: self.eot.draws as u64, backwards: 0 };
        let step = self.eot.gradient_cost() + score * u64::from(stochastic);
        Some(score + step * (self.search_steps * self.steps) as u64)
    }

    /// Those by which images are found adversarial.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        problem: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let confidence = self.confidence;
        let mut search = Search::begin(access, self.threat, problem, self.eot, confidence, key)?;
        let begin = || Balance { constant: self.initial_constant, low: 0.0, high: f64::INFINITY };
        let mut rows: Vec<Balance> = (0..search.problem.len()).map(|_| begin()).collect();
        for run in 0..self.search_steps {
            if search.is_complete() {
                break;
            }
            if run + 1 == self.search_steps && self.search_steps >= 10 {
                rows.iter_mut().for_each(|row| row.constant = row.high.min(1e10));
            }
            let constants: Vec<f64> = rows.iter().map(|row| row.constant).collect();
            let key = key.named("gradient").child(run as u64);
            let (reached, more) = self.descend(access, &mut search, &constants, key)?;
            if !more {
                break;
            }
            rows.iter_mut().zip(reached).for_each(|(row, reached)| row.update(reached));
            if search.early {
                let within = search.within();
                search.leave(&within);
                let mut stays = within.into_iter().map(|within| !within);
                rows.retain(|_| stays.next().unwrap_or(true));
            }
        }
        Ok(search.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_grows_tenfold_until_it_does_and_is_then_halved() {
        let mut row = Balance { constant: 0.001, low: 0.0, high: f64::INFINITY };
        let mut constants = Vec::new();
        for reached in [false, false, true, false, true] {
            row.update(reached);
            constants.push(row.constant);
        }
        let wanted = [0.01, 0.1, 0.055, 0.0775, 0.06625];
        let near = constants.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-12);
        assert!(near, "{constants:?}");
        let mut row = Balance { constant: 0.001, low: 0.0, high: f64::INFINITY };
        row.update(true);
        assert_eq!(row.constant, 0.0005);
    }
}
