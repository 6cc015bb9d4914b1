//! The merge of shards.

use crate::files::write_whole;
use crate::run::{Head, Outcome};
use crate::shards::FILE;
use crate::shards::file::ShardFile;
use crate::{AdversarialImages, Evaluated, EvaluationError, Shard, ShardError};
use std::path::{Path, PathBuf};

/// The finished shards of one evaluation, all of them.
///
/// The record, the rows and the gallery of their [`merge`](Self::merge) equal those of one process
/// to the bit, except for seconds, which are the sums over the shards; the command is that of the
/// first shard.
pub struct Shards {
    /// The shards with their folders, in order.
    all: Vec<(PathBuf, ShardFile)>,
}

impl Shards {
    /// Reads shards: their folders, or folders that contain those, in any order.
    ///
    /// # Errors
    ///
    /// [`ShardError`] if a folder has no shard; if shards overlap, are missing or have not
    /// finished; if their settings, models, data or versions differ; or if adversarial images are
    /// missing. Also [`EvaluationError::Io`] and [`EvaluationError::Damaged`] for files that cannot
    /// be read.
    pub fn read(
        folders: impl IntoIterator<Item = impl AsRef<Path>>,
    ) -> Result<Self, EvaluationError> {
        let mut all = Vec::new();
        for folder in folders {
            for shard in shards_of(folder.as_ref())? {
                let file = ShardFile::read(&shard)?;
                let file = file.ok_or_else(|| ShardError::NoShard(shard.clone()))?;
                all.push((shard, file));
            }
        }
        all.sort_by_key(|(_, file)| file.shard);
        one_division(&all)?;
        let (_, first) = all.first().ok_or(ShardError::Nothing)?;
        for (folder, file) in &all[1..] {
            if let Some(of) = file.difference(first) {
                return Err(ShardError::Foreign {
                    folder: folder.clone(),
                    shard: file.shard,
                    setting: of.setting,
                    got: of.here,
                    wanted: of.there,
                    reference: first.shard,
                }
                .into());
            }
        }
        complete(&all)?;
        for (folder, file) in &all {
            file.images(folder)?;
        }
        Ok(Self { all })
    }

    /// The folders of the shards, in order.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(|(folder, _)| folder.as_path())
    }

    /// Writes the adversarial images that the shards have kept into a folder, as
    /// [`Evaluation::with_adversarial`](crate::Evaluation::with_adversarial) does. If they have
    /// kept none, nothing is done.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if a file cannot be read or written, [`ShardError::Images`] if one
    /// is missing or has changed.
    pub fn copy_adversarial(&self, folder: &Path) -> Result<(), EvaluationError> {
        let kept = |(_, file): &(_, ShardFile)| {
            file.results.as_ref().is_some_and(|results| results.outcome.images.is_some())
        };
        if !self.all.iter().all(kept) {
            return Ok(());
        }
        let mut written = Vec::new();
        for (own, file) in &self.all {
            for (name, path) in file.images(own)? {
                let bytes = std::fs::read(&path)
                    .map_err(|source| EvaluationError::Io { path: path.clone(), source })?;
                let to = folder.join(name);
                write_whole(&to, &bytes)?;
                written.push(to);
            }
        }
        AdversarialImages::remove_others(folder, &written).map(drop)
    }

    /// The result of the whole evaluation. Their folders stay as they are.
    ///
    /// # Errors
    ///
    /// [`ShardError::Foreign`] if the shards do not add up to the examples, because their batches
    /// were not the same.
    pub fn merge(&self) -> Result<Evaluated, EvaluationError> {
        let mut merged: Option<(Head, Outcome)> = None;
        for (folder, file) in &self.all {
            let results = file.results.as_ref().expect("unfinished shards are refused");
            let merged = match &mut merged {
                None => {
                    let mut head = file.head.clone();
                    head.data.fingerprint.clone_from(&results.fingerprint);
                    merged = Some((head, results.outcome.clone()));
                    continue;
                }
                Some((_, merged)) => merged,
            };
            let (got, wanted) = (results.outcome.first(), merged.end());
            if got.is_some_and(|got| got != wanted) {
                return Err(ShardError::Foreign {
                    folder: folder.clone(),
                    shard: file.shard,
                    setting: "first example".to_string(),
                    got: got.unwrap_or_default().to_string(),
                    wanted: wanted.to_string(),
                    reference: Shard::new(file.shard.index() - 1, file.shard.count())?,
                }
                .into());
            }
            merged.append(results.outcome.clone());
        }
        let (head, outcome) = merged.ok_or(ShardError::Nothing)?;
        outcome.evaluated(&head)
    }
}

/// The folders of the shards in a folder: that folder itself, or those within it, sorted.
fn shards_of(folder: &Path) -> Result<Vec<PathBuf>, EvaluationError> {
    let is_shard = |folder: &Path| folder.join(FILE).is_file();
    if is_shard(folder) {
        return Ok(vec![folder.to_path_buf()]);
    }
    let failed = |source| EvaluationError::Io { path: folder.to_path_buf(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths = entries.map(|entry| Ok(entry.map_err(failed)?.path()));
    let mut found = paths.collect::<Result<Vec<PathBuf>, EvaluationError>>()?;
    found.retain(|path| is_shard(path));
    found.sort();
    match found.is_empty() {
        true => Err(ShardError::NoShard(folder.to_path_buf()).into()),
        false => Ok(found),
    }
}

/// Refuses shards of several divisions, and a shard that is there twice.
fn one_division(all: &[(PathBuf, ShardFile)]) -> Result<(), ShardError> {
    let Some((first, of_first)) = all.first() else { return Ok(()) };
    let count = of_first.shard.count();
    if let Some((folder, file)) = all.iter().find(|(_, file)| file.shard.count() != count) {
        let (folder, first) = (folder.clone(), first.clone());
        return Err(ShardError::Count { folder, got: file.shard, count, first });
    }
    match all.windows(2).find(|pair| pair[0].1.shard == pair[1].1.shard) {
        None => Ok(()),
        Some(pair) => Err(ShardError::Overlap {
            shard: pair[0].1.shard,
            first: pair[0].0.clone(),
            second: pair[1].0.clone(),
        }),
    }
}

/// Refuses a set that lacks shards, or whose shards have not all finished.
fn complete(all: &[(PathBuf, ShardFile)]) -> Result<(), ShardError> {
    let Some((_, first)) = all.first() else { return Ok(()) };
    let has = |shard: &Shard| all.iter().any(|(_, file)| file.shard == *shard);
    let missing: Vec<Shard> = Shard::all(first.shard.count()).filter(|shard| !has(shard)).collect();
    let unfinished = all.iter().filter(|(_, file)| file.results.is_none());
    let unfinished: Vec<_> =
        unfinished.map(|(folder, file)| (file.shard, folder.clone())).collect();
    match missing.is_empty() && unfinished.is_empty() {
        true => Ok(()),
        false => {
            let command = first.head.command.clone();
            Err(ShardError::Incomplete { missing, unfinished, command })
        }
    }
}
