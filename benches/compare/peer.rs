//! The PyTorch side: `benches/peer.py` in processes of its own.

use crate::{Result, root};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running peer. It works only while a task is asked of it.
pub struct Peer {
    python: String,
    arguments: [String; 3],
    torch: String,
    cuda: bool,
    process: Child,
    tasks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts the peer; `None`, with a message, if the interpreter or PyTorch is missing.
    /// `limit` is the number of seconds that the peer gives one run of a task, or its warm-up.
    pub fn start(python: &str, threads: usize, batch: usize, limit: usize) -> Result<Option<Self>> {
        let options = [("threads", threads), ("batch", batch), ("limit", limit)];
        let arguments = options.map(|(name, value)| format!("--{name}={value}"));
        let missing = |why: &str| {
            println!("PyTorch is missing ({python}: {why}); measuring ours alone");
            Ok(None)
        };
        let mut process = match command(python, "serve", &arguments).stdin(Stdio::piped()).spawn() {
            Ok(process) => process,
            Err(error) => return missing(&error.to_string()),
        };
        let tasks = process.stdin.take().ok_or("the peer has no standard input")?;
        let output = process.stdout.take().ok_or("the peer has no standard output")?;
        let mut answers = BufReader::new(output).lines();
        let Some(hello) = answers.next() else {
            return missing(&process.wait()?.to_string());
        };
        let hello: Value = serde_json::from_str(&hello?)?;
        let torch = hello["torch"].as_str().unwrap_or_default().to_string();
        let (python, cuda) = (python.to_string(), hello["cuda"] == true);
        Ok(Some(Self { python, arguments, torch, cuda, process, tasks, answers }))
    }

    /// The version of PyTorch.
    pub fn torch(&self) -> &str {
        &self.torch
    }

    /// True if PyTorch finds a CUDA device.
    pub fn cuda(&self) -> bool {
        self.cuda
    }

    /// The seconds of one run of a task; the first run in this process has warmed it up. If the
    /// peer says that this machine cannot run the task, its reason.
    pub fn seconds(&mut self, task: &str) -> Result<std::result::Result<f64, String>> {
        writeln!(self.tasks, "{task}")?;
        let answer = self.answers.next().ok_or_else(|| format!("the peer ended in {task}"))??;
        let answer: Value = serde_json::from_str(&answer)?;
        if let Some(reason) = answer["skipped"].as_str() {
            return Ok(Err(reason.to_string()));
        }
        Ok(Ok(answer["seconds"].as_f64().ok_or("the peer's answer has no seconds")?))
    }

    /// Frees the models of all tasks so far.
    pub fn forget(&mut self) -> Result<()> {
        Ok(writeln!(self.tasks, "forget")?)
    }

    /// One run of a task after a warm-up, in a process of its own, with everything that the peer
    /// reports.
    pub fn once(&self, task: &str) -> Result<Value> {
        let mut command = command(&self.python, task, &self.arguments);
        let output = command.args(["--repeats", "1"]).stderr(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(format!("the peer's {task}: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The peer waits for its next task, so nothing is lost. If the call fails, the peer has
        // already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(python: &str, task: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(python);
    command.arg(root().join("benches/peer.py")).arg(task).args(arguments).stdout(Stdio::piped());
    command
}
