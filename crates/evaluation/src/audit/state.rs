//! The results of an audit on disk: one file for each check, written when it ends.

use super::context::{Context, host};
use super::settings::Audit;
use crate::Check;
use crate::files::{canonical, fingerprint, seal, unseal, write_whole};
use crate::record::Effort;
use crate::run::probe::Probe;
use cni_attacks::{Attack, AttackError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the files' layout, which is part of the fingerprint.
const LAYOUT: u32 = 4;

#[derive(Serialize, Deserialize)]
struct Saved {
    fingerprint: String,
    /// What the model is known by, and the surrogate where there is one.
    models: Vec<Probe>,
    check: Check,
}

/// The file of one check.
pub(super) struct State {
    path: PathBuf,
    fingerprint: String,
    models: Vec<Probe>,
}

impl State {
    /// The file in `folder` of a check of the subject's first examples.
    pub fn new(
        folder: &Path,
        name: &str,
        audit: &Audit,
        context: &Context<'_>,
        examples: usize,
        models: &[Probe],
    ) -> Self {
        let problem = context.first(examples);
        let numbers: Vec<u64> = (0..examples).map(|row| problem.examples.number(row)).collect();
        let (version, effort): (_, Effort) = (env!("CARGO_PKG_VERSION"), audit.effort);
        let surrogate = audit.surrogate.as_ref().map(|surrogate| &surrogate.name);
        let text = format!(
            "{LAYOUT} {version} {name} {} {effort} {:?} {} {surrogate:?} {numbers:?} {:?}",
            canonical(&audit.attack.spec()),
            audit.key,
            context.setup.draws,
            host(problem.goal.labels()),
        );
        let pixels = problem.images.to_data();
        let fingerprint = fingerprint(&[text.as_bytes(), pixels.as_bytes()]);
        Self { path: folder.join(format!("{name}.json")), fingerprint, models: models.to_vec() }
    }

    /// The check, where it has ended before.
    pub fn load(&self) -> Result<Option<Check>, AttackError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.refused(error)),
        };
        let saved: Saved = unseal(&bytes).map_err(|error| self.refused(error))?;
        if saved.fingerprint != self.fingerprint {
            return Err(self.refused(
                "got the state of another attack, effort, key or data, wanted that of this audit; remove the folder to \
                 begin anew",
            ));
        }
        let mut pairs = ["model", "surrogate"].iter().zip(self.models.iter().zip(&saved.models));
        if let Some((which, _)) = pairs.find(|(_, (here, there))| !here.matches(there)) {
            return Err(self.refused(format!(
                "{which}: got the state of one with other logits or gradients, wanted that of this one; remove the folder \
                 to begin anew",
            )));
        }
        Ok(Some(saved.check))
    }

    /// Writes the check down. The file is complete or as it was before.
    pub fn save(&self, check: &Check) -> Result<(), AttackError> {
        let saved = Saved {
            fingerprint: self.fingerprint.clone(),
            models: self.models.clone(),
            check: check.clone(),
        };
        write_whole(&self.path, seal(&saved).as_bytes()).map_err(|error| self.refused(error))
    }

    fn refused(&self, reason: impl ToString) -> AttackError {
        AttackError::State { path: self.path.clone(), reason: reason.to_string() }
    }
}
