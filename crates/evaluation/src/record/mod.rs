//! What an evaluation leaves behind.

pub(crate) mod accuracy;
pub(crate) mod adversarial;
mod attack;
mod audit;
pub(crate) mod averaging;
pub(crate) mod card;
mod cascade;
mod certificates;
mod check;
mod comparable;
pub(crate) mod compare;
mod curve;
mod folder;
pub(crate) mod gallery;
mod groups;
mod noise_covariance;
mod noise_state;
mod row;
pub(crate) mod schema;
pub(crate) mod spec;
mod store;
mod table;
mod validate;

pub use self::accuracy::Accuracy;
pub use self::adversarial::AdversarialImages;
pub use self::attack::AttackRecord;
pub use self::audit::{AuditRecord, Effort, ParseEffortError};
pub use self::card::{DataCard, Epoch, ModelCard, ThreatCard};
pub use self::cascade::CascadeRecord;
pub use self::certificates::{CertificateRecord, RowCertificate};
pub use self::check::{Axis, Check, Curve, Figure, Point, Verdict};
pub use self::compare::{Comparison, Difference, compare};
pub use self::curve::{EpsilonCurve, EpsilonPoint};
pub use self::folder::{Owner, replace_files};
pub use self::gallery::ExampleImage;
pub use self::noise_covariance::NoiseCovariance;
pub use self::noise_state::NoiseState;
pub use self::row::{Row, RowAttack};
pub use self::schema::SCHEMA;
pub use self::store::write_json;
pub use self::table::table;

use crate::EvaluationError;
use crate::clopper_pearson;
use crate::record::averaging::{Averaging, averaging, is_worst_evidence, parts};
use cni_attacks::{Budget, Passes};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The record of an evaluation. Every number that is shown anywhere comes from one.
///
/// Its JSON schema is in the repository, `crates/evaluation/schema`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Layout of the record.
    pub schema: u32,
    /// Version of this library.
    pub version: String,
    /// The data.
    pub data: DataCard,
    /// The model.
    pub model: ModelCard,
    /// The attacker.
    #[serde(default)]
    pub threat: ThreatCard,
    /// The command that made the record; empty where a program of one's own did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Number of examples.
    pub examples: usize,
    /// Draws of the model's noise that decided each correctness. One for a model without noise.
    pub draws: usize,
    /// Draws behind each [vote](Accuracy::vote).
    #[serde(default = "one")]
    pub votes: usize,
    /// Tries of the attacker in [best of several](Accuracy::best_of).
    #[serde(default = "one")]
    pub tries: usize,
    /// Whether two draws gave different logits.
    pub stochastic: bool,
    /// The states of its noise in which the model was attacked and judged; a model without noise
    /// has one. Empty in records before version 3, which say nothing of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise_states: Vec<NoiseState>,
    /// The key from which all others derive.
    pub key: Key,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// Accuracy on the images as they are.
    pub clean: Accuracy,
    /// Whether the attacks ran in a cascade. Absent if each attacked all images by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeRecord>,
    /// What each attack was allowed to spend on each image; absent if that was not limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The attacks, in the order of the suite.
    pub attacks: Vec<AttackRecord>,
    /// Accuracy under the attack that hurts most, chosen for each example, the unchanged image
    /// among the candidates. With noise the choice is made by other draws than the judgement, whose
    /// draws are those of the single attacks. Absent where the suite is empty. In a cascade it is
    /// the robust accuracy of the suite.
    pub worst_case: Option<Accuracy>,
    /// Accuracy at several radii, for each attack; empty if no radii were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<EpsilonCurve>,
    /// Passes of single images that judged the results.
    pub scoring: Passes,
    /// Seconds in all.
    pub seconds: f64,
    /// What a reader should know before trusting the numbers.
    pub warnings: Vec<String>,
    /// The checks that were run; none where none were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The attack that the checks are about. Records before version 3 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditRecord>,
    /// Certificates of the smoothed classifier; absent where none were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificateRecord>,
}

impl Record {
    /// The probability with which the model is right on an example, from the draws in which it was:
    /// the share of them, and the ends of the exact interval at the record's confidence (Clopper
    /// and Pearson, Biometrika 1934).
    ///
    /// A single draw of a model without noise leaves nothing open: the interval is a point.
    ///
    /// # Errors
    ///
    /// Where `correct` is above the record's draws, these are zero, or its confidence is none.
    pub fn probability(&self, correct: u32) -> Result<(f64, f64, f64), EvaluationError> {
        let (successes, trials) = (u64::from(correct), self.draws as u64);
        let (low, high) = clopper_pearson(successes, trials, self.confidence)?;
        let share = f64::from(correct) / self.draws as f64;
        Ok(if self.stochastic { (share, low, high) } else { (share, share, share) })
    }

    /// Whether the accuracy under an attack of this record says anything against a model without
    /// noise.
    ///
    /// An attack that does not average over the draws of a noisy model is led astray by each of
    /// them, and leaves more than one that does (Athalye et al., arXiv 1802.00420): what it leaves
    /// is no evidence.
    pub fn is_evidence(&self, attack: &AttackRecord) -> bool {
        let averages = averaging(&attack.spec, attack.gradient_draws) != Averaging::Neglects;
        !self.stochastic || averages
    }

    /// The same of the worst case: whether any of the attacks averages over draws.
    ///
    /// Where any takes gradients of the model, those must be averages: many draws behind the scores
    /// of an attack without gradients make up for nothing. Random points and the examples of
    /// another model are never enough.
    pub fn worst_case_is_evidence(&self) -> bool {
        let all = self.attacks.iter().flat_map(|attack| parts(&attack.spec, attack.gradient_draws));
        !self.stochastic || is_worst_evidence(all.collect())
    }

    /// What the accuracy of an attack is called in a table: its name, or `after` its name if it
    /// counts those before it too, as in a cascade.
    pub fn heading(&self, attack: &AttackRecord) -> String {
        let after = if self.cascade.is_some() { "after " } else { "" };
        format!("{after}{}", attack.name)
    }

    /// The states of a noisy model's noise that were left out.
    pub fn left_out(&self) -> Vec<NoiseState> {
        let all = [NoiseState::Off, NoiseState::Fixed];
        let said = self.stochastic && !self.noise_states.is_empty();
        all.into_iter().filter(|state| said && !self.noise_states.contains(state)).collect()
    }
}

fn one() -> usize {
    1
}

/// The record and what is behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The record.
    pub record: Record,
    /// One row for each example.
    pub rows: Vec<Row>,
    /// The first examples as images, clean and under the attack that hurts most.
    pub gallery: Vec<ExampleImage>,
}
