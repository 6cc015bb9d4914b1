//! The attacks, and each step of theirs.

use crate::session::read;
use crate::{PageError, Session};
use burn::tensor::Tensor;
use cni_burn::attacks::{Objective, Passes, Perturbed, Progress};
use cni_burn::prelude::{Attack, Goal, Key, Loss, Pgd, Square, Threat};
use serde::Deserialize;

/// The draws by which a step is watched.
const WATCHING: usize = 10;

/// The queries of a random search from one report to the next.
const QUERIES: usize = 10;

/// The attacks of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One step along the sign of the gradient (Goodfellow et al., arXiv 1412.6572).
    Fgsm,
    /// Projected gradient descent (Madry et al., arXiv 1706.06083).
    Pgd,
    /// A random search without gradients (Andriushchenko et al., arXiv 1912.00049).
    Square,
}

/// The settings of an attack in L∞.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackSettings {
    /// The attack.
    pub method: Method,
    /// The radius, in units of pixels in [0, 1].
    pub epsilon: f64,
    /// Steps, and queries of Square; 1 for FGSM, which has no more.
    pub steps: usize,
    /// Draws of the noise that a gradient, or the score of a query, is the mean over (EOT).
    pub draws: usize,
    /// The number from which all random numbers derive.
    pub key: u64,
}

/// An image on the way of an attack.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The step, from 1.
    pub step: usize,
    /// The steps that there are at most.
    pub steps: usize,
    /// The pixels, `[channels * height * width]`.
    pub pixels: Vec<f32>,
    /// The cross entropy of the true class, mean over ten draws that the attack does not use, the
    /// same at each step; one draw for a model without noise.
    pub loss: f64,
    /// The largest other logit less that of the true class, mean over these draws: in a draw that
    /// is wrong it is above 0.
    pub margin: f64,
    /// The share of these draws in which the model is wrong.
    pub wrong: f64,
    /// Forward passes of the attack so far.
    pub forwards: u64,
    /// Backward passes of the attack so far.
    pub backwards: u64,
}

impl AttackSettings {
    /// The settings in a JSON object.
    ///
    /// # Errors
    ///
    /// [`PageError::Settings`] for a text that is none.
    pub fn parse(json: &str) -> Result<Self, PageError> {
        Ok(serde_json::from_str(json)?)
    }

    /// The attack of these settings.
    pub(crate) fn attack(&self) -> Result<Box<dyn Attack>, PageError> {
        let threat = Threat::linf(self.epsilon)?;
        Ok(match self.method {
            Method::Fgsm if self.steps != 1 => {
                return Err(PageError::value("steps", self.steps, "1 for FGSM"));
            }
            Method::Fgsm => Box::new(Pgd::fgsm(threat).with_draws(self.draws)?),
            Method::Pgd => {
                Box::new(Pgd::new(threat).with_steps(self.steps)?.with_draws(self.draws)?)
            }
            Method::Square => {
                Box::new(Square::new(threat).with_queries(self.steps)?.with_draws(self.draws)?)
            }
        })
    }

    /// The key of the attack, of which no other part of the page draws.
    pub(crate) fn attack_key(&self) -> Key {
        Key::new(self.key).named("attack")
    }
}

impl Session {
    /// Attacks an image of the class `label`, and tells of each step as it is done: for Square, of
    /// every tenth query and of the last, which for a model without noise is the first that it gets
    /// wrong. Returns the adversarial pixels.
    ///
    /// # Errors
    ///
    /// [`PageError`] for settings out of their ranges, for pixels that are no image of the model's,
    /// and for a label that is no class.
    pub fn attack(
        &self,
        settings: &AttackSettings,
        pixels: &[f32],
        label: usize,
        on_step: &mut dyn FnMut(Moved),
    ) -> Result<Vec<f32>, PageError> {
        self.check_label(label)?;
        let (image, model, attack) = (self.tensor(pixels)?, self.frozen(), settings.attack()?);
        let goal = Goal::Misclassify(Tensor::from_ints([label as i32], &image.device()));
        let steps = settings.steps;
        let every = if settings.method == Method::Square { QUERIES } else { 1 };
        let (mut trace, mut untold) = (Vec::new(), None);
        let mut progress = |at: &Progress| {
            let at = At { step: at.iteration, passes: at.passes, images: at.images.clone() };
            if at.step.is_multiple_of(every) || at.step == steps {
                untold = None;
                on_step(self.watch(at, &goal, settings));
            } else {
                untold = Some(at);
            }
        };
        let Perturbed { images, .. } = attack
            .on(&model)
            .with_key(settings.attack_key())
            .with_stochastic(self.is_stochastic())
            .with_progress(&mut progress)
            .with_trace(&mut trace) // A random search then shows its best image.
            .perturb(image, &goal)?;
        // A random search ends as soon as a model without noise is wrong.
        if let Some(at) = untold {
            on_step(self.watch(at, &goal, settings));
        }
        Ok(read(images))
    }

    fn watch(&self, at: At, goal: &Goal, settings: &AttackSettings) -> Moved {
        let pixels = read(at.images.inner());
        let draws = if self.is_stochastic() { WATCHING } else { 1 };
        let key = Key::new(settings.key).named("watch");
        let logits = self.logits(&pixels, key, 0, draws).expect("an attack stays within images");
        let loss = Objective::new(Loss::CrossEntropy, goal);
        let mean = |of: &dyn Fn(Tensor<2>) -> Tensor<1>| {
            let values = logits.iter().flat_map(|logits| read(of(logits.clone())));
            values.map(f64::from).sum::<f64>() / draws as f64
        };
        Moved {
            step: at.step,
            steps: settings.steps,
            loss: mean(&|logits| loss.score(logits)),
            margin: mean(&|logits| goal.margin(logits)),
            wrong: mean(&|logits| goal.reached(&logits).float()),
            forwards: at.passes.forwards,
            backwards: at.passes.backwards,
            pixels,
        }
    }
}

/// A step that an attack has done.
struct At {
    step: usize,
    passes: Passes,
    images: Tensor<4>,
}
