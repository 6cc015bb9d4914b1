//! From a classifier and attacks to a record: robust accuracy of stochastic models, with intervals,
//! and an audit of the attack behind the number.
//!
//! An [`Evaluation`] takes attacks, or a suite of them in a cascade such as AutoAttack, and runs
//! them batch by batch on a classifier: as it is, with its noise off, and with its noise held.
//! Draws that no attack has used judge what the attacks made, and all of it is added up to an
//! [`Evaluated`]: a [`Record`], a [`Row`] for each example, and some images. [`table`], [`compare`]
//! and the reports of `cni-report` read records and nothing else. With a state folder a killed
//! evaluation loses one attack on one batch; with a folder for images every adversarial image is
//! kept ([`AdversarialImages`]).
//!
//! | module | holds |
//! | --- | --- |
//! | `run` | the evaluation under way |
//! | [`audit`] | checks of the attack behind a number |
//! | `checkpoint` | the store of unfinished work that both use |
//! | `record` | what is left behind: plain data, its layout, tables and comparisons |
//! | `predictor`, `certify` | predictions over draws; randomized smoothing |
//! | `statistics` | estimates and intervals |

pub mod audit;
mod certify;
mod checkpoint;
mod error;
mod files;
mod predictor;
mod record;
mod run;
mod statistics;

pub use certify::{
    Certificate, Certificates, Smoothed, SmoothedPredictions, Smoothing, certified_accuracy,
};
pub use error::EvaluationError;
pub use files::write_whole;
pub use predictor::{InputNoise, Prediction, Predictions, Predictor};
pub use record::{
    Accuracy, AdversarialImages, AttackRecord, AuditRecord, Axis, CascadeRecord, CertificateRecord,
    Check, Comparison, Curve, DataCard, Difference, Epoch, EpsilonCurve, EpsilonPoint, Evaluated,
    ExampleImage, Figure, ModelCard, NoiseCovariance, NoiseState, Owner, Point, Record, Row,
    RowAttack, RowCertificate, SCHEMA, ThreatCard, Verdict, compare, replace_files, table,
    write_json,
};
pub use run::{Evaluation, IntoBatch, Step};
pub use statistics::StatisticsError;
pub use statistics::binomial::{binomial_test, clopper_pearson, clopper_pearson_lower};
pub use statistics::estimate::{Estimate, Hits};
pub use statistics::intervals::{newcombe, newcombe_paired, wilson};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
