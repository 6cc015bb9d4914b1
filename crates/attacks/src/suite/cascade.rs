//! The cascade of a suite over one batch: each attack gets the examples that the attacks before it have left.

use crate::problem::{Rows, bools, read, where_rows};
use crate::{Attack, AttackError, Loss, Objective, Oracle, Problem};
use burn::tensor::Tensor;
use cni_noise::Key;

/// What is known of a batch so far.
#[derive(Clone, Debug)]
pub(super) struct Cascade {
    pub problem: Problem,
    pub key: Key,
    /// Draws that decide whether an example is broken: one for a model without noise.
    pub draws: usize,
    /// The image of each example that did most harm, at first the example itself.
    pub images: Tensor<4>,
    /// Its mean margin, the best wrong logit less the right one.
    pub margin: Vec<f64>,
    /// Whether every draw gives what the attacker wants, so that nothing is left to win.
    pub broken: Vec<bool>,
    /// The attack that broke it; none where the model was wrong from the start.
    pub broken_by: Vec<Option<usize>>,
}

/// What an attack did to a batch.
pub(super) struct Step {
    /// Examples that it was given.
    pub attacked: usize,
    /// Examples that it broke.
    pub broken: usize,
}

/// How a batch fares in a number of draws.
pub(super) struct Verdict {
    /// For each example, in how many draws the attacker has what it wants.
    pub reached: Vec<usize>,
    pub margin: Vec<f64>,
    /// The classes of the first draw, and whether its logits look like probabilities.
    pub predicted: Vec<i64>,
    pub probabilities: bool,
}

impl Cascade {
    pub fn new(
        oracle: &mut Oracle<'_>,
        problem: &Problem,
        key: Key,
        draws: usize,
    ) -> Result<Self, AttackError> {
        let draws = if oracle.is_stochastic(problem)? { draws } else { 1 };
        let clean = verdict(oracle, problem, &problem.images, key.named("select"), draws)?;
        let broken: Vec<bool> = clean.reached.iter().map(|&reached| reached == draws).collect();
        Ok(Self {
            problem: problem.clone(),
            key,
            draws,
            images: problem.images.clone(),
            margin: clean.margin,
            broken_by: vec![None; broken.len()],
            broken,
        })
    }

    /// Runs attack number `index` of a suite on the examples that are left.
    ///
    /// Whether they break is decided by draws that the attack has not seen, but that are the same for all attacks.
    pub fn step(
        &mut self,
        oracle: &mut Oracle<'_>,
        index: usize,
        attack: &dyn Attack,
    ) -> Result<Step, AttackError> {
        let left = Rows::wherever(self.broken.iter().map(|broken| !broken), &self.images);
        let attacked = left.as_slice().len();
        if attacked == 0 {
            return Ok(Step { attacked: 0, broken: 0 });
        }
        let problem = self.problem.select(&left);
        let key = self.key.named("attack").child(index as u64).named(&attack.name());
        let found = oracle.run(attack, &problem, key)?;
        let verdict = verdict(oracle, &problem, &found, self.key.named("select"), self.draws)?;
        let mut worse = vec![false; self.broken.len()];
        let mut broken = 0;
        for (at, &row) in left.as_slice().iter().enumerate() {
            let breaks = verdict.reached[at] == self.draws;
            worse[row] = breaks || verdict.margin[at] > self.margin[row];
            if worse[row] {
                self.margin[row] = verdict.margin[at];
            }
            if breaks {
                (self.broken[row], self.broken_by[row]) = (true, Some(index));
                broken += 1;
            }
        }
        let found = left.replace(&self.images, &found);
        self.images = where_rows(&worse, self.images.clone(), &found);
        Ok(Step { attacked, broken })
    }
}

/// What `draws` draws under `key` make of the images.
pub(super) fn verdict(
    oracle: &mut Oracle<'_>,
    problem: &Problem,
    images: &Tensor<4>,
    key: Key,
    draws: usize,
) -> Result<Verdict, AttackError> {
    let objective = Objective::new(Loss::Margin, &problem.goal);
    let mut verdict = Verdict {
        reached: vec![0; problem.len()],
        margin: vec![0.0; problem.len()],
        predicted: Vec::new(),
        probabilities: false,
    };
    for draw in 0..draws as u64 {
        let logits = oracle.logits(images, &problem.goal, &problem.examples, key, draw)?;
        let reached = bools(&problem.goal.reached(&logits));
        verdict.reached.iter_mut().zip(reached).for_each(|(sum, r)| *sum += usize::from(r));
        if draw == 0 {
            let predicted = logits.clone().argmax(1);
            verdict.predicted = predicted.try_to_vec_as().expect("the device can be read");
            let sums = read(&logits.clone().sum_dim(1));
            verdict.probabilities = logits.clone().min().into_scalar::<f64>() >= 0.0
                && sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5);
        }
        let margin = read(&objective.score(logits));
        verdict.margin.iter_mut().zip(margin).for_each(|(sum, m)| *sum += m / draws as f64);
    }
    Ok(verdict)
}
