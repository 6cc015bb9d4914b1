//! A run, from its checks to its last epoch.

use super::Trainer;
use super::apart::check_apart;
use super::forward::Forward;
use super::launch::{Launched, Plan};
use super::notices::Notices;
use super::probe::{
    Probe, check_attacks, check_data, check_examples, check_layers, check_settings, probe,
};
use super::statistics::StatisticsPass;
use crate::checkpoint::{Beginning, CheckpointDir, describe};
use crate::overfitting::Sizes;
use crate::parameters::has_noise;
use crate::stop::StopSignal;
use crate::{Devices, EpochRow, TrainingError};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use cni_data::{ImageData, Loader};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained<N> {
    /// The model after the last epoch, on the plain device; the averaged one in a run that
    /// averages.
    pub model: N,
    /// The epochs.
    pub history: Vec<EpochRow>,
    /// The best epoch on the validation set, counted from 1; its checkpoint is kept.
    pub best_epoch: usize,
    /// The reason for which the run ended before the last epoch of its configuration, if it did.
    pub ended: Option<String>,
    /// The versions of this crate that trained the run, each by its first epoch. With more than one
    /// the run may differ from one that was not interrupted.
    pub versions: BTreeMap<usize, String>,
    /// What the run had to say beside its epochs, such as a warning that it does not learn. A run
    /// that resumed says nothing of what came before.
    pub notices: Vec<String>,
}

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// Runs all epochs, or those that are left.
    ///
    /// `forward` maps images `[batch, channels, height, width]`, pixels in [0, 1], to logits
    /// `[batch, classes]`.
    ///
    /// `model` is built on any device and moves to the first of the run's; its initial weights are
    /// part of what the run is a function of, so draw them with `keyed_init` of `cni-layers`. The
    /// same run, killed at any time and resumed on as many devices, ends with the same weights, bit
    /// for bit, on backends whose operations are deterministic (Flex is). It may also resume on
    /// another number of them.
    ///
    /// The caller's noise scope and precision have no effect: each step has its own. Layers of
    /// Burn's that draw at random, such as `Dropout`, draw from a generator of the whole process,
    /// which each step on one device seeds anew. Such a run is exact as long as nothing else in the
    /// process draws meanwhile; on several devices, `Dropout`, `GaussianNoise` and `RRelu` are
    /// refused.
    ///
    /// A run that resumes must have the configuration, data and model that it began with, as far as
    /// they can be told: see [`with_model_config`](Self::with_model_config). It may have more
    /// epochs if its schedule does not depend on their number.
    ///
    /// A run with an [`OverfittingWatch`](crate::OverfittingWatch) that falls back goes on from the
    /// checkpoint of an earlier epoch, as if it had been killed and resumed, with another attack;
    /// what it has found of the epochs in between is gone.
    ///
    /// Before the first step the model sees a few training examples, in inference: it must have an
    /// output for each class of the data, and may have more.
    ///
    /// # Errors
    ///
    /// Before the run: data or a model that do not fit together, a batch with fewer examples than
    /// there are devices, a group without parameters, a folder that is locked, in use, of another
    /// run or not readable. During the run: a loss that is not finite, a gradient whose norm is not
    /// finite and that is clipped, a parameter that is not finite after an epoch, an attack that
    /// failed, an objective or rule that breaks its contract, a checkpoint that could not be
    /// written. No checkpoint holds a number that is not finite. The last complete checkpoint stays,
    /// and so does `history.json`. A run that is refused changes nothing in the folder of another,
    /// but for the empty file `.lock`.
    pub fn run(
        &self,
        model: N,
        forward: impl Fn(&N, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
        train: ImageData,
    ) -> Result<Trained<N>, TrainingError> {
        let (config, validation) = (&self.config, self.validation.clone());
        let devices = match &self.devices {
            Some(devices) => devices.clone(),
            None => Devices::from(&model.devices()[0]),
        };
        check_data(&train, validation.as_ref(), config, &self.metric_names())?;
        let (plain, autodiff) = (devices.first().clone(), devices.first().clone().autodiff());
        let mut loader = Loader::new(train.clone(), config.batch_size, config.key, &autodiff)?
            .with_sampler(config.sampler.clone())?;
        for augmentation in &config.augment {
            loader = loader.with_augmentation(augmentation.clone())?;
        }
        check_settings(config, self.progress, &devices, &loader)?;
        check_layers(&model, &devices)?;
        let statistics = StatisticsPass::of(config, &train, &autodiff)?;
        // A snapshot, so that the caller's model keeps its running statistics; on the tape,
        // whatever it was on.
        let net = model.valid().to_device(&plain).train();
        check_examples(&net, config)?;
        let groups = Arc::new(self.groups_of(&net)?);
        let run = json!({
            "config": config.spec()?,
            "groups": self.group_paths(&groups),
            "train": train.fingerprint()?,
            "validation": validation.as_ref().map(ImageData::fingerprint).transpose()?,
            "classes": train.classes(),
            "model": describe(&net, self.model_config.as_ref()),
        });
        let forward = Forward::new(config.precision, forward);
        let logits = |images| forward.call(&net.valid(), images);
        let Probe { noisy, outputs } = probe(logits, &train, &plain, config.key.named("probe"))?;
        check_attacks(config, outputs)?;
        check_apart(&net, &forward, config, &groups, &train, &plain)?;
        let draws = if noisy || has_noise(&net) { config.validation_draws } else { 1 };
        let validation = match validation {
            Some(data) => {
                let key = config.key.named("validation");
                Some(Loader::validation(data, config.batch_size, key, &plain)?)
            }
            None => None,
        };
        let sizes = Sizes {
            classes: train.classes().len(),
            train: train.len(),
            validation: self.validation.as_ref().map_or(0, ImageData::len),
            steps: loader.batches_per_epoch(),
        };
        let watched = self.watched_images(&train, &plain)?;
        let (directory, _lock) = CheckpointDir::open(&self.folder)?;
        directory.check_files(&self.folder, &self.files())?;
        let Beginning { resume, history, versions } =
            Beginning::of(&directory, self.resume, &run, &config.schedule)?;
        let (signal, notices) = (StopSignal::default(), Notices::new(self.progress));
        let plan = Plan {
            model: net,
            forward,
            statistics: statistics.map(Arc::new),
            devices,
            groups,
            loader,
            validation,
            draws,
            watched,
            directory,
            run,
            versions,
            history,
            sizes,
            signal,
            notices,
        };
        let mut start = self.start(&plan, resume, None)?;

        // Nothing is refused from here on.
        plan.directory.prepare()?;
        self.write_configurations()?;
        let rows = plan.history.rows();
        self.beginnings.iter().for_each(|begins| begins(&rows));
        loop {
            match self.launch(&plan, start)? {
                Launched::Finished(trained) => return Ok(trained),
                Launched::Fell(epoch, fall) => {
                    let back = epoch - 1;
                    plan.history.cut(back);
                    plan.notices.say(self.falls_back(epoch, &fall));
                    plan.notices.print_waiting();
                    start = self.start(&plan, Some(back), Some((epoch, fall)))?;
                }
            }
        }
    }
}
