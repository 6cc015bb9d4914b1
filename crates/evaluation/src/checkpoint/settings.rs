//! The settings of the run to which a checkpoint belongs.

use super::probe::Probe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the files' layout.
pub(super) const LAYOUT: u32 = 3;

/// The settings of a run: its kind, what its result depends on, and its models.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    layout: u32,
    /// True if the run has finished, so that its checkpoint may be replaced.
    pub(super) finished: bool,
    /// The kind of the run, in words.
    pub(super) of: String,
    /// The settings on which the result depends, by name.
    settings: BTreeMap<String, String>,
    /// The answers of the models to a few images, by the part of each model in the run.
    models: Vec<(String, Probe)>,
    /// The patterns of the files that the run may write.
    pub(super) files: Vec<String>,
}

/// A setting that differs between two runs.
pub(crate) struct Difference {
    pub(crate) setting: String,
    pub(crate) there: String,
    pub(crate) here: String,
}

impl Settings {
    /// The settings of an unfinished run of the kind `of`. `files` are the
    /// [patterns](super::names::matching) of the entries that it may write.
    pub(crate) fn new(
        of: &str,
        settings: BTreeMap<String, String>,
        models: Vec<(String, Probe)>,
        files: Vec<String>,
    ) -> Self {
        Self { layout: LAYOUT, finished: false, of: of.to_string(), settings, models, files }
    }

    /// The first setting that differs from those of an older run.
    pub(crate) fn difference(&self, old: &Self) -> Option<Difference> {
        let nothing = || "nothing".to_string();
        for name in self.settings.keys().chain(old.settings.keys()) {
            let [there, here] = [&old.settings, &self.settings].map(|all| all.get(name).cloned());
            if there != here {
                let [there, here] = [there, here].map(|value| value.unwrap_or_else(nothing));
                return Some(Difference { setting: name.clone(), there, here });
            }
        }
        let parts = |models: &[(String, Probe)]| {
            models.iter().map(|(part, _)| part.clone()).collect::<Vec<_>>().join(", ")
        };
        let [there, here] = [parts(&old.models), parts(&self.models)];
        if there != here {
            return Some(Difference { setting: "models".to_string(), there, here });
        }
        let mut pairs = self.models.iter().zip(&old.models);
        let other = pairs.find(|((_, here), (_, there))| !here.matches(there));
        other.map(|((part, _), _)| Difference {
            setting: part.clone(),
            there: "other logits or gradients".to_string(),
            here: format!("this {part}'s"),
        })
    }
}
