//! An attack as its table in a file has it.

use super::VERSIONS;
use super::transfer::WrittenTransfer;
use cni_burn::attacks::attack_from_spec;
use cni_burn::data::reading::{in_words, read};
use cni_burn::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::error::Error;
use std::sync::Arc;

/// An attack of a file.
pub struct Entry {
    pub kind: Kind,
    /// True if the checks of the evaluation are about it.
    pub audit: bool,
}

/// The kinds of attacks of a file.
pub enum Kind {
    /// An attack on the model itself.
    Plain(Arc<dyn Attack>),
    /// A transfer, which needs models.
    Transfer(WrittenTransfer),
}

/// A threat as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenThreat {
    norm: Norm,
    epsilon: f64,
}

/// The suite of AutoAttack as it is written, whose attacks run in a cascade of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAutoAttack {
    version: String,
}

impl Entry {
    /// The attack of a table, under its own threat or that of the evaluation.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting, what was got and what was wanted.
    pub fn of(table: &Map<String, Value>, threat: Threat) -> Result<Self, Box<dyn Error>> {
        let mut settings = table.clone();
        let audit = match settings.remove("audit") {
            None => false,
            Some(Value::Bool(audit)) => audit,
            Some(other) => {
                return Err(format!("audit: got {other}, wanted true or false").into());
            }
        };
        let without_name = || {
            let mut settings = settings.clone();
            settings.remove("attack");
            Value::from(settings)
        };
        let kind = match settings.get("attack").and_then(Value::as_str) {
            None => return Err("attack: got no name, wanted one, such as pgd".into()),
            Some("transfer") => {
                let transfer: WrittenTransfer = read(without_name())?;
                attack_of(&transfer.of, threat).map_err(|error| format!("of: {error}"))?;
                Kind::Transfer(transfer)
            }
            Some("autoattack") => {
                let WrittenAutoAttack { version } = read(without_name())?;
                let Some((.., suite)) = VERSIONS.iter().find(|(name, ..)| *name == version) else {
                    let known = VERSIONS.map(|(name, ..)| name).join(", ");
                    return Err(format!("version: got {version}, wanted one of {known}").into());
                };
                Kind::Plain(Arc::new(suite(threat)?))
            }
            Some(_) => Kind::Plain(attack_of(&settings, threat)?),
        };
        Ok(Self { kind, audit })
    }
}

/// The attack with these settings, under their own threat or that of the evaluation.
///
/// # Errors
///
/// A sentence that names the setting, what was got and what was wanted.
pub fn attack_of(
    settings: &Map<String, Value>,
    threat: Threat,
) -> Result<Arc<dyn Attack>, Box<dyn Error>> {
    let mut settings = settings.clone();
    if let Some(own) = settings.get("threat") {
        let WrittenThreat { norm, epsilon } =
            read(own.clone()).map_err(|reason| format!("threat: {reason}"))?;
        // A record may hold any radius; one of bytes is a mistake in a file.
        settings.insert("threat".to_string(), json!(Threat::new(norm, epsilon)?));
    } else {
        settings.insert("threat".to_string(), json!(threat));
    }
    let settings = Value::from(settings);
    let attack =
        attack_from_spec(&settings).map_err(|error| in_words(&error.to_string(), &settings))?;
    attack.check()?;
    Ok(attack.into())
}
