//! Values read from files that users write, and serde's reasons in the words of this library.

mod fields;
mod toml;

pub use self::fields::refuse_unknown;
pub use self::toml::{from_toml, without_fractions};

use cni_noise::nearest_name;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// Reads a value from its form as JSON.
///
/// # Errors
///
/// The path of the field, as `a.b.0`, what was got and what was wanted.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    // The value is looked at once more only for an error.
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let (path, reason) = (whole(error.path()), error.inner().to_string());
        if path.is_empty() {
            return in_words(&reason, &value);
        }
        said_once(&path, in_words(&format!("{path}: {reason}"), &value))
    })
}

/// The path of a field, as far as serde knows it.
fn whole(path: &Path) -> String {
    let parts = path.iter().map_while(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key: name } | Segment::Enum { variant: name } => Some(name.clone()),
        Segment::Unknown => None,
    });
    parts.collect::<Vec<_>>().join(".")
}

/// A reason that begins with a path, without the name of a slot of a training step if the slot's
/// own words say it again.
fn said_once(path: &str, reason: String) -> String {
    let (above, last) = match path.rsplit_once('.') {
        Some((above, last)) => (format!("{above}: "), last),
        None => (String::new(), path),
    };
    let rest = reason.strip_prefix(path).and_then(|rest| rest.strip_prefix(": "));
    let again = |rest: &&str| {
        let behind = rest.strip_prefix(last);
        behind.is_some_and(|behind| behind.starts_with([':', ' ']))
    };
    match rest.filter(again) {
        Some(rest) => format!("{above}{rest}"),
        None => reason,
    }
}

/// A reason of serde's in the words of this library: the path, what was got and what was wanted.
/// Other reasons stay as they are.
///
/// Serde loses the path below a flattened or tagged field. It is found again if only one value
/// `within` that field is the wrong one.
pub fn in_words(reason: &str, within: &Value) -> String {
    let named = about_a_field(reason).or_else(|| about_a_variant(reason));
    named.or_else(|| about_a_kind(reason, within)).unwrap_or_else(|| reason.to_string())
}

/// The words for a field that is missing, or that nobody knows.
fn about_a_field(reason: &str) -> Option<String> {
    let quoted = |kind: &str| {
        let (before, rest) = reason.split_once(kind)?;
        let (field, rest) = rest.split_once('`')?;
        Some((before.to_string(), field.to_string(), rest.to_string()))
    };
    if let Some((before, field, rest)) = quoted("missing field `") {
        return Some(format!("{before}{field}: got nothing, wanted a value{rest}"));
    }
    let (before, field, rest) = quoted("unknown field `")?;
    // The path ends in the field itself where serde knows it.
    let above = before.strip_suffix(&format!("{field}: "));
    let whole = |above: &&str| above.is_empty() || above.ends_with(['.', ' ']);
    let before = above.filter(whole).unwrap_or(&before);
    Some(format!("{before}{field}: there is no such setting{}", known_names(&field, &rest)))
}

/// The words for a name that nobody knows.
fn about_a_variant(reason: &str) -> Option<String> {
    let (before, rest) = reason.split_once("unknown variant `")?;
    let (got, rest) = rest.split_once('`')?;
    Some(format!("{before}got {got}{}", known_names(got, rest)))
}

/// `, wanted one of a, b; the nearest is a`, from serde's `` , expected `a` or `b` ``.
fn known_names(got: &str, expected: &str) -> String {
    let expected = expected.split(';').next().unwrap_or_default();
    let known = expected.split('`').skip(1).step_by(2);
    // The unknown name may have quotes itself, which leaves nothing to read here.
    let known: Vec<&str> = known.filter(|name| !name.contains([',', ' '])).collect();
    let nearest = nearest_name(got, known.iter().copied());
    let hint = nearest.map_or(String::new(), |name| format!("; the nearest is {name}"));
    match known.as_slice() {
        [] => String::new(),
        [name] => format!(", wanted {name}"),
        names => format!(", wanted one of {}{hint}", names.join(", ")),
    }
}

/// The words for a value of the wrong kind.
fn about_a_kind(reason: &str, within: &Value) -> Option<String> {
    let kinds = ["invalid type: ", "invalid value: ", "invalid length "];
    let (kind, before, got, wanted) = kinds.into_iter().find_map(|kind| {
        let (before, rest) = reason.split_once(kind)?;
        let (got, wanted) = rest.rsplit_once(", expected ")?;
        Some((kind, before, got, wanted))
    })?;
    let wanted = wanted_in_words(wanted);
    if kind == kinds[2] {
        return Some(format!("{before}got a list of {got}, wanted {wanted}"));
    }
    let known = before.split(": ").next().unwrap_or_default();
    let path = scalar(got).and_then(|got| path_of(known, &got, within));
    let before = path.map_or(before.to_string(), |path| format!("{path}: "));
    Some(format!("{before}got {}, wanted {wanted}", got_in_words(got)))
}

/// The words for what serde says it got: `string "x"` is `"x"`.
fn got_in_words(got: &str) -> String {
    match (scalar(got), got) {
        (Some(value), _) => value.to_string(),
        (None, "null" | "unit value") => "nothing".to_string(),
        (None, "sequence") => "a list".to_string(),
        (None, "map") => "a table".to_string(),
        (None, "unit variant") => "its name alone".to_string(),
        (None, other) => other.to_string(),
    }
}

/// The words for what serde says it wanted.
fn wanted_in_words(wanted: &str) -> String {
    let words = match wanted {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0",
        "isize" | "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a string" | "a borrowed string" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" | "newtype variant" | "struct variant" => "a table",
        "tuple variant" => "a list",
        "string or map" => "a name, or a table of it",
        "map with a single key" => "a table of one name",
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
    use crate::Augmentation;
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
        #[serde(default, rename = "mode")]
        _mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Linear(#[expect(dead_code, reason = "only read")] f64),
        Steps(#[expect(dead_code, reason = "only read")] u64),
    }

    /// Slots, whose rules say their names themselves.
    #[derive(Debug, Deserialize)]
    struct Slots {
        #[serde(default, rename = "augmentation")]
        _augmentation: Option<Augmentation>,
        #[serde(default, rename = "all")]
        _all: Vec<Augmentation>,
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
    fn a_field_that_is_missing_or_unknown_is_named() {
        let unknown = said(json!({ "epoch": 1 }));
        let wanted = "epoch: there is no such setting, wanted one of epochs, rates, rule, on, pair";
        assert_eq!(unknown, format!("{wanted}, mode; the nearest is epochs"));
        assert_eq!(said(json!({ "rates": [] })), "epochs: got nothing, wanted a value");
        let rule = json!({ "epochs": 1, "rule": { "steps": 1 } });
        assert_eq!(said(rule), "rule: name: got nothing, wanted a value");
    }

    #[test]
    fn a_name_that_is_unknown_is_told_with_those_that_are_known() {
        for (mode, wanted) in [
            (
                json!("lienar"),
                "mode: got lienar, wanted one of linear, steps; the nearest is linear",
            ),
            (
                json!({ "step": 1 }),
                "mode: got step, wanted one of linear, steps; the nearest is steps",
            ),
            (json!("zzz"), "mode: got zzz, wanted one of linear, steps"),
            (json!("linear"), "mode.linear: got its name alone, wanted a table"),
        ] {
            assert_eq!(said(json!({ "epochs": 1, "mode": mode })), wanted);
        }
        // In the midst of a sentence of others, which told the nearest already.
        let others =
            "pgd: threat: unknown variant `lnf`, expected `linf` or `l2`; the nearest is linf";
        let wanted = "pgd: threat: got lnf, wanted one of linf, l2; the nearest is linf";
        assert_eq!(in_words(others, &Value::Null), wanted);
        assert_eq!(in_words("something else", &Value::Null), "something else");
    }

    #[test]
    fn the_name_of_a_slot_is_not_said_twice() {
        let settings = |value: Value| read::<Slots>(value).err().unwrap();
        let said = settings(json!({ "augmentation": "crob" }));
        assert!(said.starts_with("augmentation: got crob, wanted one of "), "{said}");
        let said = settings(json!({ "augmentation": { "augmentation": "crop" } }));
        assert_eq!(said, "augmentation crop: padding: got nothing, wanted a value");
        let said = settings(json!({ "all": ["flip", "crob"] }));
        assert!(said.starts_with("all.1: augmentation: got crob, wanted one of "), "{said}");
    }
}
