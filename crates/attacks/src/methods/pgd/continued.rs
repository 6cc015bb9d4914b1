//! PGD continued from earlier results.

use super::ascent::Run;
use super::{Pgd, RandomStart};
use crate::methods::shared::best::KeepBest;
use crate::{AttackBatch, AttackError, Iterate, Knob, ModelAccess, Passes};
use burn::tensor::Tensor;
use cni_noise::Key;

impl Pgd {
    /// The cost of continuing to so many steps or restarts.
    pub(super) fn passes_continued(&self, more: Knob) -> Option<Passes> {
        match more {
            Knob::Steps(steps) => {
                let steps = steps.saturating_sub(self.steps);
                Some(Self { steps, restarts: 1, ..self.clone() }.passes())
            }
            Knob::Restarts(restarts) => {
                // Two candidates are compared in the end.
                let choice = self.eot.score_cost() * 2;
                Some(self.further(restarts).passes() + choice)
            }
            _ => None,
        }
    }

    /// The attack with only the missing runs, from random starts, since from one start all runs
    /// would be equal.
    fn further(&self, restarts: usize) -> Self {
        let restarts = restarts.saturating_sub(self.restarts);
        let random_start = match self.random_start.is_random() {
            true => self.random_start,
            false => RandomStart::uniform(),
        };
        Self { restarts, random_start, ..self.clone() }
    }

    pub(super) fn with_more_steps(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
        found: Tensor<4>,
        steps: usize,
    ) -> Result<Tensor<4>, AttackError> {
        let key_of_choice = key.named("score");
        let mut selection =
            KeepBest::of_loss(&batch.goal, self.loss.clone(), self.eot, key_of_choice);
        let every = (self.iterate == Iterate::Best).then_some(&mut selection);
        let (ball, steps) = (self.ball(batch), self.steps as u64..steps as u64);
        let run = Run { key: key.child(0), ball, start: found, steps };
        let last = self.ascend(access, batch.clone(), run, every, false)?;
        Ok(selection.into_images(last))
    }

    pub(super) fn with_more_runs(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
        found: Tensor<4>,
        restarts: usize,
    ) -> Result<Tensor<4>, AttackError> {
        let [run, choice] = restart_keys(key, self.restarts);
        let more = access.run(&self.further(restarts), batch, run)?;
        let mut selection = KeepBest::new(&batch.goal, self.eot, choice.named("score"));
        selection.consider(access, &found, &batch.examples)?;
        selection.consider(access, &more, &batch.examples)?;
        Ok(selection.into_images(found))
    }
}

/// The keys of further runs after so many restarts, and of the choice between them and what was
/// there: the runs have chosen among their own by draws of their key.
fn restart_keys(attack: Key, done: usize) -> [Key; 2] {
    let run = attack.named("restarts").child(done as u64);
    [run, run.named("choice")]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both choose by draws of the name `score`.
    #[test]
    fn a_further_restart_is_chosen_by_draws_that_it_has_not_seen() {
        let [run, choice] = restart_keys(Key::new(3), 2);
        assert_ne!(run.named("score"), choice.named("score"));
        assert_ne!(run, restart_keys(Key::new(3), 4)[0]);
    }
}
