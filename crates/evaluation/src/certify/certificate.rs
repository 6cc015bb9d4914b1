//! Results of randomized smoothing.

use crate::EvaluationError;
use cni_attacks::{AttackError, Passes, at_least_one, within};
use serde::{Deserialize, Serialize};

/// The prediction of a smoothed classifier for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smoothed {
    /// The most probable class under noise. Another class is given only with probability α.
    Class(usize),
    /// No class: the samples do not tell the most probable class from the next.
    Abstain,
}

/// The certificate of one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// A class that the smoothed classifier predicts for every image nearer than `radius`. The
    /// certificate is wrong with a probability of at most α.
    Certified {
        /// The certified class.
        class: usize,
        /// The L2 distance up to which the prediction holds, in units of the pixel range:
        /// σ·Φ⁻¹(`lower`).
        radius: f64,
        /// The lower bound of the probability of the class under noise, above 1/2.
        lower: f64,
    },
    /// No class: none has a probability that is provably above 1/2.
    Abstain,
}

/// The result of [`Smoothing::predict`](super::Smoothing::predict). Its lists have one entry for
/// each image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SmoothedPredictions {
    /// The prediction of each image.
    pub predictions: Vec<Smoothed>,
    /// The number of samples that each class won, for each image.
    pub votes: Vec<Vec<u32>>,
}

/// The result of [`Smoothing::certify`](super::Smoothing::certify). Its lists have one entry for
/// each image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificates {
    /// The certificate of each image.
    pub certificates: Vec<Certificate>,
    /// The selected class of each image.
    pub selected: Vec<usize>,
    /// The number of selecting samples that each class won, for each image.
    pub selection: Vec<Vec<u32>>,
    /// The number of estimating samples that each class won, for each image.
    pub estimation: Vec<Vec<u32>>,
    /// The cost, in passes of single images.
    pub passes: Passes,
}

/// Certified accuracy: the share of images whose certificate has the true class and reaches at
/// least this L2 radius, in units of the pixel range.
///
/// Over several radii it is the curve of Cohen et al., section 4: a lower bound of the accuracy of
/// the smoothed classifier under any attack within that radius. Each certificate by itself holds
/// with probability 1 − α.
///
/// # Errors
///
/// If there are no certificates, the number of labels differs from theirs, or the radius is not
/// finite or below 0.
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

/// True if a certificate has the label and reaches at least this radius, which is what certified
/// accuracy counts. At radius zero the label alone decides.
pub(crate) fn certified<C: PartialEq>(
    predicted: Option<C>,
    radius: f64,
    label: C,
    least: f64,
) -> bool {
    predicted == Some(label) && radius >= least
}
