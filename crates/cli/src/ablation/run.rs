//! The runs of an ablation as processes.

use super::claim::claim;
use super::plan::text;
use super::process::run_to_end;
use super::tie::LOCK as LOCK_OF_COMMAND;
use super::{Phase, Plan, PlanRun, State, folder_of};
use crate::output::Output;
use crate::recipe::is_file;
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The file that a process locks while it is at a run.
const LOCK: &str = ".ablation.lock";

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// It had been done before.
    Before,
    /// It is done now.
    Now,
    /// It came to no number, now or before.
    Failed(String),
    /// Another process is at it.
    Elsewhere,
}

/// Runs the runs of a plan.
pub struct Runner<'a> {
    pub plan: &'a Plan,
    /// The folder of the ablation.
    pub out: &'a Path,
    /// This program.
    pub program: PathBuf,
    /// Runs at the same time.
    pub jobs: usize,
    /// Threads of each run; `None` for as many as it likes.
    pub threads: Option<usize>,
    /// True if runs that failed begin once more.
    pub retry: bool,
    pub output: Output,
}

impl PlanRun<'_> {
    /// The name of the run for people.
    pub fn name(&self) -> String {
        format!("{}, seed {}", self.arm.name, self.seed)
    }
}

impl Runner<'_> {
    /// Runs these runs, several at a time.
    ///
    /// # Errors
    ///
    /// A sentence about the first file that cannot be read or written, or the first run whose
    /// folder holds another. The runs that are at work go on to their end.
    pub fn run(&self, runs: Vec<PlanRun<'_>>) -> Result<Vec<Done>, Box<dyn Error>> {
        // Refusals come before any run begins.
        for run in &runs {
            self.check(run)?;
        }
        let all = runs.len();
        let queue = Mutex::new(runs.into_iter().enumerate());
        let found = Mutex::new(Vec::new());
        std::thread::scope(|threads| {
            for _ in 0..self.jobs.min(all).max(1) {
                threads.spawn(|| {
                    loop {
                        let next = lock(&queue).next();
                        let Some((place, run)) = next else { break };
                        let done = self.one(&run, place, all).map_err(|error| error.to_string());
                        let failed = done.is_err();
                        lock(&found).push(done);
                        if failed {
                            break;
                        }
                    }
                });
            }
        });
        let found = found.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(found.into_iter().collect::<Result<_, String>>()?)
    }

    /// Refuses an arm whose commands would be refused, and arms that would be judged within
    /// different radii.
    ///
    /// # Errors
    ///
    /// A sentence that names the arm, and what its commands say.
    pub fn check_arms(&self) -> Result<(), Box<dyn Error>> {
        for run in self.plan.runs().take(self.plan.arms.len()) {
            for arguments in self.commands(&run)? {
                let checked = crate::commands::check(&arguments);
                checked.map_err(|error| format!("arm {}: {error}", run.arm.name))?;
            }
        }
        self.plan.check_radii()
    }

    /// The two commands of a run, without the folders that they write to.
    fn commands(&self, run: &PlanRun<'_>) -> Result<[Vec<String>; 2], Box<dyn Error>> {
        let mut train: Vec<String> =
            ["train", "--recipe", &self.plan.recipe, "--seed"].map(String::from).to_vec();
        train.push(run.seed.to_string());
        for (path, value) in self.plan.set.iter().chain(&run.arm.set) {
            train.extend(["--set".to_string(), format!("{path}={}", toml_of(value)?)]);
        }
        train.extend(self.plan.train.iter().cloned());
        let mut evaluate = vec!["evaluate".to_string(), "--name".to_string(), run.name()];
        evaluate.extend(self.plan.evaluate.iter().cloned());
        Ok([train, evaluate])
    }

    /// The commands as the state of a run has them.
    fn state(&self, run: &PlanRun<'_>, phase: Phase) -> Result<State, Box<dyn Error>> {
        let [train, evaluate] = self.commands(run)?;
        let mut commands = json!({ "train": train, "evaluate": evaluate });
        // The content of a file counts, not its name alone.
        let at = evaluate.iter().position(|word| word == "--attacks");
        let attacks = at.and_then(|at| evaluate.get(at + 1));
        let recipe = Some(&self.plan.recipe).filter(|recipe| is_file(Path::new(recipe)));
        for (field, path) in [("attacks", attacks), ("recipe", recipe)] {
            if let Some(path) = path {
                let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                commands[field] = text.into();
            }
        }
        Ok(State { commands, phase })
    }

    /// Refuses a folder that holds another run.
    fn check(&self, run: &PlanRun<'_>) -> Result<(), Box<dyn Error>> {
        let folder = folder_of(self.out, run);
        let Some(there) = State::read(&folder)? else {
            let ours = |file: &fs::DirEntry| {
                [LOCK, LOCK_OF_COMMAND].into_iter().any(|name| file.file_name() == name)
            };
            let mut files = fs::read_dir(&folder).into_iter().flatten().flatten();
            let strange = files.find(|file| !ours(file));
            return match strange {
                Some(_) => {
                    let wanted = "files that no ablation has written, wanted a folder without them";
                    Err(format!("{}: {wanted}", folder.display()).into())
                }
                None => Ok(()),
            };
        };
        let here = self.state(run, Phase::Begun)?.commands;
        let contents = [
            ("attacks", "was judged by other attacks than those of the file --attacks"),
            ("recipe", "was trained by another recipe than that of the plan's file"),
        ];
        let both = [&there.commands, &here];
        // Runs of earlier versions have no recipe.
        let have = |field: &str| both.iter().all(|commands| commands[field].is_string());
        let differ = |field: &str| have(field) && both[0][field] != both[1][field];
        if let Some((_, other)) = contents.into_iter().find(|(field, _)| differ(field)) {
            return Err(format!(
                "{}: {other}; take another --out, or the file that it was begun with",
                folder.display()
            )
            .into());
        }
        let words = |commands: &Value, of: &str| {
            let mut words: Vec<String> =
                commands[of].as_array().into_iter().flatten().map(text).collect();
            // The place of a recipe's file does not count.
            if have("recipe")
                && let Some(at) = words.iter().position(|word| word == "--recipe")
            {
                words.drain(at..(at + 2).min(words.len()));
            }
            words.join(" ")
        };
        let [wanted, got] = both.map(|of| ["train", "evaluate"].map(|command| words(of, command)));
        let Some(differ) = (0..2).find(|&of| got[of] != wanted[of]) else { return Ok(()) };
        Err(format!(
            "{}: holds another run: got `{}`, wanted `{}`; take another --out, or the plan that it \
             was begun with",
            folder.display(),
            got[differ],
            wanted[differ]
        )
        .into())
    }

    /// Runs one run, if it is not done.
    fn one(&self, run: &PlanRun<'_>, place: usize, all: usize) -> Result<Done, Box<dyn Error>> {
        let folder = folder_of(self.out, run);
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let Some(_lock) = claim(&folder.join(LOCK))? else {
            self.say(run, place, all, "another process is at it")?;
            return Ok(Done::Elsewhere);
        };
        match State::read(&folder)?.map(|state| state.phase) {
            Some(Phase::Done) => return Ok(Done::Before),
            Some(Phase::Failed { reason }) if !self.retry => return Ok(Done::Failed(reason)),
            _ => {}
        }
        self.state(run, Phase::Begun)?.write(&folder)?;
        self.say(run, place, all, "begins")?;
        let [train, evaluate] = self.commands(run)?;
        let of = |flag: &str, path: &Path| [flag.into(), path.as_os_str().to_owned()];
        let places = [of("--out", &folder).to_vec(), vec!["--resume".into(), "--quiet".into()]];
        let judged = folder.join("evaluation");
        let judging = [of("--run", &folder).to_vec(), of("--out", &judged).to_vec()];
        let judging = [judging.concat(), vec!["--quiet".into()]];
        for (arguments, places) in [(train, places.concat()), (evaluate, judging.concat())] {
            let mut command = Command::new(&self.program);
            command.args(arguments).args(places);
            if let Some(threads) = self.threads {
                command.env("RAYON_NUM_THREADS", threads.to_string());
            }
            if let Some(reason) = run_to_end(command, &folder)? {
                self.say(run, place, all, &format!("failed: {reason}"))?;
                let phase = Phase::Failed { reason: reason.clone() };
                self.state(run, phase)?.write(&folder)?;
                return Ok(Done::Failed(reason));
            }
        }
        self.state(run, Phase::Done)?.write(&folder)?;
        self.say(run, place, all, "done")?;
        Ok(Done::Now)
    }

    fn say(&self, run: &PlanRun<'_>, place: usize, all: usize, what: &str) -> std::io::Result<()> {
        self.output.say(format_args!("{} of {all}, {}: {what}", place + 1, run.name()))
    }
}

/// A value as TOML has it within a line.
pub(super) fn toml_of(value: &Value) -> Result<String, toml::ser::Error> {
    Ok(toml::Value::try_from(value)?.to_string())
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
