//! The identity of attacks (their settings, and labels that tell them apart in a table) and of
//! data.

use crate::EvaluationError;
use crate::files::{canonical, fingerprint, hash_of};
use crate::record::spec::radius;
use cni_attacks::{Attack, AttackBatch, Knob, Threat};
use cni_noise::Key;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// A running hash of all pixels and labels. It does not depend on the split into batches.
#[derive(Clone, Default)]
pub(crate) struct DataHash {
    pixels: Sha256,
    labels: Sha256,
}

impl DataHash {
    pub fn add(&mut self, batch: &AttackBatch, labels: &[i64]) {
        let [_, channels, height, width] = batch.images.dims();
        let shape = format!("{channels} {height} {width} ");
        for label in labels {
            self.labels.update(shape.as_bytes());
            self.labels.update(label.to_le_bytes());
        }
        // Equal pixels are equal data, whatever their element type.
        self.pixels.update(batch.images.to_data().convert::<f32>().as_bytes());
    }

    /// The hash in hexadecimal digits.
    pub fn finish(self) -> String {
        let (pixels, labels) = (self.pixels.finalize(), self.labels.finalize());
        fingerprint(&[&pixels[..], &labels[..]])
    }
}

/// An attack of a suite.
#[derive(Clone)]
pub(crate) struct Entry {
    pub attack: Arc<dyn Attack>,
    /// The name of the attack, with the settings that set it apart from others of that name.
    pub label: String,
    /// All settings of the attack.
    pub spec: Value,
    /// The SHA-256 of the settings.
    pub hash: String,
}

/// The attacks of a suite at another radius.
pub(crate) struct AtRadius {
    pub epsilon: f64,
    pub suite: Vec<Entry>,
}

impl Entry {
    /// The attacks with their labels; an error if two of them have equal settings.
    pub fn all(suite: Vec<Arc<dyn Attack>>) -> Result<Vec<Self>, EvaluationError> {
        let specs: Vec<(String, Value)> =
            suite.iter().map(|attack| (attack.name(), attack.spec())).collect();
        let labels = labels(&specs);
        let mut entries: Vec<Self> = Vec::new();
        for ((attack, (name, spec)), label) in suite.into_iter().zip(specs).zip(labels) {
            let hash = hash_of(&spec);
            if entries.iter().any(|entry| entry.hash == hash) {
                return Err(EvaluationError::DuplicateAttack(name));
            }
            entries.push(Self { attack, label, spec, hash });
        }
        Ok(entries)
    }

    /// The same attack at another radius, for a curve; an error if its radius cannot be set.
    pub fn at(&self, epsilon: f64) -> Result<Self, EvaluationError> {
        let attack = self.attack.with_knob(Knob::Epsilon(epsilon))?;
        let got = attack.threat().epsilon();
        if got != epsilon {
            return Err(EvaluationError::Field {
                field: format!("epsilon of {}", self.label),
                got: got.to_string(),
                wanted: epsilon.to_string(),
            });
        }
        let label = format!("{} at {}", self.label, radius(attack.threat().norm(), epsilon));
        let spec = attack.spec();
        let hash = hash_of(&spec);
        Ok(Self { attack, label, spec, hash })
    }

    /// The key of the attack's random numbers, derived from that of the evaluation.
    pub fn key(&self, evaluation: Key) -> Key {
        evaluation.named("attack").named(&self.hash)
    }
}

/// The labels of attacks with these names and settings. Attacks of different settings have
/// different labels.
///
/// If several attacks share a name, each label adds what sets it apart: the norm, the radius, and
/// as few other settings as are needed.
pub(crate) fn labels(attacks: &[(String, Value)]) -> Vec<String> {
    let mut labels: Vec<String> = attacks.iter().map(|(name, _)| name.clone()).collect();
    for (index, (name, _)) in attacks.iter().enumerate() {
        let group: Vec<usize> =
            (0..attacks.len()).filter(|&other| attacks[other].0 == *name).collect();
        if group.len() < 2 || group[0] != index {
            continue;
        }
        let fields: Vec<Vec<(String, String)>> =
            group.iter().map(|&at| fields(&attacks[at].1)).collect();
        for field in order(&fields) {
            let values: Vec<&str> = fields.iter().map(|own| value(own, &field)).collect();
            let distinct = |values: &[&str]| {
                values.iter().enumerate().all(|(i, value)| !values[..i].contains(value))
            };
            let own: Vec<&str> = group.iter().map(|&at| labels[at].as_str()).collect();
            if distinct(&own) {
                break;
            }
            if values.iter().all(|value| *value == values[0]) {
                continue;
            }
            let values: Vec<String> = values.into_iter().map(String::from).collect();
            for (&at, value) in group.iter().zip(values) {
                labels[at] += &format!(" {value}");
            }
        }
    }
    // Rounding, or a name that looks like a label, can leave two labels alike.
    for index in 1..labels.len() {
        if labels[..index].contains(&labels[index]) {
            labels[index] += &format!(" ({})", &hash_of(&attacks[index].1)[..6]);
        }
    }
    labels
}

/// The fields that any of the attacks has: norm and radius first.
fn order(all: &[Vec<(String, String)>]) -> Vec<String> {
    let mut names: Vec<String> = vec!["norm".to_string(), "epsilon".to_string()];
    for (name, _) in all.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(own, _)| own == name).map_or("-", |(_, value)| value)
}

/// The settings in words: those of the threat by themselves, others with their names.
fn fields(spec: &Value) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let threat = serde_json::from_value::<Threat>(spec["threat"].clone());
    if let Ok(threat) = &threat {
        words.push(("norm".to_string(), format!("{:?}", threat.norm())));
        words.push(("epsilon".to_string(), radius(threat.norm(), threat.epsilon())));
    }
    let others = spec.as_object().into_iter().flatten();
    let others = others.filter(|(name, _)| *name != "threat" || threat.is_err());
    words.extend(others.map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(_) | Value::Object(_) => hash_of(value)[..6].to_string(),
            scalar => canonical(scalar),
        };
        (name.clone(), format!("{name}={text}"))
    }));
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_attacks::Pgd;

    fn labelled(suite: Vec<Arc<dyn Attack>>) -> Vec<String> {
        Entry::all(suite).unwrap().into_iter().map(|entry| entry.label).collect()
    }

    fn pgd(threat: Threat) -> Arc<dyn Attack> {
        Arc::new(Pgd::new(threat))
    }

    #[test]
    fn attacks_of_one_name_are_told_apart_by_what_sets_them_apart() {
        let [four, eight] = [4.0, 8.0].map(|steps| Threat::linf(steps / 255.0).unwrap());
        let l2 = Threat::l2(0.5).unwrap();
        assert_eq!(labelled(vec![pgd(four), pgd(eight)]), ["PGD-10 4/255", "PGD-10 8/255"]);
        let three = labelled(vec![pgd(four), pgd(eight), pgd(l2)]);
        assert_eq!(three, ["PGD-10 Linf 4/255", "PGD-10 Linf 8/255", "PGD-10 L2 0.5"]);
        let fine = Pgd::new(four).with_step_size(0.001).unwrap();
        let steps = labelled(vec![pgd(four), Arc::new(fine), Arc::new(Pgd::fgsm(four))]);
        assert!(steps[0].starts_with("PGD-10 step_size=0.0039"), "{steps:?}");
        assert_eq!(steps[1..], ["PGD-10 step_size=0.001", "FGSM"]);
    }

    #[test]
    fn only_attacks_of_equal_settings_are_refused() {
        let threat = Threat::linf(0.1).unwrap();
        let twice = Entry::all(vec![pgd(threat), pgd(threat)]);
        assert!(matches!(twice, Err(EvaluationError::DuplicateAttack(name)) if name == "PGD-10"));
    }
}
