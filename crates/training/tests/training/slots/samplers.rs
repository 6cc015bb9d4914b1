//! Samplers of one's own: they decide the batches, and a broken contract is named.

use crate::support::linear_net::{Net, config, data, resumed, run, trainer};
use crate::support::numbers;
use burn::tensor::Device;
use cni_data::SamplerRule;
use cni_noise::{Key, host_uniform};
use cni_training::{
    Devices, GradientRule, Parallel, ParameterValues, RuleState, Schedule, StepError, StepInfo,
    TrainingConfig, TrainingError,
};
use serde_json::{Value, json};

/// So many batches with replacement; from epoch `broken` on with an example that is not there.
struct Bootstrap {
    batches: usize,
    broken: usize,
}

impl Bootstrap {
    const OF_FIVE: Self = Self { batches: 5, broken: usize::MAX };
}

impl SamplerRule for Bootstrap {
    fn spec(&self) -> Value {
        json!({ "sampler": "bootstrap", "batches": self.batches })
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let index = |u: f32| (f64::from(u) * examples as f64) as usize;
        let batch = |n: usize| -> Vec<usize> {
            let draws = host_uniform(key.child(epoch as u64).child(n as u64), 0..batch_size as u64);
            draws.into_iter().map(index).collect()
        };
        let mut plan: Vec<_> = (0..self.batches).map(batch).collect();
        if epoch >= self.broken {
            plan[1][3] = examples;
        }
        plan
    }

    fn batches(&self, _examples: usize, _batch_size: usize) -> usize {
        self.batches
    }
}

/// The gradient itself; it expects five steps an epoch.
struct FiveSteps;

impl GradientRule for FiveSteps {
    fn spec(&self) -> Value {
        json!({ "gradient": "five_steps" })
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        assert_eq!(info.step / 5, info.epoch);
        Ok(gradients)
    }
}

#[test]
fn a_custom_sampler_decides_the_batches_and_resumes_exactly() {
    let three = || TrainingConfig {
        sampler: Bootstrap { batches: 3, ..Bootstrap::OF_FIVE }.into(),
        ..config()
    };
    let whole = run(three()).unwrap();
    assert_eq!(numbers(&resumed(three).model), numbers(&whole.model));
    assert_ne!(numbers(&run(config()).unwrap().model), numbers(&whole.model));
    let five = TrainingConfig {
        sampler: Bootstrap::OF_FIVE.into(),
        gradient: FiveSteps.into(),
        schedule: Schedule::custom(json!({ "name": "flat" }), |at, of| {
            assert!(at < of && of == 15);
            0.1
        }),
        ..config()
    };
    assert_eq!(run(five).unwrap().history.len(), 3);
}

#[test]
fn another_sampler_is_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = TrainingConfig { sampler: Bootstrap::OF_FIVE.into(), ..config() };
    trainer(bootstrap, folder.path()).run(Net::new(), Net::forward, data().0).unwrap();
    let other = trainer(config(), folder.path()).resume(true);
    let error = other.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.contains(r#"config/sampler/sampler was "bootstrap", is "epochs""#), "{error}");
}

#[test]
fn a_sampler_that_breaks_its_contract_is_named() {
    let broken = |epoch| TrainingConfig {
        sampler: Bootstrap { broken: epoch, ..Bootstrap::OF_FIVE }.into(),
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let says =
        |epoch| format!("sampler bootstrap: example in batch 1 of epoch {epoch}: got 192, wanted");
    let error = trainer(broken(0), &out).run(Net::new(), Net::forward, data().0).unwrap_err();
    assert!(error.to_string().contains(&says(0)), "{error}");
    assert!(!out.exists());
    let error = trainer(broken(2), &out).run(Net::new(), Net::forward, data().0).unwrap_err();
    assert!(error.to_string().contains(&says(2)), "{error}");
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }));
}

/// Three batches, the one in the middle of a single example from epoch `small` on.
struct Uneven {
    small: usize,
}

impl SamplerRule for Uneven {
    fn spec(&self) -> Value {
        json!({ "sampler": "uneven", "small": self.small })
    }

    fn plan(&self, _: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let size = |batch| if batch == 1 && epoch >= self.small { 1 } else { batch_size };
        let index = |batch: usize, i: usize| (batch * batch_size + i) % examples;
        (0..3).map(|batch| (0..size(batch)).map(|i| index(batch, i)).collect()).collect()
    }

    fn batches(&self, _examples: usize, _batch_size: usize) -> usize {
        3
    }
}

#[test]
fn a_batch_in_the_midst_without_an_example_for_each_device_is_refused_in_any_epoch() {
    let run = |small, devices| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainingConfig { sampler: Uneven { small }.into(), ..config() };
        let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap();
        let trainer = trainer(config, folder.path()).with_devices(devices);
        trainer.run(Net::new(), Net::forward, data().0)
    };
    let error = run(0, 2).unwrap_err().to_string();
    assert!(error.starts_with("train: got 1 examples in batch 1 for 2 devices, wanted"), "{error}");
    let error = run(2, 2).unwrap_err();
    let says = "sampler uneven: batch 1 of epoch 2: got 1 examples for 2 devices, wanted";
    assert!(error.to_string().contains(says), "{error}");
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }));
    assert_eq!(run(0, 1).unwrap().history.len(), 3);
}
