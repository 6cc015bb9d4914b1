//! The robust loss.

use super::loss::WeightLoss;
use crate::{EvaluationError, IntoBatch};
use burn::module::Module;
use burn::tensor::Tensor;
use cni_attacks::weights::{Layer, LayerValues, layers};
use cni_attacks::{
    Attack, AttackBatch, AttackError, Eot, FrozenModel, Goal, Loss, ModelAccess, Objective, Passes,
    Pgd, draw_scope, score,
};
use cni_noise::Key;
use std::cell::Cell;

/// The robust loss: the mean over examples of the cross-entropy of the worst image that PGD finds,
/// in inference, batch norm with its running statistics.
///
/// A model with noise is attacked through the draws of the attack (EOT), and judged by the mean
/// over [`draws`](Self::with_draws) draws that no attack uses. These are the same for every example
/// and for every perturbation of the weights (common random numbers), so that two losses do not
/// differ by the luck of their noise.
///
/// The published code adds 10⁻¹² to each probability within the logarithm; here the cross-entropy
/// is exact.
pub struct RobustLoss<F> {
    forward: F,
    attack: Pgd,
    batches: Vec<AttackBatch>,
    draws: usize,
    stochastic: bool,
    /// The layers of the model, perturbed or not.
    pub(super) layers: Vec<Layer>,
    judging: Key,
    passes: Cell<Passes>,
}

/// Draws that judge a model with noise unless told otherwise.
const DRAWS: usize = 10;

impl<F> RobustLoss<F> {
    /// The robust loss under `attack` of models that `forward` calls, over batches of images
    /// `[batch, channels, height, width]` in [0, 1] with labels `[batch]`. `model` tells whether
    /// there is noise.
    ///
    /// The steps of a joint ascent have the threat, the step size and the draws of `attack`, and
    /// begin at random; its restarts are those of the measurement.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::NoData`] without a batch, [`EvaluationError::Batch`] for a batch that its
    /// source lacks, and [`EvaluationError::Attack`] for images and labels that do not fit.
    pub fn new<M, B>(
        model: &M,
        forward: F,
        attack: Pgd,
        batches: impl IntoIterator<Item = B>,
    ) -> Result<Self, EvaluationError>
    where
        M: Module,
        F: Fn(&M, Tensor<4>) -> Tensor<2> + Clone,
        B: IntoBatch,
    {
        let (mut all, mut first) = (Vec::new(), 0);
        for batch in batches {
            let batch = batch.into_batch();
            let (images, labels) =
                batch.map_err(|source| EvaluationError::Batch { first, source })?;
            let batch = AttackBatch::new(images, &Goal::Misclassify(labels), first as u64)?;
            first += batch.len();
            all.push(batch);
        }
        let start = all.first().ok_or(EvaluationError::NoData)?;
        let frozen = FrozenModel::new(model, forward.clone());
        let mut access = ModelAccess::new(&frozen);
        let stochastic = access.is_stochastic(start)?;
        Ok(Self {
            forward,
            attack,
            batches: all,
            draws: if stochastic { DRAWS } else { 1 },
            stochastic,
            layers: layers(model),
            judging: Key::new(0).named("judging"),
            passes: Cell::new(access.passes()),
        })
    }

    /// Sets the number of draws of the noise that judge each image; an error if it is zero. A model
    /// without noise is judged by one. The default is 10.
    pub fn with_draws(mut self, draws: usize) -> Result<Self, EvaluationError> {
        let draws = cni_attacks::at_least_one("draws", draws)?;
        self.draws = if self.stochastic { draws } else { 1 };
        Ok(self)
    }

    /// Sets the key of the draws that judge.
    pub fn with_key(mut self, key: Key) -> Self {
        self.judging = key.named("judging");
        self
    }

    /// The attack.
    pub fn attack(&self) -> &Pgd {
        &self.attack
    }

    /// The number of examples.
    pub fn examples(&self) -> usize {
        self.batches.iter().map(AttackBatch::len).sum()
    }

    /// The number of draws that judge each image.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// True if the model has noise.
    pub fn is_stochastic(&self) -> bool {
        self.stochastic
    }

    /// The draws of each gradient of a joint ascent.
    fn gradient_draws(&self) -> usize {
        if self.stochastic { self.attack.gradient_draws().unwrap_or(1) } else { 1 }
    }

    fn count(&self, forwards: usize, backwards: usize) {
        let of = Passes { forwards: forwards as u64, backwards: backwards as u64 };
        self.passes.set(self.passes.get() + of);
    }

    /// The images that a joint ascent begins with.
    fn starts(&self, key: Key) -> Vec<Tensor<4>> {
        let threat = self.attack.threat();
        let (norm, epsilon) = (threat.norm(), threat.epsilon());
        let start = |batch: &AttackBatch| {
            let clean = &batch.images;
            let change = norm.random_start(key.named("start"), clean, epsilon, &batch.examples);
            norm.project(clean.clone() + change, clean, epsilon)
        };
        self.batches.iter().map(start).collect()
    }
}

impl<M, F> WeightLoss<M> for RobustLoss<F>
where
    M: Module,
    F: Fn(&M, Tensor<4>) -> Tensor<2> + Clone,
{
    fn loss(&self, model: &M, key: Key, restarts: usize) -> Result<f64, EvaluationError> {
        let frozen = FrozenModel::new(model, self.forward.clone());
        let eot = Eot::new(self.draws)?;
        let (mut sum, mut examples) = (0.0, 0);
        for batch in &self.batches {
            let objective = Objective::new(Loss::CrossEntropy, &batch.goal);
            let mut worst: Option<Tensor<1>> = None;
            for restart in 0..restarts as u64 {
                let attack = self
                    .attack
                    .on(&frozen)
                    .with_key(key.child(restart))
                    .with_examples(batch.examples.clone())
                    .with_stochastic(self.stochastic);
                let found = attack.perturb(batch.images.clone(), batch.goal.clone())?;
                let key = self.judging;
                let judged = score(&frozen, &found.images, &objective, eot, key, &batch.examples)?;
                self.passes.set(self.passes.get() + found.passes + judged.passes);
                worst = Some(match worst {
                    None => judged.score,
                    Some(worst) => worst.max_pair(judged.score),
                });
            }
            // Added in the order of the examples, whatever the batches are.
            let losses = worst.map_or_else(Vec::new, read);
            sum += losses.iter().sum::<f64>();
            examples += losses.len();
        }
        finite(sum / examples as f64)
    }

    fn ascend(
        &self,
        model: &M,
        weights: &LayerValues,
        iteration: usize,
        inputs: &mut Vec<Tensor<4>>,
        key: Key,
    ) -> Result<(f64, LayerValues), EvaluationError> {
        if inputs.is_empty() {
            *inputs = self.starts(key);
        }
        let (threat, size) = (self.attack.threat(), self.attack.knobs().step_size);
        let size = size.unwrap_or(threat.epsilon());
        let draws = self.gradient_draws();
        let share = 1.0 / (self.examples() * draws) as f64;
        let key = key.child(iteration as u64);
        let (mut sum, mut slope): (f64, Option<LayerValues>) = (0.0, None);
        for (batch, images) in self.batches.iter().zip(inputs) {
            let mut towards: Option<Tensor<4>> = None;
            for draw in 0..draws as u64 {
                let leaf = images.clone().autodiff().require_grad();
                let forward = || (self.forward)(model, leaf.clone());
                let logits = draw_scope(key, draw, batch.examples.clone(), forward);
                let losses = Loss::CrossEntropy.per_example(logits, batch.goal.labels());
                let mut gradients = losses.clone().sum().backward();
                let of_images = leaf.grad_remove(&mut gradients);
                let of_images = of_images.ok_or(AttackError::NoGradient)?;
                let of_weights = weights.of_gradients(model, &gradients).times(share);
                sum += read(losses.inner()).iter().sum::<f64>();
                towards = Some(match towards {
                    None => of_images,
                    Some(sum) => sum + of_images,
                });
                slope = Some(match slope {
                    None => of_weights,
                    Some(sum) => sum.plus(&of_weights),
                });
            }
            self.count(batch.len() * draws, batch.len() * draws);
            let towards = towards.ok_or(AttackError::NoGradient)?;
            let (norm, epsilon) = (threat.norm(), threat.epsilon());
            let moved = images.clone() + norm.steepest_step(towards, size);
            *images = norm.project(moved, &batch.images, epsilon);
        }
        let slope = slope.ok_or(EvaluationError::NoData)?;
        Ok((finite(sum * share)?, slope))
    }

    fn passes(&self) -> Passes {
        self.passes.get()
    }
}

fn read(values: Tensor<1>) -> Vec<f64> {
    values.try_to_vec_as().expect("the device can be read")
}

fn finite(loss: f64) -> Result<f64, EvaluationError> {
    match loss.is_finite() {
        true => Ok(loss),
        false => Err(EvaluationError::Field {
            field: "robust loss".to_string(),
            got: loss.to_string(),
            wanted: "a finite number".to_string(),
        }),
    }
}
