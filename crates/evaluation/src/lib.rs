//! Evaluation of classifiers under attack: robust accuracy of stochastic models with intervals, and
//! an audit of the attack behind the number.
//!
//! The book has a chapter on it: [Judge a stochastic model][book].
//!
//! [book]: https://github.com/cni-burn/cni-burn/tree/main/docs/book/src/judging.md
//!
//! An [`Evaluation`] runs attacks, or a suite of them in a cascade such as AutoAttack, batch by
//! batch on a classifier: as it is deployed, with its noise off, and with one draw of its noise
//! held. It judges the adversarial images by draws of the noise that no attack has used. The result
//! is an [`Evaluated`]: a [`Record`], a [`Row`] for each example, and some images. [`table`],
//! [`compare`] and the reports of `cni-report` read records and nothing else. An evaluation that
//! was killed continues from its state folder and loses at most one attack on one batch. Several
//! processes can share an evaluation, each a [`Shard`] of it, and [`Shards`] merges them to the
//! same record. On request every adversarial image is kept in a folder ([`AdversarialImages`]).
//!
//! | module | holds |
//! | --- | --- |
//! | `run` | the evaluation while it runs |
//! | `ablation` | arms of trainings over their seeds |
//! | [`audit`] | checks of the attack behind a number |
//! | [`flatness`] | flatness of the robust loss in weight space |
//! | `checkpoint` | the store of unfinished work, which both of them use |
//! | `shards` | parts of an evaluation in processes of their own, and their merge |
//! | `record` | the result: plain data, its files, tables and comparisons |
//! | `predictor`, `certify` | predictions over draws; randomized smoothing |
//! | `statistics` | estimates and intervals |

mod ablation;
pub mod audit;
mod certify;
mod checkpoint;
mod error;
mod files;
pub mod flatness;
mod predictor;
mod record;
mod run;
mod shards;
mod statistics;

pub use ablation::{
    AblationRecord, Arm, ArmComparison, ArmRun, AttackOverSeeds, FailedRun, OverSeeds,
    SeedDifference, ablation_table,
};
pub use certify::{
    Certificate, Certificates, Smoothed, SmoothedPredictions, Smoothing, certified_accuracy,
};
pub use error::EvaluationError;
pub use files::write_whole;
pub use predictor::{InputNoise, Prediction, Predictions, Predictor};
pub use record::{
    Accuracy, AdversarialImages, AttackRecord, AuditRecord, Axis, CascadeRecord, CertificateRecord,
    Check, Comparison, Curve, DataCard, Difference, Epoch, EpsilonCurve, EpsilonPoint, Evaluated,
    ExampleImage, Figure, ModelCard, NoiseCovariance, NoiseState, OtherSetting, Owner, Point,
    Record, RobustEpoch, RobustOverfitting, Row, RowAttack, RowCertificate, SCHEMA, SharedCost,
    Spectrum, ThreatCard, Verdict, compare, replace_files, table, write_json,
};
pub use run::{Evaluation, IntoBatch, Step};
pub use shards::{Shard, ShardError, Shards};
pub use statistics::StatisticsError;
pub use statistics::binomial::{binomial_test, clopper_pearson, clopper_pearson_lower};
pub use statistics::estimate::{Estimate, Hits};
pub use statistics::intervals::{newcombe, newcombe_paired, wilson};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
