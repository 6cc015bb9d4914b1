//! What a record says of a cascade.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Attacks in a row, each on the images that those before it have left: what the numbers of a
/// record's attacks mean.
///
/// [`AttackRecord::robust`](crate::AttackRecord::robust) is then what the model still gets right
/// after the attack and those before it, and the counts of a row's attacks are of the worst image
/// so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CascadeRecord {
    /// The name of the suite; absent for attacks of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
}
