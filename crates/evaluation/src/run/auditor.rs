//! The audit within an evaluation, of an attack whose accuracy the evaluation reports.

use crate::audit::{Audit, AuditProgress};
use crate::run::place::Place;
use crate::{AuditRecord, Check, Evaluation, EvaluationError};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Attack, AttackBatch, Classifier, Goal, Knob, Rows};
use std::path::Path;

/// The folder of the audit's state within that of the evaluation.
pub(crate) const AUDIT: &str = "audit";

/// An audit that collects its examples and runs after the last batch.
pub(crate) struct RunningAudit {
    audit: Audit,
    place: Place,
    /// The number of examples that the checks can use.
    wanted: usize,
    batches: Vec<(Tensor<4>, Tensor<1, Int>)>,
    chunk: usize,
}

impl RunningAudit {
    /// The audit of an evaluation, for a model with this number of classes, with noise or without.
    pub fn new(
        evaluation: &Evaluation,
        audit: &Audit,
        stochastic: bool,
        classes: usize,
        state: Option<&Path>,
    ) -> Result<Self, EvaluationError> {
        let place = Place::find(&evaluation.suite, audit.attack().as_ref(), stochastic)?;
        // Without noise all draws of a gradient are equal, so one is enough.
        let attack = match stochastic {
            true => audit.attack().clone(),
            // An attack without a number of draws stays as it is.
            false => {
                let attack = audit.attack();
                attack.with_knob(Knob::Draws(1)).unwrap_or_else(|_| attack.clone())
            }
        };
        let mut audit = audit
            .clone()
            .with_attack(attack)
            .with_key(evaluation.key.named("audit"))
            .with_judging_draws(evaluation.draws)?
            .with_attack_precision(evaluation.attack_precision);
        if let Some(folder) = state {
            audit = audit.with_state(folder.join(AUDIT));
        }
        let plan = audit.plan(classes, stochastic);
        let wanted = plan.checks.iter().map(|check| check.examples).max().unwrap_or(0).max(1);
        Ok(Self { audit, place, wanted, batches: Vec::new(), chunk: 1 })
    }

    /// Keeps the examples of a batch that the checks can use.
    pub fn take(&mut self, batch: &AttackBatch) {
        self.chunk = self.chunk.max(batch.len());
        let have: usize = self.batches.iter().map(|(images, _)| images.dims()[0]).sum();
        let rows: Vec<usize> = (0..batch.len().min(self.wanted - have)).collect();
        if let (false, Goal::Misclassify(labels)) = (rows.is_empty(), &batch.goal) {
            let rows = Rows::new(rows, &batch.images);
            self.batches.push((rows.of(&batch.images), rows.of_labels(labels)));
        }
    }

    /// Runs the checks on the kept examples.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        progress: &mut dyn FnMut(&AuditProgress),
    ) -> Result<(AuditRecord, Vec<Check>), EvaluationError> {
        let Self { audit, place, batches, chunk, .. } = self;
        let audit = audit.clone().with_chunk(*chunk)?;
        let (images, labels): (Vec<_>, Vec<_>) = batches.iter().cloned().unzip();
        let (images, labels) = (Tensor::cat(images, 0), Tensor::cat(labels, 0));
        let (checks, shared) = audit.run_counted(classifier, images, labels, 0.into(), progress)?;
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
            shared: Some(shared),
        };
        Ok((audit, checks))
    }
}
