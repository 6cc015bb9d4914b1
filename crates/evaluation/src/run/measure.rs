//! Measurement of one attack on one batch: the attack, and the judgement of its images.

use crate::record::spectrum::SpectrumTally;
use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::{Evaluation, EvaluationError, NoiseState, Step};
use burn::tensor::{DType, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{
    AttackBatch, Classifier, FixedNoise, ModelAccess, Passes, Perturbed, Progress, Rows,
};
use cni_noise::{Noise, scope};
use cni_ops::autocast;
use web_time::Instant;

/// The measurement of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Measure<'a> {
    pub evaluation: &'a Evaluation,
    pub classifier: &'a dyn Classifier,
    pub stochastic: bool,
    /// The number of examples that are finished.
    pub done: usize,
    /// The number of the batch's first example.
    pub first: usize,
}

/// The images that an attack changed in a batch: their rows, and the new images.
pub(crate) type Changed = Option<(Rows, Tensor<4>)>;

impl Measure<'_> {
    /// Judges the clean batch in a state of the noise.
    pub fn clean(
        self,
        batch: &AttackBatch,
        noise: NoiseState,
    ) -> Result<Candidate, EvaluationError> {
        let (distance, rows) = (vec![0.0; batch.len()], 0..batch.len());
        self.in_state(noise, |model| {
            self.judge(model, batch, noise, &batch.images, distance, rows.collect())
        })
    }

    /// Attacks the batch in a state of the noise, and judges it in the same state.
    ///
    /// `standing` is the batch before this attack: the clean one, or in a cascade the result of the
    /// attacks before. In a cascade, and without noise, an image that is already broken is not
    /// attacked. In a cascade the image of this attack counts only if it is worse than the one
    /// before.
    pub fn attacked(
        self,
        batch: &AttackBatch,
        noise: NoiseState,
        entry: &Entry,
        standing: &Candidate,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(Candidate, Changed), EvaluationError> {
        let cascade = self.evaluation.cascade.is_some();
        let spares = cascade || self.is_noise_free(noise);
        let rows = (0..batch.len()).filter(|&row| !(spares && standing.is_broken(row)));
        let rows: Vec<usize> = rows.collect();
        if rows.is_empty() {
            return Ok((standing.at_no_cost(), None));
        }
        let whole = rows.len() == batch.len();
        let some = match whole {
            true => batch.clone(),
            false => batch.select(&Rows::new(rows.clone(), &batch.images)),
        };
        let (images, found) = self.in_state(noise, |model| {
            let started = Instant::now();
            let made = self.find(model, &some, noise, entry, progress)?;
            let seconds = started.elapsed().as_secs_f64();
            let distance = read(&entry.attack.threat().norm().distance(&made.images, &some.images));
            let judged = self.judge(model, &some, noise, &made.images, distance, rows.clone())?;
            let Perturbed { images, passes, zero_gradients, exhausted, .. } = made;
            let (attacked, added) = (rows.len(), images.clone() - some.images.clone());
            let spectrum = SpectrumTally::of(added)?;
            let found = Candidate {
                attacked,
                passes,
                spectrum,
                zero_gradients,
                exhausted,
                seconds,
                ..judged
            };
            Ok::<_, EvaluationError>((images, found))
        })?;
        let worse =
            |&at: &usize| !cascade || found.severity[at].exceeds(&standing.severity[rows[at]]);
        let changed: Vec<usize> = (0..rows.len()).filter(worse).collect();
        let all = standing.with(&rows, &found, &changed);
        if changed.is_empty() {
            return Ok((all, None));
        }
        let of_batch = changed.iter().map(|&at| rows[at]).collect();
        let images = Rows::new(changed, &images).of(&images);
        Ok((all, Some((Rows::new(of_batch, &batch.images), images))))
    }

    fn is_noise_free(self, noise: NoiseState) -> bool {
        noise != NoiseState::Live || !self.stochastic
    }

    /// Calls `f` with the model in a state of its noise.
    fn in_state<R>(self, noise: NoiseState, f: impl FnOnce(&dyn Classifier) -> R) -> R {
        let live = |images: Tensor<4>| self.classifier.logits(images);
        let held = FixedNoise::new(live, self.evaluation.key.named("fixed"));
        match noise {
            NoiseState::Live => f(&live),
            NoiseState::Off => scope(Noise::Off, || f(&live)),
            NoiseState::Fixed => f(&held),
        }
    }

    /// Runs an attack on a batch, in the precision of the attacks.
    fn find(
        self,
        classifier: &dyn Classifier,
        batch: &AttackBatch,
        noise: NoiseState,
        entry: &Entry,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Perturbed, EvaluationError> {
        let (examples, label) = (self.done, entry.label.as_str());
        let mut watch = |of: &Progress| {
            progress(&Step::Attack { examples, noise, label, attack: of.clone() });
        };
        let AttackBatch { images, goal, examples } = batch.clone();
        let runner = entry
            .attack
            .on(classifier)
            .with_stochastic(!self.is_noise_free(noise))
            .with_budget(self.evaluation.budget)
            .with_progress(&mut watch)
            .with_key(entry.key(self.evaluation.key))
            .with_examples(examples);
        Ok(autocast(self.evaluation.attack_precision, || runner.perturb(images, goal))?)
    }

    /// Judges `images`, which replace those of `batch`; `rows` are their rows in the whole batch.
    fn judge(
        self,
        classifier: &dyn Classifier,
        batch: &AttackBatch,
        noise: NoiseState,
        images: &Tensor<4>,
        distance: Vec<f64>,
        rows: Vec<usize>,
    ) -> Result<Candidate, EvaluationError> {
        let (started, evaluation) = (Instant::now(), self.evaluation);
        let noise_free = self.is_noise_free(noise);
        let mut access = ModelAccess::new(classifier).with_stochastic(!noise_free);
        let draws = if noise_free { 1 } else { evaluation.draws };
        let judged = access.predict_draws(batch, images, evaluation.key.named("score"), draws)?;
        // The draws that judge must not choose as well: the choice would favour the unlucky draws,
        // and report a lower accuracy than any attack achieves.
        let severity = match noise_free {
            true => judged.severity(&batch.goal),
            false => {
                let key = evaluation.key.named("select");
                access.predict_draws(batch, images, key, draws)?.severity(&batch.goal)
            }
        };
        Ok(Candidate {
            predicted: judged.predicted,
            classes: judged.classes,
            probabilities: judged.probabilities,
            severity,
            distance,
            attacked: 0,
            exhausted: false,
            spectrum: SpectrumTally::default(),
            zero_gradients: Vec::new(),
            pixels: self.pixels(images, &rows),
            images: None,
            passes: Passes::default(),
            scoring: access.passes(),
            seconds: 0.0,
            scoring_seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// The pixels of the images for which the gallery still has room; `rows` are their places in
    /// the batch, in rising order.
    fn pixels(self, images: &Tensor<4>, rows: &[usize]) -> Vec<Vec<f32>> {
        let room = self.evaluation.gallery.saturating_sub(self.first);
        let wanted = rows.iter().filter(|&&row| row < room).count();
        let of_image = |at: usize| {
            let pixels = images.clone().narrow(0, at, 1).cast(DType::F32);
            pixels.try_to_vec_as().expect("the device can be read")
        };
        (0..wanted).map(of_image).collect()
    }
}
