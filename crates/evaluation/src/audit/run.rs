//! The run of an audit.

use super::context::{Context, Model};
use super::judgement::Judgement;
use super::labelled::{CHANCE, LabelledPredictions};
use super::plan::{Images, Plan, examples_needed};
use super::progress::AuditProgress;
use super::result::CheckResult;
use super::sample::Sample;
use super::settings::Audit;
use super::setup::weight;
use super::state::State;
use super::table::Entry;
use crate::{Check, EvaluationError, SharedCost, Verdict};
use burn::tensor::{Int, Tensor};
use cni_attacks::{AttackBatch, AttackError, Classifier, Goal, ModelAccess, Rows};
use cni_noise::ExampleIds;
use std::cell::Cell;
use std::collections::HashSet;
use web_time::Instant;

impl Audit {
    /// Runs the checks on the first of these images.
    ///
    /// `images` are `[n, channels, height, width]` with pixels in [0, 1], `labels` are their true
    /// classes `[n]`, and `examples` are their numbers in the data set: the number of the first, or
    /// all of them. `progress` is called before and after each check. A check that cannot run has
    /// failed or is skipped, and states the reason instead of its measurement; the other checks go
    /// on.
    ///
    /// # Errors
    ///
    /// If images, labels and logits do not fit together, logits are not finite, the threat of the
    /// audited attack has the radius zero or no bound, or the saved state belongs to another audit.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: impl Into<ExampleIds>,
        progress: &mut dyn FnMut(&AuditProgress),
    ) -> Result<Vec<Check>, EvaluationError> {
        Ok(self.run_counted(classifier, images, labels, examples.into(), progress)?.0)
    }

    /// As [`run`](Self::run), with the cost of the results that several checks share.
    pub(crate) fn run_counted(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: ExampleIds,
        progress: &mut dyn FnMut(&AuditProgress),
    ) -> Result<(Vec<Check>, SharedCost), EvaluationError> {
        let started = Instant::now();
        let (mut context, entries) = self.context(classifier, images, labels, examples)?;
        let plan = self.plan_of(&mut context, &entries)?;
        let planned = plan.passes();

        let state = match &self.state {
            Some(folder) => Some(State::open(folder, self, &context)?),
            None => None,
        };
        let mut results: Vec<Option<Check>> = Vec::new();
        for (entry, check) in entries.iter().zip(&plan.checks) {
            results.push(match &state {
                // A skipped check is not worth a file.
                Some(state) if check.examples > 0 => {
                    state.load(entry.name, &context, check.examples)?
                }
                _ => None,
            });
        }
        let images =
            Images { available: context.batch.len(), right: Some(context.right.as_slice()) };
        let most = plan.covers(&entries, images, |position| results[position].is_none());
        let of = entries.len();
        let mut report = |name: &str, position, spent, done: Option<&Check>| {
            progress(&AuditProgress { check: name, position, of, passes: spent, planned, done });
        };
        if most.audit > 0 {
            report("the audited attack", 0, context.spent.get(), None);
            context.run_audit(most.audit);
        }
        if most.strong > 0 {
            report("stronger attacks", 0, context.spent.get(), None);
            context.run_strong(most.strong);
        }
        let (passes, seconds) = (context.spent.get(), started.elapsed().as_secs_f64());
        let shared = SharedCost { passes, seconds };
        let shared = match &state {
            Some(state) => state.shared(&context, shared)?,
            None => shared,
        };
        let mut checks = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let check = match results[position].take() {
                Some(check) => check,
                None => {
                    report(entry.name, position + 1, context.spent.get(), None);
                    let check = carry_out(entry, &context, plan.checks[position].examples);
                    if let Some(state) = state.as_ref().filter(|_| check.examples > 0) {
                        state.save(&context, &check)?;
                    }
                    check
                }
            };
            report(entry.name, position + 1, context.spent.get(), Some(&check));
            checks.push(check);
        }
        Ok((checks, shared))
    }

    /// Judges the images, and makes the plan with those that the model classifies correctly. It
    /// costs no more than the plan without that knowledge.
    pub(super) fn plan_of(
        &self,
        context: &mut Context<'_>,
        entries: &[&Entry],
    ) -> Result<Plan, EvaluationError> {
        let available = context.batch.len();
        let unknown = Images { available, right: None };
        let most = Plan::new(&context.setup, entries, unknown, context.setup.budget());
        context.judge_clean(examples_needed(&context.setup, entries, available))?;
        let images = Images { available, right: Some(&context.right) };
        Ok(Plan::new(&context.setup, entries, images, weight(&most.passes())))
    }

    /// The context: the model with its data. Also the checks of the audit.
    pub(super) fn context<'a>(
        &self,
        classifier: &'a dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: ExampleIds,
    ) -> Result<(Context<'a>, Vec<&'static Entry>), EvaluationError> {
        let entries = self.entries();
        self.check_radius()?;
        let batch = AttackBatch::new(images, &Goal::Misclassify(labels), examples)?;
        let mut numbers = HashSet::new();
        let mut numbers_of = (0..batch.len()).map(|row| batch.examples.id(row));
        if let Some(number) = numbers_of.find(|number| !numbers.insert(*number)) {
            return Err(AttackError::RepeatedExample { number }.into());
        }
        let mut access = ModelAccess::new(classifier);
        let stochastic = access.is_stochastic(&batch)?;
        let some = batch.select(&Rows::new(vec![0], &batch.images));
        let key = self.key.named("probe");
        let [_, classes] = access.logits(&some.images, &some.goal, &some.examples, key, 0)?.dims();
        let (setup, spent) = (self.setup(classes, stochastic), access.passes());
        let none = LabelledPredictions {
            predicted: Vec::new(),
            correct: Vec::new(),
            margin: Vec::new(),
            wrong: 0,
        };
        let context = Context {
            setup,
            model: Model { classifier, stochastic },
            batch,
            key: self.key,
            chunk: self.chunk,
            precision: self.attack_precision(),
            surrogate: self.surrogate.clone(),
            clean: none,
            right: Vec::new(),
            audit: None,
            strong: None,
            spent: Cell::new(spent),
        };
        Ok((context, entries))
    }
}

/// Runs a check. An error becomes part of its result.
fn carry_out(entry: &Entry, context: &Context<'_>, examples: usize) -> Check {
    let (started, before) = (Instant::now(), context.spent.get());
    let result = match entry.skipped(&context.setup) {
        None => find(entry, context, examples).unwrap_or_else(|error| {
            let verdict = match error {
                AttackError::NonFinite { .. } | AttackError::NoGradient => Verdict::Fail,
                _ => Verdict::Skipped,
            };
            CheckResult::new(verdict, format!("not measured: {error}"))
        }),
        Some(reason) => CheckResult::skipped(reason),
    };
    Check {
        name: entry.name.to_string(),
        verdict: result.verdict,
        measured: result.measured,
        values: result.values,
        detectable: result.detectable,
        at_most: result.at_most,
        bound: result.bound,
        needed: result.needed,
        raised_if: entry.rule(context.setup.bound()),
        advice: entry.advice.to_string(),
        figure: result.figure,
        examples,
        passes: context.spent.get() - before,
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn find(entry: &Entry, context: &Context<'_>, examples: usize) -> Result<CheckResult, AttackError> {
    if entry.every {
        return (entry.run)(&Sample::every(context, 0..examples));
    }
    let attacked = context.right_within(0..examples).len();
    if attacked == 0 {
        let measured = format!("the model gets none of {examples} images right in any draw");
        if !entry.wins {
            return Ok(CheckResult::new(Verdict::Inconclusive, measured));
        }
        let none = context.clean.rows(&[], examples);
        let bound = context.setup.bound();
        let needed = (CHANCE.ln() / (1.0 - bound).ln()).ceil() as usize;
        let judgement = Judgement::new(Verdict::Pass, bound, 1.0, examples, Some(needed));
        return Ok(CheckResult::judged(&judgement.limited_by(&none), measured));
    }
    let result = (entry.run)(&Sample::right(context, 0..examples))?;
    Ok(result.value("attacked", attacked as f64))
}
