//! What randomized smoothing finds.

use crate::EvaluationError;
use cni_attacks::{AttackError, Passes, at_least_one, within};
use serde::{Deserialize, Serialize};

/// The prediction of a smoothed classifier for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smoothed {
    /// The most probable class under noise: another one only with probability α.
    Class(usize),
    /// The samples do not tell the most probable class from the next.
    Abstain,
}

/// What is proved of one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// The smoothed classifier predicts `class` for every image nearer than `radius`: wrong only
    /// with probability α.
    Certified {
        /// The class.
        class: usize,
        /// The L2 distance up to which it holds, in units of the pixel range: σ·Φ⁻¹(`lower`).
        radius: f64,
        /// The lower bound of the class's probability under noise, above 1/2.
        lower: f64,
    },
    /// No class has a probability that is provably above 1/2.
    Abstain,
}

/// What [`Smoothing::predict`](super::Smoothing::predict) finds. Its lists have an entry for each
/// image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothedPredictions {
    /// The predictions.
    pub predictions: Vec<Smoothed>,
    /// The samples that each class won.
    pub votes: Vec<Vec<u32>>,
}

/// What [`Smoothing::certify`](super::Smoothing::certify) finds. Its lists have an entry for each
/// image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificates {
    /// The certificates.
    pub certificates: Vec<Certificate>,
    /// The class that was selected.
    pub selected: Vec<usize>,
    /// The samples that each class won where the class was selected.
    pub selection: Vec<Vec<u32>>,
    /// The samples that each class won where its probability was estimated.
    pub estimation: Vec<Vec<u32>>,
    /// What they cost, in passes of single images.
    pub passes: Passes,
}

/// The share of images that are certified to be of their true class at this L2 radius, in units of
/// the pixel range.
///
/// Over a number of radii it is the curve of Cohen et al., section 4: a lower bound of the smoothed
/// classifier's accuracy under any attack of that length. Each certificate holds with probability
/// 1 − α, for itself.
///
/// # Errors
///
/// If there are no certificates, or not a label for each, or the radius is not finite or below 0.
pub fn certified_accuracy(
    certificates: &[Certificate],
    labels: &[usize],
    radius: f64,
) -> Result<f64, EvaluationError> {
    let wanted = at_least_one("certificates", certificates.len())?;
    if labels.len() != wanted {
        return Err(AttackError::LabelCount { got: labels.len(), wanted }.into());
    }
    let least = within("radius", radius, |r| r >= 0.0, "a finite number of at least 0")?;
    let holds = |(certificate, label): (&Certificate, &usize)| match *certificate {
        Certificate::Certified { class, radius, .. } => {
            certified(Some(class), radius, *label, least)
        }
        Certificate::Abstain => false,
    };
    let count = certificates.iter().zip(labels).filter(|&pair| holds(pair)).count();
    Ok(count as f64 / wanted as f64)
}

/// Whether a certificate is of the label and reaches at least as far: what certified accuracy
/// counts. A radius of zero asks for the label alone.
pub(crate) fn certified<C: PartialEq>(
    predicted: Option<C>,
    radius: f64,
    label: C,
    least: f64,
) -> bool {
    predicted == Some(label) && radius >= least
}
