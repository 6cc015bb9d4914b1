//! Accuracy against several attackers.

use crate::{Estimate, Hits, NoiseState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An accuracy against several attackers and in several states of the model's noise.
///
/// A field is absent if it was not measured: for a model without noise all would be equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// Accuracy against an attacker with one try: the noise is drawn once for each image. It is the
    /// accuracy that is meant wherever nothing else is said.
    #[serde(flatten)]
    pub one_shot: Estimate,
    /// Accuracy of a vote: of the class that most of several draws give, the lowest of equals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vote: Option<Estimate>,
    /// Accuracy against an attacker who submits the same image several times and wins if any draw
    /// is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_of: Option<Estimate>,
    /// Accuracy of the model with its noise off, which is attacked in that state as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_off: Option<Estimate>,
    /// Accuracy of the model with one draw of its noise held for attack and judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_noise: Option<Estimate>,
}

impl From<Estimate> for Accuracy {
    /// The accuracy of a model without noise, or against one try.
    fn from(one_shot: Estimate) -> Self {
        Self { one_shot, vote: None, best_of: None, noise_off: None, fixed_noise: None }
    }
}

/// A tally that collects an [`Accuracy`] over batches.
///
/// A vote, or a series of tries, counts as one draw of a classifier that takes several. The draws
/// are divided into groups, and each group gives one answer. The remaining draws are not used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    one_shot: Hits,
    several: Option<Several>,
    noise_off: Option<Hits>,
    fixed_noise: Option<Hits>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Several {
    votes: usize,
    tries: usize,
    vote: Hits,
    best_of: Hits,
}

impl Tally {
    /// An empty tally. `states` are the states of the noise in which a stochastic model is judged.
    /// A model without noise has none; votes and tries have no meaning for it.
    pub fn new(draws: usize, votes: usize, tries: usize, states: Option<&[NoiseState]>) -> Self {
        let several = || Several {
            votes,
            tries,
            vote: Hits::new(draws / votes),
            best_of: Hits::new(draws / tries),
        };
        let one = |state| states.is_some_and(|all| all.contains(&state)).then(|| Hits::new(1));
        Self {
            one_shot: Hits::new(draws),
            several: states.map(|_| several()),
            noise_off: one(NoiseState::Off),
            fixed_noise: one(NoiseState::Fixed),
        }
    }

    /// Adds a batch under live noise: the predicted classes of each draw.
    pub fn add(&mut self, predicted: &[Vec<i64>], labels: &[i64]) {
        let right = hits(predicted, labels);
        if let Some(Several { votes, tries, vote, best_of }) = &mut self.several {
            let elected: Vec<Vec<i64>> = predicted.chunks_exact(*votes).map(plurality).collect();
            vote.extend(&hits(&elected, labels));
            let always = |group: &[Vec<bool>]| -> Vec<bool> {
                (0..labels.len()).map(|row| group.iter().all(|draw| draw[row])).collect()
            };
            best_of.extend(&right.chunks_exact(*tries).map(always).collect::<Vec<_>>());
        }
        self.one_shot.extend(&right);
    }

    /// Adds the same batch with the noise off.
    pub fn add_noise_off(&mut self, predicted: &[Vec<i64>], labels: &[i64]) {
        self.noise_off.iter_mut().for_each(|all| all.extend(&hits(predicted, labels)));
    }

    /// Adds the same batch with the noise held.
    pub fn add_fixed_noise(&mut self, predicted: &[Vec<i64>], labels: &[i64]) {
        self.fixed_noise.iter_mut().for_each(|all| all.extend(&hits(predicted, labels)));
    }

    /// Adds the tally of the examples that follow, under the same settings.
    pub fn append(&mut self, next: &Self) {
        self.one_shot.append(&next.one_shot);
        if let (Some(several), Some(next)) = (&mut self.several, &next.several) {
            several.vote.append(&next.vote);
            several.best_of.append(&next.best_of);
        }
        let states =
            [(&mut self.noise_off, &next.noise_off), (&mut self.fixed_noise, &next.fixed_noise)];
        for (hits, next) in states {
            if let (Some(hits), Some(next)) = (hits, next) {
                hits.append(next);
            }
        }
    }

    pub fn accuracy(&self, confidence: f64) -> Accuracy {
        let of =
            |hits: &Hits| hits.estimate(confidence).expect("there are examples, and a confidence");
        let several = self.several.as_ref();
        Accuracy {
            one_shot: of(&self.one_shot),
            vote: several.map(|several| of(&several.vote)),
            best_of: several.map(|several| of(&several.best_of)),
            noise_off: self.noise_off.as_ref().map(of),
            fixed_noise: self.fixed_noise.as_ref().map(of),
        }
    }
}

/// The hits: for each draw, whether each image got its label.
pub(crate) fn hits(predicted: &[Vec<i64>], labels: &[i64]) -> Vec<Vec<bool>> {
    let of_draw =
        |draw: &Vec<i64>| draw.iter().zip(labels).map(|(class, label)| class == label).collect();
    predicted.iter().map(of_draw).collect()
}

/// The plurality vote: the class that most draws give each image, the lowest of equals.
pub(crate) fn plurality(predicted: &[Vec<i64>]) -> Vec<i64> {
    let images = predicted.first().map_or(0, Vec::len);
    let elect = |row: usize| {
        let mut ballot: Vec<i64> = predicted.iter().map(|draw| draw[row]).collect();
        ballot.sort_unstable();
        let counted = ballot.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len()));
        // `max_by_key` would take the last of equals.
        counted.fold((0, 0), |best, next| if next.1 > best.1 { next } else { best }).0
    };
    (0..images).map(elect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Six draws of two images whose label is 1, in two groups of three.
    #[test]
    fn votes_and_tries_are_draws_of_groups() {
        let draws = [[1, 0], [1, 1], [0, 2], [1, 1], [1, 1], [1, 1]].map(Vec::from);
        let mut tally =
            Tally::new(6, 3, 3, Some(&[NoiseState::Live, NoiseState::Off, NoiseState::Fixed]));
        tally.add(&draws, &[1, 1]);
        tally.add_noise_off(&draws[..1], &[1, 1]);
        tally.add_fixed_noise(&draws[1..2], &[1, 1]);
        let accuracy = tally.accuracy(0.95);
        let close = |estimate: &Estimate, wanted: f64| (estimate.accuracy - wanted).abs() < 1e-12;
        assert!(close(&accuracy.one_shot, 9.0 / 12.0));
        // The first group gives the first image class 1. The second group gives it a tie of three
        // classes, and 0 is the lowest of them.
        assert!(close(&accuracy.vote.unwrap(), 3.0 / 4.0));
        assert!(close(&accuracy.best_of.unwrap(), 2.0 / 4.0));
        assert!(close(&accuracy.noise_off.unwrap(), 0.5));
        assert!(close(&accuracy.fixed_noise.unwrap(), 1.0));
    }

    #[test]
    fn a_model_without_noise_has_one_accuracy() {
        let mut tally = Tally::new(1, 1, 1, None);
        tally.add(&[vec![1, 0]], &[1, 1]);
        let accuracy = tally.accuracy(0.95);
        assert_eq!(accuracy.one_shot.accuracy, 0.5);
        assert!(accuracy.vote.is_none() && accuracy.noise_off.is_none());
    }
}
