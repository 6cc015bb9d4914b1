//! What can be wrong with a noise configuration or with a checkpoint to import.

use std::path::PathBuf;

/// A configuration of noise or of a noisy model that does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoiseError {
    /// More columns in the factor than the tensor has elements.
    #[error("rank: got {rank} for {name}, wanted at most its {elements} elements")]
    Rank {
        /// The noisy tensor.
        name: String,
        /// The rank asked for.
        rank: usize,
        /// The number of elements of the tensor.
        elements: usize,
    },
    /// An initial value that is not finite.
    #[error("{field}: got {got}, wanted a finite number")]
    Initial {
        /// `alpha`, `diagonal` or `factor`.
        field: &'static str,
        /// The value.
        got: f64,
    },
    /// An axis of channels that a tensor does not have.
    #[error("channel_axis: got {axis} for {name}, wanted less than its rank {rank}")]
    ChannelAxis {
        /// The noisy tensor.
        name: String,
        /// The axis asked for.
        axis: usize,
        /// The rank of the tensor.
        rank: usize,
    },
    /// No features, or a feature axis of size zero.
    #[error("features: got {got:?} for {name}, wanted one to three sizes above zero")]
    Features {
        /// The noise layer.
        name: String,
        /// The shape given.
        got: Vec<usize>,
    },
    /// A group that selects no parameter of the module.
    #[error(
        "group: selects none of the module's parameters, wanted at least one of {candidates:?}"
    )]
    NothingSelected {
        /// The parameters that could carry noise.
        candidates: Vec<String>,
    },
    /// A setting of a model out of its range.
    #[error("{field}: got {got}, wanted {wanted}")]
    Model {
        /// The setting.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A parameter that carries noise already.
    #[error("group: selects {0}, which has noise already; remove that noise first")]
    AlreadyNoisy(String),
}

/// A PyTorch checkpoint that does not fit the model. The model is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read as a PyTorch checkpoint.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The file is readable but holds other tensors than the model.
    #[error(
        "{path}: is no checkpoint of this model; missing: {missing:?}; wrong shape: {shapes:?}; not in the model: {unused:?}",
        path = path.display()
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Parameters of the model that the file lacks, by the model's paths.
        missing: Vec<String>,
        /// Parameters whose shape differs, with both shapes.
        shapes: Vec<String>,
        /// Tensors of the file that no parameter of the model takes, by the file's names.
        unused: Vec<String>,
    },
}
