//! The parts of a run that its trainer makes before the first step.

use super::Trainer;
use super::context::RunState;
use super::metrics::metric_name;
use crate::checkpoint::{CheckpointDir, load_average, rule_bytes, write_whole};
use crate::parameters::Groups;
use crate::state::RuleStates;
use crate::updates::group_paths;
use crate::{Devices, EpochRow, TrainingConfig, TrainingError};
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::module::{Module, ModuleDisplay, ParamGroup};
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde::Serialize;
use serde_json::{Value, json};
use std::io;

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

    /// The state that the run begins with, or goes on with.
    pub(super) fn state(
        &self,
        directory: &CheckpointDir,
        resume: Option<usize>,
        net: &N,
        plain: &Device,
        steps: usize,
        devices: &Devices,
    ) -> Result<RunState<N>, TrainingError> {
        let rules = 1 + self.config.updates.len() + 1;
        let mut states = RuleStates::new(rules);
        let mut average = None;
        if let Some(epoch) = resume {
            if let Some(bytes) = rule_bytes(directory, epoch)? {
                states = RuleStates::from_bytes(&bytes, rules, plain).map_err(|reason| {
                    TrainingError::config(&directory.folder(epoch), "memories of rules", reason)
                })?;
            }
            average = load_average(directory, epoch, net.valid())?;
        }
        let done = resume.unwrap_or(0);
        Ok(RunState::new(steps, devices.optimizers(), done, states, average))
    }

    /// The files that the run writes beside its checkpoints.
    pub(super) fn files(&self) -> Vec<&'static str> {
        let model = self.model_config.is_some().then_some(MODEL_CONFIG);
        [CONFIG, HISTORY].into_iter().chain(model).collect()
    }

    /// Writes `config.json` and, if the model is described, `model.json`.
    pub(super) fn write_configurations(&self) -> Result<(), TrainingError> {
        self.write(CONFIG, &self.config)?;
        self.model_config.iter().try_for_each(|config| self.write(MODEL_CONFIG, config))
    }

    /// Writes `history.json`.
    pub(super) fn write_history(&self, rows: &[EpochRow]) -> Result<(), TrainingError> {
        self.write(HISTORY, &rows)
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), TrainingError> {
        let path = self.folder.join(name);
        let text = serde_json::to_vec_pretty(value).map_err(io::Error::from);
        let written = text.and_then(|text| write_whole(&path, &text));
        written.map_err(|error| TrainingError::io(&path, error))
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
        let objective = &self.config.objective;
        let loss = ("loss".to_string(), format!("the loss of the {}", objective.label()));
        let scores = objective.scores().into_iter();
        let scores = scores.map(|name| (name.clone(), format!("the score {name}")));
        let training = std::iter::once(loss).chain(scores).map(|(name, label)| (true, name, label));
        let names = ["loss", "clean", "robust"].map(String::from).into_iter();
        let validation = names.chain(self.metric_names());
        let validation = validation.map(|name| (false, name.clone(), format!("validation {name}")));
        let all = training.chain(validation);
        all.map(|(train, name, label)| (train, metric_name(&name).to_string(), label)).collect()
    }
}
