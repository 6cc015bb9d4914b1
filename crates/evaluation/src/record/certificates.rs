//! Certificates of a smoothed classifier in a record.

use crate::Point;
use cni_attacks::{Norm, Passes};
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The certificates of all examples by randomized smoothing (Cohen et al., arXiv 1902.02918), with
/// their settings.
///
/// They are about the smoothed classifier only. It predicts the class that the model is most likely
/// to give under Gaussian noise on the input: see [`Smoothing`](crate::Smoothing). σ and radii are
/// in units of the pixel range [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateRecord {
    /// The norm of the certified changes: L2.
    pub norm: Norm,
    /// The standard deviation σ of the noise on each pixel.
    pub sigma: f64,
    /// The number of samples n₀ that selected the class of each example.
    pub selection: usize,
    /// The number of samples n that estimated the probability of that class.
    pub samples: usize,
    /// The probability α that a single certificate is wrong.
    pub alpha: f64,
    /// The largest number of images in a pass.
    pub batch: usize,
    /// The key of the samples.
    pub key: Key,
    /// Certified accuracy against radius. `x` is an L2 radius. `y` is the share of the examples
    /// whose certificate has their label and reaches at least that radius, with the exact interval
    /// over examples at the record's confidence (Clopper and Pearson). At radius 0 it is the
    /// accuracy of the smoothed classifier, for which abstaining counts as wrong.
    pub curve: Vec<Point>,
    /// The average certified radius (Zhai et al., arXiv 2001.02378): the mean radius over the
    /// examples. A certificate that does not have the label counts as zero.
    pub average_radius: f64,
    /// The lower end of its interval over examples: Wilson's, of the mean as a share of the largest
    /// radius that this number of samples can certify.
    pub average_radius_low: f64,
    /// The upper end of its interval.
    pub average_radius_high: f64,
    /// The share of the examples on which the smoothed classifier abstains.
    pub abstained: f64,
    /// The cost, in passes of single images.
    pub passes: Passes,
    /// The time in seconds.
    pub seconds: f64,
}

/// The certificate of one example, with the columns of CERTIFY's table. Its settings are in the
/// [`CertificateRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowCertificate {
    /// The certified class; absent if the classifier abstains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<i64>,
    /// The certified L2 radius, in units of the pixel range; zero if the classifier abstains.
    pub radius: f64,
    /// The selected class: that of most selecting samples.
    pub selected: i64,
    /// The number of selecting samples that gave the selected class.
    pub selection: u32,
    /// The number of estimating samples that gave the selected class.
    pub estimation: u32,
}
