//! Custom functions of logits and labels: a loss, or the margin of a goal.

use crate::AttackError;
use crate::rows::{align, at_least_single};
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

type Function = dyn Fn(Tensor<2>, &Tensor<1, Int>) -> Tensor<1> + Send + Sync;

/// A custom function that maps logits `[batch, classes]` and labels `[batch]` to a value of each
/// example, `[batch]`, with a name for records.
///
/// It serves as a [`Loss`](crate::Loss) and as the margin of a [`Goal`](crate::Goal). Each value
/// may depend on its own row of logits alone, since examples leave an attack one by one. Logits
/// come in at least single precision, labels on the same device. An attack refuses a function that
/// gives the wrong number of values, values that are not finite, or, if it needs a gradient, values
/// that Burn cannot differentiate.
///
/// Records hold the name. Two functions are equal only if they are clones of the same value.
#[derive(Clone)]
pub struct LossFn {
    name: Arc<str>,
    min_classes: usize,
    function: Arc<Function>,
}

impl LossFn {
    /// A custom function under a name for records, for models of two classes or more. `function`
    /// gets logits and labels, and gives a value for each image, `[batch]`.
    pub fn new(
        name: impl Into<Arc<str>>,
        function: impl Fn(Tensor<2>, &Tensor<1, Int>) -> Tensor<1> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), min_classes: 2, function: Arc::new(function) }
    }

    /// The fewest classes that the function can tell apart: a model of fewer is refused before the
    /// function is called.
    pub fn with_min_classes(self, min_classes: usize) -> Self {
        Self { min_classes, ..self }
    }

    /// The name that records hold.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fewest classes that the function can tell apart.
    pub fn min_classes(&self) -> usize {
        self.min_classes
    }

    /// The values of the function, unchecked.
    pub(crate) fn values(&self, logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
        let logits = at_least_single(logits);
        let labels = align(labels, &logits);
        (self.function)(logits, &labels)
    }

    /// Checks that there is one value for each image.
    pub(crate) fn check_shape(&self, values: &Tensor<1>, wanted: usize) -> Result<(), AttackError> {
        match values.dims() {
            [got] if got != wanted => {
                Err(AttackError::LossShape { name: self.name.to_string(), got, wanted })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for LossFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LossFn({:?})", self.name)
    }
}

impl PartialEq for LossFn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.function, &other.function)
    }
}

impl Eq for LossFn {}

impl Hash for LossFn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Serialize for LossFn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LossFn {
    /// Always an error: a record holds only the name of the function.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Err(de::Error::custom(format!(
            "the loss `{name}` is a function of the program that wrote this, which holds its name \
             only; build the attack in code and pass the function again"
        )))
    }
}
