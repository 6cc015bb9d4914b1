//! The attack trait, and how an attack runs on a model. One file: the questions that an attack
//! answers, and the code that asks them.

use crate::adversarial::UncheckedResult;
use crate::runner::Runner;
use crate::{AttackBatch, AttackError, Classifier, Knob, Knobs, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of access to the model that an attack needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Gradients.
    Gradients,
    /// The logits of chosen images.
    Scores,
    /// The predicted class of chosen images.
    Decisions,
    /// Another model.
    Transfer,
    /// No access, or only enough to choose among random points.
    None,
}

/// An attack: an immutable value that perturbs images within its threat.
///
/// Users of an attack need only [`on`](Self::on):
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_attacks::{Attack, Pgd, Threat};
/// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
/// # let images = Tensor::<4>::full([2, 1, 2, 2], 0.5, &Device::flex());
/// # let labels = Tensor::from_ints([0, 3], &Device::flex());
/// # let threat = Threat::linf(8.0 / 255.0)?;
/// let found = Pgd::new(threat).on(&model).run(images, labels)?;
/// println!("robust accuracy {:.1} %", 100.0 * found.robust_accuracy());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
///
/// Authors of an attack implement the methods without a body. The images that [`run`](Self::run)
/// returns are checked: a wrong shape, a value that is not finite, or an image outside the ball or
/// the box is an error that names the attack and the example.
pub trait Attack: AsAttack + Send + Sync {
    /// A short name for tables, from the parameters that matter most, such as `PGD-20`.
    fn name(&self) -> String;

    /// The threat model: what the attack may change. Its results stay within it, up to the rounding
    /// of the images' element type.
    fn threat(&self) -> Threat;

    /// The kind of access to the model that the attack needs.
    fn access(&self) -> Access;

    /// The attack with all its parameters, for records.
    fn spec(&self) -> serde_json::Value;

    /// The number of draws of the attacked model's noise that are averaged for each of its
    /// gradients (EOT); `None` for an attack that takes no gradient of that model.
    ///
    /// Draws that only score or compare candidates do not count: a gradient under a single draw
    /// misleads a run, however well its results are compared. A suite gives the largest number
    /// among its attacks.
    fn gradient_draws(&self) -> Option<usize>;

    /// The fewest classes that the model must have.
    fn min_classes(&self) -> usize {
        2
    }

    /// The values of the settings that this attack shares with others.
    fn knobs(&self) -> Knobs {
        Knobs::default()
    }

    /// The same attack with another value of one of these settings, or of the radius.
    ///
    /// # Errors
    ///
    /// [`AttackError::NoKnob`] if it lacks the setting, and the error of the attack's own setter if
    /// the value is out of its range.
    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        Err(knob.lacked_by(self.name()))
    }

    /// The cost for each example on a model of so many classes, with noise or without: an upper
    /// bound in passes through that model, since examples may leave early. `None` if the attack has
    /// no such bound.
    ///
    /// The bound holds for the attack's default behaviour. It includes neither the eight passes
    /// that test whether the model has noise, nor the passes that an early stop needs if the caller
    /// asks for one.
    fn cost(&self, _classes: usize, _stochastic: bool) -> Option<Passes> {
        None
    }

    /// True if the attack looks for the nearest adversarial image, and returns the original if that
    /// image is outside the threat. Such an attack may have an [unbounded](Threat::unbounded)
    /// threat.
    fn is_minimum_norm(&self) -> bool {
        false
    }

    /// True if one run of the attack gives the result at every radius: it keeps the image that is
    /// nearest in the threat's own norm. So does every minimum-norm attack that compares images by
    /// that norm.
    fn answers_every_radius(&self) -> bool {
        self.is_minimum_norm()
    }

    /// Checks, before the first pass, that the settings make sense together. A single setter cannot
    /// know that.
    ///
    /// # Errors
    ///
    /// [`AttackError::Unused`] if a setting would have no effect beside the others.
    fn check(&self) -> Result<(), AttackError> {
        Ok(())
    }

    /// The cost for each example to [continue](Self::continued) to so many steps or restarts in
    /// all. `None` if the attack cannot be continued by this knob; then a sweep runs
    /// [`with_knob`](Self::with_knob) from the beginning.
    fn continued_cost(&self, _more: Knob) -> Option<Passes> {
        None
    }

    /// Continues from the images `found`, an earlier result of this attack for this `batch` and
    /// `key`. `more` is [`Knob::Steps`] or [`Knob::Restarts`], and its total is larger than the
    /// attack's own.
    ///
    /// A sweep over such an attack need not repeat the passes that it has already spent. The images
    /// are as strong as those of the attack [with that knob](Self::with_knob), but need not be
    /// equal to them.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run), and [`AttackError::NoKnob`] if
    /// [`continued_cost`](Self::continued_cost) is `None`.
    fn continued(
        &self,
        _access: &mut ModelAccess<'_>,
        _batch: &AttackBatch,
        _key: Key,
        _found: Tensor<4>,
        more: Knob,
    ) -> Result<Tensor<4>, AttackError> {
        Err(more.lacked_by(self.name()))
    }

    /// The draws of the model's noise that decide the result of a run under `key`: the draws that
    /// choose among its candidates, or, if there is no such choice, the draws of its last
    /// gradients. An entry (key, n) stands for the draws 0 to n − 1 of that key. The list is empty
    /// if the attack uses no draws or cannot name them.
    ///
    /// An image may be adversarial under these draws and not under others. Audits test that.
    fn deciding_draws(&self, _key: Key) -> Vec<(Key, usize)> {
        Vec::new()
    }

    /// Perturbs the images of `batch` and returns them in the same order, `[batch, channels,
    /// height, width]`.
    ///
    /// This method is the attack itself. Callers use [`on`](Self::on); an attack made of other
    /// attacks runs them with [`ModelAccess::run`]. What it owes its caller:
    ///
    /// - Every random number, and the noise of the model, is a function of `key` and of the
    ///   examples' numbers: each use has a key of its own, `key.named(..)` or `key.child(..)`, and
    ///   [`deciding_draws`](Self::deciding_draws) names the same keys.
    /// - The model is asked through `access` alone, which counts and checks the passes. Before
    ///   passes that a budget may forbid, it asks [`affords`](ModelAccess::affords).
    /// - After each iteration it calls [`proceed`](ModelAccess::proceed), and stops if the answer
    ///   is no. The result is within the threat even then: the originals, if nothing was found.
    /// - Values come back from the device by [`read`](ModelAccess::read), as seldom as the attack
    ///   allows; scores that only a trace wants, if [`is_traced`](ModelAccess::is_traced).
    ///
    /// # Errors
    ///
    /// Those of [`input_gradient`](crate::input_gradient), and of the attack.
    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError>;

    /// The attack on a model, ready to [`run`](Runner::run). Options such as chunks, a budget or a
    /// key are set in between.
    fn on<'a>(&'a self, model: &'a dyn Classifier) -> Runner<'a, dyn Attack + 'a> {
        Runner::new(self.as_attack(), model)
    }
}

/// Conversion of an attack into a trait object. Every [`Attack`] has it.
pub trait AsAttack {
    /// This attack.
    fn as_attack<'a>(&'a self) -> &'a (dyn Attack + 'a);
}

impl<A: Attack> AsAttack for A {
    fn as_attack<'a>(&'a self) -> &'a (dyn Attack + 'a) {
        self
    }
}

impl ModelAccess<'_> {
    /// Runs `attack` on `batch` and returns its images, `[batch, channels, height, width]`, in the
    /// same order. Every attack runs through this method, alone or as part of another. From here on
    /// [`Progress`](crate::Progress) reports its name.
    ///
    /// A ball of radius zero holds only the image itself, so that the model gets no pass.
    ///
    /// # Errors
    ///
    /// Those of [`Attack::check`] and [`Attack::run`], [`AttackError::Unbounded`] for an unbounded
    /// threat of an attack that needs a radius, and an error if the result differs from `batch` in
    /// shape, is not finite, or lies outside the box or the ball of the threat by more than
    /// rounding.
    pub fn run(
        &mut self,
        attack: &(impl Attack + ?Sized),
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        Ok(self.run_measured(attack, batch, key)?.0)
    }

    /// As [`run`](Self::run); also returns the distances of the images from the originals in the
    /// threat's norm.
    pub(crate) fn run_measured(
        &mut self,
        attack: &(impl Attack + ?Sized),
        batch: &AttackBatch,
        key: Key,
    ) -> Result<(Tensor<4>, Vec<f64>), AttackError> {
        attack.check()?;
        let threat = attack.threat();
        if threat.is_unbounded() && !attack.is_minimum_norm() {
            return Err(AttackError::Unbounded { attack: attack.name() });
        }
        if threat.epsilon() == 0.0 {
            return Ok((batch.images.clone(), vec![0.0; batch.len()]));
        }
        self.begin(attack.name());
        let images = attack.run(self, batch, key);
        self.end();
        let found = UncheckedResult::new(attack.name(), threat, batch, images?)?;
        let lists = self.read(found.lists())?;
        found.check(&batch.examples, &lists)
    }
}

/// The settings of an attack as JSON, for records.
pub(crate) fn spec(attack: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(attack).expect("names and finite numbers have a JSON form")
}

/// Checks, before the first attack runs, that a model of `got` classes has enough of them for each
/// of these attacks.
pub fn check_classes<'a>(
    attacks: impl IntoIterator<Item = &'a (dyn Attack + 'a)>,
    got: usize,
) -> Result<(), AttackError> {
    for attack in attacks {
        let wanted = attack.min_classes();
        if got < wanted {
            return Err(AttackError::Classes { got, wanted, of: attack.name() });
        }
    }
    Ok(())
}
