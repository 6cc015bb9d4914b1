//! Settings of attacks in records.

use cni_attacks::Norm;
use serde_json::Value;

/// The settings without those that have no meaning for a model without noise: the number of draws,
/// and what is averaged over them.
///
/// The draws of a surrogate that an attack transfers from stay: they are settings of that model.
pub(crate) fn without_draws(spec: &Value) -> Value {
    let meaningless =
        |name: &str| ["draws", "verdict_draws", "judging_draws", "expectation"].contains(&name);
    match spec {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !meaningless(name));
            let kept = kept.map(|(name, value)| match name.as_str() {
                "attacks" => (name.clone(), without_draws(value)),
                _ => (name.clone(), value.clone()),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_draws).collect()),
        other => other.clone(),
    }
}

/// A radius in words: in 255ths if it is a whole number of them.
pub(crate) fn radius(norm: Norm, epsilon: f64) -> String {
    let steps = 255.0 * epsilon;
    match norm {
        _ if epsilon.is_infinite() => "unbounded".to_string(),
        Norm::Linf if steps > 0.5 && (steps - steps.round()).abs() < 1e-6 => {
            format!("{}/255", steps.round())
        }
        _ => format!("{}", (epsilon * 1e6).round() / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_attacks::{Apgd, Attack, Pgd, Suite, Threat};

    #[test]
    fn draws_are_the_only_difference_between_an_attack_and_its_form_without_noise() {
        let threat = Threat::linf(0.1).unwrap();
        let eot = Pgd::new(threat).with_draws(8).unwrap();
        assert_ne!(eot.spec(), Pgd::new(threat).spec());
        assert_eq!(without_draws(&eot.spec()), without_draws(&Pgd::new(threat).spec()));
        let other = Pgd::new(threat).with_steps(20).unwrap();
        assert_ne!(without_draws(&other.spec()), without_draws(&Pgd::new(threat).spec()));
        let suite = |draws| {
            let apgd = Apgd::cross_entropy(threat).with_draws(draws).unwrap();
            Suite::custom("own", vec![Box::new(apgd)])
                .unwrap()
                .with_judging_draws(draws)
                .unwrap()
                .spec()
        };
        assert_eq!(without_draws(&suite(4)), without_draws(&suite(1)));
    }
}
