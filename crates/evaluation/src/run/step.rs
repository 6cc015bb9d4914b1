//! Where an evaluation is.

use crate::NoiseState;
use crate::audit::AuditProgress;
use cni_attacks::{Passes, Progress};

/// Where an evaluation is.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// An attack has ended an iteration.
    Attack {
        /// Examples that are done with.
        examples: usize,
        /// The state of the noise for the batch under attack.
        noise: NoiseState,
        /// The name of the attack in the record.
        label: &'a str,
        /// Where the attack is.
        attack: Progress<'a>,
    },
    /// The certification of a batch has made another pass.
    Certificates {
        /// Examples that are done with.
        examples: usize,
        /// Passes of single images for this batch so far.
        passes: Passes,
    },
    /// The audit begins a check, or has ended one.
    Check(AuditProgress<'a>),
}
