//! Names of this crate's settings.

use crate::models::Shortcut;
use crate::{NoiseError, Per};
use cni_noise::named_values;

named_values!(Per, NoiseError, refused("per"), [Batch, Example]);
named_values!(Shortcut, NoiseError, refused("shortcut"), [PadEnd, PadBoth, Projection]);

/// The error of a text that names no value of this field.
fn refused(field: &'static str) -> impl Fn(&str, &str) -> NoiseError {
    move |got, names| NoiseError::Name { field, got: got.to_string(), wanted: names.to_string() }
}
