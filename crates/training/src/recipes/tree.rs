//! A recipe as a tree of values, before its fields are known.

use super::RecipeError;
use crate::TrainingConfig;
use cni_data::reading::{from_toml, read, without_fractions};
use serde_json::{Map, Value};

/// The fields of a recipe.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree(pub Map<String, Value>);

impl Tree {
    /// The fields in a TOML text. Outside the model, numbers may be fractions in quotes.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let fields = from_toml(text)
            .map_err(|reason| RecipeError::Syntax { of: "recipe".to_string(), reason })?;
        let whole = fields.into_iter().map(|(field, value)| match field.as_str() {
            "model" => (field, value),
            _ => (field, without_fractions(value)),
        });
        Ok(Self(whole.collect()))
    }

    /// Sets the value that a path leads to, written as in TOML; nothing takes it away.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), RecipeError> {
        let way: Vec<&str> = path.split('.').collect();
        let value = match (way[0], value(text)) {
            ("model", value) => value,
            (_, value) => value.map(without_fractions),
        };
        let mut whole = Value::Object(self.0.clone());
        let changed = match way.iter().any(|part| part.is_empty()) {
            true => Err("wanted a path of fields, such as epochs".to_string()),
            false => change(&mut whole, &way, value),
        };
        let name = self.name();
        changed.map_err(|reason| RecipeError::field(&name, format!("{path}: {reason}")))?;
        if let Value::Object(fields) = whole {
            self.0 = fields;
        }
        Ok(())
    }

    /// The training that fields describe.
    pub fn read(&self, fields: Map<String, Value>) -> Result<TrainingConfig, RecipeError> {
        read(Value::Object(fields)).map_err(|reason: String| {
            let fraction = match reason.ends_with("wanted a number") {
                true => ", or a fraction such as '8/255'",
                false => "",
            };
            RecipeError::field(&self.name(), format!("{reason}{fraction}"))
        })
    }

    fn name(&self) -> String {
        self.0.get("name").and_then(Value::as_str).unwrap_or_default().to_string()
    }
}

/// Sets the value that a way of fields, and of the numbers of a list's entries, leads to.
fn change(at: &mut Value, way: &[&str], value: Option<Value>) -> Result<(), String> {
    let [part, rest @ ..] = way else { return Ok(()) };
    match at {
        Value::Object(fields) => match (rest, value) {
            ([], Some(value)) => drop(fields.insert(part.to_string(), value)),
            ([], None) => drop(fields.remove(*part)),
            (_, value) => {
                return change(fields.entry(*part).or_insert(Map::new().into()), rest, value);
            }
        },
        Value::Array(all) => {
            let entries = all.len();
            let Some(i) = part.parse().ok().filter(|i: &usize| *i < entries) else {
                return Err(format!(
                    "got entry {part} of a list of {entries}, which counts from 0"
                ));
            };
            match (rest, value) {
                ([], Some(value)) => all[i] = value,
                ([], None) => drop(all.remove(i)),
                (_, value) => return change(&mut all[i], rest, value),
            }
        }
        other => return Err(format!("got {part} of {other}, which has no fields")),
    }
    Ok(())
}

/// The settings of a training as fields of a recipe: without its key, which is that of a run.
pub(super) fn settings_of(training: &TrainingConfig) -> Result<Map<String, Value>, RecipeError> {
    match serde_json::to_value(training).map(without_nulls) {
        Ok(Value::Object(mut fields)) => {
            fields.remove("key");
            Ok(fields)
        }
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(RecipeError::field("", error)),
    }
}

/// A value as it is written in TOML, or else a text; `None` for no text at all.
fn value(text: &str) -> Option<Value> {
    if text.trim().is_empty() {
        return None;
    }
    // A value that no setting can have, such as NaN, stays a text, which its field refuses.
    let read = from_toml(&format!("value = {text}"));
    let read = read.ok().filter(|table| table.len() == 1);
    Some(read.and_then(|mut table| table.remove("value")).unwrap_or_else(|| text.into()))
}

/// The value without fields of no value, which TOML cannot write.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(without_nulls).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            fields.map(|(field, value)| (field, without_nulls(value))).collect()
        }
        other => other,
    }
}

/// The fields as TOML: first those that say what it is, then the settings, then the tables.
pub(super) fn to_toml(fields: &Map<String, Value>) -> String {
    let ordered = super::ABOUT.iter().filter(|field| **field != "model");
    let (about, rest): (Vec<_>, Vec<_>) =
        fields.iter().partition(|(field, _)| ordered.clone().any(|first| first == field));
    let mut text = String::new();
    for first in ordered {
        if let Some((field, value)) = about.iter().find(|(field, _)| field == first) {
            text += &written(field, value);
        }
    }
    let (tables, plain): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, value)| {
        value.is_object() || value.as_array().is_some_and(|all| all.iter().any(Value::is_object))
    });
    plain.into_iter().chain(tables).for_each(|(field, value)| text += &written(field, value));
    text
}

/// One field as TOML. What comes from TOML or from settings without nulls can be written.
fn written(field: &str, value: &Value) -> String {
    let table = Map::from_iter([(field.to_string(), value.clone())]);
    toml::to_string(&table).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::parse(text).unwrap()
    }

    #[test]
    fn a_path_sets_fields_entries_and_nothing() {
        let mut tree = tree("a = 1\nlist = [1, 2]\n[b]\nc = 'x'\n[model]\nd = '1/2'");
        for (path, text) in [
            ("a", "2"),
            ("b.c", "y z"),
            ("b.d.e", "[1, 0.5]"),
            ("list.1", "'8/255'"),
            ("model.d", "3/4"),
        ] {
            tree.set(path, text).unwrap();
        }
        let wanted = serde_json::json!({
            "a": 2, "b": { "c": "y z", "d": { "e": [1, 0.5] } }, "list": [1, 8.0 / 255.0],
            "model": { "d": "3/4" },
        });
        assert_eq!(Value::Object(tree.0.clone()), wanted);
        tree.set("b.c", "").unwrap();
        tree.set("list.0", "").unwrap();
        assert_eq!(tree.0["b"], serde_json::json!({ "d": { "e": [1, 0.5] } }));
        assert_eq!(tree.0["list"], serde_json::json!([8.0 / 255.0]));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let mut tree = tree("name = 'r'\na = 1\nlist = [1]");
        for (path, said) in [
            ("a.b", "r: a.b: got b of 1, which has no fields"),
            ("a.b.c", "r: a.b.c: got b of 1, which has no fields"),
            ("list.1", "r: list.1: got entry 1 of a list of 1"),
            ("list.x.y", "got entry x of a list of 1"),
            ("a..b", "wanted a path of fields"),
        ] {
            let error = tree.clone().set(path, "2").unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        tree.set("a", "3").unwrap();
        assert_eq!(tree.0["a"], 3);
    }

    #[test]
    fn toml_comes_back() {
        let text = "recipe = 1\nname = 'x'\nepochs = 3\nlist = [{ a = 1 }]\n[t]\nb = { c = 0.1 }";
        let tree = tree(text);
        assert_eq!(self::tree(&to_toml(&tree.0)), tree);
    }
}
