//! The averages: a second model whose weights follow those of the first.
//!
//! A new built-in rule is one file here, and one row in [`BUILT_IN`].

mod ema;
mod statistics;
mod swa;

pub use ema::Ema;
pub use statistics::BatchStatistics;
pub(crate) use statistics::Recomputation;
pub use swa::Swa;

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
/// Stochastic weight averaging, [`Swa`], for example, has the weight `1 / (n + 1)` at the end of
/// the epoch number n after its start, and none elsewhere.
pub trait AverageRule: Send + Sync {
    /// All settings, as a JSON object whose entry `average` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// The weight `w` in [0, 1] of the model after a step: the average becomes
    /// `(1 − w) average + w model`. 1 copies the model; `None` leaves the average as it is.
    fn weight(&self, info: &StepInfo) -> Option<f64>;

    /// The running statistics that the averaged model has.
    fn batch_statistics(&self) -> BatchStatistics {
        BatchStatistics::Averaged
    }

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
const BUILT_IN: &[(&str, Load<Average>)] =
    &[(Ema::NAME, load::<Ema, _>), (Swa::NAME, load::<Swa, _>)];

impl Average {
    /// The exponential moving average with this decay, from the first step on: [`Ema`].
    pub fn ema(decay: f64) -> Self {
        Ema { decay, start_epoch: 0, batch_statistics: None }.into()
    }

    /// The mean of the weights at the end of each epoch from this one on, counted from 0, with
    /// batch statistics of its own: [`Swa`].
    pub fn swa(start_epoch: usize) -> Self {
        Swa { start_epoch, batch_statistics: BatchStatistics::default() }.into()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    pub(crate) fn weight(&self, info: &StepInfo) -> Option<f64> {
        self.0.weight(info)
    }

    pub(crate) fn batch_statistics(&self) -> BatchStatistics {
        self.0.batch_statistics()
    }

    pub(crate) fn label(&self) -> String {
        format!("average rule {}", rule_name("average", &self.spec()))
    }

    pub(crate) fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_spec("average", &self.spec())?;
        let checked = self.0.check(epochs).and_then(|()| self.batch_statistics().check());
        checked.map_err(|error| error.of(|| self.label()))
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

/// Refuses an average that begins after the run's last epoch.
fn check_start(start_epoch: usize, epochs: usize) -> Result<(), TrainingError> {
    if start_epoch < epochs {
        return Ok(());
    }
    let got = format!("{start_epoch} of {epochs} epochs");
    Err(TrainingError::setting("start_epoch", got, "an epoch of the run"))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use cni_noise::Key;

    #[derive(Module, Debug)]
    struct Point {
        p: Param<Tensor<1>>,
    }

    /// What `tests/reference/averages.py` of the repository has written.
    pub fn reference() -> Value {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/averages.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    pub fn list(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    #[test]
    fn averages_are_those_of_pytorchs_averaged_model() {
        let reference = reference();
        let steps = reference["steps"].as_array().unwrap();
        let start = reference["start_epoch"].as_u64().unwrap() as usize;
        let per_epoch = steps.len() / reference["epochs"].as_u64().unwrap() as usize;
        let decay = reference["decay"].as_f64().unwrap();
        let tensor =
            |weights: &[f64]| Tensor::<1>::from_data(TensorData::from(weights), &Device::flex());
        for (name, rule) in [("ema", Average::ema(decay)), ("swa", Average::swa(start))] {
            let point = Point { p: Param::from_tensor(tensor(&[0.0])) };
            let (mut average, mut compared) = (None, 0);
            for (i, step) in steps.iter().enumerate() {
                let info = StepInfo {
                    key: Key::new(0),
                    epoch: i / per_epoch,
                    step: i,
                    ends_epoch: (i + 1).is_multiple_of(per_epoch),
                    examples: 8,
                    lr: 0.3,
                };
                let model = Point { p: point.p.clone().map(|_| tensor(&list(&step["weights"]))) };
                if let Some(weight) = rule.weight(&info) {
                    average = Some(match average {
                        Some(average) if weight < 1.0 => moved(average, &model, weight),
                        _ => model,
                    });
                }
                let Some(Point { p }) = average.as_ref().filter(|_| step.get(name).is_some())
                else {
                    continue;
                };
                let got: Vec<f64> = p.val().try_to_vec_as().unwrap();
                for (got, wanted) in got.iter().zip(list(&step[name])) {
                    assert!((got - wanted).abs() < 1e-6, "{name}, {i}: {got} ≠ {wanted}");
                }
                compared += 1;
            }
            assert_eq!(compared, if name == "ema" { 12 } else { 3 });
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_and_others_come_back() {
        let refused = |average: Average| average.check(3).unwrap_err().to_string();
        let says = "average rule swa: start_epoch: got 3 of 3 epochs, wanted an epoch of the run";
        assert_eq!(refused(Average::swa(3)), says);
        let none = Swa { start_epoch: 1, batch_statistics: BatchStatistics::Recomputed(0) };
        let says = "average rule swa: batch_statistics: got recomputed from 0, wanted at least 1";
        assert!(refused(none.into()).starts_with(says));
        for (text, wanted) in [
            (r#"{"average":"swa","start_epoch":1}"#, BatchStatistics::Recomputed(10_000)),
            (
                r#"{"average":"swa","start_epoch":1,"batch_statistics":"averaged"}"#,
                BatchStatistics::Averaged,
            ),
            (r#"{"average":"ema","decay":0.9}"#, BatchStatistics::Averaged),
            (
                r#"{"average":"ema","decay":0.9,"batch_statistics":{"recomputed":99}}"#,
                BatchStatistics::Recomputed(99),
            ),
        ] {
            let read: Average = serde_json::from_str(text).unwrap();
            assert_eq!(read.batch_statistics(), wanted);
            let again: Average = serde_json::from_value(read.spec()).unwrap();
            assert_eq!(again.spec(), read.spec());
        }
    }
}
