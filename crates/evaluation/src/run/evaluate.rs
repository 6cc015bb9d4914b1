//! The run of an evaluation: from batches to a record.

use crate::run::into_batch::IntoBatch;
use crate::run::part::{Part, Run};
use crate::{Evaluated, Evaluation, EvaluationError, Step};
use burn::tensor::Device;
use cni_attacks::{AttackBatch, Classifier, Goal};
use cni_ops::autocast;
use std::path::Path;

impl Evaluation {
    /// Runs the evaluation over batches: images `[batch, channels, height, width]` with pixels in
    /// [0, 1], and labels `[batch]`, or a [`Result`](IntoBatch) of the two.
    ///
    /// Examples are numbered in the order of the batches, from 0. The result does not depend on the
    /// noise scope of the caller, with one exception: inside a scope of `Noise::Off` the model is
    /// attacked and judged without its noise, and the record describes a model without noise. It
    /// does not depend on the caller's precision either, but on
    /// [`with_attack_precision`](Self::with_attack_precision) and
    /// [`with_judging_precision`](Self::with_judging_precision). A classifier that sets a precision
    /// of its own keeps it; state it in [`ModelCard::precision`](crate::ModelCard::precision).
    ///
    /// # Errors
    ///
    /// [`EvaluationError::NoData`] if there is no batch, [`EvaluationError::Batch`] if a batch is
    /// an error, [`EvaluationError::Field`] if the device of the images does not multiply in a
    /// precision of the settings, and the errors of the attacks ([`EvaluationError::Attack`]) and
    /// of the audit.
    pub fn run<B: IntoBatch>(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = B>,
    ) -> Result<Evaluated, EvaluationError> {
        self.run_with(classifier, batches, None, &mut |_| {})
    }

    /// As [`run`](Self::run), with a state folder and a callback. `progress` is called after each
    /// iteration of each attack, and before and after each check.
    ///
    /// If `state` is a folder, the result of each attack on each batch is written there, and so are
    /// the certificates of each batch and each check. A run that was killed continues from there
    /// when it is started again with the same settings, model and batches. It gives the same
    /// record, except for the seconds. A new evaluation with other settings replaces the state of a
    /// finished evaluation. [`Evaluated::save`](crate::Evaluated::save) removes the state from the
    /// folder `state` beside the record.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); [`EvaluationError::Io`] if the state cannot be read or written, and
    /// [`EvaluationError::State`] if it belongs to an unfinished evaluation with other settings,
    /// another model or other data: the error names the difference.
    pub fn run_with<B: IntoBatch>(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = B>,
        state: Option<&Path>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Evaluated, EvaluationError> {
        let images = self.adversarial.clone();
        let part = Part { own: 0..usize::MAX, leads: true, state, images };
        let run = self.over(classifier, batches, part, &mut Run::open, progress)?;
        let (head, outcome) = autocast(self.judging_precision, || run.finish(progress))?;
        outcome.evaluated(&head)
    }

    /// Runs a part of the evaluation, up to the audit. `batches` are those of the whole; `begin` is
    /// called before the first of them is judged.
    pub(crate) fn over<'a, B: IntoBatch>(
        &'a self,
        classifier: &'a dyn Classifier,
        batches: impl IntoIterator<Item = B>,
        part: Part<'a>,
        begin: &mut dyn FnMut(&mut Run<'a>) -> Result<(), EvaluationError>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Run<'a>, EvaluationError> {
        // Judging has this precision; the attacks set theirs within.
        autocast(self.judging_precision, || {
            let mut part = Some(part);
            let mut run: Option<Run> = None;
            for batch in batches {
                let first = run.as_ref().map_or(0, Run::examples);
                let batch = batch.into_batch();
                let (images, labels) =
                    batch.map_err(|source| EvaluationError::Batch { first, source })?;
                let batch = AttackBatch::new(images, &Goal::Misclassify(labels), first as u64)?;
                if let Some(part) = part.take() {
                    self.check_precision(&batch.images.device())?;
                    begin(run.insert(Run::new(self, classifier, part, &batch)?))?;
                }
                let run = run.as_mut().expect("the first batch has begun it");
                run.batch(&batch, progress)?;
            }
            run.ok_or(EvaluationError::NoData)
        })
    }

    fn check_precision(&self, device: &Device) -> Result<(), EvaluationError> {
        let settings = [
            ("attack_precision", self.attack_precision),
            ("judging_precision", self.judging_precision),
        ];
        match settings.into_iter().find(|(_, precision)| !precision.works_on(device)) {
            None => Ok(()),
            Some((field, precision)) => Err(EvaluationError::Field {
                field: field.to_string(),
                got: precision.to_string(),
                wanted: format!("a precision in which {device:?} multiplies"),
            }),
        }
    }
}
