//! A audit under way.

use super::case::Case;
use super::fared::{CHANCE, Fared};
use super::finding::Finding;
use super::judgement::Judgement;
use super::plan::{Images, Plan, looks};
use super::setup::weight;
use super::state::State;
use super::subject::{Subject, Target};
use super::table::Entry;
use super::{Audit, AuditProgress};
use crate::{Check, EvaluationError, Verdict};
use burn::tensor::{Int, Tensor};
use cni_attacks::{AttackBatch, AttackError, Classifier, Goal, ModelAccess, Norm, Rows};
use cni_noise::Examples;
use std::cell::Cell;
use std::collections::HashSet;
use std::time::{Duration, Instant};

impl Audit {
    /// Runs the checks on the first of these `images`, `[n, channels, height, width]` with pixels
    /// in [0, 1], of true classes `labels`, `[n]`, which are these `examples` of their data set.
    ///
    /// `progress` is called before each check and after it. A check that cannot be carried out has
    /// failed or is skipped, with the reason in place of the measurement, and the others go on.
    ///
    /// # Errors
    ///
    /// Where images, labels and logits do not fit together, logits are not finite, the audited
    /// threat is of radius zero, or the saved state is of another audit.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: impl Into<Examples>,
        progress: &mut dyn FnMut(&AuditProgress),
    ) -> Result<Vec<Check>, EvaluationError> {
        let (mut subject, entries) = self.subject(classifier, images, labels, examples.into())?;
        let plan = self.plan_of(&mut subject, &entries)?;
        let planned = plan.passes();

        let state = match &self.state {
            Some(folder) => Some(State::open(folder, self, &subject)?),
            None => None,
        };
        let mut results: Vec<Option<Check>> = Vec::new();
        for (entry, check) in entries.iter().zip(&plan.checks) {
            results.push(match &state {
                // What is skipped is not worth a file.
                Some(state) if check.examples > 0 => {
                    state.load(entry.name, &subject, check.examples)?
                }
                _ => None,
            });
        }
        let images =
            Images { available: subject.problem.len(), right: Some(subject.right.as_slice()) };
        let most = plan.covers(&entries, images, |position| results[position].is_none());
        let of = entries.len();
        let mut report = |name: &str, position, spent, done: Option<&Check>| {
            progress(&AuditProgress { check: name, position, of, passes: spent, planned, done });
        };
        if most.audit > 0 {
            report("the audited attack", 0, subject.spent.get(), None);
            subject.run_audit(most.audit);
        }
        if most.strong > 0 {
            report("stronger attacks", 0, subject.spent.get(), None);
            subject.run_strong(most.strong);
        }
        let mut checks = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let check = match results[position].take() {
                Some(check) => check,
                None => {
                    report(entry.name, position + 1, subject.spent.get(), None);
                    let check = carry_out(entry, &subject, plan.checks[position].examples);
                    if let Some(state) = state.as_ref().filter(|_| check.examples > 0) {
                        state.save(&subject, &check)?;
                    }
                    check
                }
            };
            report(entry.name, position + 1, subject.spent.get(), Some(&check));
            checks.push(check);
        }
        Ok(checks)
    }

    /// How long [`run`](Self::run) will take at most, by the time of a forward and a backward pass
    /// on a batch of these images. Those that the model gets wrong are found out for that.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and where the model has no gradient.
    pub fn estimate(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
    ) -> Result<Duration, EvaluationError> {
        let (mut subject, entries) = self.subject(classifier, images, labels, 0.into())?;
        let passes = self.plan_of(&mut subject, &entries)?.passes();
        let some = subject.first(subject.problem.len().min(self.chunk));
        let objective = cni_attacks::Objective::new(self.attack.loss, &some.goal);
        let key = self.key.named("estimate");
        let mut seconds = [0.0, 0.0];
        // The first round warms caches up, and is not counted.
        for _ in 0..2 {
            let started = Instant::now();
            subject.ask(subject.target, |access| {
                access.score(&some.images, &objective, &some.examples, cni_attacks::Eot::ONE, key)
            })?;
            let forward = started.elapsed().as_secs_f64();
            let started = Instant::now();
            let found = subject.ask(subject.target, |access| {
                access.gradient(
                    &some.images,
                    &objective,
                    &some.examples,
                    cni_attacks::Eot::ONE,
                    key,
                )
            })?;
            cni_attacks::rows::read(&Norm::Linf.length(found.gradient));
            seconds = [forward, (started.elapsed().as_secs_f64() - forward).max(0.0)];
        }
        let each = seconds.map(|seconds| seconds / some.len() as f64);
        let total = passes.forwards as f64 * each[0] + passes.backwards as f64 * each[1];
        Ok(Duration::from_secs_f64(total))
    }

    /// Looks at the images, and plans by those that the model gets right: no more than was planned
    /// without that.
    fn plan_of(
        &self,
        subject: &mut Subject<'_>,
        entries: &[&Entry],
    ) -> Result<Plan, EvaluationError> {
        let available = subject.problem.len();
        let unknown = Images { available, right: None };
        let most = Plan::new(&subject.setup, entries, unknown, subject.setup.budget());
        subject.look(looks(&subject.setup, entries, available))?;
        let images = Images { available, right: Some(&subject.right) };
        Ok(Plan::new(&subject.setup, entries, images, weight(&most.passes())))
    }

    /// The model with its data, and the checks that are asked for.
    fn subject<'a>(
        &self,
        classifier: &'a dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
        examples: Examples,
    ) -> Result<(Subject<'a>, Vec<&'static Entry>), EvaluationError> {
        let entries = self.entries();
        if self.attack.threat.epsilon() == 0.0 {
            let wanted = "above 0: there is nothing to check in a ball that holds the image alone";
            return Err(AttackError::Setting { field: "epsilon", got: 0.0, wanted }.into());
        }
        let problem = AttackBatch::new(images, &Goal::Misclassify(labels), examples)?;
        let mut numbers = HashSet::new();
        let mut numbers_of = (0..problem.len()).map(|row| problem.examples.number(row));
        if let Some(number) = numbers_of.find(|number| !numbers.insert(*number)) {
            return Err(AttackError::RepeatedExample { number }.into());
        }
        let mut access = ModelAccess::unwatched(classifier, None);
        let stochastic = access.is_stochastic(&problem)?;
        let some = problem.select(&Rows::new(vec![0], &problem.images));
        let key = self.key.named("probe");
        let [_, classes] = access.logits(&some.images, &some.goal, &some.examples, key, 0)?.dims();
        let (setup, spent) = (self.setup(classes, stochastic), access.passes());
        let none =
            Fared { predicted: Vec::new(), correct: Vec::new(), margin: Vec::new(), wrong: 0 };
        let subject = Subject {
            setup,
            target: Target { classifier, stochastic },
            problem,
            key: self.key,
            chunk: self.chunk,
            surrogate: self.surrogate.clone(),
            clean: none,
            right: Vec::new(),
            audit: None,
            strong: None,
            spent: Cell::new(spent),
        };
        Ok((subject, entries))
    }
}

/// Carries a check out, whatever becomes of it.
fn carry_out(entry: &Entry, subject: &Subject<'_>, examples: usize) -> Check {
    let (started, before) = (Instant::now(), subject.spent.get());
    let finding = match entry.meaningless(&subject.setup) {
        None => find(entry, subject, examples).unwrap_or_else(|error| {
            let verdict = match error {
                AttackError::NonFinite { .. } | AttackError::NoGradient => Verdict::Fail,
                _ => Verdict::Skipped,
            };
            Finding::new(verdict, format!("not measured: {error}"))
        }),
        Some(reason) => Finding::skipped(reason),
    };
    Check {
        name: entry.name.to_string(),
        verdict: finding.verdict,
        measured: finding.measured,
        values: finding.values,
        detectable: finding.detectable,
        at_most: finding.at_most,
        bound: finding.bound,
        needed: finding.needed,
        raised_if: entry.rule(subject.setup.bound()),
        advice: entry.advice.to_string(),
        figure: finding.figure,
        examples,
        passes: subject.spent.get() - before,
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn find(entry: &Entry, subject: &Subject<'_>, examples: usize) -> Result<Finding, AttackError> {
    if entry.every {
        return (entry.run)(&Case::every(subject, 0..examples));
    }
    let attacked = subject.right_within(0..examples).len();
    if attacked == 0 {
        let measured = format!("the model gets none of {examples} images right in any draw");
        if !entry.wins {
            return Ok(Finding::new(Verdict::Inconclusive, measured));
        }
        let none = subject.clean.rows(&[], examples);
        let bound = subject.setup.bound();
        let needed = (CHANCE.ln() / (1.0 - bound).ln()).ceil() as usize;
        let judgement = Judgement::new(Verdict::Pass, bound, 1.0, examples, Some(needed));
        return Ok(Finding::judged(&judgement.where_left(&none), measured));
    }
    let finding = (entry.run)(&Case::right(subject, 0..examples))?;
    Ok(finding.value("attacked", attacked as f64))
}
