//! Attacks from a file.

use crate::checkpoint::same_classes;
use crate::data::About;
use crate::model::config_of_run;
use burn::tensor::{Device, Tensor};
use cni_burn::attacks::attack_from_spec;
use cni_burn::data::ImageData;
use cni_burn::data::reading::{from_toml, in_words, read, without_fractions};
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointSelector, checkpoint_info, load_checkpoint};
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

/// What attacks are made for: the threat, the model that they meet, and its images.
pub struct Target<'a> {
    pub threat: Threat,
    pub model: &'a ResNet,
    /// True if the model has no noise, or has it switched off.
    pub silent: bool,
    pub images: &'a ImageData,
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

/// A threat as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenThreat {
    norm: Norm,
    epsilon: f64,
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
        let value = without_fractions(from_toml(&text).map_err(|reason| within(&reason))?.into());
        let Written { attacks, attack } = read(value).map_err(|reason| within(&reason))?;
        if attacks != FORMAT {
            let reason =
                format!("attacks: got {attacks}, wanted {FORMAT}, the version of the format");
            return Err(within(&reason).into());
        }
        if attack.is_empty() {
            return Err(within(&"attack: got none, wanted at least one").into());
        }
        let file = Self { path: path.to_path_buf(), entries: attack };
        // What needs no model is refused before there is one. Which radius it is does not matter.
        let nominal = Threat::linf(8.0 / 255.0)?;
        let mut audited = 0;
        for (i, entry) in file.entries.iter().enumerate() {
            let checked = Entry::of(entry, nominal).and_then(|Entry { kind, audit }| {
                audited += usize::from(audit);
                if audited > 1 {
                    return Err("audit: got a second one, wanted one at most".into());
                }
                match kind {
                    Kind::Plain(attack) => Ok(attack.check()?),
                    Kind::Transfer(_) => Ok(()),
                }
            });
            checked.map_err(|error| file.within(i, &error))?;
        }
        Ok(file)
    }

    /// A reason with the place of an attack, counted from 1.
    fn within(&self, i: usize, reason: &dyn std::fmt::Display) -> String {
        format!("{}: attack {}: {reason}", self.path.display(), i + 1)
    }

    /// True if the file says which attack is audited.
    pub fn has_audited(&self) -> bool {
        self.entries.iter().any(|entry| entry.get("audit") == Some(&Value::Bool(true)))
    }

    /// True if every attack has a threat of its own.
    pub fn has_threats(&self) -> bool {
        let own = |entry: &Map<String, Value>| match entry.get("of") {
            Some(of) => of.get("threat").is_some(),
            None => entry.contains_key("threat"),
        };
        self.entries.iter().all(own)
    }

    /// The attacks on a model.
    ///
    /// # Errors
    ///
    /// A sentence that names the file and the attack, counted from 1.
    pub fn attacks(&self, target: &Target) -> Result<Attacks, Box<dyn Error>> {
        let (mut all, mut audited) = (Vec::new(), None);
        for (i, entry) in self.entries.iter().enumerate() {
            let make = || -> Result<(Box<dyn Attack>, bool), Box<dyn Error>> {
                let Entry { kind, audit } = Entry::of(entry, target.threat)?;
                let attack = match kind {
                    Kind::Plain(attack) => attack,
                    Kind::Transfer(transfer) => transfer.attack(target)?,
                };
                attack.check()?;
                Ok((attack, audit))
            };
            let (attack, audit) = make().map_err(|error| self.within(i, &error))?;
            if audit {
                let (again, _) = make().map_err(|error| self.within(i, &error))?;
                audited = Some(Arc::from(again));
            }
            all.push(attack);
        }
        Ok(Attacks { all, audited })
    }
}

/// An attack as its table has it.
struct Entry {
    kind: Kind,
    audit: bool,
}

enum Kind {
    /// An attack on the model itself.
    Plain(Box<dyn Attack>),
    /// A transfer, which needs models.
    Transfer(WrittenTransfer),
}

impl Entry {
    fn of(table: &Map<String, Value>, threat: Threat) -> Result<Self, Box<dyn Error>> {
        let mut settings = table.clone();
        let audit = match settings.remove("audit") {
            None => false,
            Some(Value::Bool(audit)) => audit,
            Some(other) => {
                return Err(format!("audit: got {other}, wanted true or false").into());
            }
        };
        let name = settings.get("attack").and_then(Value::as_str).map(String::from);
        let kind = match name.as_deref() {
            None => return Err("attack: got no name, wanted one, such as pgd".into()),
            Some("transfer") => {
                settings.remove("attack");
                let transfer: WrittenTransfer = read(settings.into())?;
                attack_of(&transfer.of, threat).map_err(|error| format!("of: {error}"))?;
                Kind::Transfer(transfer)
            }
            Some("autoattack") => {
                settings.remove("attack");
                let WrittenAutoAttack { version } = read(settings.into())?;
                Kind::Plain(Box::new(match version.as_str() {
                    "standard" => Suite::standard(threat)?,
                    "plus" => Suite::plus(threat)?,
                    "rand" => Suite::rand(threat)?,
                    "rand-plus" => Suite::rand_plus(threat)?,
                    _ => {
                        let wanted = "standard, plus, rand or rand-plus";
                        return Err(format!("version: got {version}, wanted {wanted}").into());
                    }
                }))
            }
            Some(_) => Kind::Plain(attack_of(&settings, threat)?),
        };
        Ok(Self { kind, audit })
    }
}

/// The attack with these settings, under their own threat or that of the evaluation.
fn attack_of(
    settings: &Map<String, Value>,
    threat: Threat,
) -> Result<Box<dyn Attack>, Box<dyn Error>> {
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
    attack_from_spec(&settings).map_err(|error| in_words(&error.to_string(), &settings).into())
}

impl WrittenTransfer {
    /// The transfer to a model.
    fn attack(self, target: &Target) -> Result<Box<dyn Attack>, Box<dyn Error>> {
        let Self { from, of, candidates, draws } = self;
        let of: Arc<dyn Attack> = attack_of(&of, target.threat)?.into();
        let (held, off) = ("itself, held", "itself, off");
        if target.silent && (from == held || from == off) {
            let wanted = "another model, since this one has no noise, or has it switched off";
            return Err(format!("from: got {from:?}, wanted {wanted}").into());
        }
        let transfer = if from == held {
            let itself = FrozenModel::new(target.model, ResNet::forward);
            Transfer::of("itself-held", FixedNoise::new(itself, target.key), of)
        } else if from == off {
            let (model, forward) = (target.model.clone(), ResNet::forward);
            let off = move |images: Tensor<4>| scope(Noise::Off, || forward(&model, images));
            Transfer::of("itself-off", off, of)
        } else {
            let model = surrogate(Path::new(&from), target).map_err(|error| {
                let wanted = format!("a run's folder, {held:?} or {off:?}");
                format!("from: got {from:?}, wanted {wanted}: {error}")
            })?;
            // Keys derive from the name: it is that of the weights, wherever they lie.
            let name = ModelCard::fingerprint_of(&model)[..8].to_string();
            Transfer::of(name, FrozenModel::new(&model, ResNet::forward), of)
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
}

/// The best model of a run, or published weights, for images and classes like those of the attacked
/// model.
fn surrogate(run: &Path, target: &Target) -> Result<ResNet, Box<dyn Error>> {
    let best = CheckpointSelector::Best;
    let config = config_of_run(run, best)?;
    let (theirs, ours) = (About::of_model(&config), About::of(target.images));
    for (field, theirs, ours) in [
        ("shape of an image", format!("{:?}", theirs.shape), format!("{:?}", ours.shape)),
        ("classes", theirs.classes.to_string(), ours.classes.to_string()),
    ] {
        if theirs != ours {
            return Err(format!("{field}: got {theirs}, wanted {ours}").into());
        }
    }
    same_classes(target.images, &checkpoint_info(run, best)?.classes, &run.to_string_lossy())?;
    Ok(load_checkpoint(config.try_init(target.device)?, run, best)?.0)
}
