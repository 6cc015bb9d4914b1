//! Refusals of shards and of their merge.

use crate::Shard;
use std::path::PathBuf;

/// A refusal of a shard, or of the merge of several.
///
/// Every message names the shard, the value that was got and the value that was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// A text that is no shard.
    #[error("shard: got {0:?}, wanted i/n, such as 3/8, with i from 1 to n")]
    Unreadable(String),
    /// A part that does not exist.
    #[error("shard: got {index}/{count}, wanted {}", wanted(*count))]
    Index {
        /// The number of the part.
        index: usize,
        /// The number of parts.
        count: usize,
    },
    /// A folder that holds another shard.
    #[error(
        "{folder}: got shard {got}, wanted a folder of its own: this one holds shard {there}",
        folder = folder.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// The shard that was to run.
        got: Shard,
        /// The shard in the folder.
        there: Shard,
    },
    /// Fewer or more batches than the source promised, so that the ranges of the shards are wrong.
    #[error("batches of shard {shard}: got {got}, wanted the {wanted} that their source promised")]
    Batches {
        /// The shard.
        shard: Shard,
        /// The number of batches that came.
        got: usize,
        /// The number that was promised.
        wanted: usize,
    },
    /// A shard that had finished with other settings, and is kept.
    #[error(
        "{folder}: {setting} of shard {shard}: got {got}, wanted {wanted}, with which it has \
         finished",
        folder = folder.display()
    )]
    Finished {
        /// The folder.
        folder: PathBuf,
        /// The shard.
        shard: Shard,
        /// The setting that differs.
        setting: String,
        /// Its value in the evaluation that was to run.
        got: String,
        /// Its value in the finished shard.
        wanted: String,
    },
    /// A shard that had finished on other data.
    #[error(
        "{folder}: data of shard {shard}: got {got}, wanted {wanted}, with which it has finished; \
         remove the folder to begin anew",
        folder = folder.display()
    )]
    Data {
        /// The folder.
        folder: PathBuf,
        /// The shard.
        shard: Shard,
        /// The fingerprint of the data that were given.
        got: String,
        /// The fingerprint of the data of the finished shard.
        wanted: String,
    },
    /// A folder without a shard.
    #[error(
        "{folder}: got no shard, wanted the folder of one, or one with such folders",
        folder = .0.display()
    )]
    NoShard(PathBuf),
    /// No shards to merge.
    #[error("shards: got none, wanted all shards of an evaluation")]
    Nothing,
    /// A shard that another version of the library wrote.
    #[error(
        "{path}: layout: got {got}, wanted {wanted}; merge with the version of the library that \
         ran the shards",
        path = path.display()
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        got: u32,
        /// The version that this library writes.
        wanted: u32,
    },
    /// Shards of divisions into different numbers of parts.
    #[error(
        "{folder}: got shard {got}, wanted one of {count} as in {first}",
        folder = folder.display(),
        first = first.display()
    )]
    Count {
        /// The folder.
        folder: PathBuf,
        /// The shard in it.
        got: Shard,
        /// The number of parts of the first shard.
        count: usize,
        /// The folder of the first shard.
        first: PathBuf,
    },
    /// Shards that overlap: the same part twice.
    #[error(
        "shard {shard}: got it in {first} and in {second}, wanted every shard once",
        first = first.display(),
        second = second.display()
    )]
    Overlap {
        /// The shard.
        shard: Shard,
        /// One folder.
        first: PathBuf,
        /// The other folder.
        second: PathBuf,
    },
    /// Shards of two evaluations: of other settings, another model, other data or another version.
    #[error(
        "{folder}: {setting} of shard {shard}: got {got}, wanted {wanted} as of shard {reference}",
        folder = folder.display()
    )]
    Foreign {
        /// The folder of the shard.
        folder: PathBuf,
        /// The shard.
        shard: Shard,
        /// The setting in which it differs.
        setting: String,
        /// The value of the shard.
        got: String,
        /// The value of the shard that it is compared with.
        wanted: String,
        /// The shard that it is compared with.
        reference: Shard,
    },
    /// Shards that are missing or have not finished.
    #[error("{}", incomplete(missing, unfinished, command))]
    Incomplete {
        /// The shards that have no folder.
        missing: Vec<Shard>,
        /// The shards that have not finished, with their folders.
        unfinished: Vec<(Shard, PathBuf)>,
        /// The command of the evaluation without its shard; empty if it is unknown.
        command: String,
    },
    /// Adversarial images of a finished shard that are missing or have changed.
    #[error(
        "{path}: got {got}, wanted the adversarial images that shard {shard} wrote; run the shard \
         again",
        path = path.display()
    )]
    Images {
        /// The file.
        path: PathBuf,
        /// What was found in its place.
        got: String,
        /// The shard.
        shard: Shard,
    },
}

/// The smallest number of parts that is refused.
const TOO_MANY: usize = Shard::MOST + 1;

/// The number of shards that a message names.
const FEW: usize = 8;

fn wanted(count: usize) -> String {
    match count {
        1 => "1/1".to_string(),
        0 | TOO_MANY.. => format!("1 to {} parts", Shard::MOST),
        _ => format!("1/{count} to {count}/{count}"),
    }
}

fn incomplete(missing: &[Shard], unfinished: &[(Shard, PathBuf)], command: &str) -> String {
    let absent = missing.iter().map(|shard| (*shard, format!("shard {shard} is missing")));
    let half = unfinished.iter().map(|(shard, folder)| {
        (*shard, format!("shard {shard} in {} is unfinished", folder.display()))
    });
    let mut all: Vec<(Shard, String)> = absent.chain(half).collect();
    all.sort();
    let few = || all.iter().take(FEW);
    let words: Vec<&str> = few().map(|(_, words)| words.as_str()).collect();
    let more = match all.len().saturating_sub(FEW) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let again: Vec<String> = few().map(|(shard, _)| format!("{command} --shard {shard}")).collect();
    let again = match command {
        "" => "run them again alone".to_string(),
        _ => format!("run again alone: {}", again.join(" ; ")),
    };
    format!("{}{more}, wanted all shards finished; {again}", words.join(", "))
}
