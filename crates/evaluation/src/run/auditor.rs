//! The audit of the attack behind a number, as part of the evaluation that gives the number.

use crate::audit::{Audit, AuditProgress};
use crate::run::identity::{Entry, without_draws};
use crate::run::state_files::CHECKUP;
use crate::{AuditRecord, Check, Evaluation, EvaluationError};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackBatch, AttackError, Classifier, Goal, Knob, Rows};
use serde_json::Value;
use std::path::Path;

/// Where an audited attack stands in a suite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    attack: String,
    within: Option<String>,
    spec: Value,
    hash: String,
}

impl Place {
    /// Finds an attack in a suite, or among the attacks of one of its suites.
    ///
    /// For a model without noise draws have no meaning: an attack that differs in them alone will
    /// do.
    pub fn find(
        suite: &[Entry],
        audited: &dyn Attack,
        stochastic: bool,
    ) -> Result<Self, EvaluationError> {
        let wanted = audited.spec();
        let same: fn(&Value, &Value) -> bool = |a, b| a == b;
        let alike: fn(&Value, &Value) -> bool = |a, b| without_draws(a) == without_draws(b);
        let rules = if stochastic { vec![same] } else { vec![same, alike] };
        let top = |rule: fn(&Value, &Value) -> bool| {
            let entry = suite.iter().find(|entry| rule(&entry.spec, &wanted))?;
            let Entry { label, spec, hash, .. } = entry;
            let (attack, spec, hash) = (label.clone(), spec.clone(), hash.clone());
            Some(Self { attack, within: None, spec, hash })
        };
        let member = |rule: fn(&Value, &Value) -> bool| {
            let found = |entry: &Entry| {
                let spec = members(&entry.spec).into_iter().find(|spec| rule(spec, &wanted))?;
                let (attack, within) = (audited.name(), Some(entry.label.clone()));
                Some(Self { attack, within, hash: crate::files::hash_of(spec), spec: spec.clone() })
            };
            suite.iter().find_map(found)
        };
        let found = rules.into_iter().find_map(|rule| top(rule).or_else(|| member(rule)));
        found.ok_or_else(|| EvaluationError::Audit {
            attack: audited.name(),
            suite: suite.iter().map(|entry| entry.label.clone()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// The settings of the attacks that a suite is made of, and of those within them.
fn members(spec: &Value) -> Vec<&Value> {
    let direct = spec["attacks"].as_array().into_iter().flatten();
    direct.flat_map(|member| std::iter::once(member).chain(members(member))).collect()
}

/// An audit that waits for its examples.
pub(crate) struct RunningAudit {
    audit: Audit,
    place: Place,
    /// Examples that the checks have a use for.
    wanted: usize,
    batches: Vec<(Tensor<4>, Tensor<1, Int>)>,
    chunk: usize,
}

impl RunningAudit {
    /// The audit that an evaluation asks for, of a model of so many classes, with noise or without.
    pub fn new(
        evaluation: &Evaluation,
        audit: &Audit,
        stochastic: bool,
        classes: usize,
        state: Option<&Path>,
    ) -> Result<Self, EvaluationError> {
        let place = Place::find(&evaluation.suite, audit.attack(), stochastic)?;
        // A model without noise would have its one gradient averaged over as many equal ones.
        let attack = match stochastic {
            true => audit.attack().clone(),
            // Without draws to set there are none to spare.
            false => {
                let attack = audit.attack();
                attack.with_knob(Knob::Draws(1)).unwrap_or_else(|_| attack.clone())
            }
        };
        let mut audit = audit
            .clone()
            .with_attack(attack)
            .with_key(evaluation.key.named("audit"))
            .with_judging_draws(evaluation.draws)?;
        if let Some(folder) = state {
            audit = audit.with_state(folder.join(CHECKUP));
        }
        let plan = audit.plan(classes, stochastic);
        let wanted = plan.checks.iter().map(|check| check.examples).max().unwrap_or(0).max(1);
        Ok(Self { audit, place, wanted, batches: Vec::new(), chunk: 1 })
    }

    /// Keeps the examples of a batch that the checks have a use for.
    pub fn take(&mut self, problem: &AttackBatch) {
        self.chunk = self.chunk.max(problem.len());
        let have: usize = self.batches.iter().map(|(images, _)| images.dims()[0]).sum();
        let rows: Vec<usize> = (0..problem.len().min(self.wanted - have)).collect();
        if let (false, Goal::Misclassify(labels)) = (rows.is_empty(), &problem.goal) {
            let rows = Rows::new(rows, &problem.images);
            self.batches.push((rows.of(&problem.images), rows.of_labels(labels)));
        }
    }

    /// Runs the checks on the examples that were kept.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        progress: &mut dyn FnMut(&AuditProgress),
    ) -> Result<(AuditRecord, Vec<Check>), EvaluationError> {
        let Self { audit, place, batches, chunk, .. } = self;
        let audit = audit.clone().with_chunk(*chunk)?;
        let (images, labels): (Vec<_>, Vec<_>) = batches.iter().cloned().unzip();
        let (images, labels) = (Tensor::cat(images, 0), Tensor::cat(labels, 0));
        let checks = audit.run(classifier, images, labels, 0, progress)?;
        let Place { attack, within, spec, hash } = place.clone();
        let audit = AuditRecord {
            attack,
            within,
            spec,
            hash,
            draws: audit.attack().gradient_draws().unwrap_or(1),
            key: audit.key(),
            epsilon: audit.attack().threat().epsilon(),
            effort: audit.effort(),
            examples: checks.iter().map(|check| check.examples).max().unwrap_or(0),
        };
        Ok((audit, checks))
    }
}

/// Refuses an audit that could not be carried out, before anything is attacked.
pub(crate) fn check(suite: &[Entry], audit: &Audit) -> Result<(), EvaluationError> {
    Place::find(suite, audit.attack(), false)?;
    if audit.attack().threat().epsilon() == 0.0 {
        let wanted = "above 0: there is nothing to check in a ball that holds the image alone";
        return Err(AttackError::Setting { field: "epsilon", got: 0.0, wanted }.into());
    }
    Ok(())
}
