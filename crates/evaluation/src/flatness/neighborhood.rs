use super::average::{AverageFlatness, average};
use super::watch::Watch;
use super::worst::{WorstFlatness, worst};
use super::{PerturbedLosses, WeightLoss};
use crate::EvaluationError;
use burn::module::Module;
use cni_attacks::weights::LayerValues;
use cni_noise::Key;

/// The neighborhood of a model in weight space, whose flatness is measured.
#[derive(Debug)]
pub struct Neighborhood<'a, M, L> {
    /// The model in its midst, in inference, as by [`Module::valid`].
    pub model: &'a M,
    /// The loss that is measured.
    pub loss: &'a L,
    /// The weights that are perturbed.
    pub layers: &'a LayerValues,
    /// The loss of the weights themselves, above which flatness counts.
    pub reference: f64,
    /// The key of the perturbations.
    pub key: Key,
}

impl<M: Module, L: WeightLoss<M>> Neighborhood<'_, M, L> {
    /// The average flatness.
    ///
    /// Perturbation number i and its attack derive from child i of the key: the same as the
    /// beginning of attempt i of [`worst`](Self::worst) under an equal threat.
    ///
    /// # Errors
    ///
    /// Those of the loss.
    pub fn average(&self, settings: &AverageFlatness) -> Result<PerturbedLosses, EvaluationError> {
        average(self, settings, &mut Watch::silent())
    }

    /// The worst-case flatness.
    ///
    /// # Errors
    ///
    /// Those of the loss.
    pub fn worst(&self, settings: &WorstFlatness) -> Result<PerturbedLosses, EvaluationError> {
        Ok(worst(self, settings, &mut Watch::silent())?.0)
    }

    /// The model with its weights moved by a change.
    pub(super) fn moved(&self, change: &LayerValues) -> M {
        self.layers.clone().plus(change).in_place_of(self.model.clone())
    }
}
