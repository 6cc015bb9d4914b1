//! Carlini and Wagner's attack in L2: one loss of distance and margin, with a search for the weight
//! of the margin.

use super::slope_of_shortfall;
use super::variable::Variable;
use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Norm, Objective, Passes,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The attack of Carlini and Wagner (arXiv 1608.04644, section VI-A), in L2.
///
/// Adam lowers `‖x − x₀‖₂² + c · max(κ − m(x), 0)`, with `m` the margin of [`Loss::Margin`] and κ
/// the confidence, over `w` in `x = (1 + tanh w) / 2`, for 1000 iterations of step 0.01. Nine such
/// runs search for the least `c` with which the goal is reached: from 0.001 on by factors of ten
/// until one does, then by bisection. The nearest image found in any iteration with a margin of at
/// least κ is the result, if it is within the threat, otherwise the original.
///
/// Settings and search are those of foolbox's `L2CarliniWagnerAttack`, except that its runs have
/// 10 000 iterations, and that its `abort_early` is left out here. An image that reaches the goal
/// already stays as it is. If the model is stochastic, the mean logits over `draws` draws, the same
/// for all images, decide whether an image is adversarial; if it is not, the forward pass of the
/// gradient decides. If the caller wants early stopping, examples leave between two runs.
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

    /// The number of iterations of a run; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The number of runs, each with another `c`; an error if it is zero. With ten runs or more,
    /// the last has the least `c` that is known to reach the goal, or 1e10 if none is known.
    pub fn with_search_steps(self, search_steps: usize) -> Result<Self, AttackError> {
        Ok(Self { search_steps: at_least_one("search_steps", search_steps)?, ..self })
    }

    /// The learning rate of Adam, in units of `w`; an error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The weight `c` of the margin in the first run; an error unless above 0.
    pub fn with_initial_constant(self, constant: f64) -> Result<Self, AttackError> {
        let initial_constant = within("initial_constant", constant, |c| c > 0.0, "above 0")?;
        Ok(Self { initial_constant, ..self })
    }

    /// The margin κ that an image must have to count as adversarial, in units of the logits; an
    /// error unless at least 0.
    pub fn with_confidence(self, confidence: f64) -> Result<Self, AttackError> {
        let confidence = within("confidence", confidence, |k| k >= 0.0, "at least 0")?;
        Ok(Self { confidence, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// Does a run with these `c`. Returns which rows reached the goal in it, and whether the budget
    /// allows another run.
    fn descend(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut NearestSearch,
        constants: &[f64],
        key: Key,
    ) -> Result<(Vec<bool>, bool), AttackError> {
        let objective = Objective::new(Loss::Margin, &search.batch.goal);
        let dtype = search.batch.images.dtype();
        let mut variable = Variable::new(&search.batch.images, self.step_size);
        let origin = variable.pixels();
        let mut reached = vec![false; constants.len()];
        for step in 0..self.steps as u64 {
            let exact = variable.pixels();
            let x = exact.clone().cast(dtype);
            let examples = &search.batch.examples;
            let found = access.gradient(&x, &objective, examples, self.eot, key.child(step))?;
            let evaluated = search.evaluate(access, &x, Some(&found))?;
            reached.iter_mut().zip(&evaluated.reached).for_each(|(ever, now)| *ever |= now);
            if !search.proceed(access, &x, &evaluated) {
                return Ok((reached, false));
            }
            let constants = constants.iter().copied();
            let shortfall =
                slope_of_shortfall(access, search, found, &evaluated, self.confidence, constants)?;
            variable.descend((exact - origin.clone()).mul_scalar(2.0) + shortfall);
        }
        Ok((reached, true))
    }
}

impl FromSpec for CarliniWagner {
    const NAME: &'static str = "carlini_wagner";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "search_steps", Self::with_search_steps)?;
        let attack = of.set(attack, "step_size", Self::with_step_size)?;
        let attack = of.set(attack, "initial_constant", Self::with_initial_constant)?;
        let attack = of.set(attack, "confidence", Self::with_confidence)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(CarliniWagner);

impl Attack for CarliniWagner {
    /// `CW-{search_steps}x{steps}`; with several draws `EOT-…x{draws}`; then `-k{confidence}` if κ
    /// is not 0.
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

    fn is_minimum_norm(&self) -> bool {
        true
    }

    knobs! {
        Steps(steps) => Self::with_steps,
        StepSize(step_size) => Self::with_step_size,
        Draws(eot.draws) => Self::with_draws,
    }

    fn cost(&self, _: usize, stochastic: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() + score * u64::from(stochastic);
        Some(score + step * (self.search_steps * self.steps) as u64)
    }

    /// The draws that decide whether an image is adversarial.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let confidence = self.confidence;
        let mut search =
            NearestSearch::begin(access, self.threat, batch, self.eot, confidence, key)?;
        let (runs, key) = (self.search_steps, key.named("gradient"));
        search.balance(access, runs, self.initial_constant, |access, search, constants, run| {
            self.descend(access, search, constants, key.child(run))
        })?;
        Ok(search.finish())
    }
}
