//! Losses whose flatness is measured.

use crate::EvaluationError;
use burn::module::Module;
use burn::tensor::Tensor;
use cni_attacks::Passes;
use cni_attacks::weights::LayerValues;
use cni_noise::Key;

/// A loss of a model over a data set, as a function of its weights: what flatness is measured of.
///
/// [`RobustLoss`](super::RobustLoss) is the published one. Another, such as the loss on clean
/// images or on data of one's own kind, implements this trait.
///
/// A loss is a function of the model and the key: the same for equal keys, so that differences
/// between two models are theirs.
pub trait WeightLoss<M: Module> {
    /// The mean loss over the data of a model in inference, after the inputs have been perturbed
    /// anew for it; of `restarts` perturbations of an example the worst counts.
    ///
    /// # Errors
    ///
    /// Those of an attack, and a loss that is not finite.
    fn loss(&self, model: &M, key: Key, restarts: usize) -> Result<f64, EvaluationError>;

    /// The mean loss at the perturbed inputs as they stand, and its gradient with respect to the
    /// tracked weights of `model`, which are those of `weights`; the inputs then move a step of
    /// their own. `inputs` is empty at first: they begin as `key` says.
    ///
    /// [`LayerValues::of_gradients`] reads the gradient after a backward pass.
    ///
    /// # Errors
    ///
    /// As [`loss`](Self::loss).
    fn ascend(
        &self,
        model: &M,
        weights: &LayerValues,
        iteration: usize,
        inputs: &mut Vec<Tensor<4>>,
        key: Key,
    ) -> Result<(f64, LayerValues), EvaluationError>;

    /// The passes so far.
    fn passes(&self) -> Passes {
        Passes::default()
    }
}
