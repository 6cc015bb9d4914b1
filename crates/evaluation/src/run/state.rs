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

/// The name of the entry that holds the certificates of a batch.
pub(crate) const CERTIFICATES: &str = "certificates";

/// The state of an evaluation on disk: the result of each attack on each batch.
pub(crate) struct State(Checkpoint);

impl State {
    /// The settings of an evaluation, whose first batch is `batch`.
    pub fn settings(
        evaluation: &Evaluation,
        stochastic: bool,
        batch: &AttackBatch,
        model: Probe,
    ) -> Settings {
        let settings = settings(evaluation, stochastic, batch);
        let models = vec![("model".to_string(), model)];
        Settings::new("unfinished evaluation", settings, models, files())
    }

    /// Opens the checkpoint in a folder, or begins one.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, EvaluationError> {
        Ok(Self(Checkpoint::open(folder, settings)?))
    }

    /// The name of the entry for attack number `index` in a state of the noise.
    pub fn part(noise: NoiseState, index: usize) -> String {
        format!("{noise}-{index:02}")
    }

    /// Loads an entry of a batch, if its file is there.
    pub fn load<T: DeserializeOwned>(
        &self,
        batch: &AttackBatch,
        part: &str,
    ) -> Result<Option<T>, EvaluationError> {
        let first = batch.examples.id(0);
        let of = format!("the batch from example {first}");
        self.0.load(&entry(first, part), &data_of(batch), &of)
    }

    /// Saves an entry of a batch. A kill leaves the file complete or absent.
    pub fn save(
        &self,
        batch: &AttackBatch,
        part: &str,
        content: &impl Serialize,
    ) -> Result<(), EvaluationError> {
        self.0.save(&entry(batch.examples.id(0), part), &data_of(batch), content)
    }

    /// Removes the checks of a finished evaluation; true if the evaluation had finished.
    pub fn forgets_checks(&self) -> Result<bool, EvaluationError> {
        self.0.begin_part_anew(AUDIT)
    }

    /// Notes that the evaluation has finished.
    pub fn finish(&self) -> Result<(), EvaluationError> {
        self.0.finish()
    }
}

fn entry(first: u64, part: &str) -> String {
    format!("from-{first:06}-{part}")
}

/// The names of the files that the checkpoint and the audit within it may hold.
fn files() -> Vec<String> {
    let states = [NoiseState::Live, NoiseState::Off, NoiseState::Fixed];
    let entries = states.map(|noise| format!("from-######-{noise}-##.json")).into_iter();
    let entries = entries.chain([format!("from-######-{CERTIFICATES}.json")]);
    let checks = Audit::files().into_iter().chain([SETTINGS.to_string()]);
    entries.chain(checks.map(|name| format!("{AUDIT}/{name}"))).collect()
}

/// The settings on which the result of an evaluation depends, in words.
fn settings(
    evaluation: &Evaluation,
    stochastic: bool,
    batch: &AttackBatch,
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
        ("attack precision", evaluation.attack_precision.to_string()),
        ("batch", batch.len().to_string()),
        ("budget", budget),
        ("cascade", evaluation.cascade.is_some().to_string()),
        ("certificates", certificates),
        ("checks", checks),
        ("data", data_of(batch)),
        ("draws", evaluation.draws.to_string()),
        ("epsilons", epsilons.join(", ")),
        ("gallery", evaluation.gallery.to_string()),
        ("judging precision", evaluation.judging_precision.to_string()),
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
