//! The validation of a model, in inference and in full precision.

use super::forward::Forward;
use super::metrics::{Outcome, metric_name};
use super::model::InRun;
use super::scope::{own_scope, seed};
use crate::StepError;
use crate::objectives::{CLEAN, ROBUST, ROBUST_LOSS};
use crate::step::{Step, hits};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use burn::train::InferenceStep;
use cni_attacks::{Attack, Classifier, FrozenModel, Loss};
use cni_data::Batch;
use cni_noise::{Noise, scope_at};
use std::sync::Arc;

/// Values of each example, `[batch]`, by the names of metrics.
type Values = Vec<(Arc<String>, Tensor<1>)>;

impl<N: Module + ModuleDisplay + 'static> InRun<N> {
    /// Loss, accuracy and custom scores of each example in inference and in full precision: means
    /// over draws of the noise, which are the same in every epoch.
    fn judge(
        &self,
        net: &N,
        images: Tensor<4>,
        batch: &Batch,
        name: &str,
    ) -> Result<Values, StepError> {
        let frozen = frozen(net, self.context.forward.exact());
        let (images, draws) = (images.inner(), self.context.validation_draws);
        let mut sums: Option<Values> = None;
        for draw in 0..draws as u64 {
            let key = batch.key.named(name).child(draw);
            seed(&images.device(), key);
            let noise = Noise::Keyed(key);
            let logits = scope_at(noise, batch.first_example, || frozen.logits(images.clone()));
            let values = self.scores(logits, batch, name)?;
            sums = Some(match sums {
                None => values,
                Some(sums) => {
                    let add = |((name, sum), (_, value))| (name, sum + value);
                    sums.into_iter().zip(values).map(add).collect()
                }
            });
        }
        let mean = |(name, sum): (_, Tensor<1>)| match draws {
            1 => (name, sum),
            draws => (name, sum.div_scalar(draws as f64)),
        };
        Ok(sums.into_iter().flatten().map(mean).collect())
    }

    /// The loss and scores of logits: of clean images with the custom scores.
    fn scores(&self, logits: Tensor<2>, batch: &Batch, name: &str) -> Result<Values, StepError> {
        let loss = Loss::CrossEntropy.per_example(logits.clone(), &batch.labels);
        if name != CLEAN {
            let hits = hits(logits, &batch.labels);
            return Ok(vec![(metric_name(ROBUST), hits), (metric_name(ROBUST_LOSS), loss)]);
        }
        let mut values = vec![
            (metric_name("loss"), loss),
            (metric_name(CLEAN), hits(logits.clone(), &batch.labels)),
        ];
        for (name, score) in &self.context.metrics {
            let own = score(&logits, &batch.labels);
            let ([got], [wanted, _]) = (own.dims(), logits.dims());
            if got != wanted {
                let wanted = format!("one for each of {wanted} examples");
                let of = format!("metric {name}");
                return Err(StepError::contract(&of, "values", got, wanted));
            }
            values.push((metric_name(name), own));
        }
        Ok(values)
    }

    /// The outcome of a validation batch.
    fn validate(&self, net: &N, batch: &Batch) -> Result<Values, StepError> {
        let mut values = self.judge(net, batch.images.clone(), batch, CLEAN)?;
        if let Some(attack) = &self.context.validation_attack {
            values.extend(self.attacked(net, batch, attack.as_ref())?);
        }
        Ok(values)
    }

    /// Accuracy and loss of each example of a batch under an attack.
    fn attacked(&self, net: &N, batch: &Batch, attack: &dyn Attack) -> Result<Values, StepError> {
        seed(&batch.images.device(), batch.key);
        let forward = self.context.forward.clone();
        let step = Step::new(net, move |net: &N, images| forward.call(net, images), batch.clone());
        let images = step.perturb("attack", attack, batch.labels.clone())?;
        self.judge(net, images, batch, "adversarial")
    }

    /// The accuracy of a model on a batch under an attack, a fraction.
    pub(super) fn accuracy(
        &self,
        net: &N,
        batch: &Batch,
        attack: &dyn Attack,
    ) -> Result<f64, StepError> {
        let values =
            own_scope(batch.key, batch.first_example, || self.attacked(net, batch, attack));
        let robust = metric_name(ROBUST);
        let hits = values?.into_iter().find(|(name, _)| *name == robust);
        let (_, hits) = hits.ok_or_else(|| StepError::contract("attack", "hits", 0, "some"))?;
        hits.mean().try_into_scalar::<f64>().map_err(StepError::custom)
    }
}

impl<N: Module + ModuleDisplay + 'static> InferenceStep for InRun<N> {
    type Input = Batch;
    type Output = Outcome;

    fn step(&self, batch: Batch) -> Outcome {
        let first = batch.first_example;
        let average = self.context.state.average();
        let net = average.as_ref().unwrap_or(&self.net);
        let values = own_scope(batch.key, first, || self.validate(net, &batch));
        let values = values.unwrap_or_else(|error| {
            self.context.signal.raise(error.into());
            Vec::new()
        });
        Outcome { first, values }
    }
}

fn frozen<N: Module>(net: &N, forward: Forward<N>) -> impl Classifier + use<N> {
    FrozenModel::new(net, move |net: &N, images| forward.call(net, images))
}

/// The validation batches of a run without a validation set.
pub(super) struct NoBatches;

impl Iterator for NoBatches {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}

impl DataLoaderIterator<Batch> for NoBatches {
    fn progress(&self) -> Progress {
        Progress::new(0, 0, Some("items".into()))
    }
}

impl DataLoader<Batch> for NoBatches {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<Batch> + 'a> {
        Box::new(NoBatches)
    }

    fn num_items(&self) -> usize {
        0
    }

    fn to_device(&self, _device: &Device) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(NoBatches)
    }

    fn slice(&self, _start: usize, _end: usize) -> Arc<dyn DataLoader<Batch>> {
        Arc::new(NoBatches)
    }
}
