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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device};

    /// By hand: p = (1/4, 3/4), q = (1/2, 1/2); and logits whose softmax underflows.
    #[test]
    fn the_divergence_is_its_formula_and_zero_only_for_equal_predictions() {
        let options = (&Device::flex(), DType::F64);
        let reference = Tensor::from_data([[0.0, 3f64.ln()], [0.0, 1e30]], options);
        let logits = Tensor::from_data([[7.0, 7.0], [2e30, 0.0]], options);
        let found: Vec<f64> = kl_divergence(reference.clone(), logits).try_to_vec_as().unwrap();
        let wanted = 0.25 * 0.5f64.ln() + 0.75 * 1.5f64.ln();
        assert!((found[0] - wanted).abs() < 1e-12 && found[1] == 2e30, "{found:?}");
        let shifted = reference.clone().add_scalar(3.0);
        let none: Vec<f64> = kl_divergence(reference, shifted).try_to_vec_as().unwrap();
        assert!(none.iter().all(|value| value.abs() < 1e-12), "{none:?}");
    }
}
