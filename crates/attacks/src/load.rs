//! Attacks read from records and configuration files.

use crate::methods::LOADERS;
use crate::spec::Spec;
use crate::{Attack, AttackError, Suite};
use cni_noise::nearest_name;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// The attack with the settings in a record or a configuration file: the inverse of
/// [`Attack::spec`].
///
/// Setters check every value. An absent setting has its default, and an unknown one is refused.
/// Names of settings in older records are accepted.
///
/// ```
/// use cni_attacks::{Attack, Pgd, Threat, attack_from_spec};
/// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?).with_steps(20)?;
/// let again = attack_from_spec(&attack.spec())?;
/// assert_eq!(again.spec(), attack.spec());
///
/// let short = serde_json::json!({
///     "attack": "apgd", "threat": { "norm": "l2", "epsilon": 0.5 }, "loss": "dlr", "steps": 50,
/// });
/// assert_eq!(attack_from_spec(&short)?.name(), "APGD-DLR-50");
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
///
/// # Errors
///
/// [`AttackError::Spec`] if the attack or one of its settings is unknown, or if a record cannot
/// describe the attack in full: a transfer from another model, images to start from, a custom loss.
/// Errors of the settings are those of the setters.
pub fn attack_from_spec(spec: &Value) -> Result<Box<dyn Attack>, AttackError> {
    let spec = Spec::new(spec)?;
    match spec.attack() {
        "suite" => Ok(Box::new(Suite::from_spec(spec, attack_from_spec)?)),
        "transfer" => Err(spec.refused(
            "the surrogate model is not in the record, which holds its name only; build the \
             transfer in code and pass the model again",
        )),
        name => match LOADERS.iter().find(|(of, _)| *of == name) {
            Some((_, load)) => load(spec),
            None => {
                let nearest = nearest_name(name, LOADERS.iter().map(|(known, _)| *known));
                let hint = nearest.map_or(String::new(), |name| format!("; the nearest is {name}"));
                Err(spec.refused(format!("this crate has no attack of that name{hint}")))
            }
        },
    }
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = || match Spec::new(&value)? {
            spec if spec.attack() == "suite" => Suite::from_spec(spec, attack_from_spec),
            spec => Err(spec.refused("wanted a suite")),
        };
        read().map_err(de::Error::custom)
    }
}
