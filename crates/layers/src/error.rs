//! Errors of a noise configuration and of a checkpoint to import.

use cni_noise::laws::LawError;
use std::path::PathBuf;

/// A configuration of noise or of a noisy model that does not fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoiseError {
    /// A setting of a law that does not fit the tensor.
    #[error("{}: got {} for {name}, wanted {}", error.field, error.got, error.wanted)]
    Law {
        /// The noisy tensor.
        name: String,
        /// The setting.
        error: LawError,
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
    #[error("features: got {got:?} for {name}, wanted one or more sizes above zero")]
    Features {
        /// The noise layer.
        name: String,
        /// The shape given.
        got: Vec<usize>,
    },
    /// A group that selects no parameter of the module.
    #[error(
        "group: selects none of the module's parameters, wanted at least one of {candidates:?}; \
         without a group each one named `weight` of two or more dimensions is selected"
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
        /// The value wanted.
        wanted: &'static str,
    },
    /// A text that names no value of a setting.
    #[error("{field}: got {got:?}, wanted one of {wanted}")]
    Name {
        /// The setting.
        field: &'static str,
        /// The text.
        got: String,
        /// The names that there are.
        wanted: String,
    },
    /// A parameter with a reparameterization of other origin: Burn allows one on a parameter.
    #[error("group: selects {name}, which has the reparameterization {found:?}; fold that first")]
    Reparameterized {
        /// The parameter.
        name: String,
        /// The reparameterization, such as `lora`.
        found: String,
    },
    /// Latent weights of signs that no gradient reaches.
    #[cfg(feature = "binary")]
    #[error(
        "{name}: got {count} latent weights beyond the clip, the largest of size {largest}, wanted \
         at most {reach}: no gradient reaches the others"
    )]
    Latent {
        /// The parameter.
        name: String,
        /// How many of its weights lie beyond.
        count: usize,
        /// The largest size among them.
        largest: f64,
        /// The largest size that has a gradient.
        reach: f64,
    },
    /// A parameter that carries noise already.
    #[error("group: selects {0}, which has noise already; remove that noise first")]
    AlreadyNoisy(String),
}

impl NoiseError {
    /// The error of a text that names no value of a setting.
    pub(crate) fn unnamed(field: &'static str) -> impl Fn(&str, &str) -> Self {
        move |got, names| Self::Name { field, got: got.to_string(), wanted: names.to_string() }
    }
}

/// A PyTorch checkpoint that does not fit the model. The model is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read as a PyTorch checkpoint.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason that the reader gave.
        reason: String,
    },
    /// The file holds several sets of weights, or several normalizations.
    #[error(
        "{path}: got {n} sets of tensors ({names}), wanted one",
        path = path.display(),
        n = found.len(),
        names = few(&found.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>())
    )]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The beginning of the names of each set.
        found: Vec<String>,
    },
    /// A tensor of the file that cannot be used.
    #[error("{path}: {name}: got {got}, wanted {wanted}", path = path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor, by the file's name.
        name: String,
        /// Its content.
        got: String,
        /// The content wanted.
        wanted: &'static str,
    },
    /// The file is readable but holds other tensors than the model.
    #[error(
        "{path}: is no checkpoint of this model; {found}{}{}{}",
        count("missing", missing),
        count("wrong shape", shapes),
        count("not in the model", unused),
        path = path.display()
    )]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The place of the weights in the file.
        found: String,
        /// Parameters of the model that the file lacks, by the model's paths.
        missing: Vec<String>,
        /// Parameters whose shape differs, with both shapes.
        shapes: Vec<String>,
        /// Tensors of the file that no parameter of the model takes, by the file's names.
        unused: Vec<String>,
    },
}

/// The most names that a message lists of a kind.
const FEW: usize = 4;

/// The first names of a list, and how many others there are.
fn few(names: &[String]) -> String {
    let shown = names.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `; missing 2: a, b`, or nothing for no names.
fn count(what: &str, names: &[String]) -> String {
    match names.len() {
        0 => String::new(),
        n => format!("; {what} {n}: {}", few(names)),
    }
}
