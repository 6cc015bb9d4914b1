//! An evaluation under way.

use super::candidate::{Candidate, State};
use super::measure::Measure;
use super::totals::Totals;
use super::{Evaluated, Evaluation, EvaluationError, NoiseState, Step};
use crate::{Classifier, Oracle, Problem};
use std::path::Path;
use std::time::Instant;

pub(super) struct Run<'a> {
    evaluation: &'a Evaluation,
    classifier: &'a dyn Classifier,
    state: Option<&'a Path>,
    stochastic: bool,
    totals: Totals,
}

impl<'a> Run<'a> {
    /// Finds out by the first batch whether the model is stochastic.
    pub fn new(
        evaluation: &'a Evaluation,
        classifier: &'a dyn Classifier,
        state: Option<&'a Path>,
        problem: &Problem,
    ) -> Result<Self, EvaluationError> {
        let started = Instant::now();
        let mut oracle = Oracle::unwatched(classifier, None);
        let stochastic = oracle.is_stochastic(problem)?;
        let mut totals = Totals::new(evaluation, stochastic);
        totals.scoring += oracle.passes();
        totals.seconds += started.elapsed().as_secs_f64();
        Ok(Self { evaluation, classifier, state, stochastic, totals })
    }

    /// Examples that are done with.
    pub fn done(&self) -> usize {
        self.totals.rows.len()
    }

    /// Attacks and judges one batch, in every state of the noise.
    pub fn batch(
        &mut self,
        problem: &Problem,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let labels: Vec<i64> =
            problem.goal.labels().try_to_vec_as().expect("the device can be read");
        let states: &[NoiseState] = match self.stochastic {
            true => &[NoiseState::Live, NoiseState::Off, NoiseState::Fixed],
            false => &[NoiseState::Live],
        };
        let (mut state, mut candidates) = (None, Vec::new());
        for &noise in states {
            // The model is known by what it says of the clean images, so that these are judged even where the rest is
            // on disk.
            let clean = self.measure().candidate(problem, noise, None, progress)?;
            if state.is_none() {
                state = self.state.map(|folder| {
                    let pixels = problem.images.to_data();
                    let data = (pixels.as_bytes(), labels.as_slice());
                    State::new(folder, self.evaluation, self.done(), data, &clean.predicted)
                });
            }
            candidates
                .push((noise, self.attacked(problem, noise, clean, state.as_ref(), progress)?));
        }
        self.totals.add(problem, &labels, &candidates);
        Ok(())
    }

    /// The clean images and what each attack makes of them, from disk where they are there.
    fn attacked(
        &self,
        problem: &Problem,
        noise: NoiseState,
        clean: Candidate,
        state: Option<&State>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Vec<Candidate>, EvaluationError> {
        let mut all = vec![clean];
        for (index, attack) in self.evaluation.suite.iter().enumerate() {
            let known = match state {
                Some(state) => state.load(noise, index)?,
                None => None,
            };
            all.push(match known {
                Some(candidate) => candidate,
                None => {
                    let attack = Some(attack.as_ref());
                    let candidate = self.measure().candidate(problem, noise, attack, progress)?;
                    if let Some(state) = state {
                        state.save(noise, index, &candidate)?;
                    }
                    candidate
                }
            });
        }
        Ok(all)
    }

    fn measure(&self) -> Measure<'a> {
        let Self { evaluation, classifier, stochastic, .. } = *self;
        Measure { evaluation, classifier, stochastic, done: self.done() }
    }

    pub fn finish(self) -> Evaluated {
        self.totals.finish(self.evaluation)
    }
}
