//! From a classifier and attacks to a record: robust accuracy of stochastic models, with intervals,
//! and an audit of the attack behind the number.

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
    Accuracy, AdversarialImages, AttackRecord, AuditRecord, Axis, CascadeRecord, Check, Comparison,
    Curve, DataCard, Difference, Epoch, EpsilonCurve, EpsilonPoint, Evaluated, Figure, ModelCard,
    NoiseState, Owner, Point, Record, Row, RowAttack, SCHEMA, Specimen, ThreatCard, Verdict,
    compare, replace_files, table, write_json,
};
pub use run::{Evaluation, IntoBatch, Step};
pub use statistics::binomial::{binomial_test, clopper_pearson, clopper_pearson_lower};
pub use statistics::estimate::{Estimate, Hits};
pub use statistics::intervals::{newcombe, newcombe_paired, wilson};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
