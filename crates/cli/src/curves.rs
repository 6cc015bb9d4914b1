//! The learning curves of a run, as a page in its folder.

use crate::output::Output;
use cni_burn::cards::epochs;
use cni_burn::evaluation::RobustOverfitting;
use cni_burn::report::{ReportError, TrainingPage, TrainingState};
use cni_burn::training::{CheckpointSelector, EpochRow, Trained, TrainingError, checkpoint_info};
use std::error::Error;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The page `training.html` of a run. Its clones are the same page.
///
/// A page that cannot be written costs no run: the last error is kept, for a warning at the end.
#[derive(Clone)]
pub struct Curves {
    run: PathBuf,
    /// The number of epochs that the run is to have.
    epochs: usize,
    failed: Arc<Mutex<Option<ReportError>>>,
}

impl Curves {
    /// The page of a run in this folder, in which nothing is touched yet.
    ///
    /// # Errors
    ///
    /// A file of somebody else in its place.
    pub fn new(run: &Path, epochs: usize) -> Result<Self, ReportError> {
        let curves = Self { run: run.to_path_buf(), epochs, failed: Arc::default() };
        TrainingPage::check(&curves.path())?;
        Ok(curves)
    }

    /// The path of the page.
    pub fn path(&self) -> PathBuf {
        self.run.join("training.html")
    }

    /// Writes the page of a run that goes on after these epochs.
    pub fn go_on(&self, history: &[EpochRow]) {
        self.write(history, TrainingState::Running { epochs: self.epochs });
    }

    /// Writes the page of a run that has come to its end or to an error, and says how it went.
    pub fn end<N>(
        &self,
        run: Result<Trained<N>, TrainingError>,
        output: Output,
    ) -> Result<Trained<N>, Box<dyn Error>> {
        let trained = run.inspect_err(|error| {
            if matches!(error, TrainingError::Stopped { .. }) {
                self.stop(error.to_string());
            }
        })?;
        self.write(&trained.history, TrainingState::Ended { early: trained.ended.clone() });
        if let Some(reason) = &trained.ended {
            output.say(format_args!("ended early: {reason}"))?;
        }
        if let Some(found) = RobustOverfitting::of(&epochs(trained.history.clone())) {
            output.say(found)?;
        }
        match self.failed().take() {
            None => output.say(format_args!("learning curves: {}", self.path().display()))?,
            Some(error) => writeln!(stderr(), "warning: the learning curves: {error}")?,
        }
        Ok(trained)
    }

    /// Writes the page of a run that an error has stopped after its last checkpoint.
    fn stop(&self, error: String) {
        let info = checkpoint_info(&self.run, CheckpointSelector::Last);
        let history = info.map(|info| info.history).unwrap_or_default();
        // A run without an epoch has no page yet.
        if !history.is_empty() {
            self.write(&history, TrainingState::Stopped { error });
        }
    }

    fn write(&self, history: &[EpochRow], state: TrainingState) {
        let name = self.run.display().to_string();
        let page = TrainingPage::new(name, epochs(history.to_vec()), state);
        *self.failed() = page.write(&self.path()).err();
    }

    fn failed(&self) -> MutexGuard<'_, Option<ReportError>> {
        self.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_page_that_cannot_be_written_is_a_warning_and_a_file_of_others_stays() {
        let folder = tempfile::tempdir().unwrap();
        let curves = Curves::new(folder.path(), 3).unwrap();
        let rows = [EpochRow { epoch: 1, ..EpochRow::default() }];
        fs::create_dir(curves.path()).unwrap();
        curves.go_on(&rows);
        assert!(curves.failed().is_some());
        // The next epoch tries again.
        fs::remove_dir(curves.path()).unwrap();
        curves.go_on(&rows);
        assert!(curves.failed().is_none());
        assert!(fs::read_to_string(curves.path()).unwrap().contains("Epoch 1 of 3 has ended"));

        fs::write(curves.path(), "mine").unwrap();
        curves.go_on(&rows);
        assert!(curves.failed().as_ref().unwrap().to_string().contains("no training has written"));
        assert_eq!(fs::read_to_string(curves.path()).unwrap(), "mine");
        assert!(Curves::new(folder.path(), 3).is_err());
    }
}
