//! Flags that the user gave. A given flag is used or refused.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;

/// The given flags without their dashes, with their values.
#[derive(Default)]
pub struct Given(BTreeMap<String, String>);

/// Flags that would have no effect.
pub struct Idle<'a> {
    /// True if they would have no effect.
    pub when: bool,
    /// The names of the flags without dashes.
    pub flags: &'a [&'a str],
    /// The reason.
    pub because: &'a str,
}

impl Given {
    /// The given flags of a command.
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let given = command.get_arguments().filter_map(|argument| {
            let (id, flag) = (argument.get_id().as_str(), argument.get_long()?);
            let given = matches.value_source(id) == Some(ValueSource::CommandLine);
            let raw = matches.get_raw(id).into_iter().flatten();
            let text: Vec<_> = raw.map(|text| text.to_string_lossy()).collect();
            given.then(|| (flag.to_string(), text.join(",")))
        });
        Self(given.collect())
    }

    /// True if a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    /// Refuses flags that would have no effect.
    pub fn refuse(&self, idle: &[Idle]) -> Result<(), String> {
        let idle = idle.iter().filter(|idle| idle.when);
        let mut flags = idle.flat_map(|idle| idle.flags.iter().map(|flag| (*flag, idle.because)));
        match flags.find(|(flag, _)| self.has(flag)) {
            Some((flag, because)) => Err(self.refusal(flag, "it left out", because)),
            None => Ok(()),
        }
    }

    /// The sentence with which a flag is refused.
    pub fn refusal(&self, flag: &str, wanted: impl Display, because: &str) -> String {
        let got = match self.0.get(flag).map(String::as_str) {
            None => "the default".to_string(),
            Some("" | "true") => "the flag".to_string(),
            Some(text) => text.to_string(),
        };
        format!("--{flag}: got {got}, wanted {wanted}, since {because}")
    }

    /// Refuses flags of `asked` that differ from `saved`: those that were given, or all of them if
    /// `defaults` count as well. The fields of both have the names of the flags. Of several the
    /// family is named, whose defaults the others follow.
    pub fn agree(
        &self,
        asked: &Value,
        saved: &Value,
        defaults: bool,
        because: &str,
    ) -> Result<(), String> {
        let fields = saved.as_object().into_iter().flatten();
        let mut fields: Vec<_> =
            fields.map(|(field, saved)| (field.replace('_', "-"), &asked[field], saved)).collect();
        fields.sort_by_key(|(flag, ..)| flag != "family");
        for (flag, asked, saved) in fields {
            if (defaults || self.has(&flag)) && !same(asked, saved) {
                let got = if self.has(&flag) { "" } else { " by default" };
                let (asked, saved) = match saved {
                    Value::Bool(_) => ("the flag".to_string(), "it left out".to_string()),
                    saved => (text(asked), text(saved)),
                };
                return Err(format!("--{flag}: got {asked}{got}, wanted {saved}, since {because}"));
            }
        }
        Ok(())
    }
}

/// Compares two values; lists of names are compared as sets.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.iter().all(|entry| b.contains(entry)) && b.iter().all(|entry| a.contains(entry))
        }
        _ => a == b,
    }
}

/// A value as it is written on the command line.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Null => "it left out".to_string(),
        other => other.to_string(),
    }
}

/// The command as it was given, for the record: as a shell takes it, but for what is no text. That
/// of a shard is that of the whole, and none replaces what it has made.
pub fn command() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    let quoted = |argument: OsString| {
        let text = argument.to_string_lossy();
        match !text.is_empty() && text.chars().all(plain) {
            true => text.into_owned(),
            false => format!("'{}'", text.replace('\'', r"'\''")),
        }
    };
    let mut arguments: Vec<String> = Vec::new();
    let mut given = std::env::args_os().skip(1).map(quoted);
    while let Some(argument) = given.next() {
        if argument == "--shard" {
            given.next();
        } else if argument != "--force" && !argument.starts_with("--shard=") {
            arguments.push(argument);
        }
    }
    format!("cni {}", arguments.join(" "))
}
