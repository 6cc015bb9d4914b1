//! Sharded evaluations: several processes, on one machine or many, each judge a part of the
//! examples, and a merge makes the record of one process from their results.
//!
//! A [`Shard`] is a run of whole batches. Every random number of an evaluation is a function of a
//! key and the number of its example, and every batch is judged by itself, so no result depends on
//! the number of shards. A shard keeps its unfinished work in a state folder like any evaluation,
//! and its results in the file `shard.json`. The merge adds results up in the order of the examples
//! with the code that adds up batches. It needs neither the model nor the data.

mod error;
mod file;
mod merge;
mod run;
mod shard;

pub use self::error::ShardError;
pub use self::merge::Shards;
pub use self::shard::Shard;

/// The file with the results of a shard.
const FILE: &str = "shard.json";

/// The folder of a shard's unfinished work, within its folder.
const STATE: &str = "state";

/// The folder of a shard's adversarial images, within its folder.
const IMAGES: &str = "adversarial";
