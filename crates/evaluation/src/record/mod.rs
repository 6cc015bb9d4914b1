//! Records: the result of an evaluation as plain data.

pub(crate) mod accuracy;
pub(crate) mod adversarial;
mod attack;
mod audit;
pub(crate) mod averaging;
pub(crate) mod card;
mod cascade;
mod certificates;
mod check;
pub(crate) mod comparable;
pub(crate) mod compare;
mod curve;
pub(crate) mod flatness;
pub(crate) mod flatness_settings;
mod folder;
pub(crate) mod gallery;
mod groups;
mod noise_covariance;
mod noise_state;
mod overfitting;
mod row;
pub(crate) mod schema;
pub(crate) mod settings;
pub(crate) mod spec;
pub(crate) mod spectrum;
mod store;
mod table;
mod validate;

pub use self::accuracy::Accuracy;
pub use self::adversarial::AdversarialImages;
pub use self::attack::AttackRecord;
pub use self::audit::{AuditRecord, Effort, ParseEffortError, SharedCost};
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
pub use self::overfitting::{RobustEpoch, RobustOverfitting};
pub use self::row::{Row, RowAttack};
pub use self::schema::SCHEMA;
pub use self::settings::OtherSetting;
pub use self::spectrum::Spectrum;
pub use self::store::write_json;
pub use self::table::table;

use crate::EvaluationError;
use crate::clopper_pearson;
use crate::record::averaging::{
    Averaging, averaging, is_worst_evidence, looks_for_the_nearest, parts,
};
use cni_attacks::{Budget, Passes};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The record of an evaluation. Every number that is shown anywhere comes from a record.
///
/// Its JSON schema is in the repository, in `crates/evaluation/schema`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The version of the record's layout, [`SCHEMA`].
    pub schema: u32,
    /// The version of this library.
    pub version: String,
    /// The card of the data.
    pub data: DataCard,
    /// The card of the model.
    pub model: ModelCard,
    /// The card of the attacker.
    #[serde(default)]
    pub threat: ThreatCard,
    /// The command that made the record; empty if none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// The number of examples.
    pub examples: usize,
    /// The number of draws of the model's noise that judged each image. One for a model without
    /// noise.
    pub draws: usize,
    /// The number of draws of each [vote](Accuracy::vote).
    #[serde(default = "one")]
    pub votes: usize,
    /// The number of tries of the attacker in [best of several](Accuracy::best_of).
    #[serde(default = "one")]
    pub tries: usize,
    /// True if the model has noise: draws gave different logits.
    pub stochastic: bool,
    /// The states of the noise in which the model was attacked and judged; a model without noise
    /// has one. Empty in records before version 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noise_states: Vec<NoiseState>,
    /// The key from which all other keys derive.
    pub key: Key,
    /// The confidence of the intervals, between 0 and 1.
    pub confidence: f64,
    /// Clean accuracy: on the images as they are.
    pub clean: Accuracy,
    /// The cascade, if the attacks ran in one. Absent if each attacked all images by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeRecord>,
    /// The budget of each attack for each image; absent if there was no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The attacks, in the order of the suite.
    pub attacks: Vec<AttackRecord>,
    /// Worst-case accuracy: under the attack that hurts most, chosen for each example. The clean
    /// image is a candidate too. If the model has noise, other draws choose than judge; the judging
    /// draws are those of the single attacks. In a cascade it is the robust accuracy of the suite.
    /// Absent if the suite is empty.
    pub worst_case: Option<Accuracy>,
    /// Robust accuracy at several radii, one curve for each attack; empty if no radii were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<EpsilonCurve>,
    /// The cost of judging, in passes of single images.
    pub scoring: Passes,
    /// The time of the whole evaluation in seconds.
    pub seconds: f64,
    /// Warnings that a reader should know before trusting the numbers.
    pub warnings: Vec<String>,
    /// The checks of the audit; empty if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The audit that made the checks, with its attack. Absent in records before version 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditRecord>,
    /// The certificates of the smoothed classifier; absent if the settings asked for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificateRecord>,
}

impl Record {
    /// The probability that the model is right on an example, from the number `correct` of draws in
    /// which it was: `(share, low, high)`. The share is in [0, 1], and the interval is the exact
    /// one at the record's confidence (Clopper and Pearson, Biometrika 1934).
    ///
    /// A single draw of a model without noise leaves no doubt: the interval is then a point.
    ///
    /// # Errors
    ///
    /// If `correct` is above the record's number of draws, that number is zero, or the confidence
    /// is not between 0 and 1.
    pub fn probability(&self, correct: u32) -> Result<(f64, f64, f64), EvaluationError> {
        let (successes, trials) = (u64::from(correct), self.draws as u64);
        let (low, high) = clopper_pearson(successes, trials, self.confidence)?;
        let share = f64::from(correct) / self.draws as f64;
        Ok(if self.stochastic { (share, low, high) } else { (share, share, share) })
    }

    /// True if the accuracy under an attack of this record is evidence in a comparison with a model
    /// without noise.
    ///
    /// An attack that does not average over the draws of a noisy model is misled by each of them,
    /// and breaks fewer images than one that does (Athalye et al., arXiv 1802.00420). The accuracy
    /// under it is therefore no evidence of robustness. Neither is that under a transfer from the
    /// model itself with its noise held or off, nor that under a minimum-norm attack, which stops
    /// at the boundary, where about every other draw is right.
    pub fn is_evidence(&self, attack: &AttackRecord) -> bool {
        if !self.stochastic {
            return true;
        }
        // In a cascade the images of the attacks before it count, too.
        if self.cascade.is_some() && looks_for_the_nearest(&attack.spec) {
            return attack.gradient_draws.is_some_and(|draws| draws > 1);
        }
        averaging(&attack.spec, attack.gradient_draws) != Averaging::Neglects
    }

    /// True if the worst case is evidence in the same sense: if any of the attacks averages
    /// over draws.
    ///
    /// If any attack takes gradients of the model, an average over gradients is needed: many draws
    /// behind the scores of an attack without gradients do not replace it. Random points and the
    /// examples of another model are never enough.
    pub fn worst_case_is_evidence(&self) -> bool {
        let all = self.attacks.iter().flat_map(|attack| parts(&attack.spec, attack.gradient_draws));
        !self.stochastic || is_worst_evidence(all.collect())
    }

    /// The heading of an attack's accuracy in a table: its name, or `after` and its name if the
    /// accuracy includes the attacks before it, as in a cascade.
    pub fn heading(&self, attack: &AttackRecord) -> String {
        let after = if self.cascade.is_some() { "after " } else { "" };
        format!("{after}{}", attack.name)
    }

    /// The attacks whose images are behind the accuracy under the attack at a place: that attack
    /// and, in a cascade, those before it.
    pub(crate) fn behind(&self, at: usize) -> &[AttackRecord] {
        let first = if self.cascade.is_some() { 0 } else { at };
        &self.attacks[first..=at]
    }

    /// The states of a noisy model's noise that the evaluation left out.
    pub fn left_out(&self) -> Vec<NoiseState> {
        let all = [NoiseState::Off, NoiseState::Fixed];
        let said = self.stochastic && !self.noise_states.is_empty();
        all.into_iter().filter(|state| said && !self.noise_states.contains(state)).collect()
    }
}

fn one() -> usize {
    1
}

/// The result of an evaluation: the record and the data behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The record.
    pub record: Record,
    /// The rows, one for each example.
    pub rows: Vec<Row>,
    /// The gallery: the first examples as images, clean and under the attack that hurts most.
    pub gallery: Vec<ExampleImage>,
}
