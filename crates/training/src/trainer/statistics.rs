//! The training images that an averaged model's running statistics are recomputed from.

use super::forward::Forward;
use super::scope::{own_scope, seed};
use crate::averages::{BatchStatistics, Recomputation};
use crate::{StepError, TrainingConfig, TrainingError};
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::tensor::Device;
use cni_data::{ImageData, Loader};

/// A pass over training images.
#[derive(Debug)]
pub(crate) struct StatisticsPass {
    loader: Loader,
    examples: usize,
}

impl StatisticsPass {
    /// The pass that a run's average asks for, if any: clean images under the run's augmentations,
    /// in an order of its own in each epoch.
    pub fn of(
        config: &TrainingConfig,
        train: &ImageData,
        autodiff: &Device,
    ) -> Result<Option<Self>, TrainingError> {
        let statistics = config.average.as_ref().map(|average| average.batch_statistics());
        let Some(BatchStatistics::Recomputed(examples)) = statistics else { return Ok(None) };
        let key = config.key.named("statistics");
        let mut loader = Loader::new(train.clone(), config.batch_size, key, autodiff)?;
        for augmentation in &config.augment {
            loader = loader.with_augmentation(augmentation.clone())?;
        }
        Ok(Some(Self { loader, examples }))
    }

    /// The model, which is as by `valid()`, with the statistics of the pass of an epoch.
    pub fn recomputed<N: Module>(
        &self,
        model: N,
        forward: &Forward<N>,
        epoch: usize,
    ) -> Result<N, StepError> {
        let mut recomputation = Recomputation::new(model);
        if recomputation.is_empty() {
            return Ok(recomputation.finish());
        }
        let loader = self.loader.clone().resume_at(epoch).slice(0, self.examples);
        for batch in loader.iter() {
            let batch = batch.map_err(StepError::custom)?;
            recomputation.add(batch.images.dims()[0], |net| {
                own_scope(batch.key, batch.first_example, || {
                    seed(&batch.images.device(), batch.key);
                    forward.call(net, batch.images.clone());
                });
            });
        }
        Ok(recomputation.finish())
    }
}
