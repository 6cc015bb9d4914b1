//! The elastic-net attack: one loss of the distance in two norms and the margin, with a search for
//! the weight of the margin.

mod settings;

use crate::attack::spec;
use crate::knobs::knobs;
use crate::methods::shared::minimum_norm::NearestSearch;
use crate::rows::at_least_single;
use crate::rows::per_row;
use crate::{
    Access, Attack, AttackBatch, AttackError, Eot, Loss, ModelAccess, Norm, Objective, Passes,
    Threat,
};
use burn::tensor::Tensor;
use cni_noise::Key;
use serde::{Deserialize, Serialize};

/// EAD, the elastic-net attack (Chen et al., arXiv 1709.04114, algorithm 1), in L1.
///
/// A run lowers `c · max(κ − m(x), 0) + ‖x − x₀‖₂² + β ‖x − x₀‖₁` within the box, with `m` the
/// margin of [`Loss::Margin`] and κ the confidence, by 1000 iterations of the fast iterative
/// shrinkage-thresholding algorithm (FISTA). Each iteration takes a gradient step for the first two
/// terms, and then shrinks the change of each pixel by β, which leaves most pixels as they are. The
/// step falls from 0.01 to zero, in proportion to the square root of the number of iterations to
/// come. Nine such runs search for the least `c` with which the goal is reached: from 0.001 on by
/// factors of ten until one does, then by bisection. The result is the nearest image within the
/// threat that any iteration has found with a margin of at least κ, by the
/// [elastic-net](Self::elastic_net) distance or in [L1](Self::l1); if there is none, the original.
///
/// The gradient is taken ahead of the image, at a point that momentum may carry out of the box. An
/// image that reaches the goal already stays as it is. If the model is stochastic, the mean logits
/// over `draws` draws, the same for all images, decide whether an image is adversarial. If the
/// caller wants early stopping, examples leave between two runs.
///
/// # Deviations
///
/// The paper has no threat; here only images within the threat count. Settings and search are those
/// of foolbox's `EADAttack`, with two differences: its runs have 10 000 iterations, and its
/// `abort_early`, which makes an image's result depend on its batch, is left out here. As there and
/// in the paper, an iteration shrinks changes by β and not by β times its step, so that fewer
/// pixels change than at the minimum of the loss.
///
/// ```
/// use cni_attacks::{Attack, Ead, Threat};
/// let threat = Threat::l1(12.0)?;
/// assert_eq!(Ead::elastic_net(threat)?.name(), "EAD-9x1000");
/// assert_eq!(Ead::l1(threat)?.with_steps(100)?.name(), "EAD-L1-9x100");
/// assert!(Ead::l1(Threat::l2(0.5)?).is_err());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "attack", rename = "ead")]
pub struct Ead {
    threat: Threat,
    rule: Rule,
    steps: usize,
    search_steps: usize,
    step_size: f64,
    initial_constant: f64,
    beta: f64,
    confidence: f64,
    #[serde(flatten)]
    eot: Eot,
}

/// The distance that compares adversarial images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    ElasticNet,
    L1,
}

impl Ead {
    /// The settings above, with the elastic-net rule: the result is the image with the least
    /// elastic-net distance `‖x − x₀‖₂² + β ‖x − x₀‖₁`. An error unless the norm is L1.
    pub fn elastic_net(threat: Threat) -> Result<Self, AttackError> {
        if threat.norm() != Norm::L1 {
            return Err(AttackError::Norm { got: threat.norm(), wanted: &[Norm::L1] });
        }
        Ok(Self {
            threat,
            rule: Rule::ElasticNet,
            steps: 1000,
            search_steps: 9,
            step_size: 0.01,
            initial_constant: 1e-3,
            beta: 0.01,
            confidence: 0.0,
            eot: Eot::ONE,
        })
    }

    /// The settings above, with the L1 rule: the result is the nearest image in L1. An error unless
    /// the norm is L1.
    pub fn l1(threat: Threat) -> Result<Self, AttackError> {
        Ok(Self { rule: Rule::L1, ..Self::elastic_net(threat)? })
    }

    /// Does a run with these `c`. Returns which rows reached the goal in it, and whether the budget
    /// allows another run.
    fn descend(
        &self,
        access: &mut ModelAccess<'_>,
        search: &mut NearestSearch,
        constants: &[f64],
        key: Key,
    ) -> Result<(Vec<bool>, bool), AttackError> {
        let objective = Objective::new(Loss::Margin, &search.batch.goal);
        let (images, dtype) = (search.batch.images.clone(), search.batch.images.dtype());
        let origin = at_least_single(images);
        let [mut x, mut ahead] = [origin.clone(), origin.clone()];
        let mut reached = vec![false; constants.len()];
        for step in 0..self.steps {
            let examples = &search.batch.examples;
            let (at, key) = (ahead.clone().cast(dtype), key.child(step as u64));
            let found = access.gradient(&at, &objective, examples, self.eot, key)?;
            let [margins] = access.read([found.score])?;
            let short = margins.into_iter().map(|margin| margin < self.confidence);
            let weights =
                constants.iter().zip(short).map(|(c, short)| if short { *c } else { 0.0 });
            let weights = per_row(&weights.collect::<Vec<f64>>(), &origin);
            let slope = (ahead.clone() - origin.clone()).mul_scalar(2.0)
                - at_least_single(found.gradient) * weights;
            let left = 1.0 - step as f64 / self.steps as f64;
            let moved = ahead - slope.mul_scalar(self.step_size * left.sqrt());
            let next = self.shrink(moved, &origin);
            let momentum = step as f64 / (step as f64 + 3.0);
            ahead = next.clone() + (next.clone() - x).mul_scalar(momentum);
            x = next;
            let candidate = x.clone().cast(dtype);
            let evaluated = search.evaluate(access, &candidate, None)?;
            reached.iter_mut().zip(&evaluated.reached).for_each(|(ever, now)| *ever |= now);
            if !search.proceed(access, &candidate, &evaluated) {
                return Ok((reached, false));
            }
        }
        Ok((reached, true))
    }

    /// Shrinks the change of each pixel by β, at most to zero, and clips to the box.
    fn shrink(&self, moved: Tensor<4>, origin: &Tensor<4>) -> Tensor<4> {
        let change = moved - origin.clone();
        let size = change.clone().abs().sub_scalar(self.beta).clamp_min(0.0);
        (origin.clone() + change.sign() * size).clamp(0.0, 1.0)
    }
}

impl Attack for Ead {
    /// `EAD-{search_steps}x{steps}`, by the L1 rule `EAD-L1-…`; with several draws `EOT-…x{draws}`;
    /// then `-k{confidence}` if κ is not 0.
    fn name(&self) -> String {
        let rule = if self.rule == Rule::L1 { "-L1" } else { "" };
        let mut name = self.eot.name(format!("EAD{rule}-{}x{}", self.search_steps, self.steps));
        if self.confidence > 0.0 {
            name += &format!("-k{}", self.confidence);
        }
        name
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    fn access(&self) -> Access {
        Access::Gradients
    }

    fn spec(&self) -> serde_json::Value {
        spec(self)
    }

    fn gradient_draws(&self) -> Option<usize> {
        Some(self.eot.draws)
    }

    knobs! {
        Steps(steps) => Self::with_steps,
        StepSize(step_size) => Self::with_step_size,
        Draws(eot.draws) => Self::with_draws,
    }

    /// The cost includes a forward pass for every iterate, since the gradient is taken ahead of it.
    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let score = self.eot.score_cost();
        let step = self.eot.gradient_cost() + score;
        Some(score + step * (self.search_steps * self.steps) as u64)
    }

    /// The draws that decide whether an image is adversarial.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("score"), self.eot.draws)]
    }

    fn is_minimum_norm(&self) -> bool {
        true
    }

    /// False by the elastic-net rule, which keeps an image that need not be the nearest in L1.
    fn answers_every_radius(&self) -> bool {
        self.rule != Rule::ElasticNet
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let confidence = self.confidence;
        let mut search =
            NearestSearch::begin(access, self.threat, batch, self.eot, confidence, key)?;
        search.elastic = (self.rule == Rule::ElasticNet).then_some(self.beta);
        let (runs, key) = (self.search_steps, key.named("gradient"));
        search.balance(access, runs, self.initial_constant, |access, search, constants, run| {
            self.descend(access, search, constants, key.child(run))
        })?;
        Ok(search.finish())
    }
}
