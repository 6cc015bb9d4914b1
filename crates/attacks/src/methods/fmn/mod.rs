//! The fast minimum-norm attack: an ascent in a ball whose radius follows the boundary.

mod balls;

use self::balls::Balls;
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
use std::f64::consts::PI;

/// FMN, the fast minimum-norm attack (Pintor et al., arXiv 2102.12827, algorithm 1), in Linf, L2
/// or L1.
///
/// Each of 100 iterations moves the image along the gradient of the margin, by a Euclidean length
/// that falls from 1 to 0.01 along a cosine, and projects it onto a ball around the original. At
/// first the ball reaches as far as the boundary would be if the model were linear. Once an
/// adversarial image is known, the radius shrinks by a share γ if the current image is adversarial,
/// and to the distance of the nearest one so far if that is less; otherwise it grows by γ, which
/// falls from 0.05 to 0.001. The result is the nearest adversarial image found, if it is within the
/// threat, otherwise the original.
///
/// Every run starts from the original. An image whose gradient is zero stays where it is. If the
/// model is stochastic, the mean logits over `draws` draws, the same for all images, decide whether
/// an image is adversarial; if it is not, the forward pass of the gradient decides. If the caller
/// wants early stopping, an example leaves with its first image within the threat.
///
/// # Deviations
///
/// The first two keep iterates from stopping in front of a boundary that they never pass:
///
/// - An image is projected onto the intersection of ball and box. The published algorithm projects
///   onto the ball and then clips to the box. Clipping makes the change shorter than the radius,
///   and the next radius is computed from this shorter change. In Linf the two are the same.
/// - While no adversarial image is known, the radius is larger by an
///   [overshoot](Self::with_overshoot) of 0.001, and by the rounding error of pixels. Without an
///   overshoot the radius approaches the boundary as Newton's method does: an image may end exactly
///   on the boundary, so that rounding decides, or, if the margin is concave, stop short of it
///   every time. An overshoot of zero gives the published radius.
/// - Among adversarial images at the same distance the first is kept; foolbox keeps the last. Equal
///   distances are frequent, since the radius returns to that of the nearest image again and again.
///
/// Settings are those of foolbox's FMN attacks, which may start from an adversarial image too. In
/// its version 3.3.4 the projection in L2 changes nothing, so that its results in L2 differ.
///
/// ```
/// use cni_attacks::{Attack, Fmn, Threat};
/// let attack = Fmn::new(Threat::linf(8.0 / 255.0)?);
/// assert_eq!(attack.name(), "FMN-100");
/// assert_eq!(attack.with_steps(50)?.with_draws(10)?.name(), "EOT-FMN-50x10");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "fmn")]
pub struct Fmn {
    threat: Threat,
    steps: usize,
    step_size: f64,
    gamma: f64,
    overshoot: f64,
    #[serde(flatten)]
    eot: Eot,
}

/// The length of the last step, as a share of the first.
const LAST_STEP: f64 = 0.01;

/// The last γ.
const LAST_GAMMA: f64 = 0.001;

impl Fmn {
    /// The settings above: 100 iterations, at first with steps of 1 and γ = 0.05, an overshoot of
    /// 0.001, one draw.
    pub fn new(threat: Threat) -> Self {
        let (steps, step_size, gamma, overshoot) = (100, 1.0, 0.05, 0.001);
        Self { threat, steps, step_size, gamma, overshoot, eot: Eot::ONE }
    }

    /// The number of iterations; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The Euclidean length of the first step, in units of the pixel range, whatever the norm; the
    /// last is a hundredth of it. An error unless finite and positive.
    pub fn with_step_size(self, step_size: f64) -> Result<Self, AttackError> {
        if !(step_size.is_finite() && step_size > 0.0) {
            return Err(AttackError::StepSize { got: step_size });
        }
        Ok(Self { step_size, ..self })
    }

    /// The share γ by which the radius changes in the first iteration, and from which it falls
    /// towards 0.001; an error unless in [0.001, 1).
    pub fn with_gamma(self, gamma: f64) -> Result<Self, AttackError> {
        let holds = |gamma| (LAST_GAMMA..1.0).contains(&gamma);
        let gamma = within("gamma", gamma, holds, "0.001 to below 1")?;
        Ok(Self { gamma, ..self })
    }

    /// The share by which the radius exceeds the distance of the linear model's boundary, while no
    /// adversarial image is known. With zero, the rounding error of pixels is not added either. An
    /// error unless at least 0.
    pub fn with_overshoot(self, overshoot: f64) -> Result<Self, AttackError> {
        let overshoot = within("overshoot", overshoot, |o| o >= 0.0, "at least 0")?;
        Ok(Self { overshoot, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The value, at a step, of a setting that falls from `first` to `last` along a cosine.
    fn annealed(&self, first: f64, last: f64, step: usize) -> f64 {
        let done = step as f64 / self.steps as f64;
        last + (first - last) * (1.0 + (PI * done).cos()) / 2.0
    }

    fn iterate(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut NearestSearch,
        key: Key,
    ) -> Result<(), AttackError> {
        let norm = self.threat.norm();
        let mut objective = Objective::new(Loss::Margin, &search.batch.goal);
        let mut x = search.batch.images.clone();
        let mut balls = Balls::around(&x, norm, self.overshoot);
        for step in 0..self.steps {
            let examples = &search.batch.examples;
            let key = key.child(step as u64);
            let found = access.gradient(&x, &objective, examples, self.eot, key)?;
            let evaluated = search.evaluate(access, &x, Some(&found))?;
            if !search.proceed(access, &x, &evaluated) {
                break;
            }
            // For a stochastic model, the margins are those of the gradient's own draws.
            let slopes = norm.dual().length(found.gradient.clone());
            let [margins, slopes] = access.read([found.score, slopes])?;
            let ways = margins.iter().zip(&slopes).map(|(margin, slope)| margin.abs() / slope);
            let gamma = self.annealed(self.gamma, LAST_GAMMA, step);
            balls.follow(&evaluated.reached, &evaluated.distances, ways, gamma);
            let size = self.annealed(self.step_size, LAST_STEP * self.step_size, step);
            x = balls.project(x + Norm::L2.unit(found.gradient).mul_scalar(size));
            if search.early
                && let Some(rows) = search.leave(&search.within())
            {
                if search.is_complete() {
                    break;
                }
                (x, objective) = (rows.of(&x), objective.select(&rows));
                balls = balls.select(&rows);
            }
        }
        Ok(())
    }
}

impl FromSpec for Fmn {
    const NAME: &'static str = "fmn";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let attack = Self::new(of.need("threat")?);
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "step_size", Self::with_step_size)?;
        let attack = of.set(attack, "gamma", Self::with_gamma)?;
        let attack = of.set(attack, "overshoot", Self::with_overshoot)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Fmn);

impl Attack for Fmn {
    /// `FMN-{steps}`; with several draws `EOT-…x{draws}`.
    fn name(&self) -> String {
        self.eot.name(format!("FMN-{}", self.steps))
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

    knobs! {
        Steps(steps) => Self::with_steps,
        StepSize(step_size) => Self::with_step_size,
        Draws(eot.draws) => Self::with_draws,
    }

    fn cost(&self, _: usize, stochastic: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() + score * u64::from(stochastic);
        Some(score + step * self.steps as u64)
    }

    /// The draws that decide whether an image is adversarial.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn is_minimum_norm(&self) -> bool {
        true
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let mut search = NearestSearch::begin(access, self.threat, batch, self.eot, 0.0, key)?;
        if !search.is_complete() {
            self.iterate(access, &mut search, key.named("gradient"))?;
        }
        Ok(search.finish())
    }
}
