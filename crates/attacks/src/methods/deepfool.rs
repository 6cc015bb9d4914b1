//! DeepFool: steps to the boundary of the linearized model, until the boundary is passed.

use crate::attack::spec;
use crate::error::{at_least_one, within};
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::methods::shared::targets::targets;
use crate::rows::per_row;
use crate::spec::{FromSpec, Spec, deserialize_from_spec};
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, ModelAccess, Norm, PairLoss, Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// DeepFool (Moosavi-Dezfooli et al., arXiv 1511.04599, algorithm 2), in L2 or Linf.
///
/// Up to 50 iterations add the way to the nearest boundary of the linearized model, among those of
/// the ten classes most likely at the original image; the iterate is the original plus 1.02 times
/// the sum, clipped to the box. An example leaves as soon as it is adversarial. The result is that
/// image, if it is within the threat, otherwise the original.
///
/// It has no form for a [`Goal::Target`](crate::Goal::Target). Each step is longer by 1e-4, as in
/// the authors' code, so that it cannot die out in front of the boundary. If the model is
/// stochastic, the mean logits over `draws` draws, the same for all images, decide whether an image
/// is adversarial.
///
/// ```
/// use cni_attacks::{Attack, DeepFool, Threat};
/// assert_eq!(DeepFool::new(Threat::l2(0.5)?)?.name(), "DeepFool-50");
/// assert!(DeepFool::new(Threat::l1(12.0)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "deepfool")]
pub struct DeepFool {
    threat: Threat,
    steps: usize,
    overshoot: f64,
    classes: usize,
    #[serde(flatten)]
    eot: Eot,
}

/// The length that is added to each step.
const LONGER: f64 = 1e-4;

impl DeepFool {
    /// The settings above: 50 iterations, ten classes, an overshoot of 0.02, one draw; an error if
    /// the norm is L1.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() == Norm::L1 {
            let wanted = &[Norm::Linf, Norm::L2];
            return Err(AttackError::Norm { got: threat.norm(), wanted });
        }
        Ok(Self { threat, steps: 50, overshoot: 0.02, classes: 10, eot: Eot::ONE })
    }

    /// The largest number of iterations; an error if it is zero.
    pub fn with_steps(self, steps: usize) -> Result<Self, AttackError> {
        Ok(Self { steps: at_least_one("steps", steps)?, ..self })
    }

    /// The share of the way by which the boundary is passed; an error unless at least 0.
    pub fn with_overshoot(self, overshoot: f64) -> Result<Self, AttackError> {
        let overshoot = within("overshoot", overshoot, |o| o >= 0.0, "at least 0")?;
        Ok(Self { overshoot, ..self })
    }

    /// The number of classes that are considered, the true one among them; an error below two.
    pub fn with_classes(self, classes: usize) -> Result<Self, AttackError> {
        within("classes", classes as f64, |c| c >= 2.0, "at least 2")?;
        Ok(Self { classes, ..self })
    }

    /// The number of draws of the model's noise that are averaged for each gradient, and for each
    /// test whether an image is adversarial; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }
}

impl FromSpec for DeepFool {
    const NAME: &'static str = "deepfool";

    fn from_spec(mut of: Spec) -> Result<Self, AttackError> {
        of.only_mean_loss()?;
        of.rename("candidates", "classes");
        let attack = Self::new(of.need("threat")?)?;
        let attack = of.set(attack, "steps", Self::with_steps)?;
        let attack = of.set(attack, "overshoot", Self::with_overshoot)?;
        let attack = of.set(attack, "classes", Self::with_classes)?;
        let attack = of.set(attack, "draws", Self::with_draws)?;
        of.done(attack)
    }
}

deserialize_from_spec!(DeepFool);

impl Attack for DeepFool {
    /// `DeepFool-{steps}`; with several draws `EOT-…x{draws}`.
    fn name(&self) -> String {
        self.eot.name(format!("DeepFool-{}", self.steps))
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

    fn cost(&self, classes: usize, _: bool) -> Option<Passes> {
        let others = (self.classes - 1).min(classes.saturating_sub(1));
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() * others as u64 + score;
        Some(score * 2 + step * self.steps as u64)
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
        batch.goal.check_untargeted(self.name())?;
        let mut search = NearestSearch::begin(access, self.threat, batch, self.eot, 0.0, key)?;
        if search.is_complete() {
            return Ok(search.finish());
        }
        let others = self.classes - 1;
        let pairs = targets(access, &search.batch, self.eot, key.named("targets"), others)?;
        let each = pairs.into_iter().map(|pair| pair.objective(PairLoss::Difference));
        let mut objectives: Vec<_> = each.collect();
        let mut x = search.batch.images.clone();
        let mut way = x.zeros_like();
        for step in 0..self.steps as u64 {
            let key = key.named("gradient").child(step);
            let plane = search.nearest_plane(access, &x, &objectives, self.eot, key)?;
            let lengths: Vec<f64> = plane.distances.iter().map(|d| d + LONGER).collect();
            way = way + self.threat.norm().steepest_step(plane.normal, 1.0) * per_row(&lengths, &x);
            let passed = way.clone().mul_scalar(1.0 + self.overshoot);
            x = (search.batch.images.clone() + passed).clamp(0.0, 1.0);
            let evaluated = search.evaluate(access, &x, None)?;
            if !search.proceed(access, &x, &evaluated) {
                break;
            }
            if let Some(rows) = search.leave(&evaluated.reached) {
                if search.is_complete() {
                    break;
                }
                (x, way) = (rows.of(&x), rows.of(&way));
                objectives = objectives.iter().map(|one| one.select(&rows)).collect();
            }
        }
        Ok(search.finish())
    }
}
