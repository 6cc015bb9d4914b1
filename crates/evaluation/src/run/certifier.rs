//! Certificates of the examples, as part of the evaluation that attacks them.

use crate::certify::SmoothingSettings;
use crate::run::state::{CERTIFICATES, State};
use crate::{Evaluated, Evaluation, EvaluationError, RowCertificate, Smoothing, Step};
use cni_attacks::{AttackBatch, Classifier, Passes};
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// The certificates of one batch.
#[derive(Serialize, Deserialize)]
pub(crate) struct CertifiedBatch {
    rows: Vec<RowCertificate>,
    passes: Passes,
    seconds: f64,
}

/// A certifier: it certifies batch by batch, and adds the results up.
pub(crate) struct Certifier {
    smoothing: Smoothing,
    key: Key,
    certified: Certified,
}

/// The certificates of examples, and their cost.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Certified {
    /// The certificate of each example, with its label.
    rows: Vec<(RowCertificate, i64)>,
    passes: Passes,
    seconds: f64,
}

impl Certifier {
    /// The certifier of an evaluation, if its settings ask for certificates.
    pub fn new(evaluation: &Evaluation) -> Option<Self> {
        let (key, certified) = (key(evaluation.key), Certified::default());
        evaluation.certificates.map(|smoothing| Self { smoothing, key, certified })
    }

    /// Certifies the next batch, whose labels are `labels`, or reads its certificates from disk.
    pub fn batch(
        &mut self,
        classifier: &dyn Classifier,
        batch: &AttackBatch,
        labels: &[i64],
        state: Option<&State>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let known = match state {
            Some(state) => state.load(batch, CERTIFICATES)?,
            None => None,
        };
        let certified = match known {
            Some(certified) => certified,
            None => {
                let certified = self.certify(classifier, batch, progress)?;
                if let Some(state) = state {
                    state.save(batch, CERTIFICATES, &certified)?;
                }
                certified
            }
        };
        let CertifiedBatch { rows, passes, seconds } = certified;
        let rows = rows.into_iter().zip(labels.iter().copied()).collect();
        self.certified.append(Certified { rows, passes, seconds });
        Ok(())
    }

    fn certify(
        &self,
        classifier: &dyn Classifier,
        batch: &AttackBatch,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<CertifiedBatch, EvaluationError> {
        let (started, examples) = (Instant::now(), self.certified.rows.len());
        let mut watch = |passes| progress(&Step::Certificates { examples, passes });
        let images = batch.images.clone();
        let numbers = batch.examples.clone();
        let found =
            self.smoothing.certify_with(classifier, images, self.key, numbers, &mut watch)?;
        let (rows, passes) = (found.rows(), found.passes);
        Ok(CertifiedBatch { rows, passes, seconds: started.elapsed().as_secs_f64() })
    }

    /// The certificates of all batches.
    pub fn finish(self) -> Certified {
        self.certified
    }
}

/// The key of the samples.
fn key(evaluation: Key) -> Key {
    evaluation.named("certificates")
}

impl Certified {
    /// Adds the certificates of the examples that follow.
    pub fn append(&mut self, next: Self) {
        self.rows.extend(next.rows);
        self.passes += next.passes;
        self.seconds += next.seconds;
    }

    /// Puts the certificates into the rows, and their summary into the record. `evaluation` is the
    /// key of the evaluation.
    pub fn finish(
        self,
        settings: &SmoothingSettings,
        evaluation: Key,
        evaluated: &mut Evaluated,
    ) -> Result<(), EvaluationError> {
        let Self { rows, passes, seconds } = self;
        let (smoothing, key) = (Smoothing::try_from(settings)?, key(evaluation));
        let Evaluated { record, rows: of, .. } = evaluated;
        let made = smoothing.record(&rows, record.confidence, key, (passes, seconds))?;
        record.seconds += seconds;
        record.certificates = Some(made);
        for (row, (certificate, _)) in of.iter_mut().zip(rows) {
            row.certificate = Some(certificate);
        }
        Ok(())
    }
}
