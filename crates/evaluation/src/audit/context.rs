//! The context of all checks: the audited attack, its model and data, and results that several
//! checks share.

use super::labelled::LabelledPredictions;
use super::setup::Setup;
use burn::tensor::{Int, Tensor};
use cni_attacks::Severity;
use cni_attacks::{Attack, AttackBatch, AttackError, Classifier, ModelAccess, Passes, Rows};
use cni_noise::Key;
use cni_ops::{Precision, autocast};
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

/// The images that an attack found, and the model's predictions of them.
#[derive(Clone)]
pub(super) struct Found {
    pub images: Tensor<4>,
    pub predictions: LabelledPredictions,
}

/// A noise-free model whose adversarial images are tried on the audited model.
#[derive(Clone)]
pub(super) struct Surrogate {
    pub name: String,
    pub classifier: Arc<dyn Classifier + Send + Sync>,
}

/// A model that is attacked or that judges: the audited model, or a variant of it.
#[derive(Clone, Copy)]
pub(super) struct Model<'a> {
    pub classifier: &'a dyn Classifier,
    pub stochastic: bool,
}

/// The context: the model, its data, and the results that several checks use.
pub(super) struct Context<'a> {
    pub setup: Setup,
    pub model: Model<'a>,
    /// The examples: as many as the check with the most takes.
    pub batch: AttackBatch,
    pub key: Key,
    pub chunk: usize,
    /// The precision of the attacks.
    pub precision: Precision,
    pub surrogate: Option<Surrogate>,
    /// The predictions of the clean images.
    pub clean: LabelledPredictions,
    /// The rows of images that the model classifies correctly in some draw.
    pub right: Vec<usize>,
    /// The result of the audited attack on the first images of `right`.
    pub audit: Option<Result<Found, AttackError>>,
    /// The result of the stronger attacks on the first images of `right`.
    pub strong: Option<Result<Found, AttackError>>,
    /// The cost so far.
    pub spent: Cell<Passes>,
}

impl<'a> Context<'a> {
    /// The parts of a batch, with at most `chunk` images each.
    pub fn chunks(&self, batch: &AttackBatch) -> impl Iterator<Item = AttackBatch> {
        let (images, size, batch) = (batch.len(), self.chunk, batch.clone());
        (0..images).step_by(size).map(move |first| {
            let rows = (first..images.min(first + size)).collect();
            batch.select(&Rows::new(rows, &batch.images))
        })
    }

    /// Calls `f` with access to a model, and counts the passes.
    pub fn ask<R>(&self, model: Model<'_>, f: impl FnOnce(&mut ModelAccess<'_>) -> R) -> R {
        let mut access = ModelAccess::new(model.classifier).with_stochastic(model.stochastic);
        let result = f(&mut access);
        self.spend(access.passes());
        result
    }

    /// The key of the audited attack, and of all attacks that are compared with it.
    pub fn attack_key(&self) -> Key {
        self.key.named("attack")
    }

    pub fn spend(&self, passes: Passes) {
        self.spent.set(self.spent.get() + passes);
    }

    /// Attacks a batch in the precision of the attacks, and returns the images.
    pub fn attack(
        &self,
        model: Model<'_>,
        attack: &dyn Attack,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let AttackBatch { images, goal, examples } = batch.clone();
        let runner = attack
            .on(model.classifier)
            .with_chunk(self.chunk)?
            .with_stochastic(model.stochastic)
            .with_key(key)
            .with_examples(examples);
        let found = autocast(self.precision, || runner.perturb(images, goal))?;
        self.spend(found.passes);
        Ok(found.images)
    }

    /// The predictions of images in `draws` draws of a key.
    pub fn judge(
        &self,
        model: Model<'_>,
        batch: &AttackBatch,
        images: &Tensor<4>,
        key: Key,
        draws: usize,
    ) -> Result<LabelledPredictions, AttackError> {
        let draws = if model.stochastic { draws } else { 1 };
        let mut all: Option<LabelledPredictions> = None;
        let mut first = 0;
        for part in self.chunks(batch) {
            let rows = (first..first + part.len()).collect();
            first += part.len();
            let images = Rows::new(rows, images).of(images);
            let judged =
                self.ask(model, |access| access.predict_draws(&part, &images, key, draws))?;
            let predictions = LabelledPredictions::new(judged, &host(part.goal.labels()));
            match &mut all {
                None => all = Some(predictions),
                Some(all) => all.extend(predictions),
            }
        }
        Ok(all.expect("a batch is not empty"))
    }

    /// Attacks a batch and judges the images. The judging draws are the same for all attacks, and
    /// no attack has used them.
    pub fn find(
        &self,
        model: Model<'_>,
        attack: &dyn Attack,
        batch: &AttackBatch,
    ) -> Result<Found, AttackError> {
        let images = self.attack(model, attack, batch, self.attack_key())?;
        let (key, draws) = (self.key.named("judge"), self.setup.draws);
        let predictions = self.judge(model, batch, &images, key, draws)?;
        Ok(Found { images, predictions })
    }

    /// Judges the first images without an attack.
    pub fn judge_clean(&mut self, images: usize) -> Result<(), AttackError> {
        self.batch = self.first(images);
        let (key, draws) = (self.key.named("judge"), self.setup.draws);
        self.clean = self.judge(self.model, &self.batch, &self.batch.images, key, draws)?;
        let shares = self.clean.shares().into_iter().enumerate();
        self.right = shares.filter(|(_, share)| *share > 0.0).map(|(row, _)| row).collect();
        Ok(())
    }

    /// Runs the audited attack on the first images that the model classifies correctly in some
    /// draw.
    pub fn run_audit(&mut self, right: usize) {
        let found = self.find(self.model, &self.setup.attack, &self.first_right(right));
        self.audit = Some(found);
    }

    /// Runs the stronger attacks on the same images. The worst result of each image counts; it is
    /// chosen by other draws than those that judge.
    pub fn run_strong(&mut self, right: usize) {
        self.strong = Some(self.strongest(&self.first_right(right)));
    }

    fn strongest(&self, batch: &AttackBatch) -> Result<Found, AttackError> {
        let mut best: Option<(Found, Vec<Severity>)> = None;
        for attack in self.setup.strong() {
            let found = self.find(self.model, &attack, batch)?;
            let severity = match self.model.stochastic {
                true => {
                    let (key, draws) = (self.key.named("select"), self.setup.draws);
                    self.judge(self.model, batch, &found.images, key, draws)?.severity()
                }
                false => found.predictions.severity(),
            };
            best = Some(match best {
                None => (found, severity),
                Some((old, mut record)) => {
                    let worse = severity.iter().zip(&record).map(|(new, old)| new.exceeds(old));
                    let worse: Vec<bool> = worse.collect();
                    for (row, _) in worse.iter().enumerate().filter(|(_, worse)| **worse) {
                        record[row] = severity[row];
                    }
                    let images = cni_attacks::rows::where_rows(&worse, old.images, &found.images);
                    (
                        Found {
                            images,
                            predictions: old.predictions.or(&worse, &found.predictions),
                        },
                        record,
                    )
                }
            });
        }
        Ok(best.expect("there are strong attacks").0)
    }

    /// The first images of the batch.
    pub fn first(&self, images: usize) -> AttackBatch {
        let rows = (0..images).collect();
        self.batch.select(&Rows::new(rows, &self.batch.images))
    }

    /// The first images that the model classifies correctly in some draw.
    fn first_right(&self, right: usize) -> AttackBatch {
        let rows = self.right[..right].to_vec();
        self.batch.select(&Rows::new(rows, &self.batch.images))
    }

    /// The positions in `right` of the images in this range.
    pub fn right_within(&self, images: Range<usize>) -> Range<usize> {
        let before = |image: usize| self.right.partition_point(|&row| row < image);
        before(images.start)..before(images.end)
    }
}

/// The labels on the host.
pub(super) fn host(labels: &Tensor<1, Int>) -> Vec<i64> {
    labels.try_to_vec_as().expect("the device can be read")
}
