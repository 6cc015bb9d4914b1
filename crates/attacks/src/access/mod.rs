//! The model as an attack sees it: one type, whose counters every kind of pass touches, and so in
//! one file.

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
use cni_noise::{Examples, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// How many passes may await their checks.
const UNSEEN: usize = 32;

/// How far the points beside the images are, at which the model is asked whether it has noise.
const BESIDE: f64 = 0.1;

/// The model as an attack sees it: every pass goes through here, where it is counted, checked and,
/// for noisy models, given its draw of noise.
///
/// Labels, logits and gradients are checked on the device. While an attack runs, what the checks
/// found is read together with the next values that are read by [`read`](Self::read), after 32
/// passes, and at the end of the attack; an attack may so see values that are not finite before the
/// error comes. Outside an attack each pass is checked at once.
pub struct ModelAccess<'a> {
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
    /// Forward passes of each example, by its number.
    queries: BTreeMap<u64, u64>,
    iteration: usize,
    stochastic: Option<bool>,
    /// By how much draws differ, as a share of the logits' spread, where that is no more than
    /// rounding.
    rounding: Option<f64>,
    /// Whether one draw stands for any number of them.
    noise_free: bool,
    zero_gradients: BTreeSet<u64>,
    exhausted: bool,
    /// How many attacks run, one within the other.
    running: usize,
    /// What has not been read of the passes' checks.
    unseen: Vec<Flags>,
}

impl<'a> ModelAccess<'a> {
    /// Access to a model without limit, that nobody watches: for programs that attack, or judge
    /// images, by their own rules. Users of an attack have [`Attack::on`](crate::Attack::on).
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

    /// What attacks may spend, their time counted from `started` on.
    pub(crate) fn with_budget(self, budget: Budget, started: Instant) -> Self {
        Self { budget, started, ..self }
    }

    /// Whether examples leave once the goal is reached, if not by each attack's habit.
    pub(crate) fn with_early_stop(self, early_stop: Option<bool>) -> Self {
        Self { early_stop, ..self }
    }

    /// What watches the attacks.
    pub(crate) fn with_observers(self, observers: Observers<'a>) -> Self {
        Self { observers, ..self }
    }

    /// With the caller's word whether the model has noise, so that
    /// [`is_stochastic`](Self::is_stochastic) asks nothing.
    ///
    /// A model without noise is still asked as many draws as an attack wants:
    /// [`assume_noise_free`](Self::assume_noise_free) spares them.
    pub fn with_stochastic(self, stochastic: bool) -> Self {
        Self { stochastic: Some(stochastic), ..self }
    }

    /// The model itself, for what is no query of the attack.
    pub fn classifier(&self) -> &'a dyn Classifier {
        self.classifier
    }

    /// The values of some lists on the host, each as long as it is, by a single read of the device.
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

    /// Notes that the attack `name` begins, perhaps as part of another: passes are checked later.
    pub(crate) fn begin(&mut self, name: String) {
        self.attack = name;
        self.running += 1;
    }

    /// Notes that the attack has ended.
    pub(crate) fn end(&mut self) {
        self.running -= 1;
    }

    /// Remembers what must hold of a pass, and reads it where it is time to.
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
        examples: &Examples,
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
        examples: &Examples,
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

    /// [`score`](Self::score), and by the same passes how near the images are to a goal.
    pub(crate) fn success(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        goal: &Goal,
        examples: &Examples,
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

    /// The [`input_gradient`](crate::input_gradient) at images, counted. Examples whose gradient is
    /// zero are remembered.
    pub fn gradient(
        &mut self,
        images: &Tensor<4>,
        objective: &Objective,
        examples: &Examples,
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

    /// Whether two draws of the model's noise give other logits, by more than 1e-5 of what an
    /// image's logits span.
    ///
    /// Found out once, on at most eight images and on points beside them, where noise may wake that
    /// sleeps at the images; where the budget has no room for these four passes, the answer is yes.
    /// Less than that is taken for [rounding](Self::rounding).
    pub fn is_stochastic(&mut self, batch: &AttackBatch) -> Result<bool, AttackError> {
        if let Some(known) = self.stochastic {
            return Ok(known);
        }
        if !self.affords(4) {
            return Ok(true);
        }
        let some = Rows::new((0..batch.len().min(8)).collect(), &batch.images);
        let AttackBatch { images, goal, examples } = batch.select(&some);
        let key = Key::new(0).named("probe");
        let beside = Norm::Linf.random_start(key, &images, BESIDE, &examples);
        let beside = (images.clone() + beside).clamp(0.0, 1.0);
        let mut shares = Vec::new();
        for images in [images, beside] {
            let mut draw = |draw| self.logits(&images, &goal, &examples, key, draw);
            shares.push(differing_share(draw(0)?, draw(1)?));
        }
        let [images, beside] = self.read([shares.remove(0), shares.remove(0)])?;
        let most = images.into_iter().chain(beside).fold(0.0, f64::max);
        self.rounding = (most > 0.0 && most <= ROUNDING).then_some(most);
        let stochastic = most > ROUNDING;
        self.stochastic = Some(stochastic);
        Ok(stochastic)
    }

    /// By how much the draws of a model that counts as one without noise differ, as a share of the
    /// logits' span; `None` where they do not, or were not asked for.
    pub fn rounding(&self) -> Option<f64> {
        self.rounding
    }

    /// Whether the model has noise, as far as that is known.
    pub(crate) fn known_stochastic(&self) -> Option<bool> {
        self.stochastic
    }

    /// Forgets whether the model has noise.
    pub(crate) fn forget_stochastic(&mut self) {
        self.stochastic = None;
    }

    /// Takes one draw for any number of them, by the caller's word that all are alike: of a model
    /// without noise, or one whose noise is switched off or held.
    pub fn assume_noise_free(&mut self) {
        (self.stochastic, self.noise_free) = (Some(false), true);
    }

    fn needed(&self, eot: Eot) -> Eot {
        if self.noise_free { Eot { draws: 1, ..eot } } else { eot }
    }

    /// Whether an example leaves the attack as soon as the goal is reached, which is the attack's
    /// `habit` unless the caller said otherwise.
    ///
    /// Never for a stochastic model: one lucky draw is no success.
    pub fn stops_early(&mut self, habit: bool, batch: &AttackBatch) -> Result<bool, AttackError> {
        Ok(self.early_stop.unwrap_or(habit) && !self.is_stochastic(batch)?)
    }

    /// Whether the caller asked for [early stopping](Self::stops_early).
    pub fn wants_early_stop(&self) -> bool {
        self.early_stop == Some(true)
    }

    /// Whether anyone reads the scores given to [`proceed`](Self::proceed): an attack that has them
    /// on the device only need not fetch them otherwise, and gives an empty list.
    pub fn is_traced(&self) -> bool {
        self.observers.trace.is_some()
    }

    /// Whether the budget allows so many more forward passes of each example; otherwise the attack
    /// counts as exhausted.
    pub fn affords(&mut self, forwards: u64) -> bool {
        let spent = self.each.forwards;
        let fits = self.budget.forwards.is_none_or(|limit| spent + forwards <= limit);
        self.exhausted |= !fits;
        fits
    }

    /// Whether the budget allows so many more scores of each example, each a mean over the draws of
    /// `eot`; otherwise the attack counts as exhausted.
    pub fn affords_scores(&mut self, scores: u64, eot: Eot) -> bool {
        self.affords(scores * self.needed(eot).draws as u64)
    }

    /// Ends an iteration that has brought `batch` to `images` with these scores; whether the
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
                    example: batch.examples.number(row),
                    iteration: self.iteration,
                    score,
                    distance,
                },
            ));
        }
        if let Some(progress) = &mut self.observers.progress {
            progress(&Progress {
                attack: &self.attack,
                first_example: batch.examples.number(0),
                iteration: self.iteration,
                active: batch.len(),
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

    /// Counts what an attack spent beside the passes made here, on the model itself in ways of its
    /// own or on another: `each` for each of the first `rows` of `examples`.
    pub fn count(&mut self, each: Passes, examples: &Examples, rows: usize) {
        self.passes += each * rows as u64;
        self.each += each;
        for row in 0..rows {
            *self.queries.entry(examples.number(row)).or_default() += each.forwards;
        }
    }

    /// Counts passes that are the same for each row.
    fn count_all(&mut self, passes: Passes, examples: &Examples, rows: usize) {
        let (forwards, backwards) = (passes.forwards, passes.backwards);
        let of_each = |all: u64| all / rows.max(1) as u64;
        let each = Passes { forwards: of_each(forwards), backwards: of_each(backwards) };
        self.count(each, examples, rows);
    }

    /// Passes of single images so far.
    pub fn passes(&self) -> Passes {
        self.passes
    }

    /// Forward passes so far of the example of this number, those of all images that have it.
    pub fn queries(&self, example: u64) -> u64 {
        self.queries.get(&example).copied().unwrap_or(0)
    }

    /// Whether a budget has ended an attack, or kept it from a pass.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// The numbers of the examples that have met a gradient of zero, as far as passes have been
    /// [read](Self::read): all of them once an attack has ended.
    pub fn zero_gradients(&self) -> &BTreeSet<u64> {
        &self.zero_gradients
    }

    /// The name of the attack that runs, or ran last.
    pub(crate) fn attack_name(&self) -> &str {
        &self.attack
    }
}
