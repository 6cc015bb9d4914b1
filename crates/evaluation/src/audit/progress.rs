//! What an audit tells of itself while it runs.

use crate::Check;
use cni_attacks::Passes;

/// The progress of an audit.
#[derive(Clone, Debug)]
pub struct AuditProgress<'a> {
    /// The name of the check, or of a result that several checks share.
    pub check: &'a str,
    /// Its number, from 1; zero for a result that several checks share.
    pub position: usize,
    /// How many checks there are.
    pub of: usize,
    /// Passes of single images so far.
    pub passes: Passes,
    /// Passes of the whole audit, as planned.
    pub planned: Passes,
    /// The result, once the check has ended.
    pub done: Option<&'a Check>,
}
