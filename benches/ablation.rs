//! An ablation by several runs at once, against the same runs one after the other.
//! `benches/README.md` explains the output.

#[path = "compare/machine.rs"]
#[expect(dead_code, reason = "the memory of a process is for other benches")]
mod machine;

use clap::Parser;
use cni_burn::evaluation::write_json;
use serde_json::json;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Times `cni ablate` by one job and by several, in turns.
#[derive(Parser)]
struct Cli {
    /// The plan: by default of runs of which one cannot fill two cores.
    #[arg(long, default_value = "benches/ablation.toml")]
    plan: PathBuf,
    /// Runs at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Timed ablations of each kind.
    #[arg(long, default_value_t = 1)]
    repeats: usize,
    /// The file for the record.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let [mut alone, mut together] = [Vec::new(), Vec::new()];
    for _ in 0..cli.repeats {
        for (jobs, seconds) in [(1, &mut alone), (cli.jobs, &mut together)] {
            seconds.push(ablate(&cli.plan, jobs)?);
            println!("{jobs} at a time: {:.1} s", seconds[seconds.len() - 1]);
        }
    }
    let ratio = together.iter().sum::<f64>() / alone.iter().sum::<f64>();
    println!("{} at a time take {ratio:.2} of the time of one after the other", cli.jobs);
    if let Some(out) = &cli.out {
        let record = json!({
            "machine": machine::facts(machine::threads(), None),
            "plan": cli.plan,
            "jobs": cli.jobs,
            "seconds_one_at_a_time": alone,
            "seconds_several_at_a_time": together,
            "ratio": ratio,
        });
        write_json(&root().join(out), &record)?;
    }
    Ok(())
}

/// The seconds of a whole ablation into a new folder.
fn ablate(plan: &Path, jobs: usize) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_cni"));
    command.current_dir(root()).args(["ablate", "--jobs", &jobs.to_string()]);
    command.arg("--plan").arg(plan).arg("--out").arg(folder.path().join("ablation"));
    let started = Instant::now();
    let output = command.output()?;
    let seconds = started.elapsed().as_secs_f64();
    match output.status.success() {
        true => Ok(seconds),
        false => Err(String::from_utf8_lossy(&output.stderr).into()),
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
