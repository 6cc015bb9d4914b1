//! Any noise law as a value that is cloned, compared, saved and loaded.

use super::validate::entry;
use super::{BUILT_IN, NoiseLaw, TensorShape};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A noise law with its settings: one of the library's, or a custom [`NoiseLaw`]. It is used as the
/// law that it holds.
///
/// As JSON it is the law's [`spec`](NoiseLaw::spec), by which laws are also compared. A custom law
/// can be written and not read back.
#[derive(Clone)]
pub struct NoiseKind(Arc<dyn NoiseLaw>);

impl NoiseKind {
    /// Every law of the library, with settings for a tensor of this shape.
    pub fn all(shape: &TensorShape) -> Vec<Self> {
        BUILT_IN.iter().flat_map(|law| (law.examples)(shape)).collect()
    }
}

impl<L: NoiseLaw> From<L> for NoiseKind {
    fn from(law: L) -> Self {
        Self(Arc::new(law))
    }
}

impl Deref for NoiseKind {
    type Target = dyn NoiseLaw;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for NoiseKind {
    fn eq(&self, other: &Self) -> bool {
        self.spec() == other.spec()
    }
}

impl<'de> Deserialize<'de> for NoiseKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        built_in(&Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The built-in law of a specification.
fn built_in(spec: &Value) -> Result<NoiseKind, String> {
    let Some((name, settings)) = entry(spec) else {
        return Err(format!("law: got {spec}, wanted the name of a law with its settings"));
    };
    let Some(law) = BUILT_IN.iter().find(|law| law.name == name) else {
        return Err(format!(
            "law: got {name}, wanted one of {}; a custom law is built in code",
            BUILT_IN.iter().map(|law| law.name).collect::<Vec<_>>().join(", ")
        ));
    };
    (law.load)(settings.clone()).map_err(|error| format!("law {name}: {error}"))
}

impl fmt::Debug for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The name of the law.
impl fmt::Display for NoiseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
