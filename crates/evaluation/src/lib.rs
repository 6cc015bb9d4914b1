//! From a classifier and attacks to a record: robust accuracy of stochastic models, with intervals,
//! and an audit of the attack behind the number.

pub mod audit;
mod certify;
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
pub use predictor::{InputNoise, Prediction, Predictions, Predictor};
pub use record::{
    Accuracy, AttackRecord, AuditRecord, Axis, CertificateRecord, Check, Comparison, Curve, DataCard, Difference,
    Epoch, Evaluated, Figure, ModelCard, NoiseState, Owner, Point, Record, Row, RowAttack, RowCertificate, SCHEMA,
    ExampleImage, ThreatCard, Verdict, compare, replace_files, table, write_json, write_whole,
};
pub use run::{Evaluation, Step};
pub use statistics::StatisticsError;
pub use statistics::binomial::{binomial_test, clopper_pearson, clopper_pearson_lower};
pub use statistics::estimate::{Estimate, Hits};
pub use statistics::intervals::{newcombe, newcombe_paired, wilson};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
