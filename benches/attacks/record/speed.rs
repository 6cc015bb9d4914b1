//! The record of the seconds of both sides, in turns.

use super::median;
use crate::ours::{Cost, Model, Name};
use crate::{Result, Settings, machine};
use cni_burn::evaluation::write_json;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The seconds of both sides.
#[derive(Serialize)]
pub struct Speed {
    machine: Value,
    versions: Value,
    settings: Settings,
    repeats: usize,
    model: Value,
    attacks: BTreeMap<String, Timing>,
}

/// One run of each side, all on the same images.
#[derive(Serialize)]
pub struct Turn {
    pub ours: Cost,
    pub theirs: Cost,
    /// The cost of the references with PyTorch's faster memory format.
    pub theirs_channels_last: Cost,
}

/// The medians over the turns.
#[derive(Serialize)]
struct Timing {
    /// The number of images that both sides attacked.
    attacked: usize,
    ours: Side,
    theirs: Versus,
    theirs_channels_last: Versus,
    turns: Vec<Turn>,
}

/// The cost of one side.
#[derive(Serialize)]
struct Side {
    seconds: f64,
    /// The microseconds of a pass; a backward pass counts as two forward passes.
    microseconds_per_pass: f64,
    /// The seconds outside the model divided by those in it.
    share_outside: f64,
}

/// A reference in comparison: above 1 we are faster.
#[derive(Serialize)]
struct Versus {
    #[serde(flatten)]
    side: Side,
    /// Its seconds divided by ours for the same images, whatever the number of passes.
    ratio: f64,
    /// Its time of a pass divided by ours.
    ratio_per_pass: f64,
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

    /// Adds the turns of an attack, and returns lines about them.
    pub fn add(&mut self, name: Name, turns: Vec<Turn>) -> Result<String> {
        let attacked = turns.first().map_or(0, |turn| turn.ours.attacked);
        let sides = |turn: &Turn| {
            [turn.ours.attacked, turn.theirs.attacked, turn.theirs_channels_last.attacked]
        };
        if let Some(turn) = turns.iter().find(|turn| sides(turn) != [attacked; 3]) {
            return Err(format!(
                "{}: the sides attack different images: {:?} of them",
                name.key(),
                sides(turn)
            )
            .into());
        }
        let timing = Timing {
            attacked,
            ours: Side::new(turns.iter().map(|turn| &turn.ours)),
            theirs: Versus::new(&turns, |turn| &turn.theirs),
            theirs_channels_last: Versus::new(&turns, |turn| &turn.theirs_channels_last),
            turns,
        };
        let mut lines = format!("{:<10} {attacked} images  {}", name.key(), timing.ours);
        for (side, versus) in
            [("theirs", &timing.theirs), ("channels-last", &timing.theirs_channels_last)]
        {
            lines += &format!(
                "\n  {side:<14} {}  / ours {:.2} for the images, {:.2} per pass",
                versus.side, versus.ratio, versus.ratio_per_pass
            );
        }
        self.attacks.insert(name.key(), timing);
        Ok(lines)
    }

    pub fn save(&self, out: &Path) -> Result<()> {
        Ok(write_json(out, self)?)
    }
}

impl Side {
    fn new<'a>(costs: impl Iterator<Item = &'a Cost> + Clone) -> Self {
        let of = |value: fn(&Cost) -> f64| median(costs.clone().map(value).collect());
        Self {
            seconds: of(|cost| cost.seconds),
            microseconds_per_pass: of(Cost::per_pass),
            share_outside: of(|cost| cost.seconds / cost.model_seconds - 1.0),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outside = 100.0 * self.share_outside;
        write!(
            f,
            "{:.2} s, {:.0} µs a pass, {outside:.1} % outside the model",
            self.seconds, self.microseconds_per_pass
        )
    }
}

impl Versus {
    fn new(turns: &[Turn], theirs: fn(&Turn) -> &Cost) -> Self {
        let of = |ratio: fn(&Cost, &Cost) -> f64| {
            median(turns.iter().map(|turn| ratio(theirs(turn), &turn.ours)).collect())
        };
        Self {
            side: Side::new(turns.iter().map(theirs)),
            ratio: of(|theirs, ours| theirs.seconds / ours.seconds),
            ratio_per_pass: of(|theirs, ours| theirs.per_pass() / ours.per_pass()),
        }
    }
}
