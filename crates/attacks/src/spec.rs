//! Attack settings from records and configuration files, read one by one.

use crate::{AttackError, Expectation};
use cni_noise::nearest_name;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The settings of an attack from its [`spec`](crate::Attack::spec) or from a configuration file.
///
/// Each setting goes through the attack's setter, which checks it. A setting that is absent or null
/// keeps its default. A setting that nobody has taken is unknown to the attack, and
/// [`done`](Self::done) refuses it.
pub struct Spec {
    attack: String,
    left: Map<String, Value>,
    /// The settings that were asked for, present or not.
    known: Vec<String>,
}

impl Spec {
    /// The settings in a JSON object. Its entry `attack` names the attack.
    ///
    /// # Errors
    ///
    /// [`AttackError::Spec`] if `value` is not such an object.
    pub fn new(value: &Value) -> Result<Self, AttackError> {
        let mut left = value.as_object().cloned().unwrap_or_default();
        match left.remove("attack") {
            Some(Value::String(attack)) => Ok(Self { attack, left, known: Vec::new() }),
            _ => Err(AttackError::Spec {
                attack: "attack".to_string(),
                reason: "wanted an object whose `attack` is the name of one".to_string(),
            }),
        }
    }

    /// The name of the attack: its entry `attack`.
    pub fn attack(&self) -> &str {
        &self.attack
    }

    /// The error that refuses these settings for a reason; it names the attack.
    pub fn refused(&self, reason: impl Into<String>) -> AttackError {
        AttackError::Spec { attack: self.attack.clone(), reason: reason.into() }
    }

    /// Renames a setting from its older name to the current one.
    pub fn rename(&mut self, old: &str, new: &str) {
        if let Some(value) = self.left.remove(old) {
            self.left.insert(new.to_string(), value);
        }
    }

    /// Replaces a nested object by the settings inside it.
    pub fn flatten(&mut self, key: &str) {
        if let Some(Value::Object(inner)) = self.left.remove(key) {
            self.left.extend(inner);
        }
    }

    /// Takes a setting; `None` if it is absent or null.
    ///
    /// # Errors
    ///
    /// [`AttackError::Spec`] if the value has the wrong type.
    pub fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, AttackError> {
        self.known.push(key.to_string());
        match self.left.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match serde_json::from_value(value) {
                Ok(value) => Ok(Some(value)),
                Err(error) => Err(self.refused(format!("{key}: {error}"))),
            },
        }
    }

    /// Takes a required setting. Errors as [`take`](Self::take), and if the setting is absent.
    pub fn need<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, AttackError> {
        self.take(key)?.ok_or_else(|| self.refused(format!("{key}: got none, wanted a value")))
    }

    /// Takes a setting, if present, and passes it to the attack's setter. Errors: those of
    /// [`take`](Self::take) and of the setter.
    pub fn set<A, T: DeserializeOwned>(
        &mut self,
        attack: A,
        key: &str,
        setter: impl FnOnce(A, T) -> Result<A, AttackError>,
    ) -> Result<A, AttackError> {
        match self.take(key)? {
            Some(value) => setter(attack, value),
            None => Ok(attack),
        }
    }

    /// As [`set`](Self::set), but skips the setter if the value is the one that the attack has
    /// already. Records contain every setting, also one without effect, which its setter would
    /// refuse.
    pub fn set_other<A, T: DeserializeOwned + PartialEq>(
        &mut self,
        attack: A,
        key: &str,
        has: T,
        setter: impl FnOnce(A, T) -> Result<A, AttackError>,
    ) -> Result<A, AttackError> {
        self.set(attack, key, |attack, value| match value == has {
            true => Ok(attack),
            false => setter(attack, value),
        })
    }

    /// Takes the expectation of an attack that only supports the mean of the losses; an error if it
    /// is another.
    pub fn only_mean_loss(&mut self) -> Result<(), AttackError> {
        match self.take("expectation")? {
            None | Some(Expectation::Loss) => Ok(()),
            Some(other) => Err(self.refused(format!("expectation: got {other:?}, wanted Loss"))),
        }
    }

    /// Returns the attack if every setting has been taken.
    ///
    /// # Errors
    ///
    /// [`AttackError::Spec`] if a setting is unknown to the attack.
    pub fn done<A>(self, attack: A) -> Result<A, AttackError> {
        match self.left.keys().next() {
            None => Ok(attack),
            Some(key) => {
                let nearest = nearest_name(key, self.known.iter().map(String::as_str));
                let hint = nearest.map_or(String::new(), |name| format!("; the nearest is {name}"));
                Err(self.refused(format!("{key}: there is no such setting{hint}")))
            }
        }
    }
}

/// An attack that is fully described by its settings.
pub trait FromSpec: Sized {
    /// The name of the attack in records.
    const NAME: &'static str;

    /// The attack with these settings.
    ///
    /// # Errors
    ///
    /// Those of its setters, and of the methods of [`Spec`].
    fn from_spec(spec: Spec) -> Result<Self, AttackError>;
}

/// `Deserialize` for an attack that is [`FromSpec`]. Setters check each value, and the name must be
/// that of the attack.
macro_rules! deserialize_from_spec {
    ($attack:ty) => {
        impl<'de> serde::Deserialize<'de> for $attack {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                let read = || {
                    let spec = $crate::spec::Spec::new(&value)?;
                    let name = <Self as $crate::spec::FromSpec>::NAME;
                    match spec.attack() == name {
                        true => <Self as $crate::spec::FromSpec>::from_spec(spec),
                        false => Err(spec.refused(format!("wanted the attack `{name}`"))),
                    }
                };
                read().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use deserialize_from_spec;
