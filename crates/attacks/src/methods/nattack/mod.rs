//! NAttack: a search for a distribution of adversarial examples. In one file with its settings: the
//! search is a single loop.

mod settings;

use crate::attack::spec;
use crate::knobs::knobs;
use crate::methods::shared::best::KeepBest;
use crate::rows::at_least_single;
use crate::rows::{ActiveRows, per_row};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, ModelAccess, Norm, Passes, Rows, Threat,
};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};
use serde::Serialize;

/// NAttack (Li et al., arXiv 1905.00441, algorithm 1), for the Linf norm.
///
/// Evolution strategies move the mean `μ` of a Gaussian such that its samples `z = μ + σε`, taken
/// to images by `(tanh(z) + 1) / 2` and projected to the ball, have large margins: `μ ← μ + η /
/// (bσ) Σ f ε`, with the scores `f` of the `b` samples standardised. At first `μ` is the image. The
/// score is the margin, [`Loss::Margin`](crate::Loss::Margin), also after the goal is reached. The
/// result is the best of all samples and of the images of `μ`.
///
/// All scores are means over the same `draws` draws of the model's noise, so that samples are
/// compared under equal noise. If the model is deterministic, examples leave after the iteration in
/// which they reach the goal.
///
/// ```
/// use cni_attacks::{Attack, NAttack, Threat};
/// let attack = NAttack::new(Threat::linf(8.0 / 255.0)?)?;
/// assert_eq!(attack.name(), "NAttack-500");
/// assert_eq!(attack.with_draws(20)?.name(), "EOT-NAttack-500x20");
/// assert!(NAttack::new(Threat::l2(0.5)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "n_attack")]
pub struct NAttack {
    threat: Threat,
    steps: usize,
    population: usize,
    sigma: f64,
    learning_rate: f64,
    #[serde(flatten)]
    eot: Eot,
}

/// Keeps pixels at the faces of the box within reach of the tanh.
const SHRINK: f64 = 1.0 - 1e-6;
/// Keeps the standardised scores finite if all are equal.
const TINY: f64 = 1e-7;

impl NAttack {
    /// At most 500 iterations of 300 samples, σ = 0.1, learning rate 0.02, one draw; an error
    /// unless the norm is Linf.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::Linf {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::Linf] });
        }
        Ok(Self {
            threat,
            steps: 500,
            population: 300,
            sigma: 0.1,
            learning_rate: 0.02,
            eot: Eot::ONE,
        })
    }

    /// The image of a point before the tanh.
    fn image(&self, z: Tensor<4>, clean: &Tensor<4>) -> Tensor<4> {
        let image = z.tanh().add_scalar(1.0).mul_scalar(0.5).cast(clean.dtype());
        Norm::Linf.project(image, clean, self.threat.epsilon())
    }

    /// Scores the samples around `mean`, as many as the budget allows, and moves it.
    fn evolve(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut ActiveSearch,
        key: Key,
    ) -> Result<(), AttackError> {
        if !access.affords_scores(1, self.eot) {
            return Ok(());
        }
        // Scores count from that of the mean: their differences may be small against their size.
        let center = self.image(search.mean.clone(), &search.batch.images);
        let base = search.evaluate(access, &center)?;
        let mut samples = 0;
        let mut sums = [search.mean.zeros_like(), search.mean.zeros_like()];
        let mut moments = vec![[0.0; 2]; base.len()];
        for sample in 0..self.population as u64 {
            if !access.affords_scores(1, self.eot) {
                break;
            }
            samples += 1;
            let draws = normal_rows(key.child(sample), &search.batch.examples, &search.mean);
            let z = search.mean.clone() + draws.clone() * self.sigma;
            let x = self.image(z, &search.batch.images);
            let scores = search.evaluate(access, &x)?;
            let gains: Vec<f64> = scores.iter().zip(&base).map(|(a, b)| a - b).collect();
            for (moments, gain) in moments.iter_mut().zip(&gains) {
                moments[0] += gain;
                moments[1] += gain * gain;
            }
            let [weighted, plain] = sums;
            sums = [weighted + draws.clone() * per_row(&gains, &draws), plain + draws];
        }
        // Σ (f − mean) ε / deviation, from what was summed along the way.
        if samples == 0 {
            return Ok(());
        }
        let n = f64::from(samples);
        let mean: Vec<f64> = moments.iter().map(|[sum, _]| sum / n).collect();
        let steps: Vec<f64> = (moments.iter().zip(&mean))
            .map(|([_, squares], mean)| {
                let deviation = (squares / n - mean * mean).max(0.0).sqrt();
                self.learning_rate / (n * self.sigma * (deviation + TINY))
            })
            .collect();
        let [weighted, plain] = sums;
        let ahead = weighted - plain * per_row(&mean, &search.mean);
        search.mean = search.mean.clone() + ahead * per_row(&steps, &search.mean);
        Ok(())
    }
}

/// The state of the rows still attacked.
struct ActiveSearch {
    batch: AttackBatch,
    /// The mean of the samples, before the tanh.
    mean: Tensor<4>,
    best: KeepBest,
}

impl ActiveSearch {
    fn evaluate(
        &mut self,
        access: &mut ModelAccess<'_>,
        x: &Tensor<4>,
    ) -> Result<Vec<f64>, AttackError> {
        self.best.consider(access, x, &self.batch.examples)
    }

    /// The best images.
    fn images(&self) -> &Tensor<4> {
        self.best.images().unwrap_or(&self.batch.images)
    }

    fn select(&mut self, rows: &Rows) {
        self.batch = self.batch.select(rows);
        self.mean = rows.of(&self.mean);
        self.best.select(rows);
    }
}

impl FromSpec for NAttack {
    const NAME: &'static str = "n_attack";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "population", Self::with_population)?;
        let attack = of.set(attack, "sigma", Self::with_sigma)?;
        let attack = of.set(attack, "learning_rate", Self::with_learning_rate)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        let attack =
            of.set(attack, "expectation", |attack, value| Ok(attack.with_expectation(value)))?;
        of.done(attack)
    }
}

deserialize_from_spec!(NAttack);

impl Attack for NAttack {
    /// `NAttack-{steps}`; with several draws `EOT-NAttack-{steps}x{draws}` and the expectation.
    fn name(&self) -> String {
        self.eot.name(format!("NAttack-{}", self.steps))
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
        let scores = self.steps * (self.population + 1);
        Some(Passes { forwards: (scores * self.eot.draws) as u64, backwards: 0 })
    }

    /// The draws that score every sample.
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
        // In half precision, the factor that keeps the inverse of tanh finite would round to one.
        let images = at_least_single(batch.images.clone());
        let centered = images.sub_scalar(0.5).mul_scalar(2.0 * SHRINK);
        let mut search = ActiveSearch {
            batch: batch.clone(),
            mean: centered.atanh(),
            best: KeepBest::new(&batch.goal, self.eot, key.named("score")),
        };
        for step in 0..self.steps as u64 {
            self.evolve(access, &mut search, key.child(step))?;
            let margins = search.best.margins();
            let more = access.proceed(&search.batch, search.images(), &margins, Norm::Linf);
            // A margin is positive exactly if the goal is reached.
            let reached: Vec<bool> = margins.iter().map(|margin| stop && *margin > 0.0).collect();
            if let Some(rows) = active.take(&reached, search.images()) {
                if active.is_complete() {
                    break;
                }
                search.select(&rows);
            }
            if !more {
                break;
            }
        }
        Ok(active.finish(search.images().clone()))
    }
}
