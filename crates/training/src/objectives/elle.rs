use super::adversarial::{LabelledAttack, labelled_attack_setters};
use super::clean::Clean;
use super::targets::{Targets, target_setters};
use super::{Objective, ObjectiveRule, check_above_zero};
use crate::step::{Losses, Step};
use crate::{StepError, TrainingError};
use burn::tensor::Tensor;
use cni_attacks::rows::per_row;
use cni_attacks::{Attack, Ball};
use cni_data::slots::named_spec;
use cni_noise::uniform_rows;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// ELLE: adversarial training with an attack of one step, and a penalty on how far the loss is from
/// linear around the image (Abad Rocamora et al., ICLR 2024, arXiv 2401.11618).
///
/// `CE(f(x'), y) + λ · (ℓ(x_c) − (1 − a) ℓ(x_a) − a ℓ(x_b))²`, where `ℓ` is the cross-entropy,
/// `x_a` and `x_b` are uniform in the ball of the attack's threat (of [`Pgd::n_fgsm`] that is 3ε)
/// and clipped to the box, `a` is uniform in [0, 1] and `x_c = (1 − a) x_a + a x_b`. It keeps
/// attacks of one step from overfitting catastrophically, and needs no second derivative: three
/// forward passes more, and the backward pass of their loss.
///
/// The three passes have the same noise, so that the penalty sees the curvature of the loss alone;
/// it is independent of that of the adversarial pass. The mean of the square, without λ, is the
/// score `nonlinearity`: it rises steeply where a model begins to overfit catastrophically. λ is
/// constant; the authors' ELLE-A, which turns it on and off by that score, is not built in.
///
/// [`Pgd::n_fgsm`]: cni_attacks::Pgd::n_fgsm
#[derive(Clone, Serialize, Deserialize)]
pub struct Elle {
    #[serde(flatten)]
    attack: LabelledAttack,
    #[serde(flatten)]
    targets: Targets,
    #[serde(default = "five_thousand")]
    lambda: f64,
}

fn five_thousand() -> f64 {
    5000.0
}

/// The name of the score, and of what is drawn for it.
const NONLINEARITY: &str = "nonlinearity";

impl Elle {
    pub(super) const NAME: &str = "elle";

    /// λ 5000, within the authors' 4000 to 10,000 for CIFAR-10, from the first epoch on, away from
    /// the labels of the data.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self {
            attack: LabelledAttack::new(attack),
            targets: Targets::default(),
            lambda: five_thousand(),
        }
    }

    /// Sets λ, the weight of the penalty.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] unless it is finite and above 0.
    pub fn with_lambda(mut self, lambda: f64) -> Result<Self, TrainingError> {
        self.lambda = check_above_zero("lambda", lambda)?;
        Ok(self)
    }

    labelled_attack_setters!(attack);

    target_setters!(targets);

    /// The square of each example, `[batch]`, on the tape.
    fn nonlinearity(&self, step: &Step<'_>) -> Result<Tensor<1>, StepError> {
        let threat = self.attack.of.at(step)?.threat();
        let images = step.batch().images.clone().inner();
        let (key, examples) = (step.key(NONLINEARITY), step.examples());
        let (norm, epsilon) = (threat.norm(), threat.epsilon());
        let ball = Ball::new(norm, epsilon, &images);
        let point = |name: &str| {
            let change = norm.random_start(key.named(name), &images, epsilon, examples);
            ball.project(images.clone() + change)
        };
        let (a, b) = (point("a"), point("b"));
        let n = images.dims()[0];
        let shares = uniform_rows(key.named("share"), examples, n, 1);
        let shares: Vec<f64> = shares.into_iter().map(f64::from).collect();
        let share = per_row(&shares, &images);
        let c = a.clone() + (b.clone() - a.clone()) * share.clone();
        let [a, b, c] = [a, b, c].map(|images| {
            let logits = step.logits(NONLINEARITY, images.autodiff());
            self.targets.cross_entropy(step, logits)
        });
        Ok(chord_error([a, b, c], share.reshape([n])))
    }
}

/// The square of what the losses at `c` are above the chord from those at `a` to those at `b`, of
/// which `c` has the given share, `[batch]` each.
pub(super) fn chord_error([a, b, c]: [Tensor<1>; 3], share: Tensor<1>) -> Tensor<1> {
    (c - a.clone() - (b - a) * share).square()
}

impl ObjectiveRule for Elle {
    fn spec(&self) -> Value {
        named_spec("objective", Self::NAME, self)
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        if !self.attack.of.is_active(step) {
            return Ok(Clean::pass(step, &self.targets));
        }
        let adversarial = self.attack.pass(step, &self.targets)?;
        let square = self.nonlinearity(step)?;
        let score = square.clone().inner();
        let losses = adversarial.plus(square.mul_scalar(self.lambda));
        Ok(losses.with_score(NONLINEARITY, score))
    }

    fn scores(&self) -> Vec<String> {
        vec![NONLINEARITY.to_string()]
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.of.attack.as_ref()]
    }

    fn passes(&self) -> u64 {
        4
    }

    fn forward_passes(&self) -> u64 {
        self.attack.forward_passes()
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack: self.attack.replaced(attack), ..self.clone() }.into())
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_above_zero("lambda", self.lambda)?;
        self.targets.check()?;
        self.attack.of.check(epochs)
    }
}
