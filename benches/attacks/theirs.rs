//! The side of the references: `benches/attacks_peer.py` in a process of its own.

use crate::ours::{Cost, Name};
use crate::{Result, Settings, root};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The results of the references, or a process that is ready to run them.
pub struct Theirs {
    record: Value,
    served: Option<Served>,
}

struct Served {
    process: Child,
    tasks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

fn command(settings: &Settings, weights: &Path) -> Command {
    let mut command = Command::new(&settings.python);
    command.arg(root().join("benches/attacks_peer.py"));
    command.arg("--weights").arg(weights).arg("--data").arg(&settings.data);
    let threads = crate::machine::threads();
    for (name, value) in [
        ("--examples", settings.examples.to_string()),
        ("--epsilon", settings.epsilon.clone()),
        ("--norm", settings.norm.clone()),
        ("--batch", settings.batch.to_string()),
        ("--threads", threads.to_string()),
        ("--targeted-iterations", settings.targeted_iterations.to_string()),
        ("--queries", settings.queries.to_string()),
        ("--cw-search", settings.cw_search.to_string()),
        ("--cw-steps", settings.cw_steps.to_string()),
    ] {
        command.args([name, &value]);
    }
    command
}

impl Theirs {
    /// Runs the references on all images.
    pub fn run(settings: &Settings, weights: &Path, out: &Path) -> Result<Self> {
        let names: Vec<String> = settings.attacks.iter().map(|name| name.key()).collect();
        let mut command = command(settings, weights);
        let status =
            command.args(["--attacks", &names.join(",")]).arg("--out").arg(out).status()?;
        if !status.success() {
            return Err(format!("benches/attacks_peer.py: {status}").into());
        }
        Ok(Self { record: serde_json::from_slice(&std::fs::read(out)?)?, served: None })
    }

    /// Starts the references, which then wait for [`once`](Self::once). With `channels_last` they
    /// use the memory format in which PyTorch's convolutions are faster.
    pub fn serve(settings: &Settings, weights: &Path, channels_last: bool) -> Result<Self> {
        let mut command = command(settings, weights);
        if channels_last {
            command.arg("--channels-last");
        }
        command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let tasks = process.stdin.take().ok_or("the peer has no standard input")?;
        let output = process.stdout.take().ok_or("the peer has no standard output")?;
        let mut answers = BufReader::new(output).lines();
        let hello = answers.next().ok_or("benches/attacks_peer.py ended before it began")??;
        let served = Some(Served { process, tasks, answers });
        Ok(Self { record: serde_json::from_str(&hello)?, served })
    }

    pub fn versions(&self) -> Value {
        self.record["versions"].clone()
    }

    pub fn clean(&self) -> Result<Vec<u8>> {
        Ok(serde_json::from_value(self.record["clean"].clone())?)
    }

    pub fn attack(&self, name: Name) -> Result<Value> {
        let found = self.record["attacks"].get(name.key());
        Ok(found.cloned().ok_or_else(|| format!("the peer has no attack {}", name.key()))?)
    }

    /// One run of an attack on the first `examples` images.
    pub fn once(&mut self, name: Name, examples: usize) -> Result<Cost> {
        let served = self.served.as_mut().ok_or("the peer was not started")?;
        writeln!(served.tasks, "{} {examples}", name.key())?;
        let answer =
            served.answers.next().ok_or_else(|| format!("the peer ended in {}", name.key()))??;
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The peer waits for its next task, so nothing is lost. If the call fails, the peer has
        // already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
