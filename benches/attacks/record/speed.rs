//! Seconds of both sides, in turns.

use super::median;
use crate::ours::{Cost, Model, Name};
use crate::{Result, Settings, machine};
use cni_burn::attacks::evaluation::write_json;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Seconds of both sides.
#[derive(Serialize)]
pub struct Speed {
    machine: Value,
    versions: Value,
    settings: Settings,
    repeats: usize,
    model: Value,
    attacks: BTreeMap<String, Timing>,
}

/// One run of each side.
#[derive(Serialize)]
pub struct Pair {
    pub ours: Cost,
    pub theirs: Cost,
}

/// Medians over the runs.
#[derive(Serialize)]
struct Timing {
    our_seconds: f64,
    their_seconds: f64,
    /// Theirs over ours.
    ratio: f64,
    our_seconds_per_example: f64,
    /// Seconds outside the model over those in it.
    our_share_outside: f64,
    their_share_outside: f64,
    runs: Vec<Pair>,
}

impl Speed {
    pub fn new(settings: &Settings, model: &Model, versions: Value, repeats: usize) -> Self {
        Self {
            machine: machine::facts(machine::threads(), None),
            versions,
            settings: settings.clone(),
            repeats,
            model: model.card.clone(),
            attacks: BTreeMap::new(),
        }
    }

    /// Adds an attack's runs; a line about them.
    pub fn add(&mut self, name: Name, runs: Vec<Pair>) -> String {
        let of = |value: &dyn Fn(&Pair) -> f64| median(runs.iter().map(value).collect());
        let outside = |cost: &Cost| cost.seconds / cost.model_seconds - 1.0;
        let timing = Timing {
            our_seconds: of(&|pair| pair.ours.seconds),
            their_seconds: of(&|pair| pair.theirs.seconds),
            ratio: of(&|pair| pair.theirs.seconds / pair.ours.seconds),
            our_seconds_per_example: of(&|pair| pair.ours.seconds) / self.settings.examples as f64,
            our_share_outside: of(&|pair| outside(&pair.ours)),
            their_share_outside: of(&|pair| outside(&pair.theirs)),
            runs,
        };
        let line = format!(
            "{:<10} ours {:.2} s  theirs {:.2} s  ratio {:.2}  outside the model {:.1} and {:.1} %",
            name.key(),
            timing.our_seconds,
            timing.their_seconds,
            timing.ratio,
            100.0 * timing.our_share_outside,
            100.0 * timing.their_share_outside
        );
        self.attacks.insert(name.key(), timing);
        line
    }

    pub fn save(&self, out: &Path) -> Result<()> {
        Ok(write_json(out, self)?)
    }
}
