//! Attacks on one model with the adversarial examples of another.

use crate::error::at_least_one;
use crate::methods::shared::best::KeepBest;
use crate::{
    Access, Attack, AttackBatch, AttackError, Classifier, Eot, FixedNoise, Knob, Knobs,
    ModelAccess, Passes, Threat,
};
use burn::tensor::Tensor;
use cni_noise::{Key, Noise, scope};
use std::sync::Arc;

/// The transfer attack: adversarial examples of a surrogate model, used on another model (Papernot
/// et al., arXiv 1605.07277).
///
/// The surrogate keeps its own noise, even if the caller's scope has switched off that of the
/// attacked model.
///
/// With one candidate the attacked model gets no pass. Several candidates are each made with
/// another key, and so with other draws of a stochastic surrogate. The result is then the candidate
/// that reaches the goal in the most of `draws` draws of the attacked model, and among equals the
/// one with the larger mean margin. No candidate was made with these draws, so that a perturbation
/// which fits a single draw does not win.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Attack, Pgd, Threat, Transfer};
/// # let surrogate = |x: Tensor<4>| x.flatten::<2>(1, 3);
/// let attack = Transfer::new("plain", surrogate, Pgd::new(Threat::linf(8.0 / 255.0)?));
/// assert_eq!(attack.name(), "PGD-10-from-plain");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone)]
pub struct Transfer {
    surrogate_name: String,
    surrogate: Arc<dyn Classifier + Send + Sync>,
    attack: Arc<dyn Attack>,
    candidates: usize,
    eot: Eot,
}

impl Transfer {
    /// The name in records of the attacked model itself with one draw of its noise held.
    pub const HELD: &'static str = "itself-held";

    /// The name in records of the attacked model itself with its noise off.
    pub const NOISE_OFF: &'static str = "itself-off";

    /// The transfer of the examples that `attack` finds for `surrogate`; records call the surrogate
    /// `name`. One candidate, one draw.
    pub fn new(
        name: impl Into<String>,
        surrogate: impl Classifier + Send + Sync + 'static,
        attack: impl Attack + 'static,
    ) -> Self {
        Self::of(name, surrogate, Arc::new(attack))
    }

    /// As [`new`](Self::new), of an attack whose type is known at run time only.
    pub fn of(
        name: impl Into<String>,
        surrogate: impl Classifier + Send + Sync + 'static,
        attack: Arc<dyn Attack>,
    ) -> Self {
        Self {
            surrogate_name: name.into(),
            surrogate: Arc::new(surrogate),
            attack,
            candidates: 1,
            eot: Eot::ONE,
        }
    }

    /// The attack from a frozen draw: the transfer from the attacked model itself, `model`, whose
    /// noise is held at the draw of `key` while `attack` works. Records call the surrogate
    /// [`HELD`](Self::HELD).
    ///
    /// It ignores that other draws will judge its images, so that a noisy model looks more robust
    /// under it than it is (Athalye et al., arXiv 1802.00420): its accuracy is no evidence.
    pub fn from_held(
        model: impl Classifier + Send + Sync + 'static,
        key: Key,
        attack: Arc<dyn Attack>,
    ) -> Self {
        Self::of(Self::HELD, FixedNoise::new(model, key), attack)
    }

    /// The transfer from the attacked model itself, `model`, with its noise off. Records call the
    /// surrogate [`NOISE_OFF`](Self::NOISE_OFF). Its accuracy is no evidence either.
    pub fn from_noise_off(
        model: impl Classifier + Send + Sync + 'static,
        attack: Arc<dyn Attack>,
    ) -> Self {
        let silent = move |images: Tensor<4>| scope(Noise::Off, || model.logits(images));
        Self::of(Self::NOISE_OFF, silent, attack)
    }

    /// The number of candidates for each image; an error if it is zero.
    pub fn with_candidates(self, candidates: usize) -> Result<Self, AttackError> {
        Ok(Self { candidates: at_least_one("candidates", candidates)?, ..self })
    }

    /// The number of draws of the attacked model's noise that choose among candidates; an error if
    /// it is zero. A run refuses several draws for a single candidate.
    pub fn with_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { eot: self.eot.with_draws(draws)?, ..self })
    }
}

impl Attack for Transfer {
    /// `{attack}-from-{surrogate}`, with several candidates `…-of{candidates}`.
    fn name(&self) -> String {
        let name = format!("{}-from-{}", self.attack.name(), self.surrogate_name);
        match self.candidates {
            1 => name,
            candidates => format!("{name}-of{candidates}"),
        }
    }

    fn threat(&self) -> Threat {
        self.attack.threat()
    }

    fn access(&self) -> Access {
        Access::Transfer
    }

    fn spec(&self) -> serde_json::Value {
        serde_json::json!({
            "attack": "transfer",
            "surrogate": self.surrogate_name,
            "of": self.attack.spec(),
            "candidates": self.candidates,
            "draws": self.eot.draws,
            "expectation": self.eot.expectation,
        })
    }

    /// None: its attack's gradients are those of the surrogate, and the draws here only choose
    /// among candidates.
    fn gradient_draws(&self) -> Option<usize> {
        None
    }

    fn check(&self) -> Result<(), AttackError> {
        match (self.candidates, self.eot.draws) {
            (1, draws) if draws > 1 => Err(AttackError::Unused {
                field: "draws",
                got: draws.to_string(),
                wanted: "1: a single candidate needs no comparison, and no pass of the model",
            }),
            _ => self.attack.check(),
        }
    }

    /// The knobs of its attack on the surrogate, except for the draws: those are the draws of the
    /// attacked model that choose among candidates.
    fn knobs(&self) -> Knobs {
        let draws = Some(self.eot.draws);
        Knobs { draws, expectation: None, ..self.attack.knobs() }
    }

    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        let mut eot = self.eot;
        let attack = match knob {
            Knob::Draws(draws) => {
                eot = eot.with_draws(draws)?;
                self.attack.clone()
            }
            Knob::Expectation(_) => return Err(knob.lacked_by(self.name())),
            knob => self.attack.with_knob(knob)?,
        };
        Ok(Arc::new(Self { attack, eot, ..self.clone() }))
    }

    /// The passes of the attacked model, without those of the surrogate.
    fn cost(&self, _: usize, _: bool) -> Option<Passes> {
        let candidates = if self.candidates == 1 { 0 } else { self.candidates };
        Some(Passes { forwards: (candidates * self.eot.draws) as u64, backwards: 0 })
    }

    /// The draws that choose among candidates.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        match self.candidates {
            1 => Vec::new(),
            _ => vec![(key.named("score"), self.eot.draws)],
        }
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let mut selection = KeepBest::new(&batch.goal, self.eot, key.named("score"));
        let mut images = batch.images.clone();
        for candidate in 0..self.candidates as u64 {
            // The budget and the passes of the attacked model do not count the surrogate's.
            let mut surrogate = ModelAccess::new(&*self.surrogate);
            // If the caller has switched off noise, that is the noise of the attacked model: the
            // surrogate keeps its own.
            let made = || surrogate.run(&self.attack, batch, key.child(candidate));
            images = scope(Noise::Fresh, made)?;
            if self.candidates == 1 || !access.affords_scores(1, self.eot) {
                break;
            }
            let scores = selection.consider(access, &images, &batch.examples)?;
            if !access.proceed(batch, &images, &scores, self.threat().norm()) {
                break;
            }
        }
        Ok(selection.into_images(images))
    }
}
