//! SPSA: gradient ascent along gradients estimated from scores.

mod settings;

use crate::attack::spec;
use crate::knobs::knobs;
use crate::methods::shared::adam::Adam;
use crate::methods::shared::best::KeepBest;
use crate::rows::ActiveRows;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Objective, Passes, Rows,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};
use serde::Serialize;

/// Simultaneous perturbation stochastic approximation (Uesato et al., arXiv 1802.05666, algorithm
/// 1).
///
/// Gradient ascent on the margin, [`Loss::Margin`], with Adam and a projection to ball and box
/// after each step. The gradient is a mean over random signs `v ∈ {−1, 1}^d` of `v (J(x + δv) − J(x
/// − δv)) / 2δ`: each sample costs two queries. The model's gradient is not used, so that a model
/// that masks its gradient is attacked all the same. Points of the queries may lie outside the box
/// by `δ`.
///
/// A run starts at the image, and its result is the best iterate. Every query is a mean over
/// `draws` draws of the model's noise: the two of a sample see the same, each sample others, and
/// the iterates are compared under draws of their own. If the model is deterministic, examples
/// leave as soon as they reach the goal.
///
/// ```
/// use cni_attacks::{Attack, Spsa, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Spsa::new(threat).name(), "SPSA-100");
/// assert_eq!(Spsa::new(threat).with_draws(20)?.name(), "EOT-SPSA-100x20");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "spsa")]
pub struct Spsa {
    threat: Threat,
    steps: usize,
    samples: usize,
    delta: f64,
    learning_rate: f64,
    #[serde(flatten)]
    eot: Eot,
}

impl Spsa {
    /// 100 steps of 128 samples, δ = 0.01, learning rate 0.01, one draw.
    pub fn new(threat: Threat) -> Self {
        Self { threat, steps: 100, samples: 128, delta: 0.01, learning_rate: 0.01, eot: Eot::ONE }
    }

    /// The estimated gradient, from as many samples as the budget allows; `None` if it allows no
    /// sample.
    fn gradient(
        &self,
        access: &mut ModelAccess<'_>,
        search: &ActiveSearch,
        key: Key,
    ) -> Result<Option<Tensor<4>>, AttackError> {
        let ActiveSearch { batch, x, .. } = search;
        let margin = Objective::new(Loss::Margin, &batch.goal);
        let (mut sum, mut samples) = (x.zeros_like(), 0);
        for sample in 0..self.samples as u64 {
            if !access.affords_scores(2, self.eot) {
                break;
            }
            let key = key.child(sample);
            // The sign of a normal value is a fair coin.
            let signs = normal_rows(key.named("signs"), &batch.examples, x).sign();
            let mut score = |delta: f64| {
                let at = x.clone() + signs.clone() * delta;
                access.score(&at, &margin, &batch.examples, self.eot, key.named("score"))
            };
            let slope = (score(self.delta)?.score - score(-self.delta)?.score).cast(x.dtype());
            sum = sum + signs * slope.reshape([-1, 1, 1, 1]);
            samples += 1;
        }
        Ok((samples > 0).then(|| sum.div_scalar(2.0 * self.delta * samples as f64)))
    }
}

/// The state of the rows still attacked.
struct ActiveSearch {
    batch: AttackBatch,
    x: Tensor<4>,
    adam: Adam,
    best: KeepBest,
}

impl ActiveSearch {
    fn ascend(&mut self, gradient: Tensor<4>, threat: Threat) {
        let ahead = self.x.clone() + self.adam.step(gradient);
        self.x = threat.norm().project(ahead, &self.batch.images, threat.epsilon());
    }

    /// Scores the iterate, and keeps it if it is the best so far. Returns whether the budget
    /// allowed it.
    fn evaluate(&mut self, access: &mut ModelAccess<'_>, eot: Eot) -> Result<bool, AttackError> {
        if !access.affords_scores(1, eot) {
            return Ok(false);
        }
        self.best.consider(access, &self.x, &self.batch.examples)?;
        Ok(true)
    }

    /// The best images.
    fn images(&self) -> &Tensor<4> {
        self.best.images().unwrap_or(&self.x)
    }

    fn select(&mut self, rows: &Rows) {
        self.batch = self.batch.select(rows);
        self.x = rows.of(&self.x);
        self.adam.select(rows);
        self.best.select(rows);
    }
}

impl FromSpec for Spsa {
    const NAME: &'static str = "spsa";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?);
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "samples", Self::with_samples)?;
        let attack = of.set(attack, "delta", Self::with_delta)?;
        let attack = of.set(attack, "learning_rate", Self::with_learning_rate)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        of.done(attack)
    }
}

deserialize_from_spec!(Spsa);

impl Attack for Spsa {
    /// `SPSA-{steps}`; with several draws `EOT-SPSA-{steps}x{draws}` and the expectation.
    fn name(&self) -> String {
        self.eot.name(format!("SPSA-{}", self.steps))
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Scores
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    // The knob for the step size sets the learning rate.
    knobs! {
        Steps(steps) => Self::with_steps,
        StepSize(learning_rate) => Self::with_learning_rate,
        Draws(eot.draws) => Self::with_draws,
        Expectation(eot.expectation) => |attack, value| Ok(attack.with_expectation(value)),
    }

    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let scores = 1 + self.steps * (2 * self.samples + 1);
        Some(Passes { forwards: (scores * self.eot.draws) as u64, backwards: 0 })
    }

    /// The draws that compare iterates.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let stop = access.stops_early(true, batch)?;
        let mut active = ActiveRows::new(batch.len());
        let mut search = ActiveSearch {
            batch: batch.clone(),
            x: batch.images.clone(),
            adam: Adam::new(self.learning_rate),
            best: KeepBest::new(&batch.goal, self.eot, key.named("score")),
        };
        let mut more = search.evaluate(access, self.eot)?;
        for step in 1..=self.steps as u64 {
            if !more {
                break;
            }
            // A margin is positive exactly if the goal is reached.
            let reached: Vec<bool> =
                search.best.margins().iter().map(|margin| stop && *margin > 0.0).collect();
            if let Some(rows) = active.take(&reached, search.images()) {
                if active.is_complete() {
                    break;
                }
                search.select(&rows);
            }
            let Some(gradient) = self.gradient(access, &search, key.child(step))? else {
                break;
            };
            search.ascend(gradient, self.threat);
            more = search.evaluate(access, self.eot)?;
            let (margins, norm) = (search.best.margins(), self.threat.norm());
            more &= access.proceed(&search.batch, search.images(), &margins, norm);
        }
        Ok(active.finish(search.images().clone()))
    }
}
