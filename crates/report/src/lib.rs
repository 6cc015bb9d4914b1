//! Reports of adversarial evaluations. They are made from records alone.
//!
//! A report is one HTML file, which needs no network and no script, the same content in Markdown,
//! every figure as SVG and PNG, and the numbers of every figure as CSV.
//!
//! ```
//! # use cni_evaluation::{DataCard, Estimate, Evaluated, ModelCard, Record, SCHEMA, ThreatCard};
//! use cni_report::Report;
//! # let estimate = Estimate { accuracy: 0.5, low: 0.3, high: 0.7, per_draw: vec![0.5] };
//! # let record = Record {
//! #     schema: SCHEMA,
//! #     version: String::new(),
//! #     data: DataCard::default(),
//! #     model: ModelCard { name: "my model".into(), ..ModelCard::default() },
//! #     threat: ThreatCard::default(),
//! #     command: String::new(),
//! #     examples: 0,
//! #     draws: 1,
//! #     votes: 1,
//! #     tries: 1,
//! #     stochastic: false,
//! #     noise_states: Vec::new(),
//! #     key: cni_noise::Key::new(1),
//! #     confidence: 0.95,
//! #     clean: estimate.into(),
//! #     cascade: None,
//! #     budget: None,
//! #     attacks: Vec::new(),
//! #     worst_case: None,
//! #     curves: Vec::new(),
//! #     scoring: Default::default(),
//! #     seconds: 0.0,
//! #     warnings: Vec::new(),
//! #     checks: Vec::new(),
//! #     audit: None,
//! #     certificates: None,
//! # };
//! # let evaluated = Evaluated { record, rows: Vec::new(), gallery: Vec::new() };
//! // Or from disk: Report::read(&["results/pni".into(), "results/cni".into()])?
//! let report = Report::new(vec![evaluated])?;
//! assert!(report.html().starts_with("<!DOCTYPE html>"));
//! assert!(report.markdown().starts_with("# my model"));
//! # Ok::<(), cni_report::ReportError>(())
//! ```
//!
//! [`FlatnessReport`] is such a page about the flatness of models, [`AblationReport`] one about an
//! ablation, from their records; [`TrainingPage`] has the learning curves of a training that may
//! still run.
//!
//! A record becomes a document of sections, tables and charts. The HTML page and the Markdown are
//! two formats of that document. A chart becomes a picture of a few kinds of shapes, which is
//! written as SVG or painted as PNG. All statistics come from `cni-evaluation`.

mod ablation;
mod chart;
mod content;
mod document;
mod draw;
mod error;
mod flatness;
mod format;
mod html;
mod markdown;
mod png;
mod report;
mod table;
mod training;

pub use ablation::AblationReport;
pub use error::ReportError;
pub use flatness::FlatnessReport;
pub use report::Report;
use report::figures;
pub use training::{TrainingPage, TrainingState};

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
