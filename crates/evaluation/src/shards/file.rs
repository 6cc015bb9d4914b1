//! The file of a shard: what it belongs to, and its results once it has finished.

use crate::checkpoint::{Difference, Settings};
use crate::files::{canonical, read_text, seal, unseal, write_whole};
use crate::run::{Head, Outcome};
use crate::shards::{FILE, IMAGES};
use crate::{AdversarialImages, EvaluationError, Shard, ShardError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The version of the file's layout.
const LAYOUT: u32 = 1;

/// The content of the file.
#[derive(Serialize, Deserialize)]
pub(super) struct ShardFile {
    layout: u32,
    pub shard: Shard,
    /// The settings of the evaluation, on which its results depend, and its model.
    pub settings: Settings,
    /// The number of batches of all shards.
    pub batches: usize,
    /// The head of the record.
    pub head: Head,
    /// The results; absent as long as the shard has not finished.
    pub results: Option<Results>,
}

/// The results of a finished shard.
#[derive(Serialize, Deserialize)]
pub(super) struct Results {
    /// The number of examples of all shards.
    pub examples: usize,
    /// The fingerprint of their data.
    pub fingerprint: String,
    pub outcome: Outcome,
}

/// The part of the file that every version of the layout has.
#[derive(Deserialize)]
struct Version {
    layout: u32,
}

impl ShardFile {
    /// The file of a shard that has not finished.
    pub fn new(shard: Shard, settings: Settings, batches: usize, head: Head) -> Self {
        Self { layout: LAYOUT, shard, settings, batches, head, results: None }
    }

    /// Reads the file of a shard in a folder, if there is one.
    pub fn read(folder: &Path) -> Result<Option<Self>, EvaluationError> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |error: serde_json::Error| {
            let line = (error.line() > 0).then(|| error.line());
            EvaluationError::Damaged { path: path.clone(), line, reason: error.to_string() }
        };
        let value: Value = unseal(read_text(&path)?.as_bytes()).map_err(damaged)?;
        let Version { layout: got } = Version::deserialize(&value).map_err(damaged)?;
        if got != LAYOUT {
            let path = path.clone();
            return Err(ShardError::Layout { path, got, wanted: LAYOUT }.into());
        }
        let file: Self = serde_json::from_value(value).map_err(damaged)?;
        let images = file.results.iter().flat_map(|results| &results.outcome.images).flatten();
        match images.map(|(name, _)| name).find(|name| !AdversarialImages::is_name(name)) {
            None => Ok(Some(file)),
            Some(name) => {
                let reason = format!("got the name {name:?}, wanted that of adversarial images");
                Err(EvaluationError::Damaged { path, line: None, reason })
            }
        }
    }

    /// Writes the file. A kill leaves the old one or the new one.
    pub fn write(&self, folder: &Path) -> Result<(), EvaluationError> {
        write_whole(&folder.join(FILE), seal(self).as_bytes())
    }

    /// True if the shard has finished.
    pub fn is_finished(&self) -> bool {
        self.results.is_some()
    }

    /// The first setting in which this shard differs from another one of its evaluation.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let of = |setting: &str, [here, there]: [String; 2]| {
            let setting = setting.to_string();
            (here != there).then_some(Difference { setting, there, here })
        };
        let batches = || of("batches", [self, other].map(|file| file.batches.to_string()));
        let kept = |file: &Self| match file.results.as_ref()?.outcome.images {
            Some(_) => Some("kept".to_string()),
            None => Some("not kept".to_string()),
        };
        let images = || of("adversarial images", [kept(self)?, kept(other)?]);
        let data = |file: &Self| Some(file.results.as_ref()?.fingerprint.clone());
        let data = || of("data.fingerprint", [data(self)?, data(other)?]);
        (self.settings.difference(&other.settings))
            .or_else(batches)
            .or_else(|| between(&self.compared(), &other.compared(), ""))
            .or_else(images)
            .or_else(data)
    }

    /// The head without what may differ between machines: the command, and the names of model and
    /// data.
    fn compared(&self) -> Value {
        let mut head = self.head.clone();
        head.command.clear();
        head.model.name.clear();
        head.data.name.clear();
        serde_json::to_value(head).expect("a head is plain data")
    }

    /// The adversarial images of a finished shard, which is in `folder`: each with its name, after
    /// a look whether it is as it was written.
    pub fn images<'a>(&'a self, folder: &Path) -> Result<Vec<(&'a str, PathBuf)>, EvaluationError> {
        let images = self.results.iter().flat_map(|results| &results.outcome.images).flatten();
        let checked = |(name, sha256): (&'a String, &String)| {
            let path = folder.join(IMAGES).join(name);
            let got = match AdversarialImages::read(&path) {
                Ok(found) if found.sha256() == *sha256 => return Ok((name.as_str(), path)),
                Ok(_) => "others".to_string(),
                Err(EvaluationError::Io { source, .. }) => source.to_string(),
                Err(_) => "a file that has changed".to_string(),
            };
            Err(EvaluationError::from(ShardError::Images { path, got, shard: self.shard }))
        };
        images.map(checked).collect()
    }
}

/// The first place at which two values differ, with its path.
fn between(here: &Value, there: &Value, path: &str) -> Option<Difference> {
    let within = |name: &str| match path {
        "" => name.to_string(),
        _ => format!("{path}.{name}"),
    };
    match (here, there) {
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|name| {
            let of = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned();
            between(&of(a).unwrap_or_default(), &of(b).unwrap_or_default(), &within(name))
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| between(a, b, &within(&i.to_string())))
        }
        _ => (here != there).then(|| {
            let [here, there] = [here, there].map(canonical);
            Difference { setting: path.to_string(), there, here }
        }),
    }
}
