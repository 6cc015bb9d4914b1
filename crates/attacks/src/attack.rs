//! What every attack is, and what several of them share.

use crate::adversarial::UncheckedResult;
use crate::runner::Runner;
use crate::{AttackBatch, AttackError, Classifier, Knob, Knobs, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What an attack asks of the model.
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
    /// Nothing, or no more than a choice among random points.
    None,
}

/// An attack: an immutable value that perturbs images within its threat.
///
/// Those who use one need [`on`](Self::on) alone:
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
/// Those who write one implement the methods without a body. What their [`run`](Self::run) gives is
/// checked: images of another shape, that are not finite, or outside of ball or box, are an error
/// that names the attack and the example.
pub trait Attack: AsAttack + Send + Sync {
    /// A short name for tables, from the parameters that matter most, such as `PGD-20`.
    fn name(&self) -> String;

    /// What the attack may change. Its results stay within it, to the rounding of the images'
    /// element type.
    fn threat(&self) -> Threat;

    /// What it asks of the model.
    fn access(&self) -> Access;

    /// The attack with all its parameters, for records.
    fn spec(&self) -> serde_json::Value;

    /// How many draws of the attacked model's noise each of its gradients averages over (EOT);
    /// `None` for an attack that takes no gradient of that model.
    ///
    /// Draws that score candidates or decide between them do not count: a gradient under a single
    /// draw leads a run astray however well its results are compared. Of a suite it is the most
    /// that any of its attacks averages over.
    fn gradient_draws(&self) -> Option<usize>;

    /// The fewest classes that the model must tell apart, known before the first pass.
    fn min_classes(&self) -> usize {
        2
    }

    /// The values of the settings that it shares with other attacks.
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

    /// What it costs for each example on a model of so many classes, with noise or without: an
    /// upper bound in passes through that model, since examples may leave early. `None` if it
    /// cannot tell.
    ///
    /// It counts the attack as it runs by its own habit, without the four passes that find out
    /// whether the model has noise, and without what an early stop costs if the caller asks for
    /// one.
    fn cost(&self, _classes: usize, _stochastic: bool) -> Option<Passes> {
        None
    }

    /// Whether it looks for the nearest adversarial image, and gives the original if that is
    /// outside the threat. Such an attack may have an [unbounded](Threat::unbounded) threat, and
    /// one run of it answers every radius.
    fn is_minimum_norm(&self) -> bool {
        false
    }

    /// That its settings make sense together, asked before the first pass: what the setter of one
    /// of them cannot know.
    ///
    /// # Errors
    ///
    /// [`AttackError::Unused`] if a setting would have no effect beside the others.
    fn check(&self) -> Result<(), AttackError> {
        Ok(())
    }

    /// What it costs for each example to [continue](Self::continued) to so many steps or restarts
    /// in all. `None` if the attack cannot be continued by this knob: then more of it is a run from
    /// the beginning, of [`with_knob`](Self::with_knob).
    fn continued_cost(&self, _more: Knob) -> Option<Passes> {
        None
    }

    /// Continues from the images `found`, which it has found for this `batch` under this `key`, to
    /// so many steps or restarts in all: `more` is [`Knob::Steps`] or [`Knob::Restarts`] with a
    /// larger number than its own.
    ///
    /// An attack that can be continued spares a sweep the passes that it has spent already. The
    /// images are as good as those of the attack [with that knob](Self::with_knob), and need not be
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

    /// The draws of the model's noise by which a run under `key` decides on its result: those that
    /// choose among its candidates, else those of its last gradients. Each entry stands for draws 0
    /// up to its number of the noise that belongs to its key. Empty if the attack asks for no draws
    /// or cannot tell.
    ///
    /// An image may fit these draws and not others, which audits find out.
    fn deciding_draws(&self, _key: Key) -> Vec<(Key, usize)> {
        Vec::new()
    }

    /// Perturbs the images of `batch`; gives them in its order, `[batch, channels, height,
    /// width]`.
    ///
    /// What an attack is. Callers want [`on`](Self::on); an attack made of others runs them by
    /// [`ModelAccess::run`]. Every random number, and the noise of the model, is a function of
    /// `key` and of the examples' numbers.
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
    /// key are set on the way.
    fn on<'a>(&'a self, model: &'a dyn Classifier) -> Runner<'a, dyn Attack + 'a> {
        Runner::new(self.as_attack(), model)
    }
}

/// An attack as a trait object, which every [`Attack`] is by itself.
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
    /// What `attack` makes of the images of `batch`, `[batch, channels, height, width]` in its
    /// order: how every attack is run, by itself or as part of another.
    /// [`Progress`](crate::Progress) speaks of it from now on.
    ///
    /// A ball of radius zero holds the image alone, and nothing is asked.
    ///
    /// # Errors
    ///
    /// Those of [`Attack::check`] and [`Attack::run`], [`AttackError::Unbounded`] for an unbounded
    /// threat of an attack that needs a radius, and an error if its images have another shape than
    /// those of `batch`, are not finite, or lie outside the box or the ball of its threat by more
    /// than rounding.
    pub fn run(
        &mut self,
        attack: &(impl Attack + ?Sized),
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        Ok(self.run_measured(attack, batch, key)?.0)
    }

    /// As [`run`](Self::run), and the distances of the images from the originals in the threat's
    /// norm.
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

/// The settings of an attack, as the records have them.
pub(crate) fn spec(attack: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(attack).expect("names and finite numbers have a JSON form")
}

/// That a model of so many classes can be attacked by each of these: to be asked before the first
/// of them runs.
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
