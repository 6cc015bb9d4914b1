//! Progress of an evaluation.

use crate::NoiseState;
use crate::audit::AuditProgress;
use cni_attacks::{Passes, Progress};

/// A step of a running evaluation, as its `progress` callback gets it.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// An attack has finished an iteration.
    Attack {
        /// The number of finished examples.
        examples: usize,
        /// The state of the noise for the batch under attack.
        noise: NoiseState,
        /// The name of the attack in the record.
        label: &'a str,
        /// The progress of the attack.
        attack: Progress<'a>,
    },
    /// A pass of the certification of a batch has finished.
    Certificates {
        /// The number of finished examples.
        examples: usize,
        /// The cost for this batch so far, in passes of single images.
        passes: Passes,
    },
    /// A check of the audit begins or has ended.
    Check(AuditProgress<'a>),
}
