//! Words of a run to the one who watches it.

use super::Progress;
use crate::Bar;
use crate::bar::write_line;
use std::sync::{Arc, Mutex, MutexGuard};

/// The notices of a run: what it says beside its epochs. Its clones share them.
#[derive(Clone)]
pub(super) struct Notices {
    progress: Progress,
    bar: Bar,
    all: Arc<Mutex<Vec<String>>>,
    /// Those that wait for the dashboard to leave the screen.
    waiting: Arc<Mutex<Vec<String>>>,
}

impl Notices {
    pub fn new(progress: Progress) -> Self {
        let bar = Bar::new(progress != Progress::Lines);
        Self { progress, bar, all: Arc::default(), waiting: Arc::default() }
    }

    /// The bar that lines are printed above.
    pub fn bar(&self) -> Bar {
        self.bar.clone()
    }

    /// Says a line, once there is a place for it; nothing if the run is quiet.
    pub fn say(&self, line: String) {
        match self.progress {
            Progress::Lines => self.bar.print(&line),
            Progress::Dashboard => lock(&self.waiting).push(line.clone()),
            Progress::Quiet => {}
        }
        lock(&self.all).push(line);
    }

    /// Prints what has waited for the end of the dashboard.
    pub fn print_waiting(&self) {
        lock(&self.waiting).drain(..).for_each(write_line);
    }

    /// All that was said, in its order, or would have been in a run that is not quiet.
    pub fn all(&self) -> Vec<String> {
        lock(&self.all).clone()
    }
}

fn lock(lines: &Mutex<Vec<String>>) -> MutexGuard<'_, Vec<String>> {
    lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
