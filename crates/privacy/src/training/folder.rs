//! The folder of a private run, and what it tells of it.

use super::PrivateSgd;
use crate::files::load;
use crate::{Ledger, Mechanism, PrivacyError, Spent};
use cni_training::{CheckpointSelector, checkpoint_info};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file of a run's folder with its settings, its noise and what it plans to spend.
pub const PRIVACY_FILE: &str = "privacy.json";

/// The file of a run's folder with the steps that were taken, and those of the epoch at hand.
pub const LEDGER_FILE: &str = "ledger.json";

/// The file of a run's folder with the privacy that it has spent.
pub const SPENT_FILE: &str = "spent.json";

/// The content of [`PRIVACY_FILE`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub settings: PrivateSgd,
    pub noise_multiplier: f64,
    pub sample_rate: f64,
    pub noise_std: f64,
    pub steps_per_epoch: u64,
    pub steps: u64,
    pub planned: Spent,
}

impl About {
    fn of(folder: &Path) -> Result<Self, PrivacyError> {
        load(&folder.join(PRIVACY_FILE), "the settings of a private run")
    }
}

impl PrivateSgd {
    /// The settings of the run in a folder.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::File`] and [`PrivacyError::Json`] for a folder without a [`PRIVACY_FILE`].
    pub fn of_run(folder: impl AsRef<Path>) -> Result<Self, PrivacyError> {
        About::of(folder.as_ref()).map(|about| about.settings)
    }
}

/// The steps that the private run in a folder has taken, or may have.
///
/// # Errors
///
/// [`PrivacyError::File`] and [`PrivacyError::Json`] for a folder without the files of a private
/// run; [`PrivacyError::Ledger`] for a ledger of other steps than the run's, or of fewer than its
/// last checkpoint took.
pub fn ledger_of_run(folder: impl AsRef<Path>) -> Result<Ledger, PrivacyError> {
    let folder = folder.as_ref();
    let (about, path) = (About::of(folder)?, folder.join(LEDGER_FILE));
    let ledger = Ledger::load(&path)?;
    let mechanism = Mechanism::new(about.noise_multiplier, about.sample_rate)?;
    let counted = steps_of(&ledger, mechanism, &path)?;
    let trained = checkpoint_info(folder, CheckpointSelector::Last).map_or(0, |info| info.epoch);
    let taken = (trained as u64).saturating_mul(about.steps_per_epoch);
    if counted >= taken {
        return Ok(ledger);
    }
    let (got, wanted) = (format!("{counted} steps"), format!("the {taken} of the last checkpoint"));
    Err(PrivacyError::Ledger { path, got, wanted: format!("at least {wanted}") })
}

/// The privacy that the run in a folder has spent, by its ledger and its own accountant and delta.
///
/// # Errors
///
/// Those of [`ledger_of_run`] and of the accountant.
pub fn spent_of_run(folder: impl AsRef<Path>) -> Result<Spent, PrivacyError> {
    let PrivateSgd { accountant, budget, .. } = PrivateSgd::of_run(&folder)?;
    accountant.spent(&ledger_of_run(folder)?, budget.delta())
}

/// The steps of a mechanism that the ledger in a file counts, 0 without the file.
///
/// # Errors
///
/// [`PrivacyError::Ledger`] for the ledger of a training by another mechanism.
pub(super) fn steps_counted(path: &Path, mechanism: Mechanism) -> Result<u64, PrivacyError> {
    match std::fs::symlink_metadata(path) {
        Err(_) => Ok(0),
        Ok(_) => steps_of(&Ledger::load(path)?, mechanism, path),
    }
}

fn steps_of(ledger: &Ledger, mechanism: Mechanism, path: &Path) -> Result<u64, PrivacyError> {
    match ledger.phases().iter().find(|phase| phase.mechanism() != mechanism) {
        None => Ok(ledger.steps()),
        Some(other) => {
            let got = format!("steps of {}", other.mechanism());
            let wanted = format!("those of this run, {mechanism}");
            Err(PrivacyError::Ledger { path: path.to_path_buf(), got, wanted })
        }
    }
}
