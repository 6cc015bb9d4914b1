//! Certificates of a smoothed classifier, as a record has them.

use crate::Point;
use cni_attacks::{Norm, Passes};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The certificates of all examples by randomized smoothing (Cohen et al., arXiv 1902.02918), and
/// how they were made.
///
/// They are about the smoothed classifier, which predicts the class that the model is most likely
/// to give under Gaussian noise on the input, and about no other: see
/// [`Smoothing`](crate::Smoothing). σ and radii are in units of the pixel range [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateRecord {
    /// The norm of the certified changes: L2.
    pub norm: Norm,
    /// The standard deviation σ of the noise on each pixel.
    pub sigma: f64,
    /// The samples n₀ that selected the class of each example.
    pub selection: usize,
    /// The samples n that estimated the probability of that class.
    pub samples: usize,
    /// The probability α with which a certificate may be wrong, each for itself.
    pub alpha: f64,
    /// The most images in a pass.
    pub batch: usize,
    /// The key of the samples.
    pub key: Key,
    /// Certified accuracy against radius: `x` is an L2 radius, `y` the share of the examples whose
    /// certificate is of their label and reaches as far, with the exact interval over examples at
    /// the record's confidence (Clopper and Pearson). At radius 0 it is the accuracy of the
    /// smoothed classifier, where abstaining counts as wrong.
    pub curve: Vec<Point>,
    /// The average certified radius (Zhai et al., arXiv 2001.02378): the mean over the examples of
    /// the radius, zero where the certificate is not of the label.
    pub average_radius: f64,
    /// Lower end of its interval over examples: Wilson's, of the mean as a share of the largest
    /// radius that so many samples can certify.
    pub average_radius_low: f64,
    /// Upper end of its interval.
    pub average_radius_high: f64,
    /// The share of the examples on which the smoothed classifier abstains.
    pub abstained: f64,
    /// What it cost, in passes of single images.
    pub passes: Passes,
    /// Seconds that it took.
    pub seconds: f64,
}

/// The certificate of one example, as the table of CERTIFY has it. Samples and σ are those of the
/// [`CertificateRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowCertificate {
    /// The certified class; absent where the classifier abstains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// The certified L2 radius, in units of the pixel range; zero where the classifier abstains.
    pub radius: f64,
    /// The class that most of the selecting samples gave.
    pub selected: i64,
    /// Selecting samples that gave it.
    pub selection: u32,
    /// Estimating samples that gave it.
    pub estimation: u32,
}
