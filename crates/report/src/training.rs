//! The page of a training while it runs, and after it.

use crate::format::utc;
use crate::html::{TrainingView, training_page};
use crate::{ReportError, content};
use cni_evaluation::{Epoch, EvaluationError, write_whole};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// The mark in the page by which it is known as ours.
const GENERATOR: &str = "cni-report, learning curves";
/// Seconds after which an open page of a training that runs loads itself anew.
const RELOAD: u32 = 10;

/// The learning curves of a training as a page: one file that needs no script and loads nothing.
///
/// It has a curve for every score and amplitude that the epochs have, robust overfitting in words,
/// and the best epoch marked. While the training runs, an open page loads itself anew every ten
/// seconds. One whose training was killed does so until it is written again: what tells the two
/// apart is [the time](Self::with_time) of the last writing, which the page says.
///
/// ```
/// use cni_evaluation::Epoch;
/// use cni_report::{TrainingPage, TrainingState};
/// let epoch = Epoch {
///     epoch: 1,
///     scores: [("validation robust".to_string(), 0.31)].into(),
///     ..Epoch::default()
/// };
/// let page = TrainingPage::new("runs/cni", vec![epoch], TrainingState::Running { epochs: 30 });
/// assert!(page.html().contains("http-equiv=\"refresh\""));
/// ```
#[derive(Clone, Debug)]
pub struct TrainingPage {
    title: String,
    epochs: Vec<Epoch>,
    state: TrainingState,
    time: Option<SystemTime>,
}

/// The state of a training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingState {
    /// It runs, and is to have so many epochs.
    Running {
        /// The epochs in all.
        epochs: usize,
    },
    /// It has ended: after its last epoch, or before for this reason.
    Ended {
        /// The reason.
        early: Option<String>,
    },
    /// It was stopped by an error.
    Stopped {
        /// The error.
        error: String,
    },
}

impl TrainingPage {
    /// The page of a training of this name with the epochs so far.
    pub fn new(name: impl Into<String>, epochs: Vec<Epoch>, state: TrainingState) -> Self {
        let name: String = name.into();
        let title = name.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { title, epochs, state, time: None }
    }

    /// Sets the time at which the page is written, which it says to the second. By default it says
    /// none.
    pub fn with_time(self, time: SystemTime) -> Self {
        Self { time: Some(time), ..self }
    }

    /// The HTML of the page.
    pub fn html(&self) -> String {
        let done = self.epochs.last().map_or(0, |epoch| epoch.epoch);
        let (lead, reload) = match &self.state {
            TrainingState::Running { epochs } => {
                let lead = format!(
                    "Epoch {done} of {epochs} has ended. The training runs, and this page loads \
                     itself anew every {RELOAD} seconds."
                );
                (lead, Some(RELOAD))
            }
            TrainingState::Ended { early: None } => {
                (format!("The training has ended after epoch {done}."), None)
            }
            TrainingState::Ended { early: Some(reason) } => {
                (format!("The training has ended early, after epoch {done}: {reason}."), None)
            }
            TrainingState::Stopped { error } => {
                (format!("The training was stopped after epoch {done}: {error}."), None)
            }
        };
        let lead = match self.time.map(utc) {
            None => lead,
            Some(time) if reload.is_some() => format!(
                "{lead} It was last written at {time}, as after every epoch. If that is much \
                 longer ago than an epoch takes, the training may have stopped, such as by a kill."
            ),
            Some(time) => format!("{lead} Written at {time}."),
        };
        let title = if self.title.is_empty() { "training" } else { &self.title };
        let blocks = content::of_epochs(&self.epochs);
        let (lead, blocks) = (lead.as_str(), blocks.as_slice());
        training_page(&TrainingView { title, generator: GENERATOR, reload, lead, blocks })
    }

    /// Writes the page to a file, in place of an earlier one: beside it first, so that a reader
    /// never sees half a page.
    ///
    /// # Errors
    ///
    /// [`ReportError::NotOurs`] for a file there that is no such page, which stays as it is;
    /// [`ReportError::Evaluation`] if the file cannot be read or written.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        Self::check(path)?;
        Ok(write_whole(path, self.html().as_bytes())?)
    }

    /// Refuses a file of somebody else in the place of a page.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write), except for writing.
    pub fn check(path: &Path) -> Result<(), ReportError> {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => {
                let path = path.to_path_buf();
                Err(EvaluationError::Io { path, source }.into())
            }
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(GENERATOR) => Ok(()),
            Ok(_) => Err(ReportError::NotOurs(path.to_path_buf())),
        }
    }
}
