//! One attack on one batch, and the judgement of what it made.

use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::{Evaluation, EvaluationError, NoiseState, Step};
use burn::tensor::{DType, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{AttackBatch, Classifier, FixedNoise, ModelAccess, Passes, Progress, Rows};
use cni_noise::{Noise, scope};
use std::time::Instant;

/// What measures a batch.
#[derive(Clone, Copy)]
pub(crate) struct Measure<'a> {
    pub evaluation: &'a Evaluation,
    pub classifier: &'a dyn Classifier,
    pub stochastic: bool,
    /// Examples done before this batch.
    pub done: usize,
}

/// Images in the place of a batch's, and how they came to be.
struct Found {
    images: Tensor<4>,
    distance: Vec<f64>,
    attacked: usize,
    passes: Passes,
    zero_gradients: Vec<u64>,
}

impl Measure<'_> {
    /// Judges the batch as it is, in a state of the noise.
    pub fn clean(
        self,
        problem: &AttackBatch,
        noise: NoiseState,
    ) -> Result<Candidate, EvaluationError> {
        let found = || {
            Ok(Found {
                images: problem.images.clone(),
                distance: vec![0.0; problem.len()],
                attacked: 0,
                passes: Passes::default(),
                zero_gradients: Vec::new(),
            })
        };
        self.in_state(noise, |model| self.judge(model, problem, noise, found))
    }

    /// Attacks the batch in a state of the noise, and judges it in the same state.
    ///
    /// `clean` is the batch as it is, with its labels. Without noise an image that the model gets wrong as it is stays
    /// so: there is nothing to win.
    pub fn attacked(
        self,
        problem: &AttackBatch,
        noise: NoiseState,
        entry: &Entry,
        clean: (&Candidate, &[i64]),
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Candidate, EvaluationError> {
        let rows = match self.is_noise_free(noise) {
            true => {
                let right =
                    clean.0.predicted[0].iter().zip(clean.1).map(|(class, label)| class == label);
                Rows::wherever(right, &problem.images)
            }
            false => Rows::new((0..problem.len()).collect(), &problem.images),
        };
        self.in_state(noise, |model| {
            let found = || self.find(model, problem, noise, entry, &rows, progress);
            self.judge(model, problem, noise, found)
        })
    }

    fn is_noise_free(self, noise: NoiseState) -> bool {
        noise != NoiseState::Live || !self.stochastic
    }

    /// As `f` has it of the model in a state of its noise.
    fn in_state<R>(self, noise: NoiseState, f: impl FnOnce(&dyn Classifier) -> R) -> R {
        let live = |images: Tensor<4>| self.classifier.logits(images);
        let held = FixedNoise::new(live, self.evaluation.key.named("fixed"));
        match noise {
            NoiseState::Live => f(&live),
            NoiseState::Off => scope(Noise::Off, || f(&live)),
            NoiseState::Fixed => f(&held),
        }
    }

    /// What an attack makes of these rows of the batch; the others stay as they are.
    fn find(
        self,
        classifier: &dyn Classifier,
        problem: &AttackBatch,
        noise: NoiseState,
        entry: &Entry,
        rows: &Rows,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Found, EvaluationError> {
        let (attack, label) = (entry.attack.as_ref(), entry.label.as_str());
        let (examples, attacked) = (self.done, rows.as_slice().len());
        let (mut images, mut passes) = (problem.images.clone(), Passes::default());
        let mut zero_gradients = Vec::new();
        if attacked > 0 {
            let whole = attacked == problem.len();
            let some = if whole { problem.clone() } else { problem.select(rows) };
            let mut watch = |of: &Progress| {
                progress(&Step::Attack { examples, noise, label, attack: of.clone() });
            };
            let key = entry.key(self.evaluation.key);
            let found = attack
                .on(classifier)
                .with_stochastic(!self.is_noise_free(noise))
                .with_progress(&mut watch)
                .with_key(key)
                .with_examples(some.examples)
                .perturb(some.images, some.goal)?;
            images = match whole {
                true => found.images,
                false => rows.replace(&problem.images, &found.images),
            };
            (passes, zero_gradients) = (found.passes, found.zero_gradients);
        }
        let distance = read(&attack.threat().norm().distance(&images, &problem.images));
        Ok(Found { images, distance, attacked, passes, zero_gradients })
    }

    /// Judges what `found` gives.
    fn judge(
        self,
        classifier: &dyn Classifier,
        problem: &AttackBatch,
        noise: NoiseState,
        found: impl FnOnce() -> Result<Found, EvaluationError>,
    ) -> Result<Candidate, EvaluationError> {
        let (started, evaluation) = (Instant::now(), self.evaluation);
        let Found { images, distance, attacked, passes, zero_gradients } = found()?;
        let seconds = started.elapsed().as_secs_f64();
        let noise_free = self.is_noise_free(noise);
        let mut access = ModelAccess::new(classifier).with_stochastic(!noise_free);
        let draws = if noise_free { 1 } else { evaluation.draws };
        let judged = access.judge(problem, &images, evaluation.key.named("score"), draws)?;
        // A choice by the draws that judge would favour the unlucky ones, and report less than any attack achieves.
        let severity = match noise_free {
            true => judged.severity(&problem.goal),
            false => {
                let key = evaluation.key.named("select");
                access.judge(problem, &images, key, draws)?.severity(&problem.goal)
            }
        };
        Ok(Candidate {
            predicted: judged.predicted,
            classes: judged.classes,
            probabilities: judged.probabilities,
            severity,
            distance,
            attacked,
            zero_gradients,
            pixels: self.pixels(&images),
            passes,
            scoring: access.passes(),
            seconds,
            scoring_seconds: started.elapsed().as_secs_f64() - seconds,
        })
    }

    /// The pixels of the images that the gallery still has room for.
    fn pixels(self, images: &Tensor<4>) -> Vec<Vec<f32>> {
        let [batch, ..] = images.dims();
        let wanted = batch.min(self.evaluation.gallery.saturating_sub(self.done));
        let of_row = |row: usize| {
            let pixels = images.clone().narrow(0, row, 1).cast(DType::F32);
            pixels.try_to_vec_as().expect("the device can be read")
        };
        (0..wanted).map(of_row).collect()
    }
}
