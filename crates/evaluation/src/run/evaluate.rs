//! From batches to a record.

use crate::run::batches::Run;
use crate::run::into_batch::IntoBatch;
use crate::{Evaluated, Evaluation, EvaluationError, Step};
use cni_attacks::{AttackBatch, Classifier, Goal};
use std::path::Path;

impl Evaluation {
    /// Runs the suite over batches of images `[batch, channels, height, width]`, pixels in [0, 1],
    /// and labels `[batch]`, or [`Result`s](IntoBatch) of them.
    ///
    /// Draws have keys of their own, whatever the caller's scope; but inside a scope of
    /// `Noise::Off` the model is attacked and judged without its noise, and the record has it as
    /// one without. Precision is the caller's: inside `autocast` all passes are of that precision,
    /// judging ones too, which [`ModelCard::precision`](crate::ModelCard::precision) is there to
    /// say.
    ///
    /// # Errors
    ///
    /// If there are no batches, [`EvaluationError::Batch`] with that of a batch, those of the
    /// attacks and of the audit.
    pub fn run<B: IntoBatch>(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = B>,
    ) -> Result<Evaluated, EvaluationError> {
        self.run_with(classifier, batches, None, &mut |_| {})
    }

    /// As [`run`](Self::run), calling `progress` after each iteration of each attack, and before
    /// and after each check.
    ///
    /// With a `state` folder, what each attack makes of each batch is written there, with the
    /// certificates of each batch, and each check. A run that was killed continues from there when
    /// it is started again with the same settings, model and batches, and gives the same record but
    /// for the seconds. The state of a finished evaluation stands in nobody's way: the next one of
    /// other settings replaces it, and [`Evaluated::save`] removes it from the folder `state`
    /// beside the record.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and if the state cannot be read or written, or is of an unfinished
    /// evaluation with other settings, another model or other data: the error names the difference.
    pub fn run_with<B: IntoBatch>(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = B>,
        state: Option<&Path>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Evaluated, EvaluationError> {
        let mut run: Option<Run> = None;
        for batch in batches {
            let first = run.as_ref().map_or(0, Run::done);
            let batch = batch.into_batch();
            let (images, labels) =
                batch.map_err(|source| EvaluationError::Batch { first, source })?;
            let batch = AttackBatch::new(images, &Goal::Misclassify(labels), first as u64)?;
            let run = match &mut run {
                Some(run) => run,
                None => run.insert(Run::new(self, classifier, state, &batch)?),
            };
            run.batch(&batch, progress)?;
        }
        run.ok_or(EvaluationError::NoData)?.finish(progress)
    }
}
