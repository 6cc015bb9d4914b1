//! Parts that decision-based attacks share: the votes of a stochastic model, and the starting
//! images.

mod starts;
mod vote;

pub(crate) use self::vote::Vote;

use self::starts::Starts;
use crate::error::at_least_one;
use crate::rows::ActiveRows;
use crate::spec::Spec;
use crate::{AttackBatch, AttackError, ModelAccess};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::Serialize;

/// The settings of decision-based attacks: starting images, and the number of draws that vote.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Decisions {
    tries: usize,
    starts: Option<Starts>,
    pub draws: usize,
}

/// The examples that a decision-based attack works on: their originals are not adversarial, and
/// each has an adversarial start.
pub(crate) struct Started {
    /// Holds the images of all other examples.
    pub active: ActiveRows,
    pub batch: AttackBatch,
    /// Adversarial images, one of each.
    pub x: Tensor<4>,
    pub vote: Vote,
}

impl Decisions {
    /// A thousand random images to start from at most, and one draw.
    pub fn new() -> Self {
        Self { tries: 1000, starts: None, draws: 1 }
    }

    /// The largest number of random images that are tried as a start; an error if it is zero.
    pub fn with_tries(self, tries: usize) -> Result<Self, AttackError> {
        Ok(Self { tries: at_least_one("tries", tries)?, ..self })
    }

    /// Images to start from, tried before random ones; an error if they are not valid images.
    pub fn with_starts(self, starts: Tensor<4>) -> Result<Self, AttackError> {
        Ok(Self { starts: Some(Starts::new(starts)?), ..self })
    }

    /// The number of draws of the model's noise that vote; an error if it is zero.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("draws", draws)?, ..self })
    }

    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// If there are images to start from: a record holds only their hash.
    pub fn from_spec(of: &mut Spec) -> Result<Self, AttackError> {
        if of.take::<serde_json::Value>("starts")?.is_some() {
            return Err(of.refused(
                "starts: the images are not in the record, which tells them by a hash; build the \
                 attack in code and pass them again",
            ));
        }
        let decisions = of.set(Self::new(), "tries", Self::with_tries)?;
        of.set(decisions, "draws", Self::with_draws)
    }

    /// The most decisions that the search for a start takes for each example.
    pub fn most_to_start(&self) -> usize {
        1 + self.starts.as_ref().map_or(0, Starts::count) + self.tries
    }

    /// The name of an attack, `{name}x{draws}` if there are several draws.
    pub fn name(&self, name: String) -> String {
        match self.draws {
            1 => name,
            draws => format!("{name}x{draws}"),
        }
    }

    /// Looks for an adversarial start for each example that is not adversarial already; `None` if
    /// no example remains.
    pub fn start(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Option<Started>, AttackError> {
        if let Some(starts) = &self.starts {
            starts.check(batch)?;
        }
        let vote = Vote::new(self.draws, key.named("decision"));
        let mut active = ActiveRows::new(batch.len());
        let Some(reached) = vote.decide(access, batch, &batch.images)? else {
            return Ok(None);
        };
        let mut left = batch.clone();
        if let Some(rows) = active.take(&reached, &left.images) {
            if active.is_complete() {
                return Ok(None);
            }
            left = left.select(&rows);
        }
        let (mut x, found) = self.find(access, &left, vote, key.named("start"))?;
        let missing: Vec<bool> = found.iter().map(|found| !found).collect();
        if let Some(rows) = active.take(&missing, &left.images) {
            if active.is_complete() {
                return Ok(None);
            }
            (left, x) = (left.select(&rows), rows.of(&x));
        }
        Ok(Some(Started { active, batch: left, x, vote }))
    }
}
