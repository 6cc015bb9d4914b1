//! Batches of a random size: empty ones, and parts of bounded size.

use crate::support::distance;
use crate::support::linear_net::{Net, config, data, trainer};
use burn::tensor::{Device, Tensor};
use cni_data::Sampler;
use cni_noise::{ExampleIds, current_examples};
use cni_training::{
    Devices, Gradient, GradientRule, Losses, Objective, ObjectiveRule, Parallel, ParameterValues,
    RuleState, Step, StepError, StepInfo, Trained, Trainer, TrainingConfig,
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Ten epochs of 6 steps with 3 of 18 examples expected: a batch is empty with probability
/// (5/6)^18, 3.8 %.
fn poisson() -> TrainingConfig {
    TrainingConfig { batch_size: 3, sampler: Sampler::poisson(), epochs: 10, ..config() }
}

#[test]
fn an_empty_batch_is_a_step_whose_gradient_is_zero() {
    /// Notes the examples and the largest gradient of every step.
    struct Note(Arc<Mutex<Vec<(usize, usize, f64)>>>);
    impl GradientRule for Note {
        fn spec(&self) -> Value {
            json!({ "gradient": "note" })
        }
        fn finish(
            &self,
            gradients: ParameterValues,
            info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            let of = |(_, g): (_, &Tensor<1>)| g.clone().abs().max().into_scalar::<f64>();
            let largest = gradients.iter().map(of).fold(0.0, f64::max);
            assert_eq!(gradients.len(), 4);
            self.0.lock().unwrap().push((info.step, info.examples, largest));
            Ok(gradients)
        }
    }
    let notes = Arc::default();
    let config = TrainingConfig { gradient: Note(Arc::clone(&notes)).into(), ..poisson() };
    let trained = run_on(config, 18);
    let notes = notes.lock().unwrap();
    assert_eq!(notes.len(), 60);
    assert!(notes.iter().enumerate().all(|(i, (step, ..))| *step == i));
    let empty = notes.iter().filter(|(_, examples, _)| *examples == 0).count();
    assert!(empty > 0);
    assert!(notes.iter().all(|(_, examples, largest)| (*examples == 0) == (*largest == 0.0)));
    assert!(trained.history.iter().all(|row| row.train.loss.is_some_and(f64::is_finite)));
}

#[test]
fn examples_of_random_batches_are_known_by_their_positions_in_the_data() {
    /// Notes the ids of a step's examples, those that its passes see, and the positions.
    struct Note(Arc<Mutex<Vec<[Vec<u64>; 3]>>>);
    impl ObjectiveRule for Note {
        fn spec(&self) -> Value {
            json!({ "objective": "note" })
        }
        fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
            let positions: Vec<u64> = step.batch().indices.iter().map(|&i| i as u64).collect();
            let rows = 0..positions.len();
            let ids = |of: &ExampleIds| rows.clone().map(|row| of.id(row)).collect();
            let seen = step.under("note", current_examples);
            self.0.lock().unwrap().push([ids(step.examples()), ids(&seen), positions]);
            Objective::clean().losses(step)
        }
    }
    let noted = |config: TrainingConfig| {
        let notes = Arc::default();
        run_on(TrainingConfig { objective: Note(Arc::clone(&notes)).into(), ..config }, 18);
        let noted = notes.lock().unwrap().clone();
        assert!(!noted.is_empty());
        noted
    };
    for micro_batch in [None, Some(2)] {
        for [own, seen, positions] in noted(TrainingConfig { micro_batch, ..poisson() }) {
            assert_eq!((&own, &seen), (&positions, &positions));
        }
    }
    let ordered = TrainingConfig { sampler: Sampler::epochs(), ..poisson() };
    for (number, [own, seen, _]) in noted(ordered).into_iter().enumerate() {
        let first = number as u64 % 6 * 3;
        assert_eq!((&own, &seen), (&vec![first, first + 1, first + 2], &own));
    }
}

#[test]
fn micro_batches_bound_the_parts_of_a_batch_and_keep_its_step() {
    let of = |micro_batch| {
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let forward = move |net: &Net, images: Tensor<4>| {
            if images.is_autodiff() {
                seen.fetch_max(images.dims()[0], Ordering::Relaxed);
            }
            net.forward(images)
        };
        let folder = tempfile::tempdir().unwrap();
        let config = TrainingConfig { micro_batch, ..poisson() };
        let trained = trainer(config, folder.path()).run(Net::new(), forward, data().0.take(18));
        (trained.unwrap().model, most.load(Ordering::Relaxed))
    };
    let ((whole, most), (parts, bounded)) = (of(None), of(Some(2)));
    assert!(most > 4 && bounded == 2, "{most} {bounded}");
    assert!(distance(&whole, &parts) < 1e-4);
    let says = trainer_error(TrainingConfig { micro_batch: Some(0), ..poisson() });
    assert_eq!(says, "micro_batch: got 0, wanted at least 1");
    let awp = Gradient::awp(0.01);
    let says = trainer_error(TrainingConfig { micro_batch: Some(2), gradient: awp, ..poisson() });
    let wanted =
        "micro_batch: got 2 with the gradient rule awp, wanted none, or a gradient rule that";
    assert!(says.starts_with(wanted), "{says}");
}

#[test]
fn batches_that_may_be_empty_need_one_device() {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
    let trainer = trainer(poisson(), folder.path()).with_devices(devices);
    let error = trainer.run(Net::new(), Net::forward, data().0.take(18)).err().unwrap();
    let says = "devices: got 2 with the sampler poisson, wanted one device, or a sampler whose";
    assert!(error.to_string().starts_with(says), "{error}");
}

fn run_on(config: TrainingConfig, examples: usize) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let data = data().0.take(examples);
    trainer(config, folder.path()).run(Net::new(), Net::forward, data).unwrap()
}

fn trainer_error(config: TrainingConfig) -> String {
    Trainer::<Net>::new(config, "unused").err().unwrap().to_string()
}
