//! An evaluation on disk while it runs: how it survives a kill.

use crate::files::{canonical, fingerprint, hash_of, seal, unseal};
use crate::record::store::{read_text, write_whole};
use crate::run::probe::Probe;
use crate::run::state_files::{SETTINGS, clear, clear_checkup, files, is_ours};
use crate::{Evaluation, EvaluationError, NoiseState};
use cni_attacks::{Attack, AttackBatch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The version of the files' layout.
const LAYOUT: u32 = 3;

/// What evaluation a state belongs to.
#[derive(Serialize, Deserialize)]
struct Settings {
    layout: u32,
    /// Whether the evaluation has come to its end, so that nothing is lost with its state.
    finished: bool,
    /// What the evaluation depends on, by name.
    settings: BTreeMap<String, String>,
    /// What the model is known by.
    model: Probe,
}

/// The state of an evaluation in a folder: a file for each batch, state of the noise and attack, and
/// one for each batch's certificates.
pub(crate) struct State {
    folder: PathBuf,
    settings: Settings,
    /// Whether what is there is all of a finished evaluation: what does not fit goes.
    finished: Cell<bool>,
}

#[derive(Serialize, Deserialize)]
struct Saved<T> {
    data: String,
    content: T,
}

impl State {
    /// Takes up the state in a folder, or begins one.
    ///
    /// A state of other settings is an error if its evaluation is unfinished; else it goes, and this one begins.
    pub fn open(
        folder: &Path,
        evaluation: &Evaluation,
        stochastic: bool,
        problem: &AttackBatch,
        model: Probe,
    ) -> Result<Self, EvaluationError> {
        let settings = settings(evaluation, stochastic, problem);
        let settings = Settings { layout: LAYOUT, finished: false, settings, model };
        let finished = Cell::new(false);
        let state = Self { folder: folder.to_path_buf(), settings, finished };
        let path = folder.join(SETTINGS);
        let old = match path.exists() {
            true => Some(read_json::<Settings>(&path)?),
            false => None,
        };
        let difference = old.as_ref().map(|old| state.settings.difference(old));
        match (old, difference) {
            (Some(old), Some(None)) => state.finished.set(old.finished),
            (Some(old), Some(Some((setting, there, here)))) if !old.finished => {
                return Err(EvaluationError::State { path, setting, there, here });
            }
            // Of what evaluation files without settings are nobody knows; they are not ours to remove.
            (None, _) => {
                if let Some(path) = files(folder, is_ours)?.into_iter().next() {
                    let [setting, there, here] = [SETTINGS, "one", "none"].map(String::from);
                    return Err(EvaluationError::State { path, setting, there, here });
                }
                state.write(false)?;
            }
            _ => state.begin_anew()?,
        }
        Ok(state)
    }

    fn write(&self, finished: bool) -> Result<(), EvaluationError> {
        let Settings { layout, settings, model, .. } = &self.settings;
        let (layout, settings, model) = (*layout, settings.clone(), model.clone());
        let all = Settings { layout, finished, settings, model };
        write_whole(&self.folder.join(SETTINGS), seal(&all).as_bytes())
    }

    /// Removes what is there.
    fn begin_anew(&self) -> Result<(), EvaluationError> {
        clear(&self.folder)?;
        self.finished.set(false);
        self.write(false)
    }

    /// Removes what is there of a finished evaluation's checks; whether it was that of one.
    pub fn forgets_checks(&self) -> Result<bool, EvaluationError> {
        let finished = self.finished.replace(false);
        if finished {
            self.write(false)?;
            clear_checkup(&self.folder)?;
        }
        Ok(finished)
    }

    /// Notes that the evaluation has come to its end.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        self.write(true)
    }

    /// The name of what an attack of the suite made of a batch.
    pub fn part(noise: NoiseState, index: usize) -> String {
        format!("{noise}-{index:02}")
    }

    fn path(&self, first: usize, part: &str) -> PathBuf {
        self.folder.join(format!("from-{first:06}-{part}.json"))
    }

    /// A part of what a batch came to, if its file is there.
    pub fn load<T: DeserializeOwned>(
        &self,
        problem: &AttackBatch,
        part: &str,
    ) -> Result<Option<T>, EvaluationError> {
        let first = problem.examples.number(0) as usize;
        let path = self.path(first, part);
        if !path.exists() {
            return Ok(None);
        }
        let saved: Saved<T> = read_json(&path)?;
        let here = data(problem);
        if saved.data != here && self.finished.get() {
            self.begin_anew()?;
            return Ok(None);
        }
        if saved.data != here {
            let setting = format!("data of the batch from example {first}");
            return Err(EvaluationError::State { path, setting, there: saved.data, here });
        }
        Ok(Some(saved.content))
    }

    /// Writes it down. The file is complete or not there.
    pub fn save<T: Serialize>(
        &self,
        problem: &AttackBatch,
        part: &str,
        content: &T,
    ) -> Result<(), EvaluationError> {
        let saved = Saved { data: data(problem), content };
        let first = problem.examples.number(0) as usize;
        write_whole(&self.path(first, part), seal(&saved).as_bytes())
    }
}

impl Settings {
    /// The first setting that an older state has otherwise, with its value there and here.
    fn difference(&self, old: &Self) -> Option<(String, String, String)> {
        let words = |layout: u32| format!("layout {layout}");
        if self.layout != old.layout {
            return Some(("state".to_string(), words(old.layout), words(self.layout)));
        }
        let nothing = || "nothing".to_string();
        let names = self.settings.keys().chain(old.settings.keys());
        for name in names {
            let [there, here] = [&old.settings, &self.settings].map(|all| all.get(name).cloned());
            if there != here {
                let [there, here] = [there, here].map(|value| value.unwrap_or_else(nothing));
                return Some((name.clone(), there, here));
            }
        }
        let alike = self.model.matches(&old.model);
        let other = || ("model".to_string(), "other logits or gradients".to_string());
        (!alike).then(other).map(|(name, there)| (name, there, "this model's".to_string()))
    }
}

/// What an evaluation depends on, in words.
fn settings(
    evaluation: &Evaluation,
    stochastic: bool,
    problem: &AttackBatch,
) -> BTreeMap<String, String> {
    let suite = evaluation.suite.iter();
    let suite: Vec<String> =
        suite.map(|entry| format!("{} ({})", entry.label, &entry.hash[..6])).collect();
    let states: Vec<String> =
        evaluation.states(stochastic).iter().map(NoiseState::to_string).collect();
    let checks = evaluation.audit.as_ref().map_or("none".to_string(), |audit| {
        let names: Vec<&str> = audit.asked().collect();
        format!(
            "{} of {} ({}){}: {}",
            audit.effort(),
            audit.attack().name(),
            &hash_of(&audit.attack().spec())[..6],
            audit.surrogate_name().map_or(String::new(), |name| format!(" with {name:?}")),
            names.join(", ")
        )
    });
    let certificates = evaluation.certificates.as_ref().map_or("none".to_string(), |smoothing| {
        canonical(&serde_json::to_value(smoothing).expect("settings are plain data"))
    });
    BTreeMap::from([
        ("batch".to_string(), problem.len().to_string()),
        ("certificates".to_string(), certificates),
        ("checks".to_string(), checks),
        ("data".to_string(), data(problem)),
        ("draws".to_string(), evaluation.draws.to_string()),
        ("gallery".to_string(), evaluation.gallery.to_string()),
        ("key".to_string(), evaluation.key.to_string()),
        ("model.fingerprint".to_string(), evaluation.model.fingerprint.clone()),
        ("model.precision".to_string(), evaluation.model.precision.clone().unwrap_or_default()),
        ("noise states".to_string(), states.join(", ")),
        ("suite".to_string(), suite.join(", ")),
        ("version".to_string(), env!("CARGO_PKG_VERSION").to_string()),
    ])
}

/// The hash of a batch's pixels and labels.
fn data(problem: &AttackBatch) -> String {
    let pixels = problem.images.to_data();
    let labels = problem.goal.labels().to_data();
    let numbers = format!("{} {}", problem.examples.number(0), problem.len());
    fingerprint(&[numbers.as_bytes(), pixels.as_bytes(), labels.as_bytes()])[..16].to_string()
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EvaluationError> {
    unseal(read_text(path)?.as_bytes()).map_err(|error| EvaluationError::Damaged {
        path: path.to_path_buf(),
        line: Some(error.line()),
        reason: error.to_string(),
    })
}

/// Removes the state of a finished evaluation; of an unfinished one nothing.
pub(crate) fn remove_finished(folder: &Path) -> Result<(), EvaluationError> {
    let path = folder.join(SETTINGS);
    if path.exists() && read_json::<Settings>(&path).is_ok_and(|settings| settings.finished) {
        clear(folder)?;
        // What others have put there stays, and with it the folder.
        let _ = std::fs::remove_dir(folder);
    }
    Ok(())
}
