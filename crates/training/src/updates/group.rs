use super::Optimizer;
use crate::TrainingError;
use crate::parameters::Groups;
use burn::module::ParamGroup;
use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

/// The settings of a group of parameters that differ from those of the others.
///
/// Four groups are always there: `noise`, the parameters of every `LearnedNoise`; `amplitudes`,
/// those of them that the size of the noise grows with; `vectors`, the parameters of one axis such
/// as biases and scales of norms; and `weights`, those of more axes that are not noise.
/// [`Trainer::with_group`](crate::Trainer::with_group) adds others. A parameter in several groups
/// has the settings of the last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroup {
    /// The name of the group.
    pub group: String,
    /// Its optimizer; `None` for that of the run.
    #[serde(default)]
    pub optimizer: Option<Optimizer>,
    /// Its learning rate, as a multiple of the run's.
    #[serde(default = "one")]
    pub lr_scale: f64,
}

fn one() -> f64 {
    1.0
}

impl ParameterGroup {
    /// A group with the settings of the run.
    pub fn new(group: impl Into<String>) -> Self {
        Self { group: group.into(), optimizer: None, lr_scale: one() }
    }

    /// Sets its optimizer, such as one without weight decay.
    pub fn with_optimizer(mut self, optimizer: impl Into<Optimizer>) -> Self {
        self.optimizer = Some(optimizer.into());
        self
    }

    /// Sets its learning rate, as a multiple of the run's.
    pub fn with_lr_scale(mut self, scale: f64) -> Self {
        self.lr_scale = scale;
        self
    }

    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        if !(self.lr_scale.is_finite() && self.lr_scale >= 0.0) {
            let wanted = "a finite number of at least 0";
            return Err(TrainingError::setting("lr_scale", self.lr_scale, wanted));
        }
        match &self.optimizer {
            Some(optimizer) => optimizer.check_in_group(),
            None if self.lr_scale == 1.0 => {
                let wanted = "another optimizer or learning rate than the run's";
                Err(TrainingError::setting("groups", &self.group, wanted))
            }
            None => Ok(()),
        }
    }
}

/// Refuses the name of a group that the model does not have.
pub(super) fn check_known(name: &str, groups: &Groups) -> Result<(), TrainingError> {
    if groups.paths(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = groups.names().collect();
    let got = format!("{name}, with the groups {}", names.join(", "));
    Err(TrainingError::setting("group", got, "a group of the model, or Trainer::with_group"))
}

/// The paths of a group in a model that `prefix` leads to.
pub(crate) fn paths(groups: &Groups, name: &str, prefix: &str) -> Vec<String> {
    let paths = groups.paths(name).into_iter().flatten();
    paths.map(|path| format!("{prefix}{path}")).collect()
}

impl Optimizer {
    /// Burn's optimizer with the settings of the groups, for a model that `prefix` leads to.
    pub(crate) fn build(
        &self,
        groups: &Groups,
        settings: &[ParameterGroup],
        prefix: &str,
    ) -> ModuleOptimizer {
        let optimizer = self.init(groups, prefix);
        settings.iter().fold(optimizer, |optimizer, group| match &group.optimizer {
            Some(own) => {
                let group = ParamGroup::from_paths(paths(groups, &group.group, prefix));
                own.add_to(optimizer, group)
            }
            None => optimizer,
        })
    }
}

impl ParameterGroup {
    pub(crate) fn check_known(&self, groups: &Groups) -> Result<(), TrainingError> {
        check_known(&self.group, groups)
    }
}
