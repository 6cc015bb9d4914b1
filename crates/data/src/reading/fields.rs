//! Fields that a file gives and that what is read from it does not have.

use cni_noise::nearest_name;
use serde::Serialize;
use serde_json::Value;

/// Refuses fields of a value that what was read from it does not have: for types that ignore
/// unknown fields, such as Burn's configurations. They must write all fields that they read.
///
/// # Errors
///
/// The path of the first such field, its value, and the fields that there are.
pub fn refuse_unknown(given: &Value, read: &impl Serialize) -> Result<(), String> {
    let written = serde_json::to_value(read).map_err(|error| error.to_string())?;
    unknown("", given, &written).map_or(Ok(()), Err)
}

/// The reason why a field of `given`, which a path leads to, is refused; `None` if all of them are
/// among those written.
fn unknown(path: &str, given: &Value, written: &Value) -> Option<String> {
    let below = |part: &str| match path {
        "" => part.to_string(),
        path => format!("{path}.{part}"),
    };
    match (given, written) {
        (Value::Object(given), Value::Object(written)) => {
            given.iter().find_map(|(field, value)| match written.get(field) {
                Some(written) => unknown(&below(field), value, written),
                None => {
                    let known: Vec<&str> = written.keys().map(String::as_str).collect();
                    let hint = nearest_name(field, known.iter().copied());
                    Some(format!(
                        "{}: got {value}, but there is no such setting, wanted one of {}{}",
                        below(field),
                        known.join(", "),
                        hint.map_or(String::new(), |name| format!("; the nearest is {name}"))
                    ))
                }
            })
        }
        (Value::Array(given), Value::Array(written)) => {
            let mut pairs = given.iter().zip(written).enumerate();
            pairs.find_map(|(i, (given, written))| unknown(&below(&i.to_string()), given, written))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_that_was_not_read_is_named_with_its_path_its_value_and_the_nearest() {
        let written = json!({ "rate": 0.5, "decay": { "penalty": 0.1 }, "all": [{ "a": 1 }] });
        let said = |given: Value| refuse_unknown(&given, &written);
        for known in [written.clone(), json!({ "decay": null }), json!({}), json!("adam")] {
            assert_eq!(said(known), Ok(()));
        }
        for (given, wanted) in [
            (
                json!({ "rat": 0.5 }),
                "rat: got 0.5, but there is no such setting, wanted one of all, decay, rate; the \
                 nearest is rate",
            ),
            (
                json!({ "decay": { "zzz": [1] } }),
                "decay.zzz: got [1], but there is no such setting, wanted one of penalty",
            ),
            (
                json!({ "all": [{ "a": 1, "xyz": null }] }),
                "all.0.xyz: got null, but there is no such setting, wanted one of a",
            ),
        ] {
            assert_eq!(said(given), Err(wanted.to_string()));
        }
    }
}
