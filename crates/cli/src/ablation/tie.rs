//! The tie of a command to the ablation that began it: it ends with the ablation, however that
//! ends.
//!
//! An ablation that is killed can tell nobody. So it holds the writing end of a pipe that is the
//! standard input of its command, and writes nothing: the system closes that end with the ablation,
//! and a thread of the command, which reads to the end of its input, then ends the command.
//! Whatever a command has on disk is whole whenever it ends, and the next one goes on from there.
//!
//! Between the end of an ablation and that of its command, another ablation may begin the same run.
//! It has the lock of the run, since that went with the first ablation. So a command locks a file
//! of its own, for as long as it lives, and waits for it first. Only a command whose ablation has
//! ended can hold the file then, and that one is about to end: nobody waits for long, and no two
//! commands work at once.

use crate::ending::last_words;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _, stderr, stdin};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// The variable that names the file to lock to a command of an ablation.
const VARIABLE: &str = "CNI_ABLATION_LOCK";

/// The file that a command locks, in the folder of its run.
pub const LOCK: &str = ".ablation.command.lock";

/// The lock of a command of an ablation, until it is dropped or the process ends.
pub struct Tie(#[expect(dead_code, reason = "an open file holds the lock")] File);

/// The tie of this process; none if no ablation has begun it.
///
/// # Errors
///
/// A sentence about a file that cannot be opened or locked.
pub fn tie() -> Result<Option<Tie>, Box<dyn Error>> {
    match env::var_os(VARIABLE) {
        Some(path) => Ok(Some(tie_to(path)?)),
        None => Ok(None),
    }
}

fn tie_to(path: OsString) -> Result<Tie, Box<dyn Error>> {
    // It watches first: a command that waits ends with its ablation too.
    std::thread::Builder::new().name("tie".to_string()).spawn(watch)?;
    let path = Path::new(&path);
    let io = |error: io::Error| format!("{}: {error}", path.display());
    let file = File::options().create(true).append(true).open(path).map_err(io)?;
    match file.lock() {
        Ok(()) => Ok(Tie(file)),
        // Some network file systems have no locks. There the user has to take care.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Tie(file)),
        Err(error) => Err(io(error).into()),
    }
}

/// Ends the process at the end of its input.
fn watch() {
    let mut byte = [0];
    loop {
        match stdin().read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // An error tells no more than the end.
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let reason = "the ablation that began it has ended";
    last_words(reason);
    let _ = writeln!(stderr(), "stopped: {reason}");
    std::process::exit(1)
}

/// A command of an ablation at work.
pub struct Tied {
    child: Child,
    /// The writing end of the command's input, which nobody writes to.
    end: Option<ChildStdin>,
}

impl Tied {
    /// Begins a command that ends with this process, and that locks this file.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn begin(command: &mut Command, lock: &Path) -> io::Result<Self> {
        let mut child = command.env(VARIABLE, lock).stdin(Stdio::piped()).spawn()?;
        let end = child.stdin.take();
        Ok(Self { child, end })
    }

    /// Waits for the end of the command.
    ///
    /// # Errors
    ///
    /// If the system does not tell of it.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        drop(self.end.take());
        status
    }
}
