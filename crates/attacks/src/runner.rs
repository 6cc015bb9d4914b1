//! How an attack is carried out: chunks, limits and observers. None of them is part of the attack.

use crate::access::Observers;
use crate::{
    Adversarial, Attack, AttackBatch, AttackError, Budget, Classifier, Goal, ModelAccess, Passes,
    Progress, Rows, TracePoint, error::at_least_one,
};
use burn::tensor::Tensor;
use cni_noise::{Examples, Key};
use std::collections::BTreeSet;
use std::time::Instant;

/// Carries out an attack.
///
/// ```
/// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use cni_attacks::{Goal, FrozenModel};
/// use cni_attacks::{Apgd, Budget, Runner, Threat};
/// use cni_noise::Key;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 4).init(&device);
/// # let frozen = FrozenModel::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
/// # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
/// # let goal = Goal::Misclassify(Tensor::from_ints([0, 1, 0, 1, 0], &device));
/// let attack = Apgd::cross_entropy(Threat::linf(8.0 / 255.0)?);
/// let budget = Budget { backwards: Some(50), ..Budget::default() };
/// let mut trace = Vec::new();
/// let mut progress = |p: &cni_attacks::Progress| eprintln!("{} {}", p.attack, p.iteration);
/// let runner = Runner::default()
///     .with_chunk(256)?
///     .with_budget(budget)
///     .with_progress(&mut progress)
///     .with_trace(&mut trace);
/// let found = runner.run(&attack, &frozen, images, &goal, Key::new(1), 0)?;
/// assert_eq!(found.images.dims(), [5, 3, 2, 2]);
/// assert!(trace.iter().all(|point| point.distance < 8.1 / 255.0));
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Default)]
pub struct Runner<'a> {
    chunk: Option<usize>,
    budget: Budget,
    early_stop: Option<bool>,
    stochastic: Option<bool>,
    observers: Observers<'a>,
}

impl<'a> Runner<'a> {
    /// The number of images attacked at once, which bounds the memory; an error where it is zero. Otherwise all are.
    ///
    /// Results do not depend on it, as far as the model treats each image by itself.
    pub fn with_chunk(self, chunk: usize) -> Result<Self, AttackError> {
        Ok(Self { chunk: Some(at_least_one("chunk", chunk)?), ..self })
    }

    /// What the attack may spend.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Whether an example leaves the attack as soon as the goal is reached, for attacks that look after every
    /// iteration. Otherwise it is each attack's own habit. No example leaves the attack of a stochastic model.
    pub fn with_early_stop(self, early_stop: bool) -> Self {
        Self { early_stop: Some(early_stop), ..self }
    }

    /// The caller's word that the model has noise, or that it has none, or none that changes: one draw of it then
    /// stands for any number of them.
    pub fn with_stochastic(self, stochastic: bool) -> Self {
        Self { stochastic: Some(stochastic), ..self }
    }

    /// Calls `progress` after each iteration.
    pub fn with_progress(mut self, progress: &'a mut dyn FnMut(&Progress)) -> Self {
        self.observers.progress = Some(progress);
        self
    }

    /// Adds score and distance of each example in each iteration to `trace`.
    pub fn with_trace(mut self, trace: &'a mut Vec<TracePoint>) -> Self {
        self.observers.trace = Some(trace);
        self
    }

    /// Perturbs `images`, `[batch, channels, height, width]` with pixels in [0, 1], towards `goal`.
    ///
    /// # Errors
    ///
    /// As [`Attack::perturb`].
    pub fn run(
        self,
        attack: &(impl Attack + ?Sized),
        classifier: &dyn Classifier,
        images: Tensor<4>,
        goal: &Goal,
        key: Key,
        examples: impl Into<Examples>,
    ) -> Result<Adversarial, AttackError> {
        let problem = AttackBatch::new(images, goal, examples)?;
        let Self { chunk, budget, early_stop, stochastic, mut observers } = self;
        let (started, batch) = (Instant::now(), problem.len());
        let chunk = chunk.unwrap_or(batch);
        let mut images = Vec::new();
        let (mut passes, mut zero, mut exhausted) = (Passes::default(), BTreeSet::new(), false);
        for first in (0..batch).step_by(chunk) {
            let part = match chunk >= batch {
                true => problem.clone(),
                false => {
                    let rows = (first..batch.min(first + chunk)).collect();
                    problem.select(&Rows::new(rows, &problem.images))
                }
            };
            let observers = observers.reborrow();
            let mut access = ModelAccess::new(classifier, budget, early_stop, started, observers);
            match stochastic {
                Some(false) => access.assume_noise_free(),
                known => access.assume_stochastic(known),
            }
            images.push(access.run(attack, &part, key)?);
            passes += access.passes();
            zero.extend(access.zero_gradients());
            exhausted |= access.is_exhausted();
        }
        let images = match images.len() {
            1 => images.remove(0),
            _ => Tensor::cat(images, 0),
        };
        let zero_gradients = zero.into_iter().collect();
        Ok(Adversarial { images, passes, zero_gradients, exhausted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::reads;
    use crate::{Apgd, HopSkipJump, Pgd, Square, Threat};
    use burn::tensor::Device;

    fn logits(x: Tensor<4>) -> Tensor<2> {
        x.flatten::<2>(1, 3)
    }

    /// The reads of an attack on images that it cannot break.
    fn reads_of(attack: &dyn Attack, stochastic: Option<bool>) -> usize {
        let device = Device::flex();
        let image = Tensor::<1>::from_data([0.9, 0.1, 0.1, 0.1], &device);
        let images = image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2]);
        let goal = Goal::Misclassify(Tensor::from_ints([0, 0, 0], &device));
        let runner = Runner { stochastic, ..Runner::default() };
        let before = reads();
        runner.run(attack, &logits, images, &goal, Key::new(1), 0).unwrap();
        reads() - before
    }

    #[test]
    fn attacks_read_from_the_device_once_and_not_at_every_pass() {
        let threat = Threat::linf(0.1).unwrap();
        // The images, and all that the gradients' checks and the result's found.
        assert_eq!(reads_of(&Pgd::training(threat), None), 2);
        assert_eq!(reads_of(&Pgd::new(threat).with_steps(100).unwrap(), None), 2 + 100 / 32);
        // A step of APGD needs its scores, a query of Square as well; their checks come with them.
        let apgd = Apgd::cross_entropy(threat).with_steps(20).unwrap();
        assert_eq!(reads_of(&apgd, Some(false)), 2 + 21);
        let square = Square::new(threat).with_queries(50).unwrap();
        // The originals are read once, as the search is on the host.
        assert_eq!(reads_of(&square, Some(false)), 3 + 50);
        let walk = HopSkipJump::new(threat).unwrap().with_steps(1).unwrap().with_tries(5).unwrap();
        let three = walk.clone().with_draws(3).unwrap();
        assert_eq!(reads_of(&walk, Some(false)), reads_of(&three, Some(false)));
    }

    #[test]
    fn the_example_of_a_late_check_is_named() {
        let broken = |x: Tensor<4>| {
            let logits = logits(x);
            // The second image has the first pixel that fails once it is moved.
            let [batch, classes] = logits.dims();
            let moved = logits.clone().slice([0..batch, 0..1]).lower_elem(0.85);
            let second = Tensor::<1, burn::tensor::Int>::arange(0..batch as i64, &logits.device());
            let second = second.equal_elem(1).unsqueeze_dim::<2>(1);
            let bad = moved.bool_and(second).expand([batch, classes]);
            logits.mask_fill(bad, f64::NAN)
        };
        let device = Device::flex();
        let image = Tensor::<1>::from_data([0.9, 0.1, 0.1, 0.1], &device);
        let images = image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2]);
        let goal = Goal::Misclassify(Tensor::from_ints([0, 0, 0], &device));
        let attack = Pgd::bim(Threat::linf(0.1).unwrap());
        let error = attack.perturb(&broken, images, &goal, Key::new(1), 40).unwrap_err();
        assert_eq!(error, AttackError::NonFinite { field: "logits", got: 1, example: 41 });
    }
}
