//! Text for people and results for programs.

use clap::Args;
use serde::Serialize;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, ErrorKind, Write, stderr, stdout};

/// The output of a command: text or JSON.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// Print the results as JSON on standard output, and text for people on standard error.
    #[arg(long)]
    pub json: bool,
}

impl Output {
    /// Prints text for people.
    pub fn say(self, text: impl Display) -> io::Result<()> {
        match self.json {
            true => writeln!(stderr(), "{text}"),
            false => writeln!(stdout(), "{text}"),
        }
    }

    /// Prints the results of the command, if they are wanted as JSON.
    pub fn result(self, result: &impl Serialize) -> io::Result<()> {
        if self.json {
            let text = serde_json::to_string_pretty(result)?;
            writeln!(stdout(), "{text}")?;
        }
        Ok(())
    }
}

/// True if an error says that nobody reads the output any more.
pub fn reader_left(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
