//! The flags of privacy.

use crate::values::one_of;
use clap::Args;
use cni_burn::privacy::{Accountant, PrivacyError};

/// The accountant of a command.
#[derive(Args)]
pub struct AccountantFlag {
    /// Accountant: `prv`, the tightest upper bound, `rdp`, an upper bound, or `gdp`, an
    /// approximation that can be too small.
    #[arg(long, default_value = "prv", value_parser = one_of(&["prv", "rdp", "gdp"]))]
    pub accountant: String,
}

impl AccountantFlag {
    /// The accountant by its name.
    pub fn get(&self) -> Accountant {
        accountant(&self.accountant)
    }
}

/// The accountant of a name that was checked.
fn accountant(name: &str) -> Accountant {
    match name {
        "rdp" => Accountant::rdp(),
        "gdp" => Accountant::gdp(),
        _ => Accountant::prv(),
    }
}

/// An error whose field is the name of a flag of `cni epsilon`.
pub fn of_flag(error: PrivacyError) -> String {
    of(error, flag)
}

/// An error whose field is the name of a flag of `cni private-train`, where the radius of attacks
/// has the name of epsilon, and nobody gives steps.
pub fn of_training(error: PrivacyError) -> String {
    of(error, |field| match field {
        "epsilon" => "--privacy-epsilon".to_string(),
        "steps" => "steps within the budget".to_string(),
        field => flag(field),
    })
}

/// The flag that a field of the library has here.
fn flag(field: &str) -> String {
    match field {
        "expected_batch" => "--batch".to_string(),
        "max_norm" => "--clip".to_string(),
        field => format!("--{}", field.replace('_', "-")),
    }
}

/// An error whose settings have the names of a command.
fn of(error: PrivacyError, name: impl Fn(&str) -> String) -> String {
    let flagged = matches!(
        error,
        PrivacyError::Value { .. }
            | PrivacyError::Count { .. }
            | PrivacyError::Delta { .. }
            | PrivacyError::Setting { .. }
            | PrivacyError::Target { .. }
    );
    let text = error.to_string();
    match text.split_once(": ") {
        Some((field, rest)) if flagged => format!("{}: {rest}", name(field)),
        _ => text,
    }
    // No other flag raises the noise.
    .replace("raise epsilon_error or noise_multiplier", "raise --noise-multiplier")
    .replace("raise noise_multiplier", "raise --noise-multiplier")
}
