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

mod estimate;
mod record;

pub use estimate::{Estimate, Hits};
pub use record::{
    AttackRecord, DataCard, Evaluated, ModelCard, Record, Row, RowAttack, SCHEMA, table, write_json,
};

use crate::error::at_least_one;
use crate::{Attack, AttackError, Classifier, Goal, Passes, checked_images, draw_scope};
use burn::tensor::{Int, Tensor};
use cni_noise::Key;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
            let goal = Goal::Misclassify(labels);
            let images = checked_images(images, &goal)?;
            let run = match &mut run {
                Some(run) => run,
                None => run.insert(Run::new(self, classifier, &images, &goal)?),
            };
            run.batch(images, &goal)?;
            progress(run.rows.len());
        }
        let run = run.ok_or(EvaluationError::NoData)?;
        Ok(run.finish(start.elapsed()))
    }
}

/// An evaluation under way. Memory is bounded by the batch, but for the rows.
struct Run<'a> {
    evaluation: &'a Evaluation,
    classifier: &'a dyn Classifier,
    stochastic: bool,
    probabilities: bool,
    draws: usize,
    clean: Hits,
    attacks: Vec<(Hits, Passes, Duration)>,
    worst: Hits,
    scoring: Passes,
    rows: Vec<Row>,
}

impl<'a> Run<'a> {
    /// Probes the first batch: is the model stochastic, and are its outputs logits?
    fn new(
        evaluation: &'a Evaluation,
        classifier: &'a dyn Classifier,
        images: &Tensor<4>,
        goal: &Goal,
    ) -> Result<Self, EvaluationError> {
        let probe = evaluation.key.named("probe");
        let logits = |draw| {
            let logits = draw_scope(probe, draw, 0, || classifier.logits(images.clone()));
            logits.inner()
        };
        let (first, second) = (logits(0), logits(1));
        let ([rows, classes], [batch]) = (first.dims(), goal.labels().dims());
        if rows != batch || classes < 2 {
            return Err(AttackError::LogitsShape { got: [rows, classes], batch }.into());
        }
        let stochastic = first.clone().not_equal(second).any().into_scalar::<bool>();
        let sums_off = (first.clone().sum_dim(1) - 1.0).abs().max().into_scalar::<f64>();
        let probabilities = first.min().into_scalar::<f64>() >= 0.0 && sums_off < 1e-5;
        let draws = if stochastic { evaluation.draws } else { 1 };
        let hits = || Hits::new(draws);
        Ok(Self {
            evaluation,
            classifier,
            stochastic,
            probabilities,
            draws,
            clean: hits(),
            attacks: evaluation
                .suite
                .iter()
                .map(|_| (hits(), Passes::default(), Duration::ZERO))
                .collect(),
            worst: hits(),
            scoring: Passes { forwards: 2 * batch as u64, backwards: 0 },
            rows: Vec::new(),
        })
    }

    fn batch(&mut self, images: Tensor<4>, goal: &Goal) -> Result<(), EvaluationError> {
        let first = self.rows.len();
        let score = self.evaluation.key.named("score");
        let clean = self.judge(&images, goal, score, first)?;
        let labels: Vec<i64> = goal.labels().try_to_vec_as().expect("the device can be read");
        let correct = counts(&clean);
        let mut rows: Vec<Row> = (labels.iter().zip(&correct).enumerate())
            .map(|(row, (&label, &clean))| Row {
                index: first + row,
                label,
                clean,
                attacks: Vec::new(),
                worst_case: clean,
            })
            .collect();
        self.clean.extend(&clean);

        let mut worst = images.clone();
        for (index, attack) in self.evaluation.suite.iter().enumerate() {
            let start = Instant::now();
            let key = attack_key(self.evaluation.key, &attack.name());
            let result =
                attack.perturb(self.classifier, images.clone(), goal, key, first as u64)?;
            let distance = attack.threat().norm().distance(&result.images, &images);
            let distance: Vec<f64> = distance.try_to_vec_as().expect("the device can be read");
            let seconds = start.elapsed();
            let hits = self.judge(&result.images, goal, score, first)?;
            let mut better = Vec::new();
            for ((row, correct), distance) in rows.iter_mut().zip(counts(&hits)).zip(distance) {
                row.attacks.push(RowAttack { correct, distance });
                better.push(correct < row.worst_case);
                row.worst_case = row.worst_case.min(correct);
            }
            let batch = better.len();
            let better = burn::tensor::TensorData::new(better, [batch, 1, 1, 1]);
            let better = Tensor::<4, burn::tensor::Bool>::from_data(better, &images.device());
            worst = worst.mask_where(better.expand(images.shape()), result.images);
            let (all, passes, time) = &mut self.attacks[index];
            all.extend(&hits);
            *passes += result.passes;
            *time += seconds;
        }
        // The choice of the worst attack by noisy scores favours unlucky draws: fresh ones judge it.
        let hits = match self.stochastic {
            true => self.judge(&worst, goal, self.evaluation.key.named("worst"), first)?,
            false => vec![rows.iter().map(|row| row.worst_case == 1).collect()],
        };
        for (row, correct) in rows.iter_mut().zip(counts(&hits)) {
            row.worst_case = correct;
        }
        self.worst.extend(&hits);
        self.rows.extend(rows);
        Ok(())
    }

    /// Whether each image is classified correctly, in each draw.
    fn judge(
        &mut self,
        images: &Tensor<4>,
        goal: &Goal,
        key: Key,
        first: usize,
    ) -> Result<Vec<Vec<bool>>, EvaluationError> {
        let [batch, ..] = images.dims();
        self.scoring.forwards += (batch * self.draws) as u64;
        (0..self.draws as u64)
            .map(|draw| {
                let forward = || self.classifier.logits(images.clone());
                let logits = draw_scope(key, draw, first as u64, forward).inner();
                let bad = logits.clone().is_finite().bool_not().int().sum().into_scalar::<i64>();
                if bad > 0 {
                    let got = bad as usize;
                    return Err(AttackError::NonFinite { field: "logits", got }.into());
                }
                let wrong: Vec<bool> = goal.reached(&logits).into_data().iter::<bool>().collect();
                Ok(wrong.into_iter().map(|wrong| !wrong).collect())
            })
            .collect()
    }

    fn finish(self, elapsed: Duration) -> Evaluated {
        let warnings = self.warnings();
        let Evaluation { suite, key, confidence, data, model, .. } = self.evaluation;
        let attacks = suite.iter().zip(self.attacks).map(|(attack, (hits, passes, time))| {
            let (name, spec) = (attack.name(), attack.spec());
            let digest = Sha256::digest(spec.to_string());
            AttackRecord {
                hash: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                key: attack_key(*key, &name),
                name,
                spec,
                robust: hits.estimate(*confidence),
                passes,
                seconds: time.as_secs_f64(),
            }
        });
        let record = Record {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_string(),
            data: data.clone(),
            model: model.clone(),
            examples: self.rows.len(),
            draws: self.draws,
            stochastic: self.stochastic,
            key: *key,
            confidence: *confidence,
            clean: self.clean.estimate(*confidence),
            attacks: attacks.collect(),
            worst_case: (!suite.is_empty()).then(|| self.worst.estimate(*confidence)),
            scoring: self.scoring,
            seconds: elapsed.as_secs_f64(),
            warnings,
        };
        Evaluated { record, rows: self.rows }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.probabilities {
            warnings.push(
                "outputs look like probabilities; attacks want logits, without a softmax"
                    .to_string(),
            );
        }
        if !self.stochastic {
            return warnings;
        }
        if self.draws < 10 {
            warnings.push(format!(
                "the model is stochastic and was judged by {} draws; 10 or more tell luck from robustness",
                self.draws
            ));
        }
        let specs = self.evaluation.suite.iter().map(|attack| attack.spec());
        if !specs.into_iter().any(|spec| spec["draws"].as_u64().is_some_and(|draws| draws > 1)) {
            warnings.push(
                "the model is stochastic and no attack averages its gradient over draws (EOT); \
                 robust accuracy is overestimated"
                    .to_string(),
            );
        }
        warnings
    }
}

fn attack_key(key: Key, name: &str) -> Key {
    key.named("attack").named(name)
}

/// Correct draws of each example.
fn counts(hits: &[Vec<bool>]) -> Vec<u32> {
    let examples = hits.first().map_or(0, Vec::len);
    (0..examples).map(|i| hits.iter().filter(|draw| draw[i]).count() as u32).collect()
}
