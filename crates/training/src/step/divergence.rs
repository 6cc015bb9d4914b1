//! The divergence of predictions, as a loss and as what an attack raises.

use super::Step;
use crate::StepError;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use cni_attacks::rows::{align, at_least_single};
use cni_attacks::{Attack, Goal, Knob, Loss, LossFn};

/// The Kullback-Leibler divergence of each example, `Σ_k p_k (log p_k − log q_k)` with `p` the
/// softmax of `reference` and `q` that of `logits`, both `[batch, classes]`: `[batch]`, at least 0
/// up to rounding.
///
/// It is finite for finite logits, however far they are apart. Half precision is computed in single.
pub fn kl_divergence(reference: Tensor<2>, logits: Tensor<2>) -> Tensor<1> {
    let [reference, logits] =
        [reference, logits].map(|logits| log_softmax(at_least_single(logits), 1));
    let terms = reference.clone().exp() * (reference - logits);
    terms.sum_dim(1).squeeze_dim(1)
}

impl Step<'_> {
    /// The adversarial images of the batch whose predictions diverge most from a reference, ready
    /// for a training pass: as [`perturb`](Self::perturb), with the
    /// [`kl_divergence`] from the predictions of `reference` as the attack's loss and another
    /// class than theirs as its goal.
    ///
    /// `reference` is logits `[batch, classes]`, such as those of the clean images; no gradient
    /// goes through them here.
    ///
    /// # Errors
    ///
    /// Those of the attack, and
    /// [`AttackError::NoKnob`](cni_attacks::AttackError::NoKnob) for one whose loss is not a
    /// setting.
    pub fn perturb_from(
        &self,
        name: &str,
        attack: &(impl Attack + ?Sized),
        reference: Tensor<2>,
    ) -> Result<Tensor<4>, StepError> {
        let reference = if reference.is_autodiff() { reference.inner() } else { reference };
        let [batch, _] = reference.dims();
        let rows = Tensor::<1, Int>::arange(0..batch as i64, &reference.device());
        let classes = reference.clone().argmax(1).squeeze_dim::<1>(1);
        // The labels of the goal are rows of the batch, since examples may leave an attack.
        let margin = LossFn::new("another prediction", move |logits: Tensor<2>, rows| {
            let own = classes.clone().select(0, align(rows, &logits));
            Loss::Margin.per_example(logits, &own)
        });
        let loss = Loss::custom("kl", move |logits, rows| {
            let reference = reference.clone().select(0, align(rows, &logits));
            kl_divergence(reference, logits)
        });
        let attack = attack.with_knob(Knob::Loss(loss))?;
        self.perturb(name, attack.as_ref(), Goal::custom(rows, margin))
    }
}
