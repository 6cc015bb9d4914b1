//! The state of an audit on disk: an entry for each check, written when the check ends.

use super::context::Context;
use super::settings::Audit;
use crate::checkpoint::{Checkpoint, Probe, Settings, data_of};
use crate::files::hash_of;
use crate::{Check, EvaluationError, SharedCost};
use cni_attacks::Attack;
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the entry with the cost of the results that several checks share.
const SHARED: &str = "shared";

/// The checks of an audit on disk. An audit by itself writes no record that could replace them, so
/// they never count as finished and stay until someone removes them.
pub(super) struct State(Checkpoint);

impl State {
    /// Opens the checkpoint in a folder, or begins one.
    pub fn open(
        folder: &Path,
        audit: &Audit,
        context: &Context<'_>,
    ) -> Result<Self, EvaluationError> {
        let audited = context.model;
        let model = Probe::of(audited.classifier, audited.stochastic, &context.batch)?;
        let mut models = vec![("model".to_string(), model)];
        if let Some(surrogate) = &audit.surrogate {
            let probe = Probe::of(&*surrogate.classifier, false, &context.batch)?;
            models.push(("surrogate".to_string(), probe));
        }
        let attack = format!("{} ({})", audit.attack.name(), &hash_of(&audit.attack.spec())[..6]);
        let surrogate = audit.surrogate_name().unwrap_or("none");
        let settings = BTreeMap::from([
            ("attack".to_string(), attack),
            ("draws".to_string(), context.setup.draws.to_string()),
            ("attack precision".to_string(), context.precision.to_string()),
            ("effort".to_string(), audit.effort.to_string()),
            ("key".to_string(), audit.key.to_string()),
            ("surrogate".to_string(), surrogate.to_string()),
            ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
        ]);
        let settings = Settings::new("audit", settings, models, Audit::files());
        Ok(Self(Checkpoint::open(folder, settings)?))
    }

    /// Loads the check of the first `examples`, if it has already ended.
    pub fn load(
        &self,
        name: &str,
        context: &Context<'_>,
        examples: usize,
    ) -> Result<Option<Check>, EvaluationError> {
        let data = data_of(&context.first(examples));
        self.0.load(name, &data, &format!("the check {name}"))
    }

    /// Saves the check. A kill leaves the file complete or as it was before.
    pub fn save(&self, context: &Context<'_>, check: &Check) -> Result<(), EvaluationError> {
        self.0.save(&check.name, &data_of(&context.first(check.examples)), check)
    }

    /// The cost of the results that several checks share, as the audit began. An audit that goes on
    /// makes these results for the checks that are left, so that its own cost, `here`, is less; it
    /// is saved if nothing is there.
    pub fn shared(
        &self,
        context: &Context<'_>,
        here: SharedCost,
    ) -> Result<SharedCost, EvaluationError> {
        // The first image tells the data apart, whatever number of them the checks take.
        let data = data_of(&context.first(1));
        if let Some(begun) = self.0.load(SHARED, &data, "the results that checks share")? {
            return Ok(begun);
        }
        self.0.save(SHARED, &data, &here)?;
        Ok(here)
    }
}

impl Audit {
    /// The names of the files that the checkpoint may hold, apart from the settings.
    pub(crate) fn files() -> Vec<String> {
        Self::names().chain([SHARED]).map(|name| format!("{name}.json")).collect()
    }
}
