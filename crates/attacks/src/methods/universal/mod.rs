//! Universal perturbations: one for a whole set of images.

mod found;
mod settings;

pub use self::found::{Fooling, Universal};

use crate::rows::at_least_single;
use crate::{
    AttackBatch, AttackError, Budget, Classifier, Eot, Goal, Loss, ModelAccess, Norm, Objective,
    Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::{Key, permutation};
use serde::Serialize;
use std::collections::BTreeSet;
use web_time::Instant;

/// Universal adversarial perturbation: one change of at most ε that misleads the model on as many
/// images of a set as it can (Moosavi-Dezfooli et al., CVPR 2017, arXiv 1610.08401).
///
/// It is found by projected stochastic gradient ascent (Shafahi et al., AAAI 2020, arXiv
/// 1811.11304, algorithm 1). In each epoch every batch, in an order drawn from the key, moves it
/// once: along the steepest direction of the norm for the gradient summed over the batch, and back
/// into the ball. An image is clipped to the box after the change, and a clipped pixel adds nothing
/// to the gradient. The loss of each image is cut off at `clip`, so that images which are
/// misclassified already do not outweigh the others. Towards a target class the loss falls to zero,
/// and is not cut off. With `draws` above one each gradient is an expectation over the model's
/// noise (EOT), and the mean loss is cut off.
///
/// It is not an [`Attack`](crate::Attack): its result belongs to the whole set of images, and
/// depends on how they are divided into batches. Within a batch no image's gradient depends on the
/// others.
///
/// # Deviations
///
/// The steps are those of the code of SGD-UAP (Co et al., arXiv 1911.10364): along the sign of the
/// mean gradient, 0.8 ε long throughout. In L2 the gradient's direction takes the place of its
/// sign. With smaller steps, more batches influence the result. The clip is the paper's 9; that
/// code has 12. That code also cuts off the loss towards a target class, and so gives up the images
/// that are farthest from it; this one does not.
///
/// ```
/// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use cni_attacks::{Goal, FrozenModel};
/// use cni_attacks::{Threat, UniversalPerturbation};
/// use cni_noise::Key;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 4).init(&device);
/// # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
/// # let frozen = FrozenModel::new(&model, forward);
/// # let labels = || Tensor::from_ints([0, 1, 0, 1, 0], &device);
/// # let goal = || Goal::Misclassify(labels());
/// # let batch = || (Tensor::full([5, 3, 2, 2], 0.5, &device), goal());
/// # let (batches, unseen) = ([batch(), batch()], [batch()]);
/// let attack = UniversalPerturbation::new(Threat::linf(8.0 / 255.0)?)?.with_epochs(5)?;
/// let found = attack.find(&frozen, batches, Key::new(1))?;
/// assert_eq!(found.perturbation.dims(), [1, 3, 2, 2]);
/// println!("{} of {} images", found.fooling.fooling_rate, found.fooling.images);
/// let elsewhere = found.judge(&frozen, unseen, 20, Key::new(2))?;
/// # assert_eq!(elsewhere.images, 5);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "universal_perturbation")]
pub struct UniversalPerturbation {
    threat: Threat,
    epochs: usize,
    step_size: f64,
    clip: f64,
    #[serde(flatten)]
    eot: Eot,
    loss: Loss,
    judging_draws: usize,
}

impl UniversalPerturbation {
    /// Ten epochs with steps of 0.8 ε, the cross-entropy up to 9, one draw; judged in 20 draws.
    ///
    /// # Errors
    ///
    /// If the norm of the threat is L1.
    pub fn new(threat: Threat) -> Result<Self, AttackError> {
        let (got, wanted) = (threat.norm(), &[Norm::Linf, Norm::L2]);
        if !wanted.contains(&got) {
            return Err(AttackError::Norm { got, wanted });
        }
        Ok(Self {
            threat,
            epochs: 10,
            step_size: 0.8 * threat.epsilon(),
            clip: 9.0,
            eot: Eot::ONE,
            loss: Loss::CrossEntropy,
            judging_draws: 20,
        })
    }

    /// `Universal-{epochs}`; with several draws `EOT-…x{draws}` and the expectation; then the loss
    /// if it is not the cross-entropy.
    pub fn name(&self) -> String {
        self.eot.name(format!("Universal-{}", self.epochs)) + &self.loss.suffix()
    }

    /// The threat: how far the perturbation may move an image.
    pub fn threat(&self) -> Threat {
        self.threat
    }

    /// The settings as JSON, for records.
    pub fn spec(&self) -> serde_json::Value {
        crate::attack::spec(self)
    }

    /// Finds the perturbation for batches of images, `[batch, channels, height, width]` with pixels
    /// in [0, 1], each with its goal. The images are numbered from 0 on, for the model's noise.
    ///
    /// The result is a function of the model, the batches and `key`.
    ///
    /// # Errors
    ///
    /// If there is no batch or their images differ in shape, and those of [`AttackBatch::new`] and
    /// [`input_gradient`](crate::input_gradient).
    pub fn find(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Goal)>,
        key: Key,
    ) -> Result<Universal, AttackError> {
        self.find_within(Budget::default(), classifier, batches, key)
    }

    /// [`find`](Self::find) within a budget of passes of each image, and of time for all steps
    /// together. A batch whose budget is spent takes no further step; if the budget allows no step
    /// at all, the perturbation is zero. The passes of the judgement do not count.
    ///
    /// # Errors
    ///
    /// Those of [`find`](Self::find).
    pub fn find_within(
        &self,
        budget: Budget,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Goal)>,
        key: Key,
    ) -> Result<Universal, AttackError> {
        let batches = found::checked_batches(batches)?;
        let (first, started) = (&batches[0].images, Instant::now());
        let access = |_| ModelAccess::new(classifier).with_budget(budget, started);
        let mut accesses: Vec<ModelAccess<'_>> = batches.iter().map(access).collect();
        let mut perturbation = at_least_single(first.clone().slice(0..1).zeros_like());
        let mut scores = Vec::new();
        // A ball of radius zero is not searched.
        let epochs = if self.threat.epsilon() == 0.0 { 0 } else { self.epochs as u64 };
        for epoch in 0..epochs {
            let (mut sum, mut images) = (0.0, 0);
            for number in permutation(key.named("order").child(epoch), batches.len()) {
                let (batch, access) = (&batches[number], &mut accesses[number]);
                if access.has_budget() {
                    let key = key.child(epoch).child(number as u64);
                    let (moved, of_batch) = self.step(access, batch, perturbation, key)?;
                    perturbation = moved;
                    sum += of_batch.iter().map(|score| score.min(self.clip)).sum::<f64>();
                    images += batch.len();
                }
            }
            if images == 0 {
                break;
            }
            scores.push(sum / images as f64);
        }
        let passes = accesses.iter().map(ModelAccess::passes).sum::<Passes>();
        let zero: BTreeSet<u64> =
            accesses.iter().flat_map(ModelAccess::zero_gradients).copied().collect();
        let exhausted = accesses.iter().any(ModelAccess::is_exhausted);
        let (key, draws) = (key.named("judge"), self.judging_draws);
        let fooling = Fooling::of(classifier, &batches, &perturbation, draws, key)?;
        Ok(Universal {
            perturbation,
            fooling,
            scores,
            passes,
            zero_gradients: zero.into_iter().collect(),
            exhausted,
        })
    }

    /// The perturbation after a batch has moved it, and the batch's scores before.
    fn step(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        perturbation: Tensor<4>,
        key: Key,
    ) -> Result<(Tensor<4>, Vec<f64>), AttackError> {
        let moved = found::moved(&batch.images, &perturbation);
        let inside = moved.clone().clamp(0.0, 1.0);
        let clipped = moved.not_equal(inside.clone());
        let objective = Objective::new(self.loss.clone(), &batch.goal);
        let found = access.gradient(&inside, &objective, &batch.examples, self.eot, key)?;
        let counts = found.score.clone().lower_elem(self.clip).float();
        let gradient = at_least_single(found.gradient.mask_fill(clipped, 0.0));
        let gradient = gradient.clone() * counts.cast(gradient.dtype()).reshape([-1, 1, 1, 1]);
        let ahead = self.threat.norm().steepest_step(gradient.sum_dim(0), self.step_size);
        let [scores] = access.read([found.score])?;
        Ok((self.project(perturbation + ahead), scores))
    }

    fn project(&self, perturbation: Tensor<4>) -> Tensor<4> {
        let (norm, epsilon) = (self.threat.norm(), self.threat.epsilon());
        match norm {
            Norm::Linf => perturbation.clamp(-epsilon, epsilon),
            _ => {
                let excess = norm.length(perturbation.clone()).div_scalar(epsilon).clamp_min(1.0);
                perturbation / excess.reshape([1, 1, 1, 1])
            }
        }
    }
}
