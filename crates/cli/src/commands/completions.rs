//! Completions of shells.

use crate::exit::Exit;
use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::error::Error;
use std::io::{Write, stdout};

/// The flags of `completions`.
#[derive(Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub fn completions(args: &Completions, mut command: Command) -> Result<Exit, Box<dyn Error>> {
    // Written at once: the generator itself panics if nobody reads.
    let mut script = Vec::new();
    generate(args.shell, &mut command, "cni", &mut script);
    stdout().write_all(&script)?;
    Ok(Exit::Done)
}
