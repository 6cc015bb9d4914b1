//! The identity of a run, and the differences of two runs.

use super::checksum::sha256;
use crate::devices::replica::statistics;
use crate::{Schedule, TrainingError};
use burn::module::{Module, ModuleDisplay, ModuleVisitor, Param};
use burn::tensor::Tensor;
use serde_json::{Map, Value, json};
use std::path::Path;

/// All that can be told of a model that is not trained: its description by the caller, the paths
/// and shapes of its parameters, the settings that its modules name and print, and the values that
/// no step changes.
///
/// A module prints what its author wanted to be seen. Burn's layers print their settings, such as
/// strides and the rate of a dropout.
pub(crate) fn describe<N: Module + ModuleDisplay>(model: &N, config: Option<&Value>) -> Value {
    let mut walk = Walk { statistics: statistics(model), ..Walk::default() };
    model.visit(&mut walk);
    json!({
        "config": config,
        "parameters": walk.parameters,
        "settings": walk.settings,
        "fixed": walk.fixed,
        "layers": outline(&model.format(Default::default())),
    })
}

/// The first difference of a model from the one that a checkpoint's weights are of, if any: the
/// first noise with another law or the first parameter of another shape.
///
/// What the checkpoint does not tell is no difference, since older versions told less.
pub(crate) fn same_model<N: Module>(model: &N, run: &Value) -> Option<String> {
    let mut walk = Walk { known: true, ..Walk::default() };
    model.visit(&mut walk);
    let theirs = |field: &str| run["model"][field].as_object();
    let mut found = Vec::new();
    for (field, ours) in [("settings", &walk.settings), ("parameters", &walk.parameters)] {
        let Some(theirs) = theirs(field) else { continue };
        for (path, ours) in ours {
            let Some(theirs) = theirs.get(path) else { continue };
            let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
            if let (Value::Object(ours), Value::Object(theirs)) = (&mut ours, &mut theirs) {
                rename_convention(theirs);
                // Another version may tell other settings of a noise.
                ours.retain(|name, _| theirs.contains_key(name));
                theirs.retain(|name, _| ours.contains_key(name));
                let parameters = walk.beside(path);
                [ours, theirs]
                    .into_iter()
                    .for_each(|side| forget_initial_values(side, &parameters));
            }
            differences(&format!("/{field}/{path}"), &theirs, &ours, &mut found);
        }
    }
    found.into_iter().next().map(|(_, text)| text)
}

/// Gives the scale of a noise, which older versions called its convention, the name of today.
fn rename_convention(specification: &mut Map<String, Value>) {
    if let Some(was) = specification.remove("convention") {
        let is = if was == "scaled" { "relative".into() } else { was };
        specification.insert("scale".into(), is);
    }
}

/// Leaves out of a noise's specification what its law starts from, the settings that are named like
/// its parameters: the weights replace them.
fn forget_initial_values(specification: &mut Map<String, Value>, parameters: &[&str]) {
    let laws = specification.get_mut("law").and_then(Value::as_object_mut);
    for law in laws.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        law.retain(|name, _| !parameters.contains(&name.as_str()));
    }
}

#[derive(Default)]
struct Walk {
    /// True if the values that no step changes are those of a checkpoint, and need no look.
    known: bool,
    path: Vec<String>,
    statistics: std::collections::HashSet<burn::module::ParamId>,
    parameters: Map<String, Value>,
    settings: Map<String, Value>,
    fixed: Map<String, Value>,
}

impl Walk {
    /// The names of the parameters that lie beside the module of this path.
    fn beside(&self, path: &str) -> Vec<&str> {
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        let parameters = self.parameters.keys();
        let parts = parameters.map(|path| path.rsplit_once('.').unwrap_or(("", path)));
        parts.filter(|(of, _)| *of == parent).map(|(_, name)| name).collect()
    }
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, _container: &str) {
        // Noise reports its specification as a name: all that visitors hear of a module.
        if let Ok(settings @ Value::Object(_)) = serde_json::from_str(name) {
            self.settings.insert(self.path.join("."), settings);
        }
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        self.parameters.insert(path.clone(), json!(param.lazy_shape().as_slice()));
        if !self.known && !param.is_require_grad() && !self.statistics.contains(&param.id) {
            let data = param.val().into_data();
            self.fixed.insert(path, sha256(data.as_bytes()).into());
        }
    }
}

/// A printed module, `Type {field: value, ..}` on one line or several, as an object of its fields.
fn outline(text: &str) -> Value {
    let text = text.trim();
    let inner = text.find('{').filter(|_| text.ends_with('}'));
    let Some(begin) = inner else {
        // An address differs from process to process and tells nothing.
        return if text.contains("0x") { Value::Null } else { text.into() };
    };
    let mut fields = Map::new();
    let mut rest = Vec::new();
    for item in items(&text[begin + 1..text.len() - 1]) {
        match item.split_once(": ") {
            Some((name, value)) if !name.contains(['{', '[', '(', '"']) => {
                fields.insert(name.to_string(), outline(value));
            }
            _ => rest.push(item.to_string()),
        }
    }
    if !rest.is_empty() {
        // A set has no order.
        rest.sort_unstable();
        fields.insert(String::new(), rest.into());
    }
    fields.insert("type".into(), text[..begin].trim().into());
    Value::Object(fields)
}

/// The parts between line breaks and commas, outside of brackets and quotes.
fn items(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut begin, mut items) = (0_i32, false, 0, Vec::new());
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'{' | b'[' | b'(' if !quoted => depth += 1,
            b'}' | b']' | b')' if !quoted => depth -= 1,
            b',' | b'\n' if !quoted && depth == 0 => {
                items.push(&text[begin..i]);
                begin = i + 1;
            }
            _ => {}
        }
    }
    items.push(text.get(begin..).unwrap_or_default());
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// True if the run at hand continues the one that a checkpoint is of.
///
/// The number of epochs may differ where learning rates do not depend on it, and where the run has
/// not had more.
pub(crate) fn same_run(
    folder: &Path,
    epoch: usize,
    version: &str,
    theirs: &Value,
    ours: &Value,
    schedule: &Schedule,
) -> Result<(), TrainingError> {
    let mut found = Vec::new();
    differences("", theirs, ours, &mut found);
    let length = found.iter().position(|(path, _)| path == "config/epochs");
    let mut advice = String::new();
    if let Some(length) = length {
        let epochs = ours["config"]["epochs"].as_u64().unwrap_or_default();
        let rates = found.iter().any(|(path, _)| path.starts_with("config/schedule/"));
        if (epochs as usize) < epoch {
            advice = format!("; it has {epoch} epochs already");
        } else if schedule.depends_on_length() || rates {
            advice =
                "; a run can be made longer only where no rate of its schedule depends on its \
                      length, as with a constant rate or the milestones that it began with: begin \
                      a new run in another folder"
                    .into();
        } else {
            found.remove(length);
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    let current = env!("CARGO_PKG_VERSION");
    if version != current {
        found.push((String::new(), format!("version was {version}, is {current}")));
    }
    let more = found.len().saturating_sub(SHOWN);
    let shown: Vec<&str> = found.iter().take(SHOWN).map(|(_, text)| text.as_str()).collect();
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let different = format!("{}{more}{advice}", shown.join("; "));
    Err(TrainingError::OtherRun { path: folder.to_path_buf(), different })
}

/// The number of differences that an error lists.
const SHOWN: usize = 8;

/// The values that differ: their paths, and what both are.
fn differences(path: &str, was: &Value, is: &Value, found: &mut Vec<(String, String)>) {
    match (was, is) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|name| !a.contains_key(*name));
            for name in a.keys().chain(added) {
                let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                differences(&format!("{path}/{name}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b))
            if a.len() == b.len() && a.iter().any(|v| v.is_object() || v.is_string()) =>
        {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}/{i}"), a, b, found);
            }
        }
        _ if was == is => {}
        _ => {
            let path = path.trim_start_matches('/');
            found.push((path.to_string(), format!("{path} was {}, is {}", short(was), short(is))));
        }
    }
}

/// A value in at most a line.
fn short(value: &Value) -> String {
    const LONGEST: usize = 160;
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("..".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_module_is_read_field_by_field() {
        let text = "Net {\n  conv: Conv2d {stride: [1, 2], padding: Explicit(1, 1)}\n  blocks: \
                    Vec<0..1> {\n    0: Dropout {prob: 0.5}\n  }\n  names: {\"b: x\": 1, \"a\": \
                    2}\n  none: None\n  at: 0x7f\n  params: 9\n}";
        let wanted = json!({
            "type": "Net",
            "conv": {"type": "Conv2d", "stride": "[1, 2]", "padding": "Explicit(1, 1)"},
            "blocks": {"type": "Vec<0..1>", "0": {"type": "Dropout", "prob": "0.5"}},
            "names": {"type": "", "": ["\"a\": 2", "\"b: x\": 1"]},
            "none": "None",
            "at": null,
            "params": "9",
        });
        assert_eq!(outline(text), wanted);
    }

    #[test]
    fn differences_are_found_on_both_sides_and_named_by_path() {
        let (was, is) = (json!({"a": {"b": 1, "gone": 2}}), json!({"a": {"b": 3, "new": [1]}}));
        let mut found = Vec::new();
        differences("", &was, &is, &mut found);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["a/b was 1, is 3", "a/gone was 2, is null", "a/new was null, is [1]"]);
    }
}
