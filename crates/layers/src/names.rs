//! Names of settings: the text of an enum is its name in JSON, so that a file, a message and a
//! command line say the same.

use crate::models::Shortcut;
use crate::{NoiseError, Per};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Gives an enum without fields the list of its values, `Display` and `FromStr`, by the names that
/// serde gives it.
macro_rules! named {
    ($type:ident, $field:literal, [$($value:ident),+]) => {
        impl $type {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];
        }

        /// The name in JSON.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }

        impl FromStr for $type {
            type Err = NoiseError;

            fn from_str(text: &str) -> Result<Self, NoiseError> {
                let found = Self::ALL.iter().find(|value| value.to_string() == text);
                found.copied().ok_or_else(|| NoiseError::name($field, text, Self::ALL))
            }
        }
    };
}

named!(Per, "per", [Batch, Example]);
named!(Shortcut, "shortcut", [PadEnd, PadBoth, Projection]);

impl NoiseError {
    /// An error for a text that names none of the values of a setting.
    pub(crate) fn name(field: &'static str, got: &str, values: &[impl ToString]) -> Self {
        let names: Vec<String> = values.iter().map(ToString::to_string).collect();
        Self::Name { field, got: got.to_string(), wanted: names.join(", ") }
    }
}
