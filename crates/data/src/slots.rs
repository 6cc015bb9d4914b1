//! Common parts of the slots of a training step, here and in `cni-training`: a rule is named by
//! one entry of its specification.

use crate::DataError;
use cni_noise::nearest_name;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The name of a rule, from the entry of its specification that is named like its slot.
pub fn rule_name(slot: &str, spec: &Value) -> String {
    spec[slot].as_str().unwrap_or("without a name").to_string()
}

/// Refuses a specification without the name of its rule.
///
/// # Errors
///
/// [`DataError::Setting`].
pub fn check_spec(slot: &'static str, spec: &Value) -> Result<(), DataError> {
    match spec[slot].as_str() {
        Some(name) if !name.is_empty() => Ok(()),
        _ => {
            let wanted = "an object with a text under the name of the slot, which names the rule";
            Err(DataError::setting(slot, spec, wanted))
        }
    }
}

/// Reads a built-in rule from its settings.
pub type Load<T> = fn(Value) -> Result<T, String>;

/// Reads a built-in rule `R` of a slot `T`, which serde knows.
pub fn load<R: DeserializeOwned + Into<T>, T>(settings: Value) -> Result<T, String> {
    let rule: Result<R, _> = serde_path_to_error::deserialize(settings);
    // Whoever reads the whole puts the reason in words, and finds the path of the value.
    Ok(rule.map_err(|error| error.to_string())?.into())
}

/// The built-in rule of a specification.
///
/// # Errors
///
/// For the name of a custom rule, which only code can build, and for settings that the rule does
/// not have.
pub fn custom_or_built_in<T>(
    slot: &'static str,
    built_in: &[(&str, Load<T>)],
    settings: impl Fn(&T) -> Value,
    mut spec: Value,
) -> Result<T, String> {
    // A rule without settings may be given by its name.
    if spec.is_string() {
        spec = json!({ slot: spec });
    }
    if check_spec(slot, &spec).is_err() {
        let name = built_in.first().map_or("", |(name, _)| *name);
        let such = json!({ slot: name });
        return Err(format!("{slot}: got {spec}, wanted an object with its name, such as {such}"));
    }
    let name = rule_name(slot, &spec);
    let Some((_, load)) = built_in.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = built_in.iter().map(|(known, _)| *known).collect();
        let hint = nearest_name(&name, known.iter().copied());
        return Err(format!(
            "{slot}: got {name}, wanted one of {}{}; a custom rule is built in code",
            known.join(", "),
            hint.map_or(String::new(), |name| format!("; the nearest is {name}"))
        ));
    };
    let mut given = Vec::new();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove(slot);
        given.extend(spec.keys().cloned());
    }
    let rule = load(spec).map_err(|error| format!("{slot} {name}: {error}"))?;
    // Serde cannot refuse unknown settings of a rule whose settings are flattened.
    let known = settings(&rule);
    match given.iter().find(|setting| known.get(setting).is_none()) {
        Some(setting) => {
            let known = known.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let known: Vec<&str> = known.filter(|name| *name != slot).collect();
            let hint = nearest_name(setting, known.iter().copied());
            Err(format!(
                "{slot} {name}: {setting}: there is no such setting, wanted one of {}{}",
                known.join(", "),
                hint.map_or(String::new(), |name| format!("; the nearest is {name}"))
            ))
        }
        None => Ok(rule),
    }
}

/// The specification of a rule: its settings, and its name under the name of the slot.
pub fn named_spec(slot: &str, name: &str, settings: impl serde::Serialize) -> Value {
    let mut spec = serde_json::to_value(settings).unwrap_or_default();
    if !spec.is_object() {
        spec = Value::Object(Default::default());
    }
    spec[slot] = name.into();
    spec
}
