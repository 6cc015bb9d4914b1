//! The measurements of a membership attack.

use crate::PrivacyError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A number with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The estimate.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The rates of an attack at one threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// The false positive rate that the threshold was chosen for.
    pub wanted: f64,
    /// The threshold: an example with a larger score is called a member.
    pub threshold: f64,
    /// The share of members that are called so, with its exact interval.
    pub true_positive_rate: Measured,
    /// The share of others that are called members, with its exact interval.
    pub false_positive_rate: Measured,
    /// The largest true positive rate that the privacy allows at the upper end of the false
    /// positive rate's interval, if a privacy was given.
    pub bound: Option<f64>,
}

/// The privacy that an attack is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyBound {
    /// Epsilon.
    pub epsilon: f64,
    /// Delta.
    pub delta: f64,
    /// The largest advantage that they allow.
    pub advantage: f64,
}

/// Whether an attack stays under the bound of a privacy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does. A better attack may not: this shows no privacy.
    Under,
    /// It does not, by the lower end of an interval: the privacy claimed is refuted.
    Beaten,
    /// With so few examples a perfect attack would not beat the bound either.
    Inconclusive,
}

/// A membership attack on one model, measured.
///
/// Thresholds are chosen on every other score, and rates are measured on the rest: no number is of
/// the scores that chose its threshold. Intervals are those of independent examples; examples of
/// one training are not quite that. The lower bound on epsilon needs no such thing, see
/// [`epsilon_from_guesses`](super::epsilon_from_guesses), but memberships by fair coins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembershipReport {
    /// The attack, such as `loss-threshold` or `lira-online`.
    pub attack: String,
    /// The members that rates were measured on.
    pub members: u64,
    /// The other examples that rates were measured on.
    pub others: u64,
    /// The confidence of the intervals and of the lower bound on epsilon.
    pub confidence: f64,
    /// The probability that a member's score is above another example's, over all scores, with the
    /// interval of DeLong, DeLong and Clarke-Pearson (Biometrics 1988).
    pub auc: Measured,
    /// True minus false positive rate at the threshold that is best for it. Its interval is that of
    /// the two rates together.
    pub advantage: Measured,
    /// Rates at thresholds for low false positive rates.
    pub points: Vec<OperatingPoint>,
    /// The lower bound on epsilon at `delta`.
    pub epsilon_at_least: f64,
    /// The delta of the privacy that the attack is held against, or 1e-5.
    pub delta: f64,
    /// The privacy that the attack is held against, if one was given.
    pub bound: Option<PrivacyBound>,
    /// Whether the attack stays under it.
    pub verdict: Option<Verdict>,
}

impl MembershipReport {
    /// Writes the report to a file as JSON.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::File`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PrivacyError> {
        crate::files::save(self, path.as_ref())
    }

    /// Reads a report from a file that [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::File`] if the file cannot be read, [`PrivacyError::Json`] if it holds no
    /// report.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, PrivacyError> {
        crate::files::load(path.as_ref(), "a report of a membership attack")
    }
}
