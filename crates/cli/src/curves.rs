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
use std::time::SystemTime;

/// The page `training.html` of a run. Its clones are the same page.
///
/// A page that cannot be written costs no run: the last error is kept, for a warning at the end.
#[derive(Clone)]
pub struct Curves {
    run: PathBuf,
    /// The number of epochs that the run is to have.
    epochs: usize,
    kept: Arc<Mutex<Kept>>,
}

/// The state that the clones of a page share. Who writes the page has it locked.
#[derive(Default)]
struct Kept {
    failed: Option<ReportError>,
    /// True from the beginning of the run to its end: then the page is that of the run.
    at_work: bool,
}

impl Curves {
    /// The page of a run in this folder, in which nothing is touched yet.
    ///
    /// # Errors
    ///
    /// A file of somebody else in its place.
    pub fn new(run: &Path, epochs: usize) -> Result<Self, ReportError> {
        let curves = Self { run: run.to_path_buf(), epochs, kept: Arc::default() };
        TrainingPage::check(&curves.path())?;
        Ok(curves)
    }

    /// The path of the page.
    pub fn path(&self) -> PathBuf {
        self.run.join("training.html")
    }

    /// Writes the page of a run that goes on after these epochs, none if it has just begun.
    pub fn go_on(&self, history: &[EpochRow]) {
        let mut kept = self.kept();
        kept.at_work = true;
        self.write(&mut kept, history, TrainingState::Running { epochs: self.epochs });
    }

    /// Writes the page of a run that has come to its end or to an error, and says how it went.
    pub fn end<N>(
        &self,
        run: Result<Trained<N>, TrainingError>,
        output: Output,
    ) -> Result<Trained<N>, Box<dyn Error>> {
        let trained = run.inspect_err(|error| self.stop(&mut self.kept(), error.to_string()))?;
        let mut kept = self.kept();
        kept.at_work = false;
        let state = TrainingState::Ended { early: trained.ended.clone() };
        self.write(&mut kept, &trained.history, state);
        let failed = kept.failed.take();
        drop(kept);
        if let Some(reason) = &trained.ended {
            output.say(format_args!("ended early: {reason}"))?;
        }
        if let Some(found) = RobustOverfitting::of(&epochs(trained.history.clone())) {
            output.say(found)?;
        }
        match failed {
            None => output.say(format_args!("learning curves: {}", self.path().display()))?,
            Some(error) => writeln!(stderr(), "warning: the learning curves: {error}")?,
        }
        Ok(trained)
    }

    /// Writes the page of a run that is about to be ended from outside, for this reason. Nobody
    /// writes it any more after that: whoever wants to, waits for the end of the program.
    pub fn last_words(&self, reason: &str) {
        let mut kept = self.kept();
        self.stop(&mut kept, reason.to_string());
        std::mem::forget(kept);
    }

    /// Writes the page of a run that has stopped after its last checkpoint, unless the run has not
    /// begun or has ended.
    fn stop(&self, kept: &mut Kept, error: String) {
        if std::mem::take(&mut kept.at_work) {
            let info = checkpoint_info(&self.run, CheckpointSelector::Last);
            let history = info.map(|info| info.history).unwrap_or_default();
            self.write(kept, &history, TrainingState::Stopped { error });
        }
    }

    fn write(&self, kept: &mut Kept, history: &[EpochRow], state: TrainingState) {
        let name = self.run.display().to_string();
        let page = TrainingPage::new(name, epochs(history.to_vec()), state);
        kept.failed = page.with_time(SystemTime::now()).write(&self.path()).err();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
        assert!(curves.kept().failed.is_some());
        // The next epoch tries again.
        fs::remove_dir(curves.path()).unwrap();
        curves.go_on(&rows);
        assert!(curves.kept().failed.is_none());
        assert!(fs::read_to_string(curves.path()).unwrap().contains("Epoch 1 of 3 has ended"));

        fs::write(curves.path(), "mine").unwrap();
        curves.go_on(&rows);
        assert!(
            curves.kept().failed.as_ref().unwrap().to_string().contains("no training has written")
        );
        assert_eq!(fs::read_to_string(curves.path()).unwrap(), "mine");
        assert!(Curves::new(folder.path(), 3).is_err());
    }

    #[test]
    fn a_run_that_is_ended_from_outside_says_so_and_is_written_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let page = || fs::read_to_string(folder.path().join("training.html")).unwrap();
        let curves = Curves::new(folder.path(), 3).unwrap();
        // Before the run has begun there is nothing to say.
        curves.clone().stop(&mut curves.kept(), "too early".to_string());
        assert!(!curves.path().exists());
        curves.go_on(&[]);
        assert!(page().contains("Epoch 0 of 3 has ended") && page().contains("last written at"));
        curves.last_words("it was interrupted");
        assert!(page().contains("The training was stopped after epoch 0: it was interrupted."));
        assert!(!page().contains("http-equiv=\"refresh\""));
        assert!(curves.kept.try_lock().is_err());
    }
}
