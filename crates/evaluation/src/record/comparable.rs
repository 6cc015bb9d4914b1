//! Conditions under which two records can be compared.

use crate::{Evaluated, EvaluationError, Row};
use cni_attacks::Threat;
use std::fmt::Display;

/// Refuses two records that differ in their data or threats.
pub(crate) fn refuse(a: &Evaluated, b: &Evaluated) -> Result<(), EvaluationError> {
    let (x, y) = (&a.record, &b.record);
    equal("data.name", &x.data.name, &y.data.name)?;
    if x.data.fingerprint.is_empty() && y.data.fingerprint.is_empty() {
        return Err(EvaluationError::Field {
            field: "data.fingerprint".to_string(),
            got: "nothing in both records".to_string(),
            wanted: "a hash of the data in each, by which they are known to be of the same"
                .to_string(),
        });
    }
    equal("data.fingerprint", &x.data.fingerprint, &y.data.fingerprint)?;
    equal("examples", x.examples, y.examples)?;
    for (x, y) in a.rows.iter().zip(&b.rows) {
        equal("index", x.index, y.index)?;
        if x.label != y.label {
            let of = |row: &Row| format!("{} of example {}", row.label, row.index);
            return Err(differs("label", of(x), of(y)));
        }
    }
    if let Some([x, y]) = other_threats(&x.threat.threats, &y.threat.threats) {
        return Err(differs("threat.threats", x, y));
    }
    equal("threat.goal", &x.threat.goal, &y.threat.goal)?;
    equal("threat.domain", &x.threat.domain, &y.threat.domain)?;
    equal("confidence", x.confidence, y.confidence)?;
    if a.rows.is_empty() {
        return Err(EvaluationError::NoData);
    }
    Ok(())
}

/// The threats of two models in words, if one of them was attacked within a threat that the other
/// was not.
pub(crate) fn other_threats(a: &[Threat], b: &[Threat]) -> Option<[String; 2]> {
    let lacks = |some: &[Threat], all: &[Threat]| some.iter().any(|threat| !all.contains(threat));
    let words = |threats: &[Threat]| {
        let word = |threat: &Threat| format!("{:?} {}", threat.norm(), threat.epsilon());
        threats.iter().map(word).collect::<Vec<_>>().join(", ")
    };
    (lacks(a, b) || lacks(b, a)).then(|| [a, b].map(words))
}

fn equal<T: PartialEq + Display>(field: &'static str, a: T, b: T) -> Result<(), EvaluationError> {
    if a == b {
        return Ok(());
    }
    Err(differs(field, a.to_string(), b.to_string()))
}

fn differs(field: &'static str, a: String, b: String) -> EvaluationError {
    let quiet = |text: String| if text.is_empty() { "nothing".to_string() } else { text };
    EvaluationError::Differs { field, a: quiet(a), b: quiet(b) }
}
