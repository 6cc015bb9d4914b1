//! The cascade of a suite over one batch: each attack runs on the examples that are still robust.

use super::Suite;
use crate::access::Severity;
use crate::{Attack, AttackBatch, AttackError, ModelAccess};
use crate::{Rows, rows::where_rows};
use burn::tensor::Tensor;
use cni_noise::Key;

/// The results for a batch so far.
#[derive(Clone, Debug)]
pub(super) struct Cascade {
    pub batch: AttackBatch,
    pub key: Key,
    /// Draws that decide whether an example is broken: one for a model without noise.
    pub draws: usize,
    /// The worst image of each example so far; at first the example itself.
    pub images: Tensor<4>,
    /// The severity of that image: how far it misleads the model.
    pub severity: Vec<Severity>,
    /// True if every draw reaches the goal, so that the example leaves the cascade.
    pub broken: Vec<bool>,
}

impl Cascade {
    /// The unperturbed batch, after a check that the model has enough classes for every attack.
    pub fn new(
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
        suite: &Suite,
    ) -> Result<Self, AttackError> {
        let draws = if access.is_stochastic(batch)? { suite.draws } else { 1 };
        let clean = access.predict_draws(batch, &batch.images, key.named("select"), draws)?;
        Suite::check_classes(suite.attacks(), clean.classes)?;
        let severity = clean.severity(&batch.goal);
        let broken: Vec<bool> = severity.iter().map(|one| one.wrong_draws == draws).collect();
        Ok(Self {
            batch: batch.clone(),
            key,
            draws,
            images: batch.images.clone(),
            severity,
            broken,
        })
    }

    /// Runs attack number `index` of a suite on the examples that are still robust.
    ///
    /// Draws that no attack has used, the same for all attacks, decide whether an example is
    /// broken.
    pub fn step(
        &mut self,
        access: &mut ModelAccess<'_>,
        index: usize,
        attack: &dyn Attack,
    ) -> Result<(), AttackError> {
        let left = Rows::wherever(self.broken.iter().map(|broken| !broken), &self.images);
        if left.as_slice().is_empty() {
            return Ok(());
        }
        let batch = self.batch.select(&left);
        let key = self.key.named("attack").child(index as u64).named(&attack.name());
        let found = access.run(attack, &batch, key)?;
        let predictions =
            access.predict_draws(&batch, &found, self.key.named("select"), self.draws)?;
        let severity = predictions.severity(&batch.goal);
        let mut worse = vec![false; self.broken.len()];
        for (at, &row) in left.as_slice().iter().enumerate() {
            worse[row] = severity[at].exceeds(&self.severity[row]);
            if worse[row] {
                self.severity[row] = severity[at];
            }
            self.broken[row] = severity[at].wrong_draws == self.draws;
        }
        let found = left.replace(&self.images, &found);
        self.images = where_rows(&worse, self.images.clone(), &found);
        Ok(())
    }
}
