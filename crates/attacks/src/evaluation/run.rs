//! An evaluation under way.

use super::{
    AttackRecord, Evaluated, Evaluation, EvaluationError, Hits, Record, Row, RowAttack, SCHEMA,
    ThreatCard,
};
use crate::checks::not_finite;
use crate::{AttackError, Classifier, Goal, Loss, Passes, draw_scope};
use burn::tensor::Tensor;
use cni_noise::Key;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// What is known so far. Memory is bounded by the batch, but for the rows.
pub(super) struct Run<'a> {
    evaluation: &'a Evaluation,
    classifier: &'a dyn Classifier,
    stochastic: bool,
    probabilities: bool,
    draws: usize,
    clean: Hits,
    attacks: Vec<(Hits, Passes, Duration)>,
    worst: Hits,
    scoring: Passes,
    pub(super) rows: Vec<Row>,
}

impl<'a> Run<'a> {
    /// Probes the first batch: is the model stochastic, and are its outputs logits?
    pub(super) fn new(
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

    pub(super) fn batch(&mut self, images: Tensor<4>, goal: &Goal) -> Result<(), EvaluationError> {
        let first = self.rows.len();
        let clean = self.judge(&images, goal, "score", first)?;
        let labels: Vec<i64> = goal.labels().try_to_vec_as().expect("the device can be read");
        let mut rows: Vec<Row> = (labels.iter().zip(counts(&clean.hits)).enumerate())
            .map(|(row, (&label, clean))| Row {
                index: first + row,
                label,
                clean,
                predicted: None,
                attacks: Vec::new(),
                worst_case: 0,
            })
            .collect();

        // The unchanged image is the first candidate for the worst case.
        let mut highest = self.danger(&images, goal, &clean, first)?;
        let mut worst = clean.hits.clone();
        self.clean.extend(&clean.hits);
        for (index, attack) in self.evaluation.suite.iter().enumerate() {
            let start = Instant::now();
            let key = attack_key(self.evaluation.key, &attack.name());
            let result =
                attack.perturb(self.classifier, images.clone(), goal, key, first as u64)?;
            let distance = attack.threat().norm().distance(&result.images, &images);
            let distance: Vec<f64> = distance.try_to_vec_as().expect("the device can be read");
            let seconds = start.elapsed();
            let judged = self.judge(&result.images, goal, "score", first)?;
            let danger = self.danger(&result.images, goal, &judged, first)?;
            for (row, correct) in counts(&judged.hits).into_iter().enumerate() {
                rows[row].attacks.push(RowAttack {
                    correct,
                    distance: distance[row],
                    predicted: None,
                    noise_off: None,
                    fixed_noise: None,
                });
                if danger[row] > highest[row] {
                    highest[row] = danger[row];
                    let draws = worst.iter_mut().zip(&judged.hits);
                    draws.for_each(|(worst, hits)| worst[row] = hits[row]);
                }
            }
            let (all, passes, time) = &mut self.attacks[index];
            all.extend(&judged.hits);
            *passes += result.passes;
            *time += seconds;
        }
        for (row, correct) in rows.iter_mut().zip(counts(&worst)) {
            row.worst_case = correct;
        }
        self.worst.extend(&worst);
        self.rows.extend(rows);
        Ok(())
    }

    /// By how much the model errs on each image: what chooses the worst attack.
    ///
    /// With noise it comes from draws of its own. A choice by the draws that judge would favour the unlucky ones, and
    /// report less than any attack achieves.
    fn danger(
        &mut self,
        images: &Tensor<4>,
        goal: &Goal,
        judged: &Judged,
        first: usize,
    ) -> Result<Vec<f64>, EvaluationError> {
        match self.stochastic {
            true => Ok(self.judge(images, goal, "select", first)?.margin),
            false => Ok(judged.margin.clone()),
        }
    }

    /// Classifies each image in each of the draws of that name.
    fn judge(
        &mut self,
        images: &Tensor<4>,
        goal: &Goal,
        draws: &str,
        first: usize,
    ) -> Result<Judged, EvaluationError> {
        let key = self.evaluation.key.named(draws);
        let [batch, ..] = images.dims();
        self.scoring.forwards += (batch * self.draws) as u64;
        let mut judged = Judged { hits: Vec::new(), margin: vec![0.0; batch] };
        for draw in 0..self.draws as u64 {
            let forward = || self.classifier.logits(images.clone());
            let logits = draw_scope(key, draw, first as u64, forward).inner();
            if let Some((row, got)) = not_finite(&logits) {
                let example = (first + row) as u64;
                return Err(AttackError::NonFinite { field: "logits", got, example }.into());
            }
            let wrong = goal.reached(&logits).into_data();
            judged.hits.push(wrong.iter::<bool>().map(|wrong| !wrong).collect());
            let margin = Loss::Margin.per_example(logits, goal.labels()).into_data();
            judged.margin.iter_mut().zip(margin.iter::<f64>()).for_each(|(sum, m)| *sum += m);
        }
        Ok(judged)
    }

    pub(super) fn finish(self, elapsed: Duration) -> Evaluated {
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
                robust: hits.estimate(*confidence).into(),
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
            threat: ThreatCard::of(suite.iter().map(AsRef::as_ref), self.stochastic),
            command: String::new(),
            votes: 1,
            tries: 1,
            checks: Vec::new(),
            draws: self.draws,
            stochastic: self.stochastic,
            key: *key,
            confidence: *confidence,
            clean: self.clean.estimate(*confidence).into(),
            attacks: attacks.collect(),
            worst_case: (!suite.is_empty()).then(|| self.worst.estimate(*confidence).into()),
            scoring: self.scoring,
            seconds: elapsed.as_secs_f64(),
            warnings,
        };
        Evaluated { record, rows: self.rows, gallery: Vec::new() }
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
        if !self.evaluation.suite.iter().any(|attack| takes_means(&attack.spec())) {
            warnings.push(
                "the model is stochastic and no attack averages its gradient over draws (EOT); \
                 robust accuracy is overestimated"
                    .to_string(),
            );
        }
        warnings
    }
}

/// How a batch fared in a number of draws.
struct Judged {
    /// For each draw, whether each image was classified correctly.
    hits: Vec<Vec<bool>>,
    /// The sum over draws of each image's margin, the best wrong logit less the right one.
    margin: Vec<f64>,
}

/// Whether an attack of this spec, or one within it, takes means over draws.
fn takes_means(spec: &serde_json::Value) -> bool {
    let within = spec["attacks"].as_array().into_iter().flatten();
    spec["draws"].as_u64().is_some_and(|draws| draws > 1) || within.into_iter().any(takes_means)
}

fn attack_key(key: Key, name: &str) -> Key {
    key.named("attack").named(name)
}

/// Correct draws of each example.
fn counts(hits: &[Vec<bool>]) -> Vec<u32> {
    let examples = hits.first().map_or(0, Vec::len);
    (0..examples).map(|i| hits.iter().filter(|draw| draw[i]).count() as u32).collect()
}
