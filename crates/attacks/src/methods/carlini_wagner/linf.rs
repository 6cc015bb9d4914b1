//! Carlini and Wagner's attack in Linf: a penalty on changes beyond a bound, which is lowered again
//! and again. Bound and attack are in one file, because the settings of the attack are those of the
//! bound.

mod settings;

use super::slope_of_shortfall;
use super::variable::Variable;
use crate::attack::spec;
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::rows::at_least_single;
use crate::rows::per_row;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Norm, Objective, Passes,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The attack of Carlini and Wagner (arXiv 1608.04644, section VI-C), in Linf.
///
/// The Linf distance has a gradient in a single pixel, the one that has changed most, so that a
/// descent along it would oscillate between pixels. A bound τ takes its place: Adam lowers `Σᵢ
/// max(|xᵢ − x₀ᵢ| − τ, 0) + c · max(κ − m(x), 0)`, with `m` the margin of [`Loss::Margin`] and κ
/// the confidence, over `w` in `x = (1 + tanh w) / 2`, by steps of 0.005. If the goal is reached
/// and no pixel has moved by more than τ, τ becomes 0.9 of the largest change, and the descent
/// starts again from there; τ is 1 at first. If 1000 iterations do not reach this, `c`, 1e-5 at
/// first, is doubled. The search for an example ends once τ is at most 1/256, or `c` at least 20.
/// The nearest image found in any iteration with a margin of at least κ is the result, if it is
/// within the threat, otherwise the original.
///
/// An image that reaches the goal already stays as it is. If the model is stochastic, the mean
/// logits over `draws` draws, the same for all images, decide whether an image is adversarial; if
/// it is not, the forward pass of the gradient decides. If the caller wants early stopping, an
/// example leaves with its first image within the threat.
///
/// # Deviations
///
/// Settings are those of the authors' code, `li_attack.py`. There, τ counts as met once the loss
/// before a step is below 1e-4 of `c` and the image after the step reaches the goal. Here one image
/// must reach the goal and have no pixel beyond τ, as in the paper. The nearest image of all
/// iterations counts, not that of the last τ.
///
/// ```
/// use cni_attacks::{Attack, CarliniWagnerLinf, Threat};
/// let attack = CarliniWagnerLinf::new(Threat::linf(8.0 / 255.0)?)?;
/// assert_eq!(attack.name(), "CW-Linf-1000");
/// assert_eq!(attack.with_steps(100)?.with_draws(20)?.name(), "EOT-CW-Linf-100x20");
/// assert!(CarliniWagnerLinf::new(Threat::l2(0.5)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "carlini_wagner_linf")]
pub struct CarliniWagnerLinf {
    threat: Threat,
    steps: usize,
    step_size: f64,
    initial_constant: f64,
    largest_constant: f64,
    tau_factor: f64,
    least_tau: f64,
    confidence: f64,
    #[serde(flatten)]
    eot: Eot,
}

impl CarliniWagnerLinf {
    /// The settings above; an error unless the norm is Linf.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::Linf {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::Linf] });
        }
        Ok(Self {
            threat,
            steps: 1000,
            step_size: 0.005,
            initial_constant: 1e-5,
            largest_constant: 20.0,
            tau_factor: 0.9,
            least_tau: 1.0 / 256.0,
            confidence: 0.0,
            eot: Eot::ONE,
        })
    }
}

/// The bound of an example: how far its pixels may move, and the weight of its margin.
#[derive(Clone, Debug, PartialEq)]
struct Bound {
    tau: f64,
    constant: f64,
    /// The number of iterations with this τ and this weight.
    spent: usize,
}

impl Bound {
    fn new(attack: &CarliniWagnerLinf) -> Self {
        Self { tau: 1.0, constant: attack.initial_constant, spent: 0 }
    }

    /// Updates the bound after an iteration. Returns whether the iteration met it.
    fn update(&mut self, reached: bool, distance: f64, attack: &CarliniWagnerLinf) -> bool {
        let met = reached && distance <= self.tau;
        self.spent += 1;
        if met {
            self.tau = attack.tau_factor * distance;
            self.spent = 0;
        } else if self.spent == attack.steps {
            self.constant *= 2.0;
            self.spent = 0;
        }
        met
    }

    fn is_over(&self, attack: &CarliniWagnerLinf) -> bool {
        self.tau <= attack.least_tau || self.constant >= attack.largest_constant
    }
}

/// The gradient of `Σᵢ max(|xᵢ − x₀ᵢ| − τ, 0)` with respect to the pixels.
fn slope_beyond(x: &Tensor<4>, origin: &Tensor<4>, bounds: &[Bound]) -> Tensor<4> {
    let change = at_least_single(x.clone()) - at_least_single(origin.clone());
    let taus: Vec<f64> = bounds.iter().map(|bound| bound.tau).collect();
    let beyond = (change.clone().abs() - per_row(&taus, &change)).clamp_min(0.0).sign();
    change.sign() * beyond
}

impl FromSpec for CarliniWagnerLinf {
    const NAME: &'static str = "carlini_wagner_linf";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "step_size", Self::with_step_size)?;
        let attack = of.set(attack, "tau_factor", Self::with_tau_factor)?;
        let attack = of.set(attack, "least_tau", Self::with_least_tau)?;
        let attack = of.set(attack, "confidence", Self::with_confidence)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let first = of.take("initial_constant")?.unwrap_or(attack.initial_constant);
        let last = of.take("largest_constant")?.unwrap_or(attack.largest_constant);
        let attack = attack.with_constants(first, last)?;
        of.done(attack)
    }
}

deserialize_from_spec!(CarliniWagnerLinf);

impl Attack for CarliniWagnerLinf {
    /// `CW-Linf-{steps}`; with several draws `EOT-…x{draws}`; then `-k{confidence}` if κ is not 0.
    fn name(&self) -> String {
        let mut name = self.eot.name(format!("CW-Linf-{}", self.steps));
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

    /// An upper bound: each τ is at most `tau_factor` times the one before, each `c` is twice the
    /// one before, and none of them has more than `steps` iterations.
    fn cost(&self, _: usize, stochastic: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() + score * u64::from(stochastic);
        let taus = (self.least_tau.ln() / self.tau_factor.ln()).ceil().max(0.0);
        let constants = (self.largest_constant / self.initial_constant).log2().ceil();
        Some(score + step * ((taus + constants) as u64 + 1) * self.steps as u64)
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
        let (eot, confidence) = (self.eot, self.confidence);
        let mut search = NearestSearch::begin(access, self.threat, batch, eot, confidence, key)?;
        let mut bounds = vec![Bound::new(self); search.batch.len()];
        let mut variable = Variable::new(&search.batch.images, self.step_size);
        let key = key.named("gradient");
        // The loop ends, since there are finitely many τ and c, each with a limited number of
        // iterations.
        for step in 0.. {
            if search.is_complete() {
                break;
            }
            let AttackBatch { images, goal, examples } = &search.batch;
            let objective = Objective::new(Loss::Margin, goal);
            let x = variable.pixels().cast(images.dtype());
            let found = access.gradient(&x, &objective, examples, eot, key.child(step))?;
            let evaluated = search.evaluate(access, &x, Some(&found))?;
            if !search.proceed(access, &x, &evaluated) {
                break;
            }
            let seen = evaluated.reached.iter().zip(&evaluated.distances);
            let met: Vec<bool> = bounds
                .iter_mut()
                .zip(seen)
                .map(|(bound, (reached, distance))| bound.update(*reached, *distance, self))
                .collect();
            variable.restart(&met, &x);
            let constants = bounds.iter().map(|bound| bound.constant);
            let shortfall =
                slope_of_shortfall(access, &search, found, &evaluated, confidence, constants)?;
            let beyond = slope_beyond(&x, &search.batch.images, &bounds);
            variable.descend(beyond + shortfall);
            let within = search.within().into_iter().map(|within| search.early && within);
            let over: Vec<bool> = bounds
                .iter()
                .zip(within)
                .map(|(bound, within)| within || bound.is_over(self))
                .collect();
            if let Some(rows) = search.leave(&over)
                && !search.is_complete()
            {
                variable.select(&rows);
                bounds = rows.of_list(&bounds);
            }
        }
        Ok(search.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_lowered_where_it_is_met_and_its_constant_doubled_where_it_is_not() {
        let attack = CarliniWagnerLinf::new(Threat::linf(0.5).unwrap()).unwrap();
        let attack = attack.with_steps(3).unwrap().with_constants(1.0, 4.0).unwrap();
        let attack = attack.with_least_tau(0.1).unwrap();
        let mut bound = Bound::new(&attack);
        let of = |tau: f64, constant: f64, spent: usize| Bound { tau, constant, spent };
        assert!(bound.update(true, 0.5, &attack));
        assert_eq!(bound, of(0.45, 1.0, 0));
        // Beyond the bound, and within it without the goal.
        assert!(!bound.update(true, 0.46, &attack) && !bound.update(false, 0.2, &attack));
        assert_eq!(bound, of(0.45, 1.0, 2));
        assert!(!bound.update(false, 0.2, &attack) && !bound.is_over(&attack));
        assert_eq!(bound, of(0.45, 2.0, 0));
        assert!(bound.update(true, 0.45, &attack));
        (0..3).for_each(|_| assert!(!bound.update(false, 0.2, &attack)));
        assert!(bound.is_over(&attack), "{bound:?}");
        let mut bound = of(0.2, 1.0, 0);
        assert!(bound.update(true, 0.11, &attack) && bound.is_over(&attack));
    }
}
