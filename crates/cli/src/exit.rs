//! The exit codes.

use std::process::ExitCode;

/// The end of a command. clap ends the program by itself, with code 2, for arguments that it cannot
/// read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for is done.
    Done,
    /// Something was refused or has failed.
    Failed,
    /// Everything is done, and the answer is no.
    Negative,
}

/// The exit codes as `--help` lists them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  refused or failed; one sentence on standard error says why
  2  arguments that cannot be read
  3  done, with a negative answer: check-device found a difference, a check of
     `evaluate --strict` or `merge --strict` failed, or runs of `ablate` failed or are missing
     (with `--shard` that is left to the command that makes the record)";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Negative => 3,
        })
    }
}
