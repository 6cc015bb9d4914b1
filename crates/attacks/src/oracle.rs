//! The model as an attack sees it: one type, whose counters every kind of pass touches, and so in one file.

use crate::checks::check_values;
use crate::problem::read;
use crate::watch::Observers;
use crate::{
    Attack, AttackError, Budget, Classifier, Eot, Goal, InputGradient, Norm, Objective, Passes,
    Problem, Progress, Rows, Scores, TracePoint, draw_scope, input_gradient, score,
};
use burn::tensor::Tensor;
use cni_noise::{Examples, Key};
use std::collections::BTreeSet;
use std::time::Instant;

/// The model as an attack sees it: every pass goes through here, where it is counted, checked and, for noisy models,
/// given its draw of noise.
pub struct Oracle<'a> {
    classifier: &'a dyn Classifier,
    /// The name of the attack that runs.
    attack: String,
    budget: Budget,
    early_stop: Option<bool>,
    observers: Observers<'a>,
    started: Instant,
    /// Passes of single images.
    passes: Passes,
    /// Passes of an example that has been in all of them.
    each: Passes,
    iteration: usize,
    stochastic: Option<bool>,
    /// Whether one draw stands for any number of them.
    noise_free: bool,
    zero_gradients: BTreeSet<u64>,
    exhausted: bool,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(
        classifier: &'a dyn Classifier,
        budget: Budget,
        early_stop: Option<bool>,
        started: Instant,
        observers: Observers<'a>,
    ) -> Self {
        Self {
            classifier,
            attack: String::new(),
            budget,
            early_stop,
            observers,
            started,
            passes: Passes::default(),
            each: Passes::default(),
            iteration: 0,
            stochastic: None,
            noise_free: false,
            zero_gradients: BTreeSet::new(),
            exhausted: false,
        }
    }

    /// A model that nobody watches, asked without limit, of which it is known whether it is stochastic.
    pub(crate) fn unwatched(classifier: &'a dyn Classifier, stochastic: Option<bool>) -> Self {
        let (budget, observers) = (Budget::default(), Observers::default());
        let oracle = Self::new(classifier, budget, None, Instant::now(), observers);
        Self { stochastic, ..oracle }
    }

    /// The model itself, for what is no query of the attack.
    pub fn classifier(&self) -> &'a dyn Classifier {
        self.classifier
    }

    /// What `attack` makes of the images of `problem`, `[batch, channels, height, width]` in its order: how every
    /// attack is run, by itself or as part of another. [`Progress`] speaks of it from now on.
    ///
    /// A ball of radius zero holds the image alone, and nothing is asked.
    ///
    /// # Errors
    ///
    /// Those of [`Attack::run`].
    pub fn run(
        &mut self,
        attack: &(impl Attack + ?Sized),
        problem: &Problem,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        if attack.threat().epsilon() == 0.0 {
            return Ok(problem.images.clone());
        }
        self.attack = attack.name();
        attack.run(self, problem, key)
    }

    /// The logits of one draw, `[batch, classes]`. Errors as [`input_gradient`].
    pub fn logits(
        &mut self,
        images: &Tensor<4>,
        goal: &Goal,
        examples: &Examples,
        key: Key,
        draw: u64,
    ) -> Result<Tensor<2>, AttackError> {
        let plain = images.clone().inner();
        let logits = draw_scope(key, draw, examples.clone(), || self.classifier.logits(plain));
        let (logits, batch) = (logits.inner(), images.dims()[0]);
        let [rows, classes] = logits.dims();
        if rows != batch || classes < 2 {
            return Err(AttackError::LogitsShape { got: [rows, classes], batch });
        }
        check_values(goal.labels(), &logits, None, examples)?;
        self.count(Passes { forwards: batch as u64, backwards: 0 }, batch);
        Ok(logits)
    }

    /// [`score`] of images, counted.
    pub fn score(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        examples: &Examples,
        eot: Eot,
        key: Key,
    ) -> Result<Scores, AttackError> {
        let eot = self.needed(eot);
        let scores = score(self.classifier, images, objective, eot, key, examples)?;
        self.count(scores.passes, images.dims()[0]);
        Ok(scores)
    }

    /// [`input_gradient`] at images, counted. Examples whose gradient is zero are remembered.
    pub fn gradient(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        examples: &Examples,
        eot: Eot,
        key: Key,
    ) -> Result<InputGradient, AttackError> {
        let eot = self.needed(eot);
        let found = input_gradient(self.classifier, images, objective, eot, key, examples)?;
        self.count(found.passes, images.dims()[0]);
        self.zero_gradients.extend(found.zero.iter().map(|&row| examples.number(row)));
        Ok(found)
    }

    /// Whether two draws of the model's noise give other logits. Found out once, on at most eight images.
    pub fn is_stochastic(&mut self, problem: &Problem) -> Result<bool, AttackError> {
        if let Some(known) = self.stochastic {
            return Ok(known);
        }
        let some = Rows::new((0..problem.len().min(8)).collect(), &problem.images);
        let some = problem.select(&some);
        let key = Key::new(0).named("probe");
        let mut draw = |draw| self.logits(&some.images, &some.goal, &some.examples, key, draw);
        let (first, second) = (draw(0)?, draw(1)?);
        let stochastic = first.not_equal(second).any().into_scalar::<bool>();
        self.stochastic = Some(stochastic);
        Ok(stochastic)
    }

    /// Takes over what is known of the model from elsewhere.
    pub(crate) fn assume_stochastic(&mut self, stochastic: Option<bool>) {
        self.stochastic = stochastic;
    }

    /// The caller's word that the model has no noise, by which one draw stands for any number of them.
    pub(crate) fn assume_noise_free(&mut self) {
        (self.stochastic, self.noise_free) = (Some(false), true);
    }

    fn needed(&self, eot: Eot) -> Eot {
        if self.noise_free { Eot { draws: 1, ..eot } } else { eot }
    }

    /// Whether an example leaves the attack as soon as the goal is reached, which is the attack's `habit` unless the
    /// caller said otherwise.
    ///
    /// Never for a stochastic model: one lucky draw is no success.
    pub fn stops_early(&mut self, habit: bool, problem: &Problem) -> Result<bool, AttackError> {
        Ok(self.early_stop.unwrap_or(habit) && !self.is_stochastic(problem)?)
    }

    /// Whether the caller asked for [early stopping](Self::stops_early).
    pub(crate) fn wants_early_stop(&self) -> bool {
        self.early_stop == Some(true)
    }

    /// Whether anyone reads the scores given to [`proceed`](Self::proceed).
    pub(crate) fn is_traced(&self) -> bool {
        self.observers.trace.is_some()
    }

    /// Ends an iteration that has brought `problem` to `images` with these scores; whether the budget allows another.
    pub fn proceed(
        &mut self,
        problem: &Problem,
        images: &Tensor<4>,
        scores: &[f64],
        norm: Norm,
    ) -> bool {
        self.iteration += 1;
        if let Some(trace) = &mut self.observers.trace {
            let distances = read(&norm.distance(images, &problem.images));
            trace.extend(scores.iter().zip(distances).enumerate().map(
                |(row, (&score, distance))| TracePoint {
                    example: problem.examples.number(row),
                    iteration: self.iteration,
                    score,
                    distance,
                },
            ));
        }
        if let Some(progress) = &mut self.observers.progress {
            progress(&Progress {
                attack: &self.attack,
                first_example: problem.examples.number(0),
                iteration: self.iteration,
                active: problem.len(),
                passes: self.passes,
            });
        }
        self.has_budget()
    }

    /// Whether the budget allows another iteration.
    pub fn has_budget(&mut self) -> bool {
        let over = |spent: u64, limit: Option<u64>| limit.is_some_and(|limit| spent >= limit);
        self.exhausted |= over(self.each.forwards, self.budget.forwards)
            || over(self.each.backwards, self.budget.backwards)
            || self.budget.time.is_some_and(|limit| self.started.elapsed() >= limit);
        !self.exhausted
    }

    /// Counts what an attack spent on another model, or the model itself in ways of its own: passes of `batch` images.
    pub fn count(&mut self, passes: Passes, batch: usize) {
        self.passes += passes;
        let batch = batch.max(1) as u64;
        self.each +=
            Passes { forwards: passes.forwards / batch, backwards: passes.backwards / batch };
    }

    /// Passes of single images so far.
    pub fn passes(&self) -> Passes {
        self.passes
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(crate) fn zero_gradients(&self) -> &BTreeSet<u64> {
        &self.zero_gradients
    }
}
