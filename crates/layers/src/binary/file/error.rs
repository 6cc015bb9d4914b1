use crate::NoiseError;
use std::path::PathBuf;

/// The reason why a packed model cannot be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file that is no packed model, or not as it was written.
    #[error("{path}: {field}: got {got}, wanted {wanted}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The part of the file that is wrong.
        field: &'static str,
        /// The value found.
        got: String,
        /// The values wanted.
        wanted: String,
    },
    /// A parameter that cannot be packed, or is not that of the model.
    #[error("{name}: got {got}, wanted {wanted}")]
    Value {
        /// The path of the parameter.
        name: String,
        /// The value found.
        got: String,
        /// The values wanted.
        wanted: String,
    },
    /// A configuration of another type.
    #[error("configuration: {0}")]
    Config(serde_json::Error),
    /// A configuration or a model that does not fit.
    #[error(transparent)]
    Model(#[from] NoiseError),
}
