use burn::module::Module;
use cni_attacks::weights::LayerValues;
use cni_noise::Key;

/// The place in weight space whose flatness is measured.
pub(super) struct Around<'a, M, L> {
    /// The model at that place, in inference.
    pub model: &'a M,
    /// The loss that is measured.
    pub loss: &'a L,
    /// The weights that are perturbed.
    pub layers: &'a LayerValues,
    /// The loss of the weights themselves.
    pub reference: f64,
    /// The key of the perturbations.
    pub key: Key,
}

impl<M: Module, L> Around<'_, M, L> {
    /// The model with its weights moved by a change.
    pub fn moved(&self, change: &LayerValues) -> M {
        self.layers.clone().plus(change).in_place_of(self.model.clone())
    }
}
