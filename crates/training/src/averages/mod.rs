//! The averages: a second model whose weights follow those of the first.
//!
//! A new built-in rule is one file here, and one row in [`BUILT_IN`].

mod ema;

pub use ema::Ema;

use crate::TrainingError;
use crate::parameters::{MapFloat, VisitFloat, map_floats, visit_floats};
use crate::step::StepInfo;
use burn::module::{Module, Param, ParamId};
use burn::tensor::Tensor;
use cni_data::slots::{Load, check_spec, custom_or_built_in, load, rule_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A rule that moves an averaged model towards the trained one.
///
/// The run validates, saves and resumes the averaged model beside the trained one: the averaged one
/// decides which epoch is the best, and is what a run returns and what loading gives. Until the
/// rule first has a weight, there is no averaged model.
///
/// Stochastic weight averaging, for example, has the weight `1 / (n + 1)` at the end of the epoch
/// number n after its start, and none elsewhere.
pub trait AverageRule: Send + Sync {
    /// All settings, as a JSON object whose entry `average` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// The weight `w` in [0, 1] of the model after a step: the average becomes
    /// `(1 − w) average + w model`. 1 copies the model; `None` leaves the average as it is.
    fn weight(&self, info: &StepInfo) -> Option<f64>;

    /// Checks the settings for a run of so many epochs.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Setting`] for a setting out of its range, or without an effect.
    fn check(&self, _epochs: usize) -> Result<(), TrainingError> {
        Ok(())
    }
}

/// An average of the weights: a built-in rule, or a custom [`AverageRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone)]
pub struct Average(Arc<dyn AverageRule>);

/// The built-in rules by name, and how they are read.
const BUILT_IN: &[(&str, Load<Average>)] = &[(Ema::NAME, load::<Ema, _>)];

impl Average {
    /// The exponential moving average with this decay, from the first step on: [`Ema`].
    pub fn ema(decay: f64) -> Self {
        Ema { decay, start_epoch: 0 }.into()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    pub(crate) fn weight(&self, info: &StepInfo) -> Option<f64> {
        self.0.weight(info)
    }

    pub(crate) fn label(&self) -> String {
        format!("average rule {}", rule_name("average", &self.spec()))
    }

    pub(crate) fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_spec("average", &self.spec())?;
        self.0.check(epochs).map_err(|error| error.of(|| self.label()))
    }
}

/// The average moved by a weight towards the model, running statistics included; parameters that
/// are no floats are those of the average.
///
/// Both are as by `valid()`, so that they share no running statistics.
pub(crate) fn moved<N: Module>(average: N, model: &N, weight: f64) -> N {
    struct Read(HashMap<ParamId, Tensor<1>>);
    impl VisitFloat for Read {
        fn visit<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
            let value = param.base();
            let count = value.dims().iter().product::<usize>();
            self.0.insert(param.id, value.reshape([count]));
        }
    }
    struct Move(HashMap<ParamId, Tensor<1>>, f64);
    impl MapFloat for Move {
        fn map<const D: usize>(&mut self, _: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(value) = self.0.remove(&param.id) else { return param };
            let weight = self.1;
            param.map(|old| {
                let new = value.reshape(old.dims());
                old.clone() + (new - old).mul_scalar(weight)
            })
        }
    }
    let mut read = Read(HashMap::new());
    visit_floats(model, &mut read);
    map_floats(average, &mut Move(read.0, weight))
}

impl<R: AverageRule + 'static> From<R> for Average {
    fn from(rule: R) -> Self {
        Self(Arc::new(rule))
    }
}

impl Serialize for Average {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Average {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("average", BUILT_IN, Average::spec, spec).map_err(de::Error::custom)
    }
}

impl fmt::Debug for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Average({})", self.spec())
    }
}
