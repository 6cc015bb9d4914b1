//! The cascade of a record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cascade: attacks in a row that each attack only the images that those before it did not
/// break.
///
/// In a cascade [`AttackRecord::robust`](crate::AttackRecord::robust) is the accuracy after the
/// attack and all those before it, and the counts of a row's attacks are those of the worst image
/// so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CascadeRecord {
    /// The name of the suite; absent for attacks that were not given as a suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
}
