//! The results of a checkup on disk: one file for each check, written when it ends.

use super::subject::{Subject, host};
use super::{Checkup, Effort};
use crate::disk::{fingerprint, write_whole};
use crate::evaluation::Check;
use crate::{Attack, AttackError};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The version of the files' layout, which is part of the fingerprint.
const LAYOUT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    fingerprint: String,
    check: Check,
}

/// The file of one check.
pub(super) struct State {
    path: PathBuf,
    fingerprint: String,
}

impl State {
    /// The file in `folder` of a check of the subject's first examples.
    pub fn new(
        folder: &Path,
        name: &str,
        checkup: &Checkup,
        subject: &Subject<'_>,
        examples: usize,
    ) -> Self {
        let problem = subject.first(examples);
        let numbers: Vec<u64> = (0..examples).map(|row| problem.examples.number(row)).collect();
        let (version, effort): (_, Effort) = (env!("CARGO_PKG_VERSION"), checkup.effort);
        let surrogate = checkup.surrogate.as_ref().map(|surrogate| &surrogate.name);
        let text = format!(
            "{LAYOUT} {version} {name} {} {effort} {:?} {} {surrogate:?} {numbers:?} {:?} {:?}",
            checkup.attack.spec(),
            checkup.key,
            subject.setup.draws,
            host(problem.goal.labels()),
            subject.clean.rows(&(0..examples).collect::<Vec<_>>(), 0).predicted,
        );
        let pixels = problem.images.to_data();
        let fingerprint = fingerprint(&[text.as_bytes(), pixels.as_bytes()]);
        Self { path: folder.join(format!("{name}.json")), fingerprint }
    }

    /// The check, where it has ended before.
    pub fn load(&self) -> Result<Option<Check>, AttackError> {
        let bytes = match std::fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.refused(error)),
        };
        let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| self.refused(error))?;
        if saved.fingerprint != self.fingerprint {
            return Err(self.refused(
                "got the state of another attack, effort, key, model or data, wanted that of this checkup; remove the \
                 folder to begin anew",
            ));
        }
        Ok(Some(saved.check))
    }

    /// Writes the check down. The file is complete or as it was before.
    pub fn save(&self, check: &Check) -> Result<(), AttackError> {
        let saved = Saved { fingerprint: self.fingerprint.clone(), check: check.clone() };
        let text = serde_json::to_string_pretty(&saved).expect("a check is plain data");
        write_whole(&self.path, text.as_bytes()).map_err(|error| self.refused(error))
    }

    fn refused(&self, reason: impl ToString) -> AttackError {
        AttackError::State { path: self.path.clone(), reason: reason.to_string() }
    }
}
