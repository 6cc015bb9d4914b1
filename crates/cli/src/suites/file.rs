//! Attacks from a file.

use crate::model::config_of_run;
use burn::tensor::{Device, Tensor};
use cni_burn::attacks::{AttackError, attack_from_spec};
use cni_burn::data::reading::read;
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointSelector, load_checkpoint};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::error::Error;
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
    entries: Vec<Map<String, Value>>,
}

/// What attacks are made for: the threat, and the model that they meet.
pub struct Target<'a> {
    pub threat: Threat,
    pub model: &'a ResNet,
    pub device: &'a Device,
    /// The key of a draw that is held.
    pub key: Key,
}

/// The attacks of a file, and the one that is audited.
pub struct Attacks {
    pub all: Vec<Box<dyn Attack>>,
    pub audited: Option<Arc<dyn Attack>>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    attacks: u64,
    attack: Vec<Map<String, Value>>,
}

/// A transfer as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTransfer {
    /// The folder of a run or of published weights; or the model itself, with its noise held or
    /// off.
    from: String,
    /// The attack on that model.
    of: Map<String, Value>,
    candidates: Option<usize>,
    draws: Option<usize>,
}

/// The suite of AutoAttack as it is written, whose attacks run in a cascade of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAutoAttack {
    version: String,
}

impl AttackFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the place in it.
    pub fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let within = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(path).map_err(|error| within(&error))?;
        let value: Value = toml::from_str(&text)
            .map_err(|error: toml::de::Error| within(&error.to_string().trim_end()))?;
        let Written { attacks, attack } = read(value).map_err(|reason| within(&reason))?;
        if attacks != FORMAT {
            let reason =
                format!("attacks: got {attacks}, wanted {FORMAT}, the version of the format");
            return Err(within(&reason).into());
        }
        if attack.is_empty() {
            return Err(within(&"attack: got none, wanted at least one").into());
        }
        Ok(Self { path: path.to_path_buf(), entries: attack })
    }

    /// True if the file says which attack is audited.
    pub fn has_audited(&self) -> bool {
        self.entries.iter().any(|entry| entry.get("audit") == Some(&Value::Bool(true)))
    }

    /// The attacks on a model.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the attack, counted from 1.
    pub fn attacks(&self, target: &Target) -> Result<Attacks, Box<dyn Error>> {
        let (mut all, mut audited) = (Vec::new(), None);
        for (i, entry) in self.entries.iter().enumerate() {
            let within = |reason: &dyn std::fmt::Display| {
                format!("{}: attack {}: {reason}", self.path.display(), i + 1)
            };
            let mut entry = entry.clone();
            let audit = match entry.remove("audit") {
                None | Some(Value::Bool(false)) => false,
                Some(Value::Bool(true)) if audited.is_none() => true,
                Some(Value::Bool(true)) => {
                    return Err(within(&"audit: got a second one, wanted one at most").into());
                }
                Some(other) => {
                    let reason = format!("audit: got {other}, wanted true or false");
                    return Err(within(&reason).into());
                }
            };
            let made = attack_of(&entry, target).map_err(|error| within(&error))?;
            if audit {
                let again = attack_of(&entry, target).map_err(|error| within(&error))?;
                audited = Some(Arc::from(again));
            }
            all.push(made);
        }
        Ok(Attacks { all, audited })
    }
}

/// The attack of an entry.
fn attack_of(
    entry: &Map<String, Value>,
    target: &Target,
) -> Result<Box<dyn Attack>, Box<dyn Error>> {
    let mut settings = entry.clone();
    let name = settings.remove("attack");
    match name.as_ref().and_then(Value::as_str) {
        Some("transfer") => transfer(read(settings.into())?, target),
        Some("autoattack") => {
            let WrittenAutoAttack { version } = read(settings.into())?;
            Ok(Box::new(match version.as_str() {
                "standard" => Suite::standard(target.threat)?,
                "plus" => Suite::plus(target.threat)?,
                "rand" => Suite::rand(target.threat)?,
                _ => {
                    let wanted = "standard, plus or rand";
                    return Err(format!("version: got {version}, wanted {wanted}").into());
                }
            }))
        }
        _ => Ok(attack_from_spec(&of_threat(entry, target.threat)?)?),
    }
}

/// The settings of an attack with a threat: their own, or that of the evaluation.
fn of_threat(settings: &Map<String, Value>, threat: Threat) -> Result<Value, AttackError> {
    let mut settings = settings.clone();
    let own = settings.get_mut("threat").and_then(Value::as_object_mut);
    match own.and_then(|own| own.get_mut("epsilon")) {
        // A fraction, as everywhere.
        Some(epsilon) => {
            if let Some(text) = epsilon.as_str() {
                *epsilon = text.parse::<Epsilon>()?.value().into();
            }
        }
        None => {
            settings.entry("threat").or_insert(json!(threat));
        }
    }
    Ok(settings.into())
}

/// The transfer from another model, or from the model itself in another state.
fn transfer(written: WrittenTransfer, target: &Target) -> Result<Box<dyn Attack>, Box<dyn Error>> {
    let WrittenTransfer { from, of, candidates, draws } = written;
    let of: Arc<dyn Attack> = attack_from_spec(&of_threat(&of, target.threat)?)?.into();
    let itself = || FrozenModel::new(target.model, ResNet::forward);
    let transfer = match from.as_str() {
        "itself, held" => Transfer::of("itself-held", FixedNoise::new(itself(), target.key), of),
        "itself, off" => {
            let (model, forward) = (target.model.clone(), ResNet::forward);
            let off = move |images: Tensor<4>| scope(Noise::Off, || forward(&model, images));
            Transfer::of("itself-off", off, of)
        }
        run => {
            let (run, best) = (Path::new(run), CheckpointSelector::Best);
            let config = config_of_run(run, best)?;
            let (model, _) = load_checkpoint(config.try_init(target.device)?, run, best)?;
            // The record has to tell one surrogate from another.
            let fingerprint = ModelCard::fingerprint_of(&model);
            let name = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
            let name = format!("{name}-{}", &fingerprint[..8]);
            Transfer::of(name, FrozenModel::new(&model, ResNet::forward), of)
        }
    };
    let transfer = match candidates {
        Some(candidates) => transfer.with_candidates(candidates)?,
        None => transfer,
    };
    Ok(Box::new(match draws {
        Some(draws) => transfer.with_draws(draws)?,
        None => transfer,
    }))
}
