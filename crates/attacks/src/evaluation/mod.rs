//! Clean and robust accuracy that a stochastic model cannot flatter.
//!
//! A model with noise is never judged by one pass. Whether it classifies an image correctly is a probability, estimated
//! over `draws` draws of its noise that no attack has used; draw `d` is the same for every image and every attack, so that
//! differences between attacks are not differences of luck.
//!
//! ```
//! # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! use cni_attacks::evaluation::{Evaluation, table};
//! use cni_attacks::{Attack, Pgd, Threat, Victim};
//! # let device = Device::flex();
//! # let model = LinearConfig::new(12, 2).init(&device);
//! # let victim = Victim::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
//! # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let threat = Threat::linf(8.0 / 255.0)?;
//! let suite: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(threat)), Box::new(Pgd::new(threat))];
//! let evaluated = Evaluation::new(suite)?.run(&victim, [(images, labels)])?;
//! println!("{}", table(&[&evaluated.record]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod check;
mod compare;
mod estimate;
mod gallery;
mod record;
mod run;
mod store;
mod table;

pub use card::{DataCard, Epoch, ModelCard, ThreatCard};
pub use check::{Axis, Check, Curve, Figure, Point, Verdict};
pub use compare::{Comparison, Difference, compare};
pub use estimate::{Accuracy, Estimate, Hits};
pub use gallery::Specimen;
pub use record::{AttackRecord, Evaluated, Record, Row, RowAttack, SCHEMA};
pub use store::{write_json, write_whole};
pub use table::table;

use self::run::Run;
use crate::error::at_least_one;
use crate::{Attack, AttackError, Classifier, Goal, Problem};
use burn::tensor::{Int, Tensor};
use cni_noise::Key;
use std::path::PathBuf;
use std::time::Instant;

/// What an evaluation refuses.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Images, labels, logits or settings that do not fit together.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// No batch at all.
    #[error("data: got no examples, wanted at least one")]
    NoData,
    /// Two attacks that no table could tell apart.
    #[error("suite: got two attacks named {0:?}, wanted every name once")]
    DuplicateName(String),
    /// A confidence that is none.
    #[error("confidence: got {0}, wanted a number between 0 and 1")]
    Confidence(f64),
    /// A file that cannot be written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record of a layout that this version of the library does not know.
    #[error("{path}: schema: got {got}, wanted 1 to {SCHEMA}; a later version of the library reads it", path = path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        got: u32,
    },
    /// A file that is no record, or not all of one.
    #[error("{path}{at}: {reason}", path = path.display(), at = line.map_or(String::new(), |line| format!(":{line}")))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
    /// Two records that cannot be compared.
    #[error("{field}: got {a} and {b}, wanted records of equal {field}")]
    Differs {
        /// In what they differ.
        field: &'static str,
        /// In the first.
        a: String,
        /// In the second.
        b: String,
    },
}

/// Judges classifiers by a suite of attacks.
pub struct Evaluation {
    suite: Vec<Box<dyn Attack>>,
    draws: usize,
    key: Key,
    confidence: f64,
    data: DataCard,
    model: ModelCard,
}

impl Evaluation {
    /// An evaluation by the given attacks, with 20 draws, key `Key::new(0)` and confidence 0.95.
    ///
    /// # Errors
    ///
    /// Where two attacks have the same name.
    pub fn new(suite: Vec<Box<dyn Attack>>) -> Result<Self, EvaluationError> {
        let mut names: Vec<String> = suite.iter().map(|attack| attack.name()).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EvaluationError::DuplicateName(pair[0].clone()));
        }
        Ok(Self {
            suite,
            draws: 20,
            key: Key::new(0),
            confidence: 0.95,
            data: DataCard::default(),
            model: ModelCard::default(),
        })
    }

    /// Sets the draws that judge each image. A model without noise is judged by one all the same.
    ///
    /// # Errors
    ///
    /// Where it is zero.
    pub fn with_draws(mut self, draws: usize) -> Result<Self, EvaluationError> {
        self.draws = at_least_one("draws", draws)?;
        Ok(self)
    }

    /// Sets the key from which attacks and draws derive theirs.
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Sets the confidence of the intervals.
    ///
    /// # Errors
    ///
    /// Where it is not between 0 and 1.
    pub fn with_confidence(mut self, confidence: f64) -> Result<Self, EvaluationError> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(EvaluationError::Confidence(confidence));
        }
        self.confidence = confidence;
        Ok(self)
    }

    /// Says what is evaluated on what, for the record.
    pub fn with_cards(mut self, model: ModelCard, data: DataCard) -> Self {
        (self.model, self.data) = (model, data);
        self
    }

    /// Runs the suite over batches of images `[batch, channels, height, width]`, pixels in [0, 1], and labels `[batch]`.
    ///
    /// # Errors
    ///
    /// Where there are no batches, and those of the attacks.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
    ) -> Result<Evaluated, EvaluationError> {
        self.run_with(classifier, batches, |_| {})
    }

    /// As [`run`](Self::run), calling `progress` with the number of examples done after each batch.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_with(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
        mut progress: impl FnMut(usize),
    ) -> Result<Evaluated, EvaluationError> {
        let start = Instant::now();
        let mut run: Option<Run> = None;
        for (images, labels) in batches {
            let first = run.as_ref().map_or(0, |run| run.rows.len());
            let problem = Problem::new(images, &Goal::Misclassify(labels), first as u64)?;
            let run = match &mut run {
                Some(run) => run,
                None => run.insert(Run::new(self, classifier, &problem.images, &problem.goal)?),
            };
            run.batch(problem.images, &problem.goal)?;
            progress(run.rows.len());
        }
        let run = run.ok_or(EvaluationError::NoData)?;
        Ok(run.finish(start.elapsed()))
    }
}
