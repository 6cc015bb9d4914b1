//! Randomized smoothing and its certificates.

mod certificate;
mod samples;
mod smoothing;
mod summary;

pub use self::certificate::{
    Certificate, Certificates, Smoothed, SmoothedPredictions, certified_accuracy,
};
pub use self::smoothing::Smoothing;
pub(crate) use self::summary::SmoothingSettings;
