//! The run of one shard.

use crate::checkpoint::remove_finished;
use crate::run::{IntoBatch, Part, Run};
use crate::shards::file::{Results, ShardFile};
use crate::shards::{IMAGES, STATE};
use crate::{Evaluation, EvaluationError, Shard, ShardError, Step};
use cni_attacks::Classifier;
use cni_ops::autocast;
use std::path::Path;

impl Evaluation {
    /// Runs one shard of the evaluation, and writes its results to a folder of its own, which is
    /// made if it is missing. [`Shards`](crate::Shards) merges them to the record that
    /// [`run`](Self::run) gives.
    ///
    /// `batches` are those of the whole evaluation, in every shard the same. The shard judges
    /// [its own](Shard::batches) and reads the others only for their number, and for the hash of
    /// the data if their [card](crate::DataCard) has none. The first shard also runs the audit,
    /// after its own batches.
    ///
    /// A shard that was killed continues from the folder `state` in its folder when it is started
    /// again with the same settings, model and batches. One that has finished with them does
    /// nothing; one that has finished with others is replaced, or refused after
    /// [`keep_finished`](Self::keep_finished). Adversarial images go to the folder
    /// `adversarial` in the shard's folder, whatever folder
    /// [`with_adversarial`](Self::with_adversarial) names. The
    /// [command](Self::with_command) should be that of the whole evaluation: a merge that lacks
    /// shards adds ` --shard i/n` to it and says that it has to run again.
    ///
    /// ```
    /// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
    /// # use cni_attacks::{FrozenModel, Pgd, Threat};
    /// # use cni_evaluation::Evaluation;
    /// use cni_evaluation::{Shard, Shards};
    /// # let device = Device::flex();
    /// # let model = LinearConfig::new(12, 2).init(&device);
    /// # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
    /// # let frozen = FrozenModel::new(&model, forward);
    /// # let images = Tensor::full([2, 3, 2, 2], 0.5, &device);
    /// # let batch = (images, Tensor::from_ints([0, 1], &device));
    /// # let batches = || vec![batch.clone(), batch.clone(), batch.clone()];
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?);
    /// let evaluation = Evaluation::new(vec![Box::new(attack)])?;
    /// // Each in a process of its own:
    /// for shard in Shard::all(2) {
    ///     let own = folder.join(shard.folder());
    ///     evaluation.run_shard(shard, &frozen, batches(), &own, &mut |_| {})?;
    /// }
    /// let evaluated = Shards::read([folder])?.merge()?;
    /// assert_eq!(evaluated.rows.len(), 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run_with`](Self::run_with); [`ShardError`] if the folder holds another shard, or the
    /// number of batches is not the one that their iterator promised.
    pub fn run_shard<B: IntoBatch>(
        &self,
        shard: Shard,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = B, IntoIter: ExactSizeIterator>,
        folder: &Path,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let batches = batches.into_iter();
        let promised = batches.len();
        let before = ShardFile::read(folder)?;
        if let Some(there) = before.as_ref().map(|file| file.shard).filter(|of| *of != shard) {
            let folder = folder.to_path_buf();
            return Err(ShardError::Occupied { folder, got: shard, there }.into());
        }
        let state = folder.join(STATE);
        let part = Part {
            own: shard.batches(promised),
            leads: shard.index() == 1,
            state: Some(&state),
            images: self.adversarial.as_ref().map(|_| folder.join(IMAGES)),
        };
        let mut file: Option<ShardFile> = None;
        let mut begin = |run: &mut Run<'_>| -> Result<(), EvaluationError> {
            let settings = run.settings().expect("there is a state").clone();
            let new = ShardFile::new(shard, settings, promised, run.head().clone());
            if before.as_ref().is_some_and(|old| has_finished(old, &new, run, folder)) {
                run.skip();
                return Ok(());
            }
            let finished = before.as_ref().filter(|old| self.keeps_finished && old.is_finished());
            if let Some(of) = finished.and_then(|old| new.difference(old)) {
                return Err(ShardError::Finished {
                    folder: folder.to_path_buf(),
                    shard,
                    setting: of.setting,
                    got: of.here,
                    wanted: of.there,
                }
                .into());
            }
            // This refuses the unfinished work of other settings, before anything is written.
            run.open()?;
            new.write(folder)?;
            file = Some(new);
            Ok(())
        };
        let run = self.over(classifier, batches, part, &mut begin, progress)?;
        let (got, examples) = (run.batches(), run.examples());
        if got != promised {
            return Err(ShardError::Batches { shard, got, wanted: promised }.into());
        }
        let Some(mut file) = file else {
            return same_data(before.as_ref(), &run, folder);
        };
        let (head, outcome) = autocast(self.judging_precision, || run.finish(progress))?;
        let fingerprint = head.data.fingerprint;
        file.results = Some(Results { examples, fingerprint, outcome });
        file.write(folder)?;
        remove_finished(&state)
    }
}

/// True if a shard has finished with these settings, and its images are still there. Data without
/// a fingerprint on their card are compared [later](same_data).
fn has_finished(old: &ShardFile, new: &ShardFile, run: &Run<'_>, folder: &Path) -> bool {
    let Some(results) = &old.results else { return false };
    let kept = results.outcome.images.is_some() == run.keeps_images();
    kept && new.difference(old).is_none() && old.images(folder).is_ok()
}

/// Refuses data that are not those of a finished shard.
fn same_data(old: Option<&ShardFile>, run: &Run<'_>, folder: &Path) -> Result<(), EvaluationError> {
    let results = old.and_then(|old| Some((old.shard, old.results.as_ref()?)));
    let (shard, results) = results.expect("only a finished shard is left alone");
    let (got, wanted) = (run.fingerprint(), results.fingerprint.clone());
    match got == wanted {
        true => Ok(()),
        false => Err(ShardError::Data { folder: folder.into(), shard, got, wanted }.into()),
    }
}
