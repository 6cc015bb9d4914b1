//! The record of the robust accuracy of both sides, example by example.

use super::{agreement, median, share};
use crate::ours::{Cost, Model, Name, Ours};
use crate::theirs::Theirs;
use crate::{Result, Settings, machine};
use cni_burn::evaluation::write_json;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Robust accuracy of both sides.
#[derive(Serialize)]
pub struct Parity {
    machine: Value,
    versions: Value,
    settings: Settings,
    model: Value,
    clean: Clean,
    attacks: BTreeMap<String, Comparison>,
    /// The peak memory of our side in bytes, over all attacks so far.
    peak_memory_bytes: Option<u64>,
}

/// The accuracy of both sides on clean images.
#[derive(Serialize)]
struct Clean {
    ours: f64,
    theirs: f64,
    agreement: f64,
}

/// The comparison of one attack. Shares are of all images.
#[derive(Serialize)]
pub struct Comparison {
    name: String,
    spec: Value,
    /// Our robust accuracy.
    ours: f64,
    theirs: f64,
    /// Our robust accuracy minus theirs, in percentage points.
    difference_points: f64,
    /// The share of examples on which both sides agree.
    agreement: f64,
    only_we_broke: Vec<usize>,
    only_they_broke: Vec<usize>,
    /// The norms of minimum-norm attacks, over the examples that both sides broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    norms: Option<Norms>,
    /// The number of images that each side attacked, which its model classifies correctly.
    attacked: [usize; 2],
    /// The forward and backward passes of single images. Their time is measured by the bench
    /// `speed`.
    our_passes: [u64; 2],
    their_passes: [u64; 2],
}

#[derive(Serialize)]
struct Norms {
    examples: usize,
    our_median: f64,
    their_median: f64,
    /// Our median divided by theirs.
    ratio_of_medians: f64,
    median_ratio: f64,
}

impl Parity {
    /// Adds an attack.
    pub fn add(&mut self, name: Name, comparison: Comparison) {
        self.attacks.insert(name.key(), comparison);
        self.peak_memory_bytes = machine::own_memory("VmHWM");
    }

    pub fn new(settings: &Settings, model: &Model, theirs: &mut Theirs) -> Result<Self> {
        let (ours, peers) = (model.clean(settings.batch), theirs.clean()?);
        Ok(Self {
            machine: machine::facts(machine::threads(), None),
            versions: theirs.versions(),
            settings: settings.clone(),
            model: model.card.clone(),
            clean: Clean {
                ours: share(&ours),
                theirs: share(&peers),
                agreement: agreement(&ours, &peers),
            },
            attacks: BTreeMap::new(),
            peak_memory_bytes: None,
        })
    }

    pub fn save(&self, out: &Path) -> Result<()> {
        Ok(write_json(out, self)?)
    }
}

impl Comparison {
    pub fn new(name: Name, ours: Ours, theirs: Value) -> Result<Self> {
        let robust: Vec<u8> = serde_json::from_value(theirs["robust"].clone())?;
        if robust.len() != ours.robust.len() {
            return Err(format!("{}: the sides have different examples", name.key()).into());
        }
        let only = |us: u8, them: u8| {
            let pairs = ours.robust.iter().zip(&robust).enumerate();
            pairs.filter(|(_, (a, b))| (**a, **b) == (us, them)).map(|(i, _)| i).collect()
        };
        let norms = match &ours.norm {
            None => None,
            Some(our_norms) => {
                let their_norms: Vec<Option<f64>> = serde_json::from_value(theirs["norm"].clone())?;
                Norms::new(our_norms, &their_norms)
            }
        };
        let (us, them): (Cost, Cost) = (ours.cost(), serde_json::from_value(theirs)?);
        let (a, b) = (share(&ours.robust), share(&robust));
        Ok(Self {
            ours: a,
            theirs: b,
            difference_points: 100.0 * (a - b),
            agreement: agreement(&ours.robust, &robust),
            only_we_broke: only(0, 1),
            only_they_broke: only(1, 0),
            norms,
            attacked: [us.attacked, them.attacked],
            our_passes: us.passes(),
            their_passes: them.passes(),
            name: ours.name,
            spec: ours.spec,
        })
    }
}

impl Norms {
    /// The norms over the examples for which both sides found a changed image.
    fn new(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<Self> {
        let both = ours.iter().zip(theirs).filter_map(|(a, b)| Some(((*a)?, (*b)?)));
        let both: Vec<(f64, f64)> = both.collect();
        if both.is_empty() {
            return None;
        }
        let our_median = median(both.iter().map(|pair| pair.0).collect());
        let their_median = median(both.iter().map(|pair| pair.1).collect());
        Some(Self {
            examples: both.len(),
            our_median,
            their_median,
            ratio_of_medians: our_median / their_median,
            median_ratio: median(both.iter().map(|pair| pair.0 / pair.1).collect()),
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<24} ours {:6.2} %  theirs {:6.2} %  difference {:+.2}  agreement {:6.2} %",
            self.name,
            100.0 * self.ours,
            100.0 * self.theirs,
            self.difference_points,
            100.0 * self.agreement
        )?;
        match &self.norms {
            None => Ok(()),
            Some(norms) => write!(
                f,
                "  median norms {:.4} and {:.4}, ratio {:.4}",
                norms.our_median, norms.their_median, norms.ratio_of_medians
            ),
        }
    }
}
