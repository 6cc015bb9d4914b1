//! The record of attacks in bf16 and in full precision.

use super::{agreement, share};
use crate::ours::{Model, Name, Ours};
use crate::{Result, Settings, machine};
use cni_burn::evaluation::write_json;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// The robust accuracy under attacks in bf16 and in full precision, both judged in full precision.
#[derive(Serialize)]
pub struct Precisions {
    machine: Value,
    settings: Settings,
    model: Value,
    clean: f64,
    attacks: BTreeMap<String, Found>,
}

/// The results of one attack in each precision. Shares are of all images.
#[derive(Serialize)]
pub struct Found {
    name: String,
    spec: Value,
    /// The robust accuracy under the attack in full precision.
    full: f64,
    bf16: f64,
    /// The robust accuracy under the attack in bf16 minus that in full precision, in percentage
    /// points: above 0 the attack in bf16 is the weaker.
    difference_points: f64,
    /// The share of examples on which both are equal.
    agreement: f64,
    full_seconds: f64,
    bf16_seconds: f64,
}

impl Precisions {
    pub fn new(settings: &Settings, model: &Model) -> Self {
        Self {
            machine: machine::facts(machine::threads(), None),
            settings: settings.clone(),
            model: model.card.clone(),
            clean: share(&model.clean(settings.batch)),
            attacks: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, name: Name, found: Found) {
        self.attacks.insert(name.key(), found);
    }

    pub fn save(&self, out: &Path) -> Result<()> {
        Ok(write_json(out, self)?)
    }
}

impl Found {
    pub fn new(full: Ours, half: Ours) -> Self {
        let (a, b) = (share(&full.robust), share(&half.robust));
        Self {
            full: a,
            bf16: b,
            difference_points: 100.0 * (b - a),
            agreement: agreement(&full.robust, &half.robust),
            full_seconds: full.cost().seconds,
            bf16_seconds: half.cost().seconds,
            name: full.name,
            spec: full.spec,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<24} full {:6.2} %  bf16 {:6.2} %  difference {:+.2}  agreement {:6.2} %  {:.1} s \
             and {:.1} s",
            self.name,
            100.0 * self.full,
            100.0 * self.bf16,
            self.difference_points,
            100.0 * self.agreement,
            self.full_seconds,
            self.bf16_seconds
        )
    }
}
