//! Training on several devices: that it is training on one, where it can be, and what it is
//! elsewhere.
//!
//! The devices are handles of one CPU. Each has its own thread, its own copy of the model and its
//! own share of the batch. One file, because every test is the same small run on other devices.

use crate::support::{distance, numbers};
use burn::module::{Module, Param, Reparameterization, Reparameterizer};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::{Augmentation, ImageData, Loader, Split, digits};
use cni_noise::{Key, Noise, current_examples, layer_key, normal_at, scope};
use cni_ops::{Precision, autocast};
use cni_training::{
    Devices, Objective, Parallel, Progress, Schedule, Sgd, Trained, Trainer, TrainingConfig,
    TrainingError,
};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const HIDDEN: usize = 32;

/// Noise on a weight with a learned scale, one draw for a batch.
#[derive(Module, Debug)]
struct WeightNoise {
    alpha: Param<Tensor<1>>,
}

impl Reparameterization for WeightNoise {
    const NAME: &'static str = "noise";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        match layer_key("weight", &base.device()) {
            Some(key) => {
                let drawn = normal_at(key, 0, base.dims(), &base);
                base + drawn * self.alpha.val().reshape([1; D])
            }
            None => base,
        }
    }
}

struct AddWeightNoise;

impl Reparameterizer for AddWeightNoise {
    type Reparam = WeightNoise;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<WeightNoise>) {
        let alpha = || Initializer::Constant { value: 0.02 }.init([1], &Device::flex());
        let noise = (path == "hidden.weight").then(|| WeightNoise { alpha: alpha() });
        (param, noise)
    }
}

/// A perceptron with noise on its weights, and on its hidden units, there one draw for each
/// example.
#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    norm: Option<BatchNorm>,
    alpha: Param<Tensor<1>>,
    out: Linear,
}

impl Net {
    fn new(norm: bool) -> Self {
        let device = Device::flex();
        let zeros = Initializer::Constant { value: 0.0 };
        let linear = |i, o| LinearConfig::new(i, o).with_initializer(zeros.clone()).init(&device);
        let mut net = Self {
            hidden: linear(64, HIDDEN),
            norm: norm.then(|| BatchNormConfig::new(HIDDEN).init(&device)),
            alpha: Initializer::Constant { value: 0.1 }.init([HIDDEN], &device),
            out: linear(HIDDEN, 10),
        };
        for (name, layer) in [("hidden", &mut net.hidden), ("out", &mut net.out)] {
            let key = Key::new(1).named(name);
            let drawn = normal_at(key, 0, layer.weight.dims(), &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
        }
        net.apply_reparameterization(AddWeightNoise)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.hidden.forward(images.flatten::<2>(1, 3));
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        if let Some(key) = layer_key("hidden", &x.device()) {
            let first = current_examples().id(0) * HIDDEN as u64;
            x = x.clone() + normal_at(key, first, x.dims(), &x) * self.alpha.val().unsqueeze();
        }
        self.out.forward(relu(x))
    }
}

/// Six steps an epoch with batches of 64, the last of them with 21 examples: uneven for two devices
/// and for four.
fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(421).split_validation(80, Key::new(2)).unwrap()
}

fn config() -> TrainingConfig {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    TrainingConfig {
        batch_size: 64,
        augment: vec![Augmentation::crop(1)],
        // Below the norms of most steps, so that clipping counts.
        optimizer: Sgd::cni().into(),
        max_grad_norm: Some(0.5),
        // Moves with every step: a rate stepped once a device would show.
        schedule: Schedule::one_cycle(0.1),
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::half_and_half(attack))
    }
}

fn flex(n: usize) -> Devices {
    Devices::new(vec![Device::flex(); n], Parallel::Multi).unwrap()
}

fn run(net: Net, devices: Devices, config: TrainingConfig) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), net, devices, config, false, Net::forward).unwrap()
}

fn run_in(
    folder: &Path,
    net: Net,
    devices: Devices,
    config: TrainingConfig,
    resume: bool,
    forward: impl Fn(&Net, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
) -> Result<Trained<Net>, TrainingError> {
    let (train, validation) = data();
    Trainer::new(config, folder)?
        .with_validation(validation)
        .with_devices(devices)
        .with_progress(Progress::Quiet)
        .resume(resume)
        .run(net, forward, train)
}

/// Eighteen steps, measured to be off by 6e-8: augmentation, noise on weights and examples, attacks
/// from random starts, clipping and momentum.
#[test]
fn several_devices_train_as_one() {
    let one = run(Net::new(false), (&Device::flex()).into(), config());
    let moved = distance(&one.model, &Net::new(false));
    for devices in [2, 4] {
        let several = run(Net::new(false), flex(devices), config());
        let off = distance(&several.model, &one.model);
        assert!(off < 1e-5 && moved > 0.1, "{off} off after a move of {moved}");
        for (ours, theirs) in several.history.iter().zip(&one.history) {
            let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-5;
            assert!(close(ours.train.loss, theirs.train.loss), "{ours:?} ≠ {theirs:?}");
            assert!(close(ours.train.robust, theirs.train.robust), "{ours:?} ≠ {theirs:?}");
            assert!(close(ours.validation.clean, theirs.validation.clean));
        }
    }
}

/// The last batch has one example: three of four devices have nothing to do.
#[test]
fn a_last_batch_smaller_than_the_devices_counts_in_full() {
    let config = || TrainingConfig { batch_size: 68, epochs: 2, ..config() };
    let one = run(Net::new(false), (&Device::flex()).into(), config());
    let several = run(Net::new(false), flex(4), config());
    assert!(distance(&several.model, &one.model) < 1e-5);
}

#[test]
fn a_frozen_batch_norm_trains_as_on_one_device() {
    let net = || {
        let mut net = Net::new(true);
        net.norm = net.norm.map(Module::freeze);
        net
    };
    // Without a limit that hides how long a gradient is.
    let config = || TrainingConfig { max_grad_norm: None, ..config() };
    let one = run(net(), (&Device::flex()).into(), config());
    let two = run(net(), flex(2), config());
    assert!(distance(&two.model, &one.model) < 1e-5);
    assert!(distance(&two.model, &net()) > 0.1);
}

/// After one clean step without noise from mean 0 and variance 1, with shares of 170 and 171
/// examples.
#[test]
fn running_statistics_are_the_mean_over_the_devices() {
    let net = Net::new(true);
    let config = || TrainingConfig {
        batch_size: 341,
        epochs: 1,
        augment: Vec::new(),
        objective: Objective::clean(),
        ..config()
    };
    let plain = |net: &Net, images: Tensor<4>| scope(Noise::Off, || net.forward(images));
    let folder = tempfile::tempdir().unwrap();
    let two = run_in(folder.path(), net.clone(), flex(2), config(), false, plain).unwrap();

    let loader = Loader::new(data().0, 341, config().key, &Device::flex());
    let batch = loader.unwrap().epoch(0).next().unwrap().unwrap();
    let hidden = batch.images.flatten::<2>(1, 3).matmul(net.hidden.weight.base());
    let mut mean = Tensor::<2>::zeros([1, HIDDEN], &Device::flex());
    let mut variance = mean.clone() + 0.9;
    for (first, n) in [(0, 170), (170, 171)] {
        let share = hidden.clone().narrow(0, first, n);
        let centre = share.clone().mean_dim(0);
        let spread = (share - centre.clone()).square().mean_dim(0);
        let weight = 0.1 * n as f64 / 341.0;
        mean = mean + centre.mul_scalar(weight);
        variance = variance + spread.mul_scalar(weight);
    }
    let norm = two.model.norm.unwrap();
    for (got, wanted) in [(norm.running_mean, mean), (norm.running_var, variance)] {
        let off: f32 = (got.value() - wanted.squeeze_dim(0)).abs().max().into_scalar();
        assert!(off < 1e-6, "{off}");
    }
}

/// Trains four epochs. A broken run stops in the first step of the third: the loss becomes NaN
/// after two times six steps, in which each device makes two passes.
fn four_epochs(
    folder: &Path,
    net: Net,
    devices: usize,
    resume: bool,
    broken: bool,
) -> Result<Trained<Net>, TrainingError> {
    let passes = AtomicUsize::new(0);
    let forward = move |net: &Net, images: Tensor<4>| {
        let trains = net.alpha.val().is_autodiff();
        let pass = passes.fetch_add(usize::from(trains), Ordering::Relaxed);
        let logits = net.forward(images);
        let breaks = broken && trains && pass >= 2 * 6 * devices * 2;
        if breaks { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let config = TrainingConfig { epochs: 4, ..config() };
    run_in(folder, net, flex(devices), config, resume, forward)
}

/// Three devices, whose sums depend on their order, and batch norm.
#[test]
fn a_stopped_run_resumes_bit_for_bit() {
    let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let run =
        |folder: &Path, resume, broken| four_epochs(folder, Net::new(true), 3, resume, broken);
    let expected = run(whole.path(), false, false).unwrap();
    let error = run(stopped.path(), false, true).unwrap_err();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    let resumed = run(stopped.path(), true, false).unwrap();
    assert_eq!(numbers(&resumed.model), numbers(&expected.model));
    assert_eq!(resumed.history, expected.history);
    assert_eq!(resumed.best_epoch, expected.best_epoch);
}

#[test]
fn a_run_resumes_on_another_number_of_devices() {
    let [whole, stopped] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let net = || Net::new(false);
    let expected = four_epochs(whole.path(), net(), 1, false, false).unwrap();
    four_epochs(stopped.path(), net(), 2, false, true).unwrap_err();
    let resumed = four_epochs(stopped.path(), net(), 1, true, false).unwrap();
    assert!(distance(&resumed.model, &expected.model) < 1e-5);
}

#[test]
fn training_leaves_the_callers_model_alone() {
    let net = Net::new(true);
    let before = numbers(&net);
    let trained = run(net.clone(), flex(2), TrainingConfig { epochs: 1, ..config() });
    assert_ne!(numbers(&trained.model), before);
    assert_eq!(numbers(&net), before);
}

#[test]
fn devices_that_do_not_fit_are_refused_by_name() {
    let refuse = |list, parallel| Devices::new(list, parallel).unwrap_err().to_string();
    assert_eq!(refuse(vec![], Parallel::Multi), "devices: got none, wanted at least one");
    #[cfg(feature = "experimental-ddp")]
    {
        let error = refuse(vec![Device::flex(); 2], Parallel::Ddp);
        assert!(error.starts_with("devices: got Device<Flex"), "{error}");
        assert!(error.ends_with("for ddp, wanted CUDA devices alone, or multi"), "{error}");
    }

    let folder = tempfile::tempdir().unwrap();
    let small = TrainingConfig { batch_size: 2, ..config() };
    let run = run_in(folder.path(), Net::new(false), flex(3), small, false, Net::forward);
    let wanted = "batch_size: got 2 examples for 3 devices, wanted at least one for each device";
    assert_eq!(run.unwrap_err().to_string(), wanted);
    assert!(folder.path().read_dir().unwrap().next().is_none());
}

/// Noise is part of the model, not of the caller: the same run, also where the steps run in threads
/// of their own.
#[test]
fn the_callers_scope_does_not_reach_a_run() {
    for devices in [1, 2] {
        let train =
            || run(Net::new(false), flex(devices), TrainingConfig { epochs: 1, ..config() });
        let plain = train();
        let within = scope(Noise::Off, || autocast(Precision::Bf16, train));
        assert_eq!(numbers(&within.model), numbers(&plain.model), "{devices} devices");
        assert_eq!(within.history, plain.history);
    }
}
