//! The checkpoints of a run: on disk, while they are written, and how they are read again.

mod checksum;
mod dir;
mod identity;
mod load_run;
mod publish;
mod restore;
mod start;
mod write;

pub(crate) use dir::{CheckpointDir, MODEL, OPTIMIZER, RECIPE, SCHEDULE, write_whole};
pub(crate) use identity::describe;
pub use load_run::{Run, load_run};
pub use publish::publish_checkpoint;
pub use restore::{CheckpointInfo, CheckpointSelector, checkpoint_info, load_checkpoint};
pub(crate) use restore::{averaged, load_average, rule_bytes};
pub(crate) use start::Beginning;
pub(crate) use write::{CommitBarrier, KeepLastAndBest, OwnRecords, RecordWriter};
