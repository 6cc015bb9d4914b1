//! The parts of a run that its trainer makes before the first step.

use super::Trainer;
use super::context::RunState;
use super::launch::{Plan, Start};
use super::metrics::metric_name;
use crate::checkpoint::{RECIPE, load_average, rule_bytes, write_whole};
use crate::overfitting::{Fall, Remedy};
use crate::parameters::Groups;
use crate::state::RuleStates;
use crate::updates::group_paths;
use crate::{EpochRow, Recipe, TrainingConfig, TrainingError};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleDisplay, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use cni_data::{Batch, ImageData};
use serde::Serialize;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The files of a run beside its checkpoints.
const CONFIG: &str = "config.json";
const HISTORY: &str = "history.json";
const MODEL_CONFIG: &str = "model.json";

/// The name of the model in a run's records.
const PREFIX: &str = "net.";

impl<N: Module + ModuleDisplay + 'static> Trainer<N> {
    /// The built-in groups of parameters and those of the caller.
    pub(super) fn groups_of(&self, net: &N) -> Result<Groups, TrainingError> {
        let mut groups = Groups::of(net);
        for (name, ids) in &self.groups {
            groups.add(net, name, &ids(net))?;
        }
        for group in &self.config.groups {
            group.check_known(&groups)?;
        }
        self.config.updates.iter().try_for_each(|update| update.check_groups(&groups))?;
        Ok(groups)
    }

    /// The caller's groups, as a part of what identifies the run.
    pub(super) fn group_paths(&self, groups: &Groups) -> Value {
        let paths = |(name, _): &(String, _)| (name.clone(), json!(groups.paths(name)));
        Value::Object(self.groups.iter().map(paths).collect())
    }

    /// The beginning of the run, or the place where it goes on after an epoch.
    pub(super) fn start(
        &self,
        plan: &Plan<N>,
        resume: Option<usize>,
        fell: Option<(usize, Fall)>,
    ) -> Result<Start<N>, TrainingError> {
        let (directory, plain) = (&plan.directory, plan.devices.first());
        let rules = 1 + self.config.updates.len() + 1;
        let mut states = RuleStates::new(rules);
        let mut average = None;
        if let Some(epoch) = resume {
            if let Some(bytes) = rule_bytes(directory, epoch)? {
                states = RuleStates::from_bytes(&bytes, rules, plain).map_err(|reason| {
                    TrainingError::config(&directory.folder(epoch), "memories of rules", reason)
                })?;
            }
            average = load_average(directory, epoch, plan.net().valid())?;
        }
        let (steps, done) = (plan.sizes.steps, resume.unwrap_or(0));
        let state = RunState::new(steps, plan.devices.optimizers(), done, states, average);
        Ok(Start { resume, state, fell })
    }

    /// The training images that the watch for overfitting attacks, if there is one: as many as a
    /// batch has.
    pub(super) fn watched_images(
        &self,
        train: &ImageData,
        device: &Device,
    ) -> Result<Option<Batch>, TrainingError> {
        if self.config.overfitting.is_none() {
            return Ok(None);
        }
        let key = self.config.key.named("overfitting");
        let whole = self.config.batch_size.min(train.len());
        let (_, chosen) = train.split_validation(whole, key.named("images"))?;
        let (images, labels) = chosen.batch(0..whole, device)?;
        let indices = Arc::from_iter(0..whole);
        let (number, batches) = (0, 1);
        let (epoch, first_example) = (0, 0);
        Ok(Some(Batch {
            images,
            labels,
            key,
            epoch,
            number,
            batches,
            first_example,
            whole,
            indices,
        }))
    }

    /// The notice of a run that goes back from an epoch.
    pub(super) fn falls_back(&self, epoch: usize, fall: &Fall) -> String {
        let Some(watch) = &self.config.overfitting else { return String::new() };
        let (words, back) = (watch.words(fall), epoch - 1);
        let attack = match &watch.then {
            Remedy::FallBack(attack) => attack.name(),
            Remedy::Stop => "no other attack".to_string(),
        };
        format!("epoch {epoch}: {words}; back to the end of epoch {back}, and on with {attack}")
    }

    /// The files that the run writes beside its checkpoints.
    pub(super) fn files(&self) -> Vec<&str> {
        let model = self.model_config.is_some().then_some(MODEL_CONFIG);
        let recipe = self.recipe.is_some().then_some(RECIPE);
        let further = self.files.iter().map(|(name, _)| name.as_str());
        [CONFIG, HISTORY].into_iter().chain(model).chain(recipe).chain(further).collect()
    }

    /// Writes `config.json`; `model.json`, if the model is described; the recipe, if there is one;
    /// and further files of the caller's.
    pub(super) fn write_configurations(&self) -> Result<(), TrainingError> {
        write(&self.folder.join(CONFIG), &self.config)?;
        let path = self.folder.join(MODEL_CONFIG);
        self.model_config.iter().try_for_each(|config| write(&path, config))?;
        let whole = |name: &str, bytes: &[u8]| {
            let path = self.folder.join(name);
            write_whole(&path, bytes).map_err(|error| TrainingError::io(&path, error))
        };
        let recipe = self.recipe.as_ref().map(Recipe::to_toml);
        recipe.iter().try_for_each(|recipe| whole(RECIPE, recipe.as_bytes()))?;
        self.files.iter().try_for_each(|(name, bytes)| whole(name, bytes))
    }

    /// Burn's optimizer and scheduler with the settings of the groups.
    pub(super) fn optimizer(
        &self,
        groups: &Groups,
        steps_per_epoch: usize,
    ) -> (ModuleOptimizer, ModuleLrScheduler) {
        let TrainingConfig { optimizer, schedule, epochs, groups: settings, .. } = &self.config;
        let own = || schedule.scheduler(*epochs, steps_per_epoch);
        let mut scheduler = ModuleLrScheduler::new(own());
        for group in settings {
            let paths = ParamGroup::from_paths(group_paths(groups, &group.group, PREFIX));
            scheduler = scheduler.with_group(paths, own().scaled(group.lr_scale));
        }
        (optimizer.build(groups, settings, PREFIX), scheduler)
    }

    pub(super) fn metric_names(&self) -> Vec<String> {
        self.metrics.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The metrics of training, `true`, and validation, with their names and how the reason of a
    /// stop names them.
    pub(super) fn metric_list(&self) -> Vec<(bool, String, String)> {
        let TrainingConfig { objective, gradient, .. } = &self.config;
        let loss = ("loss".to_string(), format!("the loss of the {}", objective.label()));
        let scores = objective.scores().into_iter().chain(gradient.scores());
        let scores = scores.map(|name| (name.clone(), format!("the score {name}")));
        let training = std::iter::once(loss).chain(scores).map(|(name, label)| (true, name, label));
        let names = ["loss", "clean", "robust", "robust_loss"].map(String::from).into_iter();
        let validation = names.chain(self.metric_names());
        let validation = validation.map(|name| (false, name.clone(), format!("validation {name}")));
        let all = training.chain(validation);
        all.map(|(train, name, label)| (train, metric_name(&name).to_string(), label)).collect()
    }
}

/// Writes `history.json` into the folder of a run.
pub(super) fn write_history(folder: &Path, rows: &[EpochRow]) -> Result<(), TrainingError> {
    write(&folder.join(HISTORY), &rows)
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), TrainingError> {
    let text = serde_json::to_vec_pretty(value).map_err(io::Error::from);
    let written = text.and_then(|text| write_whole(path, &text));
    written.map_err(|error| TrainingError::io(path, error))
}
