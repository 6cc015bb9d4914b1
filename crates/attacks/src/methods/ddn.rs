//! Decoupled direction and norm: an ascent on a sphere whose radius shrinks and grows around the
//! boundary.

use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::rows::{per_row, read, where_rows};
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Norm, Objective, Passes,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::{Key, normal_rows};
use serde::Serialize;
use std::f64::consts::PI;

/// DDN (Rony et al., arXiv 1811.09600, algorithm 1), in L2.
///
/// Each of 100 iterations adds a step along the gradient of the cross-entropy to the change, whose
/// length falls from 1 to 0.01 along a cosine, and then sets the length of the change: 5 % less
/// than before if the image was adversarial, 5 % more if it was not. The result is the nearest
/// adversarial image found, if it is within the threat, otherwise the original. If the gradient is
/// zero, the direction is random.
///
/// The last step is ours: since the length keeps swinging by 5 % around the boundary, ten halvings
/// of the segment from the original to the nearest adversarial image look for it there;
/// [`with_bisection(0)`](Self::with_bisection) gives the published algorithm. If the model is
/// stochastic, the mean logits over `draws` draws, the same for all images, decide whether an image
/// is adversarial; if it is not, the forward pass of the gradient decides.
///
/// ```
/// use cni_attacks::{Attack, Ddn, Threat};
/// assert_eq!(Ddn::new(Threat::l2(0.5)?)?.name(), "DDN-100");
/// assert!(Ddn::new(Threat::linf(0.03)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "ddn")]
pub struct Ddn {
    threat: Threat,
    steps: usize,
    gamma: f64,
    initial_norm: f64,
    bisection: usize,
    levels: Option<usize>,
    #[serde(flatten)]
    eot: Eot,
}

/// The lengths of the first step and of the last.
const STEP_SIZES: [f64; 2] = [1.0, 0.01];

impl Ddn {
    /// A hundred iterations with a change of the length by 0.05, from a length of 1, and ten
    /// halvings; an error unless the norm is L2.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::L2 {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::L2] });
        }
        Ok(Self {
            threat,
            steps: 100,
            gamma: 0.05,
            initial_norm: 1.0,
            bisection: 10,
            levels: None,
            eot: Eot::ONE,
        })
    }

    /// The number of iterations; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The share γ by which the length of the change grows or shrinks in each iteration; an error
    /// unless in (0, 1).
    pub fn with_gamma(self, gamma: f64) -> Result<Self, AttackError> {
        let gamma = within("gamma", gamma, |g| g > 0.0 && g < 1.0, "above 0 to below 1")?;
        Ok(Self { gamma, ..self })
    }

    /// The length of the change at first, in units of the pixel range; an error unless above 0.
    pub fn with_initial_norm(self, length: f64) -> Result<Self, AttackError> {
        let initial_norm = within("initial_norm", length, |l| l > 0.0, "above 0")?;
        Ok(Self { initial_norm, ..self })
    }

    /// The number of halvings, at the end, of the segment to the nearest image; each takes a
    /// forward pass.
    pub fn with_bisection(self, steps: usize) -> Self {
        Self { bisection: steps, ..self }
    }

    /// The number of levels to which every pixel is rounded, 256 for bytes (section 4); an error
    /// below two. Default: no rounding.
    pub fn with_levels(self, levels: usize) -> Result<Self, AttackError> {
        within("levels", levels as f64, |l| l >= 2.0, "at least 2")?;
        Ok(Self { levels: Some(levels), ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }

    /// The images clipped to the box, and rounded to the levels if there are any.
    fn round(&self, x: Tensor<4>) -> Tensor<4> {
        let x = x.clamp(0.0, 1.0);
        match self.levels {
            None => x,
            Some(levels) => {
                let steps = (levels - 1) as f64;
                x.mul_scalar(steps).round().div_scalar(steps)
            }
        }
    }

    fn step_size(&self, step: usize) -> f64 {
        let [first, last] = STEP_SIZES;
        let done = step as f64 / self.steps as f64;
        last + (first - last) * (1.0 + (PI * done).cos()) / 2.0
    }

    /// Runs the iterations. Returns whether the budget allows more.
    fn iterate(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut NearestSearch,
        key: Key,
    ) -> Result<bool, AttackError> {
        let mut objective = Objective::new(Loss::CrossEntropy, &search.batch.goal);
        let mut x = search.batch.images.clone();
        let farthest = x.clone().max_pair(x.clone().neg().add_scalar(1.0));
        let mut farthest = read(&Norm::L2.length(farthest));
        let mut lengths = vec![self.initial_norm; farthest.len()];
        for step in 0..self.steps {
            let key = key.child(step as u64);
            let examples = &search.batch.examples;
            let found = access.gradient(&x, &objective, examples, self.eot, key)?;
            let evaluated = search.evaluate(access, &x, Some(&found))?;
            let mut direction = Norm::L2.unit(found.gradient);
            if evaluated.zero.contains(&true) {
                let examples = &search.batch.examples;
                let random = Norm::L2.unit(normal_rows(key.named("direction"), examples, &x));
                direction = where_rows(&evaluated.zero, direction, &random);
            }
            if !search.proceed(access, &x, &evaluated) {
                return Ok(false);
            }
            for ((length, farthest), &reached) in
                lengths.iter_mut().zip(&farthest).zip(&evaluated.reached)
            {
                let factor = if reached { 1.0 - self.gamma } else { 1.0 + self.gamma };
                *length = (*length * factor).min(*farthest);
            }
            let clean = &search.batch.images;
            let change = x - clean.clone() + direction.mul_scalar(self.step_size(step));
            x = self.round(clean.clone() + Norm::L2.unit(change) * per_row(&lengths, clean));
            if search.early
                && let Some(rows) = search.leave(&search.within())
            {
                if search.is_complete() {
                    break;
                }
                (x, objective) = (rows.of(&x), objective.select(&rows));
                (lengths, farthest) = (rows.of_list(&lengths), rows.of_list(&farthest));
            }
        }
        Ok(true)
    }
}

impl FromSpec for Ddn {
    const NAME: &'static str = "ddn";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "gamma", Self::with_gamma)?;
        let attack = of.set(attack, "initial_norm", Self::with_initial_norm)?;
        let attack =
            of.set(attack, "bisection", |attack, value| Ok(attack.with_bisection(value)))?;
        let attack = of.set(attack, "levels", Self::with_levels)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(Ddn);

impl Attack for Ddn {
    /// `DDN-{steps}`; with several draws `EOT-…x{draws}`.
    fn name(&self) -> String {
        self.eot.name(format!("DDN-{}", self.steps))
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
        Draws(eot.draws) => Self::with_draws,
    }

    fn cost(&self, _: usize, stochastic: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() + score * u64::from(stochastic);
        Some(score * (1 + self.bisection as u64) + step * self.steps as u64)
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
        let mut search = NearestSearch::begin(access, self.threat, batch, self.eot, 0.0, key)?;
        if !search.is_complete() && self.iterate(access, &mut search, key.named("gradient"))? {
            search.bisect(access, self.bisection, |x| self.round(x))?;
        }
        Ok(search.finish())
    }
}
