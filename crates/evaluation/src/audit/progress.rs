//! Progress of an audit.

use crate::Check;
use cni_attacks::Passes;

/// The progress of a running audit, as its callback gets it.
#[derive(Clone, Debug)]
pub struct AuditProgress<'a> {
    /// The name of the check, or of a result that several checks share.
    pub check: &'a str,
    /// The number of the check, from 1; zero for a result that several checks share.
    pub position: usize,
    /// The number of checks.
    pub of: usize,
    /// The cost so far, in passes of single images.
    pub passes: Passes,
    /// The planned cost of the whole audit, in passes of single images.
    pub planned: Passes,
    /// The finished check; absent before it has ended.
    pub done: Option<&'a Check>,
}
