//! Certificates of the examples, as part of the evaluation that attacks them.

use crate::run::state::{CERTIFICATES, State};
use crate::{Evaluated, Evaluation, EvaluationError, RowCertificate, Smoothing, Step};
use cni_attacks::{AttackBatch, Classifier, Passes};
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use std::time::Instant;

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
    /// The certificate of each example so far, with its label.
    rows: Vec<(RowCertificate, i64)>,
    passes: Passes,
    seconds: f64,
}

impl Certifier {
    /// The certifier of an evaluation, if its settings ask for certificates.
    pub fn new(evaluation: &Evaluation) -> Option<Self> {
        let key = evaluation.key.named("certificates");
        let new = |smoothing| {
            let (passes, seconds) = (Passes::default(), 0.0);
            Self { smoothing, key, rows: Vec::new(), passes, seconds }
        };
        evaluation.certificates.map(new)
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
        self.rows.extend(certified.rows.into_iter().zip(labels.iter().copied()));
        self.passes += certified.passes;
        self.seconds += certified.seconds;
        Ok(())
    }

    fn certify(
        &self,
        classifier: &dyn Classifier,
        batch: &AttackBatch,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<CertifiedBatch, EvaluationError> {
        let (started, examples) = (Instant::now(), self.rows.len());
        let mut watch = |passes| progress(&Step::Certificates { examples, passes });
        let images = batch.images.clone();
        let numbers = batch.examples.clone();
        let found =
            self.smoothing.certify_with(classifier, images, self.key, numbers, &mut watch)?;
        let (rows, passes) = (found.rows(), found.passes);
        Ok(CertifiedBatch { rows, passes, seconds: started.elapsed().as_secs_f64() })
    }

    /// Puts the certificates into the rows, and their summary into the record.
    pub fn finish(self, evaluated: &mut Evaluated) -> Result<(), EvaluationError> {
        let Self { smoothing, key, rows, passes, seconds } = self;
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
