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

/// An error whose field is the name of a flag.
pub fn of_flag(error: PrivacyError) -> String {
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
        Some((field, rest)) if flagged => format!("--{}: {rest}", flag(field)),
        _ => text,
    }
}

/// The flag that a field of the library has here.
fn flag(field: &str) -> String {
    match field {
        "expected_batch" => "batch".to_string(),
        "max_norm" => "clip".to_string(),
        field => field.replace('_', "-"),
    }
}
