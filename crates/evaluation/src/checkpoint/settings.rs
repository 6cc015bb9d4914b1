//! What a checkpoint belongs to.

use super::probe::Probe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the files' layout.
pub(super) const LAYOUT: u32 = 3;

/// What run a checkpoint belongs to, and what the run depends on.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    layout: u32,
    /// Whether the run has come to its end, so that nothing is lost with its checkpoint.
    pub(super) finished: bool,
    /// What kind of run it is, in words.
    pub(super) of: String,
    /// What the run depends on, by name.
    settings: BTreeMap<String, String>,
    /// What its models are known by, by their part in it.
    models: Vec<(String, Probe)>,
    /// The files that it may write, as patterns.
    pub(super) files: Vec<String>,
}

/// A setting that two runs have otherwise.
pub(super) struct Difference {
    pub(super) setting: String,
    pub(super) there: String,
    pub(super) here: String,
}

impl Settings {
    /// Those of a run `of` this kind that has not ended.
    ///
    /// `files` are the names of the entries that it may write: [patterns](super::names::matching).
    pub(crate) fn new(
        of: &str,
        settings: BTreeMap<String, String>,
        models: Vec<(String, Probe)>,
        files: Vec<String>,
    ) -> Self {
        Self { layout: LAYOUT, finished: false, of: of.to_string(), settings, models, files }
    }

    /// The first setting that an older state has otherwise.
    pub(super) fn difference(&self, old: &Self) -> Option<Difference> {
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
