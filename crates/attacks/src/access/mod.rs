//! The model as an attack sees it. One file, since every kind of pass changes the counters of its
//! one type.

mod budget;
mod predictions;
mod rounding;

pub(crate) use self::budget::Observers;
pub use self::budget::{Budget, Progress, TracePoint};
pub use self::predictions::{DrawPredictions, Severity};
pub use self::rounding::{ROUNDING, differing_share};

use crate::objective::eot::Success;
use crate::objective::{Flags, check_examples, gradient_on_trust, score_on_trust, settle};
use crate::rows::read;
use crate::{
    AttackBatch, AttackError, Classifier, Eot, Goal, InputGradient, Loss, Norm, Objective, Passes,
    Rows, Scores, draw_scope,
};
use burn::tensor::Tensor;
use cni_noise::{ExampleIds, Key};
use std::collections::{BTreeMap, BTreeSet};
use web_time::Instant;

/// The most passes whose checks may be pending.
const UNSEEN: usize = 32;

/// The distance of the points beside the images at which the model is tested for noise.
const BESIDE: f64 = 0.1;

/// The draws by which the model is tested for noise, at the images and again beside them. A defence
/// that picks one of two networks for a batch is missed in one of 64 cases; by two draws each it
/// would be in one of four.
const TESTING: u64 = 4;

/// The model as an attack sees it: it counts and checks every pass, and gives the pass of a noisy
/// model its draw of noise.
///
/// Labels, logits and gradients are checked on the device. While an attack runs, the results of the
/// checks are read with the next [`read`](Self::read), after 32 passes, and at the end of the
/// attack. An attack may thus see values that are not finite before the error comes. Outside an
/// attack each pass is checked at once.
pub struct ModelAccess<'a> {
    classifier: &'a dyn Classifier,
    /// The name of the running attack.
    attack: String,
    budget: Budget,
    early_stop: Option<bool>,
    observers: Observers<'a>,
    started: Instant,
    /// Passes of single images.
    passes: Passes,
    /// The passes of an example that has been in every batch.
    each: Passes,
    /// Forward passes of each example, by its number.
    queries: BTreeMap<u64, u64>,
    iteration: usize,
    stochastic: Option<bool>,
    /// The difference between draws as a share of the logits' spread, if it is no more than
    /// rounding.
    rounding: Option<f64>,
    /// True if one draw stands for any number of them.
    noise_free: bool,
    zero_gradients: BTreeSet<u64>,
    exhausted: bool,
    /// The number of running attacks, one nested in the other.
    running: usize,
    /// The checks of passes that have not been read yet.
    unseen: Vec<Flags>,
}

impl<'a> ModelAccess<'a> {
    /// Access without limits and observers, for programs that attack a model or judge images by
    /// their own rules. Users of an attack need only [`Attack::on`](crate::Attack::on).
    pub fn new(classifier: &'a dyn Classifier) -> Self {
        Self {
            classifier,
            attack: String::new(),
            budget: Budget::default(),
            early_stop: None,
            observers: Observers::default(),
            started: Instant::now(),
            passes: Passes::default(),
            each: Passes::default(),
            queries: BTreeMap::new(),
            iteration: 0,
            stochastic: None,
            rounding: None,
            noise_free: false,
            zero_gradients: BTreeSet::new(),
            exhausted: false,
            running: 0,
            unseen: Vec::new(),
        }
    }

    /// Sets what attacks may spend; time counts from `started` on.
    pub(crate) fn with_budget(self, budget: Budget, started: Instant) -> Self {
        Self { budget, started, ..self }
    }

    /// Sets whether examples leave once they reach the goal; with `None` each attack decides.
    pub(crate) fn with_early_stop(self, early_stop: Option<bool>) -> Self {
        Self { early_stop, ..self }
    }

    /// Sets the observers.
    pub(crate) fn with_observers(self, observers: Observers<'a>) -> Self {
        Self { observers, ..self }
    }

    /// Sets whether the model is stochastic, so that [`is_stochastic`](Self::is_stochastic) needs
    /// no passes.
    ///
    /// A model without noise still gets as many draws as an attack asks for;
    /// [`assume_noise_free`](Self::assume_noise_free) saves them.
    pub fn with_stochastic(self, stochastic: bool) -> Self {
        Self { stochastic: Some(stochastic), ..self }
    }

    /// The model itself, for passes that do not count as queries of the attack.
    pub fn classifier(&self) -> &'a dyn Classifier {
        self.classifier
    }

    /// The values of several lists on the host, by a single read of the device.
    ///
    /// # Errors
    ///
    /// Those of [`input_gradient`](crate::input_gradient), of all passes since the last read.
    pub fn read<const N: usize>(
        &mut self,
        lists: [Tensor<1>; N],
    ) -> Result<[Vec<f64>; N], AttackError> {
        let unseen = std::mem::take(&mut self.unseen);
        let (values, zero) = settle(&unseen, &lists)?;
        self.zero_gradients.extend(zero);
        Ok(values.try_into().expect("there are as many as were given"))
    }

    /// Marks the beginning of the attack `name`, perhaps within another: checks of passes are now
    /// deferred.
    pub(crate) fn begin(&mut self, name: String) {
        self.attack = name;
        self.running += 1;
    }

    /// Marks the end of the attack.
    pub(crate) fn end(&mut self) {
        self.running -= 1;
    }

    /// Stores the checks of a pass, and reads all stored checks if they are due.
    fn remember(&mut self, flags: Flags) -> Result<(), AttackError> {
        self.unseen.push(flags);
        if self.running == 0 || self.unseen.len() >= UNSEEN {
            self.read([])?;
        }
        Ok(())
    }

    /// The logits of one draw, `[batch, classes]`. Errors as
    /// [`input_gradient`](crate::input_gradient).
    pub fn logits(
        &mut self,
        images: &Tensor<4>,
        goal: &Goal,
        examples: &ExampleIds,
        key: Key,
        draw: u64,
    ) -> Result<Tensor<2>, AttackError> {
        check_examples(examples, images.dims()[0])?;
        let plain = images.clone().inner();
        let logits = draw_scope(key, draw, examples.clone(), || self.classifier.logits(plain));
        let (logits, batch) = (logits.inner(), images.dims()[0]);
        let [rows, classes] = logits.dims();
        if rows != batch || classes < 2 {
            return Err(AttackError::LogitsShape { got: [rows, classes], batch });
        }
        self.count(Passes { forwards: 1, backwards: 0 }, examples, batch);
        let classes = Objective::new(Loss::Margin, goal);
        let mut flags = Flags::new(classes.classes(), &logits, None, examples);
        flags.add_margin(goal, &logits)?;
        self.remember(flags)?;
        Ok(logits)
    }

    /// The [`score`](crate::score) of images, counted.
    pub fn score(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        examples: &ExampleIds,
        eot: Eot,
        key: Key,
    ) -> Result<Scores, AttackError> {
        let eot = self.needed(eot);
        let (scores, _, flags) =
            score_on_trust(self.classifier, images, objective, None, eot, key, examples)?;
        self.count_all(scores.passes, examples, images.dims()[0]);
        self.remember(flags)?;
        Ok(scores)
    }

    /// [`score`](Self::score), and from the same passes how near the images are to a goal.
    pub(crate) fn success(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        goal: &Goal,
        examples: &ExampleIds,
        eot: Eot,
        key: Key,
    ) -> Result<(Scores, Success), AttackError> {
        let eot = self.needed(eot);
        let (scores, success, flags) =
            score_on_trust(self.classifier, images, objective, Some(goal), eot, key, examples)?;
        self.count_all(scores.passes, examples, images.dims()[0]);
        self.remember(flags)?;
        Ok((scores, success.expect("a goal was given")))
    }

    /// The [`input_gradient`](crate::input_gradient) at images, counted. Examples with a zero
    /// gradient are recorded.
    pub fn gradient(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        examples: &ExampleIds,
        eot: Eot,
        key: Key,
    ) -> Result<InputGradient, AttackError> {
        let eot = self.needed(eot);
        let (found, flags) =
            gradient_on_trust(self.classifier, images, objective, eot, key, examples)?;
        self.count_all(found.passes, examples, images.dims()[0]);
        self.remember(flags)?;
        Ok(found)
    }

    /// True if draws of the model's noise change the logits by more than 1e-5 of the span of an
    /// image's logits.
    ///
    /// Tested once, by four draws on at most eight images and four others on points beside them,
    /// since noise may be zero at the images themselves. Noise that acts in few passes alone may go
    /// unseen: whoever knows of it says so by [`with_stochastic`](Self::with_stochastic). If the
    /// budget has no room for the eight passes, the answer is yes. A smaller difference counts as
    /// [rounding](Self::rounding).
    pub fn is_stochastic(&mut self, batch: &AttackBatch) -> Result<bool, AttackError> {
        if let Some(known) = self.stochastic {
            return Ok(known);
        }
        let (spent, needed) = (self.each.forwards, 2 * TESTING);
        if self.budget.forwards.is_some_and(|limit| spent + needed > limit) {
            return Ok(true);
        }
        let some = Rows::new((0..batch.len().min(8)).collect(), &batch.images);
        let AttackBatch { images, goal, examples } = batch.select(&some);
        let key = Key::new(0).named("probe");
        let beside = Norm::Linf.random_start(key, &images, BESIDE, &examples);
        let beside = (images.clone() + beside).clamp(0.0, 1.0);
        let mut shares = Vec::new();
        for (images, first) in [(images, 0), (beside, TESTING)] {
            let mut draw = |draw| self.logits(&images, &goal, &examples, key, draw);
            let one = draw(first)?;
            for other in first + 1..first + TESTING {
                shares.push(differing_share(one.clone(), draw(other)?));
            }
        }
        let [shares] = self.read([Tensor::cat(shares, 0)])?;
        let most = shares.into_iter().fold(0.0, f64::max);
        self.rounding = (most > 0.0 && most <= ROUNDING).then_some(most);
        let stochastic = most > ROUNDING;
        self.stochastic = Some(stochastic);
        Ok(stochastic)
    }

    /// The difference between draws of a model that counts as noise-free, as a share of the logits'
    /// span; `None` if the draws are equal, or if the model was not tested.
    pub fn rounding(&self) -> Option<f64> {
        self.rounding
    }

    /// True if the model is stochastic, if that is known.
    pub(crate) fn known_stochastic(&self) -> Option<bool> {
        self.stochastic
    }

    /// Forgets whether the model is stochastic, so that it is tested again.
    pub(crate) fn forget_stochastic(&mut self) {
        self.stochastic = None;
    }

    /// Uses one draw for any number of draws, because the caller knows that all are alike: the
    /// model has no noise, or its noise is off or fixed.
    pub fn assume_noise_free(&mut self) {
        (self.stochastic, self.noise_free) = (Some(false), true);
    }

    fn needed(&self, eot: Eot) -> Eot {
        if self.noise_free { Eot { draws: 1, ..eot } } else { eot }
    }

    /// True if an example leaves the attack as soon as it reaches the goal: as the caller has said,
    /// or by the attack's `habit`.
    ///
    /// Never if the model is stochastic: one lucky draw is not success.
    pub fn stops_early(&mut self, habit: bool, batch: &AttackBatch) -> Result<bool, AttackError> {
        Ok(self.early_stop.unwrap_or(habit) && !self.is_stochastic(batch)?)
    }

    /// True if the caller asked for [early stopping](Self::stops_early).
    pub fn wants_early_stop(&self) -> bool {
        self.early_stop == Some(true)
    }

    /// True if a trace needs the scores given to [`proceed`](Self::proceed). If not, an attack with
    /// scores on the device need not read them, and passes an empty list.
    pub fn is_traced(&self) -> bool {
        self.observers.trace.is_some()
    }

    /// True if the budget allows so many more forward passes of each example; otherwise the attack
    /// counts as exhausted.
    pub fn affords(&mut self, forwards: u64) -> bool {
        let spent = self.each.forwards;
        let fits = self.budget.forwards.is_none_or(|limit| spent + forwards <= limit);
        self.exhausted |= !fits;
        fits
    }

    /// True if the budget allows so many more scores of each example, each a mean over the draws of
    /// `eot`; otherwise the attack counts as exhausted.
    pub fn affords_scores(&mut self, scores: u64, eot: Eot) -> bool {
        self.affords(scores * self.needed(eot).draws as u64)
    }

    /// Ends an iteration that has moved `batch` to `images` with these scores. Returns whether the
    /// budget allows another.
    pub fn proceed(
        &mut self,
        batch: &AttackBatch,
        images: &Tensor<4>,
        scores: &[f64],
        norm: Norm,
    ) -> bool {
        self.iteration += 1;
        if let Some(trace) = &mut self.observers.trace {
            let distances = read(&norm.distance(images, &batch.images));
            trace.extend(scores.iter().zip(distances).enumerate().map(
                |(row, (&score, distance))| TracePoint {
                    example: batch.examples.id(row),
                    iteration: self.iteration,
                    score,
                    distance,
                },
            ));
        }
        if let Some(progress) = &mut self.observers.progress {
            progress(&Progress {
                attack: &self.attack,
                first_example: batch.examples.id(0),
                iteration: self.iteration,
                active: batch.len(),
                passes: self.passes,
                images,
            });
        }
        self.has_budget()
    }

    /// True if the budget allows another iteration.
    pub fn has_budget(&mut self) -> bool {
        let over = |spent: u64, limit: Option<u64>| limit.is_some_and(|limit| spent >= limit);
        self.exhausted |= over(self.each.forwards, self.budget.forwards)
            || over(self.each.backwards, self.budget.backwards)
            || self.budget.time.is_some_and(|limit| self.started.elapsed() >= limit);
        !self.exhausted
    }

    /// Counts passes that an attack made outside this access, on this model or on another: `each`
    /// for each of the first `rows` of `examples`.
    pub fn count(&mut self, each: Passes, examples: &ExampleIds, rows: usize) {
        self.passes += each * rows as u64;
        self.each += each;
        for row in 0..rows {
            *self.queries.entry(examples.id(row)).or_default() += each.forwards;
        }
    }

    /// Counts passes that are shared equally by the rows.
    fn count_all(&mut self, passes: Passes, examples: &ExampleIds, rows: usize) {
        let (forwards, backwards) = (passes.forwards, passes.backwards);
        let of_each = |all: u64| all / rows.max(1) as u64;
        let each = Passes { forwards: of_each(forwards), backwards: of_each(backwards) };
        self.count(each, examples, rows);
    }

    /// Passes of single images so far.
    pub fn passes(&self) -> Passes {
        self.passes
    }

    /// Forward passes so far of the example with this number, summed over all images that have it.
    pub fn queries(&self, example: u64) -> u64 {
        self.queries.get(&example).copied().unwrap_or(0)
    }

    /// True if a budget has ended an attack or refused it a pass.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The numbers of the examples that have met a gradient of zero, among the passes that have
    /// been [read](Self::read). At the end of an attack these are all passes.
    pub fn zero_gradients(&self) -> &BTreeSet<u64> {
        &self.zero_gradients
    }

    /// The name of the running attack, or of the last one.
    pub(crate) fn attack_name(&self) -> &str {
        &self.attack
    }
}
