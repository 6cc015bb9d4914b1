//! Attacks from a file.

use super::entry::{Entry, Kind};
use super::transfer::Target;
use cni_burn::data::reading::{from_toml, read, without_fractions};
use cni_burn::prelude::{Attack, Threat};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the format.
const FORMAT: u64 = 1;

/// A file of attacks: `attacks = 1`, and a table `[[attack]]` for each with its settings by the
/// names that records have. Settings that are left out have their defaults, and the threat is the
/// evaluation's.
pub struct AttackFile {
    path: PathBuf,
    tables: Vec<Map<String, Value>>,
}

/// The attacks of a file, and the one that is audited.
pub struct Attacks {
    pub all: Vec<Arc<dyn Attack>>,
    pub audited: Option<Arc<dyn Attack>>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    attacks: u64,
    attack: Vec<Map<String, Value>>,
}

impl AttackFile {
    /// Reads a file, and refuses whatever is wrong with it that no model needs to tell.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the place in it.
    pub fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let within = |reason: &dyn Display| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(path).map_err(|error| within(&error))?;
        let value = without_fractions(from_toml(&text).map_err(|reason| within(&reason))?.into());
        let Written { attacks, attack } = read(value).map_err(|reason| within(&reason))?;
        if attacks != FORMAT {
            let wanted = format!("{FORMAT}, the version of the format");
            return Err(within(&format!("attacks: got {attacks}, wanted {wanted}")).into());
        }
        if attack.is_empty() {
            return Err(within(&"attack: got none, wanted at least one").into());
        }
        let file = Self { path: path.to_path_buf(), tables: attack };
        // Any radius does to see whether the settings are right.
        file.entries(Threat::linf(8.0 / 255.0)?)?;
        Ok(file)
    }

    /// The attacks as their tables have them.
    fn entries(&self, threat: Threat) -> Result<Vec<Entry>, String> {
        let (mut entries, mut audited) = (Vec::new(), false);
        for (i, table) in self.tables.iter().enumerate() {
            let entry = Entry::of(table, threat).map_err(|error| self.within(i, &error))?;
            if entry.audit && audited {
                let reason = "audit: got a second one, wanted one at most";
                return Err(self.within(i, &reason));
            }
            audited |= entry.audit;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// A reason with the place of an attack, counted from 1.
    fn within(&self, i: usize, reason: &dyn Display) -> String {
        format!("{}: attack {}: {reason}", self.path.display(), i + 1)
    }

    /// True if the file says which attack is audited.
    pub fn has_audited(&self) -> bool {
        self.tables.iter().any(|table| table.get("audit") == Some(&Value::Bool(true)))
    }

    /// True if every attack has a threat of its own.
    pub fn has_threats(&self) -> bool {
        let own = |table: &Map<String, Value>| match table.get("of") {
            Some(of) => of.get("threat").is_some(),
            None => table.contains_key("threat"),
        };
        self.tables.iter().all(own)
    }

    /// The attacks on a model.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the attack, counted from 1.
    pub fn attacks(&self, target: &Target) -> Result<Attacks, Box<dyn Error>> {
        let (mut all, mut audited) = (Vec::new(), None);
        for (i, Entry { kind, audit }) in self.entries(target.threat)?.into_iter().enumerate() {
            let attack = match kind {
                Kind::Plain(attack) => attack,
                Kind::Transfer(transfer) => {
                    transfer.attack(target).map_err(|error| self.within(i, &error))?
                }
            };
            if audit {
                audited = Some(attack.clone());
            }
            all.push(attack);
        }
        Ok(Attacks { all, audited })
    }
}
