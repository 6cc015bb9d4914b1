//! One attack on one batch, and the judgement of what it made.

use super::candidate::Candidate;
use super::{Evaluation, EvaluationError, NoiseState, Step};
use crate::problem::read;
use crate::{Attack, Classifier, FixedNoise, Oracle, Passes, Problem, Progress, Runner};
use burn::tensor::{DType, Tensor};
use cni_noise::{Key, Noise, scope};
use std::time::Instant;

/// What measures a batch.
#[derive(Clone, Copy)]
pub(super) struct Measure<'a> {
    pub evaluation: &'a Evaluation,
    pub classifier: &'a dyn Classifier,
    pub stochastic: bool,
    /// Examples done before this batch.
    pub done: usize,
}

impl Measure<'_> {
    /// Attacks the batch in a state of the noise, unless it is to stay as it is, and judges it in the same state.
    pub fn candidate(
        self,
        problem: &Problem,
        noise: NoiseState,
        attack: Option<&dyn Attack>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Candidate, EvaluationError> {
        let live = |images: Tensor<4>| self.classifier.logits(images);
        let held = FixedNoise::new(live, self.evaluation.key.named("fixed"));
        let mut measure = |model: &dyn Classifier| self.of(model, problem, noise, attack, progress);
        match noise {
            NoiseState::Live => measure(&live),
            NoiseState::Off => scope(Noise::Off, || measure(&live)),
            NoiseState::Fixed => measure(&held),
        }
    }

    fn of(
        self,
        classifier: &dyn Classifier,
        problem: &Problem,
        noise: NoiseState,
        attack: Option<&dyn Attack>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Candidate, EvaluationError> {
        let Self { evaluation, stochastic, done, .. } = self;
        let started = Instant::now();
        let noise_free = noise != NoiseState::Live || !stochastic;
        let mut images = problem.images.clone();
        let mut distance = vec![0.0; problem.len()];
        let (mut passes, mut zero_gradients) = (Passes::default(), Vec::new());
        if let Some(attack) = attack {
            let name = attack.name();
            let mut watch = |of: &Progress| progress(&Step { examples: done, noise, attack: of });
            let (goal, examples) = (&problem.goal, problem.examples.clone());
            let found =
                Runner::default().with_stochastic(!noise_free).with_progress(&mut watch).run(
                    attack,
                    classifier,
                    images,
                    goal,
                    attack_key(evaluation.key, &name),
                    examples,
                )?;
            (images, passes, zero_gradients) = (found.images, found.passes, found.zero_gradients);
            distance = read(&attack.threat().norm().distance(&images, &problem.images));
        }
        let seconds = started.elapsed().as_secs_f64();
        let mut oracle = Oracle::unwatched(classifier, Some(!noise_free));
        let draws = if noise_free { 1 } else { evaluation.draws };
        let judged = oracle.judge(problem, &images, evaluation.key.named("score"), draws)?;
        // A choice by the draws that judge would favour the unlucky ones, and report less than any attack achieves.
        let danger = match noise_free {
            true => judged.margin,
            false => oracle.judge(problem, &images, evaluation.key.named("select"), draws)?.margin,
        };
        Ok(Candidate {
            predicted: judged.predicted,
            probabilities: judged.probabilities,
            danger,
            distance,
            zero_gradients,
            pixels: self.pixels(&images),
            passes,
            scoring: oracle.passes(),
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

pub(super) fn attack_key(key: Key, name: &str) -> Key {
    key.named("attack").named(name)
}
