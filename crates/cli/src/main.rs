//! The command `cni`: trains noisy models, attacks and judges them, writes reports, and checks
//! devices.

mod ablation;
mod checkpoint;
mod commands;
mod compute;
mod conclusion;
mod curves;
mod data;
mod ending;
mod exit;
mod given;
mod model;
mod output;
mod place;
mod privacy;
mod progress;
mod proportion;
mod recipe;
mod selector;
mod suites;
mod threat;
mod values;

use exit::Exit;
use std::io::{Write, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run()
        .unwrap_or_else(|error| {
            // A reader that has seen enough, such as `head`, is no error.
            if !output::reader_left(&*error) {
                let _ = writeln!(stderr(), "error: {error}");
            }
            Exit::Failed
        })
        .into()
}
