//! TOML that users write, as values of JSON.

use serde_json::{Map, Value};
use toml::value::Value as Toml;

/// The fields of a TOML text.
///
/// # Errors
///
/// The reason of TOML's reader; or the path of a value that no setting can have, a number that is
/// not finite or a date.
pub fn from_toml(text: &str) -> Result<Map<String, Value>, String> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_string())?;
    fields(table, "")
}

/// The value with each text that is a fraction, such as `"8/255"`, replaced by its quotient.
pub fn without_fractions(value: Value) -> Value {
    let quotient = |text: &str| {
        let (above, below) = text.split_once('/')?;
        let [above, below] = [above, below].map(|part| part.trim().parse::<f64>().ok());
        Some(above? / below?).filter(|quotient| quotient.is_finite())
    };
    match value {
        Value::String(text) => match quotient(&text) {
            Some(quotient) => quotient.into(),
            None => text.into(),
        },
        Value::Array(all) => all.into_iter().map(without_fractions).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(field, value)| (field, without_fractions(value))).collect()
        }
        other => other,
    }
}

fn fields(table: toml::Table, path: &str) -> Result<Map<String, Value>, String> {
    let below = |field: String, value| {
        let path = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
        Ok((field, json_of(value, &path)?))
    };
    table.into_iter().map(|(field, value)| below(field, value)).collect()
}

fn json_of(value: Toml, path: &str) -> Result<Value, String> {
    Ok(match value {
        Toml::String(text) => text.into(),
        Toml::Integer(number) => number.into(),
        Toml::Boolean(flag) => flag.into(),
        Toml::Float(number) if number.is_finite() => number.into(),
        Toml::Float(number) => {
            return Err(format!("{path}: got {number}, wanted a finite number"));
        }
        Toml::Datetime(date) => {
            return Err(format!("{path}: got the date {date}, wanted a number, a text or a list"));
        }
        Toml::Array(all) => {
            let entries = all.into_iter().enumerate();
            entries
                .map(|(i, value)| json_of(value, &format!("{path}.{i}")))
                .collect::<Result<_, _>>()?
        }
        Toml::Table(table) => fields(table, path)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_those_of_the_text_and_what_no_setting_can_be_is_refused_by_its_path() {
        let text = "a = 1\nb = [0.5, 'x', true]\n[c]\nd = { e = 2.0 }";
        let wanted = json!({ "a": 1, "b": [0.5, "x", true], "c": { "d": { "e": 2.0 } } });
        assert_eq!(Value::Object(from_toml(text).unwrap()), wanted);
        for (text, said) in [
            ("a = nan", "a: got NaN, wanted a finite number"),
            ("[a]\nb = [1.0, -inf]", "a.b.1: got -inf, wanted a finite number"),
            ("a = 2024-01-01", "a: got the date 2024-01-01, wanted "),
            ("a = ", "TOML parse error at line 1"),
        ] {
            let error = from_toml(text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
