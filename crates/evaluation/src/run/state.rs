//! The checkpoint of an evaluation: an entry for each batch, state of the noise and attack, and one
//! for the certificates of each batch.

use crate::audit::Audit;
use crate::checkpoint::{Checkpoint, Probe, SETTINGS, Settings, data_of};
use crate::files::{canonical, hash_of};
use crate::run::auditor::AUDIT;
use crate::run::identity::Entry;
use crate::{Evaluation, EvaluationError, NoiseState};
use cni_attacks::{Attack, AttackBatch};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// The part of a batch's results that are its certificates.
pub(crate) const CERTIFICATES: &str = "certificates";

/// What each attack made of each batch, on disk.
pub(crate) struct State(Checkpoint);

impl State {
    /// Takes up the checkpoint in a folder, or begins one. `problem` is the first batch.
    pub fn open(
        folder: &Path,
        evaluation: &Evaluation,
        stochastic: bool,
        problem: &AttackBatch,
        model: Probe,
    ) -> Result<Self, EvaluationError> {
        let settings = settings(evaluation, stochastic, problem);
        let models = vec![("model".to_string(), model)];
        let settings = Settings::new("unfinished evaluation", settings, models, files());
        Ok(Self(Checkpoint::open(folder, settings)?))
    }

    /// The part of a batch's results that attack number `index` made in a state of the noise.
    pub fn part(noise: NoiseState, index: usize) -> String {
        format!("{noise}-{index:02}")
    }

    /// A part of a batch's results, if its file is there.
    pub fn load<T: DeserializeOwned>(
        &self,
        problem: &AttackBatch,
        part: &str,
    ) -> Result<Option<T>, EvaluationError> {
        let first = problem.examples.id(0);
        let of = format!("the batch from example {first}");
        self.0.load(&entry(first, part), &data_of(problem), &of)
    }

    /// Writes it down. The file is complete or not there.
    pub fn save(
        &self,
        problem: &AttackBatch,
        part: &str,
        content: &impl Serialize,
    ) -> Result<(), EvaluationError> {
        self.0.save(&entry(problem.examples.id(0), part), &data_of(problem), content)
    }

    /// Removes the checks of a finished evaluation; whether it was that of one.
    pub fn forgets_checks(&self) -> Result<bool, EvaluationError> {
        self.0.begin_part_anew(AUDIT)
    }

    /// Notes that the evaluation has come to its end.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        self.0.finish()
    }
}

fn entry(first: u64, part: &str) -> String {
    format!("from-{first:06}-{part}")
}

/// The names of the files that the checkpoint may hold, and that of the audit within.
fn files() -> Vec<String> {
    let states = [NoiseState::Live, NoiseState::Off, NoiseState::Fixed];
    let entries = states.map(|noise| format!("from-######-{noise}-##.json")).into_iter();
    let entries = entries.chain([format!("from-######-{CERTIFICATES}.json")]);
    let checks = Audit::files().into_iter().chain([SETTINGS.to_string()]);
    entries.chain(checks.map(|name| format!("{AUDIT}/{name}"))).collect()
}

/// What an evaluation depends on, in words.
fn settings(
    evaluation: &Evaluation,
    stochastic: bool,
    problem: &AttackBatch,
) -> BTreeMap<String, String> {
    let short = |suite: &[Entry]| {
        let words = suite.iter().map(|entry| format!("{} ({})", entry.label, &entry.hash[..6]));
        words.collect::<Vec<_>>().join(", ")
    };
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
    let budget = &evaluation.budget;
    let limit = |what: &str, limit: Option<String>| limit.map(|limit| format!("{limit} {what}"));
    let limits = [
        limit("forward passes", budget.forwards.map(|n| n.to_string())),
        limit("backward passes", budget.backwards.map(|n| n.to_string())),
        limit("seconds", budget.time.map(|time| time.as_secs_f64().to_string())),
    ];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    let budget = if limits.is_empty() { "none".to_string() } else { limits.join(", ") };
    let epsilons: Vec<String> =
        evaluation.radii.iter().map(|radius| radius.epsilon.to_string()).collect();
    let mut settings = BTreeMap::from([
        ("batch", problem.len().to_string()),
        ("budget", budget),
        ("cascade", evaluation.cascade.is_some().to_string()),
        ("certificates", certificates),
        ("checks", checks),
        ("data", data_of(problem)),
        ("draws", evaluation.draws.to_string()),
        ("epsilons", epsilons.join(", ")),
        ("gallery", evaluation.gallery.to_string()),
        ("key", evaluation.key.to_string()),
        ("model.fingerprint", evaluation.model.fingerprint.clone()),
        ("model.precision", evaluation.model.precision.clone().unwrap_or_default()),
        ("noise states", states.join(", ")),
        ("suite", short(&evaluation.suite)),
        ("version", env!("CARGO_PKG_VERSION").to_string()),
    ]);
    for words in settings.values_mut().filter(|words| words.is_empty()) {
        *words = "nothing".to_string();
    }
    settings.into_iter().map(|(name, words)| (name.to_string(), words)).collect()
}
