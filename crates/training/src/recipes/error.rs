use cni_noise::nearest_name;
use std::path::{Path, PathBuf};

/// The reason why there is no such recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A name that no built-in recipe has.
    #[error("recipe: got {got}, wanted one of {}, or a TOML file{}", known.join(", "), hint(nearest))]
    Name {
        /// The name given.
        got: String,
        /// The names there are.
        known: Vec<&'static str>,
        /// The name that is most like it, if one is.
        nearest: Option<String>,
    },
    /// A file that cannot be read.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// A text that is no TOML.
    #[error("{of}: {reason}")]
    Syntax {
        /// The recipe or the file.
        of: String,
        /// The line, the column and the reason.
        reason: String,
    },
    /// A field that is not known, or a value that it may not have.
    #[error("{of}: {reason}")]
    Field {
        /// The recipe or the file.
        of: String,
        /// The path of the field, what was got and what was wanted.
        reason: String,
    },
    /// Two settings of which one would undo the other.
    #[error("got {first} and {second}, wanted one of them")]
    Contradiction {
        /// The first, as it was given.
        first: String,
        /// The second.
        second: String,
    },
}

impl RecipeError {
    pub(super) fn name(got: &str, known: &[&'static str]) -> Self {
        let nearest = nearest_name(got, known.iter().copied()).map(String::from);
        Self::Name { got: got.to_string(), known: known.to_vec(), nearest }
    }

    pub(super) fn field(of: &str, reason: impl ToString) -> Self {
        let of = if of.is_empty() { "recipe" } else { of };
        Self::Field { of: of.to_string(), reason: reason.to_string() }
    }

    /// The error of a recipe that is in this file.
    pub(super) fn within(self, path: &Path) -> Self {
        let file = path.display().to_string();
        match self {
            Self::Syntax { reason, .. } => Self::Syntax { of: file, reason },
            Self::Field { reason, .. } => Self::Field { of: file, reason },
            other => other,
        }
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |name| format!("; the nearest is {name}"))
}
