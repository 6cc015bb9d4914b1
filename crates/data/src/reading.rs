//! Values read from files that users write, and serde's reasons in the words of this library.

use crate::slots::with_nearest;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a value from its form as JSON.
///
/// # Errors
///
/// The path of the field, as `a.b.0`, what was got and what was wanted.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    // The value is looked at once more only for an error.
    serde_path_to_error::deserialize(&value)
        .map_err(|error| with_nearest(&in_words(&error.to_string(), &value)))
}

/// A reason of serde's with what was got and what was wanted in the place of an invalid type, value
/// or length. Other reasons stay as they are.
///
/// Serde loses the path below a flattened or tagged field. It is found again if only one value
/// `within` that field is the wrong one.
pub fn in_words(reason: &str, within: &Value) -> String {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    let found = kinds.into_iter().find_map(|kind| {
        let (before, rest) = reason.split_once(kind)?;
        let (got, wanted) = rest.rsplit_once(", expected ")?;
        Some((kind, before, got, wanted))
    });
    let Some((kind, before, got, wanted)) = found else { return reason.to_string() };
    let wanted = wanted_in_words(wanted);
    if kind == kinds[2] {
        return format!("{before}got a list of {got}, wanted {wanted}");
    }
    let known = before.split(": ").next().unwrap_or_default();
    let path = scalar(got).and_then(|got| path_of(known, &got, within));
    let before = path.map_or(before.to_string(), |path| format!("{path}: "));
    format!("{before}got {}, wanted {wanted}", got_in_words(got))
}

/// What serde says it got, in words: `string "x"` is `"x"`.
fn got_in_words(got: &str) -> String {
    match (scalar(got), got) {
        (Some(value), _) => value.to_string(),
        (None, "null" | "unit value") => "nothing".to_string(),
        (None, "sequence") => "a list".to_string(),
        (None, "map") => "a table".to_string(),
        (None, other) => other.to_string(),
    }
}

/// What serde says it wanted, in words.
fn wanted_in_words(wanted: &str) -> String {
    let words = match wanted {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0",
        "isize" | "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a string" | "a borrowed string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        "string or map" => "a name, or a table of it",
        "fewer elements in array" => "fewer",
        other if ["struct ", "internally tagged enum "].iter().any(|of| other.starts_with(of)) => {
            "a table"
        }
        other => match other.strip_prefix("a tuple of size ") {
            Some(size) => return format!("a list of {size}"),
            None => other,
        },
    };
    words.to_string()
}

/// The value of serde's words for a text, a number, true or false.
fn scalar(got: &str) -> Option<Value> {
    let kinds = ["integer ", "floating point ", "boolean "];
    let quoted = kinds.into_iter().find_map(|kind| got.strip_prefix(kind));
    let number = quoted.and_then(|text| text.strip_prefix('`')?.strip_suffix('`'));
    serde_json::from_str(number.or(got.strip_prefix("string "))?).ok()
}

/// The path of a value: `known` if the value is there, else the path of the only one below it.
fn path_of(known: &str, wrong: &Value, within: &Value) -> Option<String> {
    let known: Vec<String> =
        known.replace('[', ".").replace(']', "").split('.').map(String::from).collect();
    let step = |at: &Value, part: &String| match at {
        Value::Array(all) => all.get(part.parse::<usize>().ok()?).cloned(),
        other => other.get(part).cloned(),
    };
    let there = known.iter().try_fold(within.clone(), |at, part| step(&at, part));
    let (begin, at) = match there {
        Some(at) => (known, at),
        None => (Vec::new(), within.clone()),
    };
    let mut found = Vec::new();
    find(&begin, wrong, &at, &mut found);
    match found.as_slice() {
        [path] if !path.is_empty() => Some(path.join(".")),
        _ => None,
    }
}

/// Adds the paths of all equal values.
fn find(path: &[String], wrong: &Value, at: &Value, found: &mut Vec<Vec<String>>) {
    let mut below = |part: String, value: &Value| {
        find(&[path, &[part]].concat(), wrong, value, found);
    };
    match at {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| below(field.clone(), value));
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(i, value)| below(i.to_string(), value));
        }
        same if same == wrong => found.push(path.to_vec()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(rename = "epochs")]
        _epochs: usize,
        #[serde(default, rename = "rates")]
        _rates: Vec<f64>,
        #[serde(default, rename = "rule")]
        _rule: Option<Rule>,
        #[serde(default, rename = "on")]
        _on: bool,
        #[serde(default, rename = "pair")]
        _pair: Option<(f64, f64)>,
    }

    /// A rule whose path serde loses.
    #[derive(Debug, Deserialize)]
    struct Rule {
        #[serde(flatten)]
        _inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "steps")]
        _steps: u64,
        #[serde(rename = "name")]
        _name: String,
    }

    fn said(value: Value) -> String {
        read::<Settings>(value).unwrap_err()
    }

    #[test]
    fn a_wrong_type_is_told_by_its_path_with_what_was_got_and_wanted() {
        for (value, wanted) in [
            (
                json!({ "epochs": "ten" }),
                r#"epochs: got "ten", wanted a whole number of at least 0"#,
            ),
            (json!({ "epochs": -1 }), "epochs: got -1, wanted a whole number of at least 0"),
            (json!({ "epochs": 1.5 }), "epochs: got 1.5, wanted a whole number of at least 0"),
            (json!({ "epochs": [1] }), "epochs: got a list, wanted a whole number of at least 0"),
            (json!({ "epochs": 1, "on": 3 }), "on: got 3, wanted true or false"),
            (json!({ "epochs": 1, "rates": true }), "rates: got true, wanted a list"),
            (json!({ "epochs": 1, "rates": [1, "x"] }), r#"rates.1: got "x", wanted a number"#),
            (json!({ "epochs": 1, "pair": [1] }), "pair: got a list of 1, wanted a list of 2"),
            (
                json!({ "epochs": 1, "rule": { "steps": "ten", "name": "x" } }),
                r#"rule.steps: got "ten", wanted a whole number of at least 0"#,
            ),
        ] {
            assert_eq!(said(value), wanted);
        }
        // Two values could be the wrong one: its field is named as far as it is known.
        let twice = json!({ "epochs": 1, "rule": { "steps": "x", "name": "x" } });
        assert_eq!(said(twice), r#"rule: got "x", wanted a whole number of at least 0"#);
    }

    #[test]
    fn other_reasons_stay_as_they_are() {
        let unknown = said(json!({ "epoch": 1 }));
        assert!(unknown.contains("unknown field `epoch`"), "{unknown}");
        assert!(unknown.ends_with("; the nearest is epochs"), "{unknown}");
        assert_eq!(said(json!({ "rates": [] })), "missing field `epochs`");
    }
}
