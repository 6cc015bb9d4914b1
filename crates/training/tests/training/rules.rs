//! Gradients of single examples, and the rules that follow the optimizer, in whole runs. One file,
//! because every test is the same small noisy network with another rule.

use crate::support::numbers::numbers;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_attacks::{Pgd, Threat};
use cni_data::{Batch, ImageData, Split, digits};
use cni_layers::{ActivationNoise, ActivationNoiseConfig, Granularity, WeightNoise, keyed_init};
use cni_noise::Key;
use cni_noise::laws::Multiplicative;
use cni_training::{
    Devices, Gradient, GradientRule, NoisePenalty, Objective, Parallel, ParameterValues,
    PerExampleClip, Progress, RuleState, Schedule, Sgd, Step, StepError, StepGradients, StepInfo,
    Trained, Trainer, TrainingConfig, TrainingError, Update, UpdateRule,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A convolution, a norm of single examples, noise on weights and on activations.
#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    norm: GroupNorm,
    noise: ActivationNoise,
    batch_norm: Option<BatchNorm>,
    out: Linear,
}

impl Net {
    fn new() -> Self {
        let device = Device::flex();
        let law = Multiplicative::new(Granularity::Channel, 0.1);
        let net = Self {
            conv: Conv2dConfig::new([1, 4], [3, 3]).init(&device),
            norm: GroupNormConfig::new(2, 4).init(&device),
            noise: ActivationNoiseConfig::new(law)
                .with_name("noise")
                .with_features([4])
                .init(&device),
            batch_norm: None,
            out: LinearConfig::new(4, 10).init(&device),
        };
        WeightNoise::colored(2).inject(keyed_init(net, Key::new(1)))
    }

    fn with_batch_norm(frozen: bool) -> Self {
        let norm = BatchNormConfig::new(4).init(&Device::flex());
        let norm = if frozen { norm.freeze() } else { norm };
        Self { batch_norm: Some(norm), ..Self::new() }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.norm.forward(self.conv.forward(images)));
        if let Some(norm) = &self.batch_norm {
            x = norm.forward(x);
        }
        let x = x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
        self.out.forward(self.noise.forward(x))
    }
}

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(120).split_validation(24, Key::new(2)).unwrap()
}

/// Three epochs of three steps.
fn config() -> TrainingConfig {
    TrainingConfig {
        batch_size: 32,
        schedule: Schedule::constant(0.1),
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::clean())
    }
}

fn trainer(config: TrainingConfig, folder: &Path) -> Result<Trainer<Net>, TrainingError> {
    Ok(Trainer::new(config, folder)?.with_validation(data().1).with_progress(Progress::Quiet))
}

fn run_net(
    net: Net,
    devices: usize,
    config: TrainingConfig,
) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi)?;
    trainer(config, folder.path())?.with_devices(devices).run(net, Net::forward, data().0)
}

fn run(config: TrainingConfig) -> Trained<Net> {
    run_net(Net::new(), 1, config).unwrap()
}

/// A run that is broken off after two of its three epochs, and then goes on.
fn resumed(config: impl Fn() -> TrainingConfig, passes_per_epoch: usize) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let passes = AtomicUsize::new(0);
    let broken = move |net: &Net, images: Tensor<4>| {
        let training = net.out.bias.as_ref().unwrap().val().is_require_grad();
        let pass = passes.fetch_add(usize::from(training), Ordering::Relaxed);
        let logits = net.forward(images);
        if training && pass >= 2 * passes_per_epoch { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let trainer = || trainer(config(), folder.path()).unwrap();
    let error = trainer().run(Net::new(), broken, data().0).unwrap_err();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    trainer().resume(true).run(Net::new(), Net::forward, data().0).unwrap()
}

fn distance(a: &Net, b: &Net) -> f32 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The largest difference of two gradients, which must have the same parameters.
fn difference(a: &ParameterValues, b: &ParameterValues) -> f64 {
    assert_eq!(a.len(), b.len());
    let off = a.iter().map(|(parameter, value)| {
        let other = b.get(&parameter.path).unwrap();
        (value.clone() - other.clone()).abs().max().into_scalar::<f64>()
    });
    off.fold(0.0, f64::max)
}

/// The first images of the data as a batch.
fn batch(examples: usize) -> Batch {
    let (images, labels) = data().0.batch(0..examples, &Device::flex()).unwrap();
    Batch {
        images: images.autodiff(),
        labels,
        key: Key::new(5),
        epoch: 0,
        number: 0,
        batches: 1,
        indices: (0..examples).collect(),
        first_example: 7,
        whole: examples,
    }
}

/// The gradients of batches of one, by hand, with their norms.
fn alone(net: &Net, objective: &Objective, batch: &Batch) -> Vec<(ParameterValues, f64)> {
    let of = |i: usize| {
        let alone = Batch {
            images: batch.images.clone().narrow(0, i, 1),
            labels: batch.labels.clone().narrow(0, i, 1),
            first_example: batch.first_example + i as u64,
            whole: 1,
            ..batch.clone()
        };
        let step = Step::new(net, Net::forward, alone);
        let gradients = step.backward(objective.losses(&step).unwrap()).gradients;
        let squares = gradients.iter().map(|(_, g)| g.clone().square().sum().into_scalar::<f64>());
        let norm = squares.sum::<f64>().sqrt();
        (gradients, norm)
    };
    (0..batch.whole).map(of).collect()
}

/// The mean of gradients that are clipped to a norm.
fn clipped_mean(all: &[(ParameterValues, f64)], max_norm: f64) -> ParameterValues {
    let scaled = all.iter().map(|(gradients, norm)| {
        let scale = (max_norm / norm).min(1.0) / all.len() as f64;
        gradients.clone().map(|_, gradient| gradient.mul_scalar(scale))
    });
    let add = |sum: ParameterValues, own: ParameterValues| {
        sum.map(|p, sum| sum + own.get(&p.path).unwrap().clone())
    };
    scaled.reduce(add).unwrap()
}

/// Noise on weights and activations, attacks from random starts.
#[test]
fn clipped_gradients_are_those_of_batches_of_one() {
    let (net, batch) = (Net::new().train(), batch(8));
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    for objective in [Objective::clean(), Objective::half_and_half(attack)] {
        let step = || Step::new(&net, Net::forward, batch.clone());
        let plain = step();
        let plain = plain.backward(objective.losses(&plain).unwrap());
        let all = alone(&net, &objective, &batch);
        // Some are longer than the mean, and some are shorter.
        let max_norm = all.iter().map(|(_, norm)| norm).sum::<f64>() / 8.0;
        let share = all.iter().filter(|(_, norm)| *norm > max_norm).count() as f64 / 8.0;
        let rule = PerExampleClip { max_norm };
        let StepGradients { gradients, losses } = rule.gradients(&objective, &step()).unwrap();
        let wanted = clipped_mean(&all, max_norm);
        assert!(difference(&gradients, &wanted) < 1e-6);
        assert!(difference(&gradients, &plain.gradients) > 1e-4);
        let clipped: f64 = losses.score("clipped").unwrap().clone().mean().into_scalar();
        assert!((clipped - share).abs() < 1e-6 && clipped > 0.0 && clipped < 1.0, "{clipped}");
        let off = losses.loss().clone() - plain.losses.loss().clone();
        assert!(off.abs().max().into_scalar::<f64>() < 1e-5);
        // Without a limit it is the backward pass.
        let rule = PerExampleClip { max_norm: f64::MAX };
        let all = rule.gradients(&objective, &step()).unwrap().gradients;
        assert!(difference(&all, &plain.gradients) < 1e-6);
    }
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn tensor<const D: usize>(value: &Value, shape: [usize; D]) -> Tensor<D> {
    let data = TensorData::from(&list(value)[..]);
    Tensor::<1>::from_data(data, &Device::flex()).reshape(shape)
}

/// The network of the reference.
#[derive(Module, Debug)]
struct Small {
    conv: Conv2d,
    norm: GroupNorm,
    out: Linear,
}

impl Small {
    fn new(p: &Value) -> Self {
        let device = Device::flex();
        let padding = burn::nn::PaddingConfig2d::Same;
        let mut conv = Conv2dConfig::new([1, 4], [3, 3]).with_padding(padding).init(&device);
        conv.weight = Param::from_tensor(tensor(&p["conv.weight"], [4, 1, 3, 3]));
        conv.bias = Some(Param::from_tensor(tensor(&p["conv.bias"], [4])));
        let mut norm = GroupNormConfig::new(2, 4).init(&device);
        norm.gamma = Some(Param::from_tensor(tensor(&p["norm.weight"], [4])));
        norm.beta = Some(Param::from_tensor(tensor(&p["norm.bias"], [4])));
        let mut out = LinearConfig::new(64, 3).init(&device);
        out.weight = Param::from_tensor(tensor(&p["out.weight"], [3, 64]).transpose());
        out.bias = Some(Param::from_tensor(tensor(&p["out.bias"], [3])));
        Self { conv, norm, out }.train()
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        self.out.forward(x.flatten::<2>(1, 3))
    }
}

/// `tests/reference/per_example.py` of the repository made the values, by torch.func.
#[test]
fn clipped_gradients_are_those_of_pytorch() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/per_example.json");
    let reference: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let net = Small::new(&reference["parameters"]);
    let labels: Vec<i64> = list(&reference["labels"]).into_iter().map(|v| v as i64).collect();
    let batch = Batch {
        images: tensor(&reference["images"], [6, 1, 4, 4]).autodiff(),
        labels: Tensor::<1, Int>::from_data(&labels[..], &Device::flex()),
        indices: (0..6).collect(),
        whole: 6,
        ..batch(1)
    };
    let max_norm = reference["max_norm"].as_f64().unwrap();
    for (max_norm, name) in [(max_norm, "gradient"), (f64::MAX, "unclipped")] {
        let step = Step::new(&net, Small::forward, batch.clone());
        let rule = PerExampleClip { max_norm };
        let found = rule.gradients(&Objective::clean(), &step).unwrap();
        let wanted = &reference[name];
        for (path, theirs) in [
            ("conv.weight", tensor::<1>(&wanted["conv.weight"], [36])),
            ("conv.bias", tensor(&wanted["conv.bias"], [4])),
            ("norm.gamma", tensor(&wanted["norm.weight"], [4])),
            ("norm.beta", tensor(&wanted["norm.bias"], [4])),
            ("out.weight", tensor::<2>(&wanted["out.weight"], [3, 64]).transpose().flatten(0, 1)),
            ("out.bias", tensor(&wanted["out.bias"], [3])),
        ] {
            let off = found.gradients.get(path).unwrap().clone() - theirs;
            let off: f64 = off.abs().max().into_scalar();
            assert!(off < 1e-5, "{name} of {path} is {off} off");
        }
        let off = found.losses.loss().clone() - tensor(&reference["losses"], [6]);
        assert!(off.abs().max().into_scalar::<f64>() < 1e-5);
        let clipped = found.losses.score("clipped").unwrap().clone().sum().into_scalar::<f64>();
        let norms = list(&reference["norms"]);
        assert_eq!(clipped, norms.iter().filter(|norm| **norm > max_norm).count() as f64);
    }
}

fn clipping() -> TrainingConfig {
    TrainingConfig {
        gradient: Gradient::per_example_clip(0.5),
        max_grad_norm: Some(0.4),
        ..config()
    }
}

#[test]
fn a_run_that_clips_examples_adds_up_and_resumes_exactly() {
    let one = run(clipping());
    let clipped = one.history[2].train.more["clipped"];
    assert!(clipped > 0.5 && clipped <= 1.0, "{clipped}");
    assert!(distance(&one.model, &run(config()).model) > 1e-3);
    let two = run_net(Net::new(), 2, clipping()).unwrap();
    let parts = run(TrainingConfig { accumulation: 3, ..clipping() });
    for other in [two, parts] {
        assert!(distance(&one.model, &other.model) < 1e-5);
        assert!((clipped - other.history[2].train.more["clipped"]).abs() < 1e-6);
    }
    let again = resumed(clipping, 96);
    assert_eq!(numbers(&again.model), numbers(&one.model));
    assert_eq!(again.history, one.history);
}

#[test]
fn batch_statistics_have_no_gradients_of_single_examples() {
    let error = run_net(Net::with_batch_norm(false), 1, clipping()).unwrap_err();
    let says = "gradient: got the gradient rule per_example_clip for a model with BatchNorm at \
                \"batch_norm\", wanted a model without batch statistics";
    assert!(error.to_string().starts_with(says), "{error}");
    assert!(matches!(error, TrainingError::Setting { .. }));
    run_net(Net::with_batch_norm(true), 1, TrainingConfig { epochs: 1, ..clipping() }).unwrap();
    // In a loop of one's own it is the step that is refused.
    let net = Net::with_batch_norm(false).train();
    let step = Step::new(&net, Net::forward, batch(2));
    let error =
        PerExampleClip { max_norm: 1.0 }.gradients(&Objective::clean(), &step).err().unwrap();
    assert!(error.to_string().starts_with("per_example_clip: model: got BatchNorm"), "{error}");
    for max_norm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let gradient = Gradient::per_example_clip(max_norm);
        let error = trainer(TrainingConfig { gradient, ..config() }, Path::new("unused"));
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with("gradient rule per_example_clip: max_norm: got "), "{error}");
    }
    let read: Gradient =
        serde_json::from_value(json!({ "gradient": "per_example_clip", "max_norm": 2.0 })).unwrap();
    assert_eq!(read.spec(), Gradient::per_example_clip(2.0).spec());
}

/// The numbers of each parameter, by its path.
fn by_path(model: &Net) -> BTreeMap<String, Vec<f32>> {
    #[derive(Default)]
    struct Walk(Vec<String>, BTreeMap<String, Vec<f32>>);
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.base().try_to_vec_as().unwrap());
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.1
}

const WEIGHTS: [&str; 2] = ["conv.weight", "out.weight"];
const AMPLITUDES: [&str; 3] =
    ["conv.weight.noise.diagonal", "noise.noise.excess", "out.weight.noise.diagonal"];

/// The smallest and the largest absolute value of some parameters, and of the others.
fn sizes(model: &Net, of: &[&str]) -> [(f32, f32); 2] {
    let all = by_path(model);
    assert!(of.iter().all(|path| all.contains_key(*path)), "{:?}", all.keys());
    [true, false].map(|wanted| {
        let values = all.iter().filter(|(path, _)| of.contains(&path.as_str()) == wanted);
        let values = values.flat_map(|(_, values)| values.iter().map(|value| value.abs()));
        values.fold((f32::MAX, 0.0), |(least, most), v| (v.min(least), v.max(most)))
    })
}

#[test]
fn weights_are_clipped_and_amplitudes_kept_above_a_floor() {
    let [weights, _] = sizes(&run(config()).model, &WEIGHTS);
    let clip = || TrainingConfig { updates: vec![Update::weight_clip(0.125)], ..config() };
    let [clipped, others] = sizes(&run(clip()).model, &WEIGHTS);
    assert!(weights.1 > 0.2 && clipped.1 == 0.125 && others.1 > 0.5, "{weights:?} {clipped:?}");
    // The noise starts at 0.0625 and at 0.9.
    let floor = || TrainingConfig { updates: vec![Update::noise_floor(0.5)], ..config() };
    let [amplitudes, others] = sizes(&run(floor()).model, &AMPLITUDES);
    assert!(amplitudes.0 == 0.5 && others.0 < 0.1, "{amplitudes:?} {others:?}");
    let both = || {
        let penalty = NoisePenalty { weight: -0.3, fade: true };
        let updates = vec![Update::weight_clip(0.25), penalty.into(), Update::noise_floor(0.1)];
        TrainingConfig { updates, ..config() }
    };
    let one = run(both());
    assert!(distance(&one.model, &run_net(Net::new(), 2, both()).unwrap().model) < 1e-5);
    assert_eq!(numbers(&resumed(both, 3).model), numbers(&one.model));
}

/// The gradient zero, so that nothing moves but by decay and by rules.
struct Still;

impl GradientRule for Still {
    fn spec(&self) -> Value {
        json!({ "gradient": "still" })
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        Ok(gradients.map(|_, gradient| gradient.zeros_like()))
    }
}

/// Every parameter of the model after a run without gradients, over what it was.
fn factors(config: TrainingConfig) -> BTreeMap<String, f32> {
    let config = TrainingConfig { gradient: Still.into(), ..config };
    let (before, after) = (by_path(&Net::new()), by_path(&run(config).model));
    let size = |values: &[f32]| values.iter().map(|value| value.abs()).sum::<f32>();
    let ratio = |(path, was): (String, Vec<f32>)| {
        let is = size(&after[&path]);
        (path, if size(&was) > 0.0 { is / size(&was) } else { 1.0 })
    };
    before.into_iter().map(ratio).collect()
}

#[test]
fn decay_of_weights_alone_is_one_setting_of_a_file() {
    let text = json!({
        "epochs": 1, "batch_size": 32, "objective": "clean", "key": 3,
        "schedule": { "multi_step": { "lr": 0.1, "milestones": [], "gamma": 0.1 } },
        "optimizer": { "optimizer": "sgd", "weight_decay": 5.0, "decay_vectors": false },
    });
    // Three steps that halve.
    for (path, factor) in factors(serde_json::from_value(text).unwrap()) {
        let wanted = if WEIGHTS.contains(&path.as_str()) { 0.125 } else { 1.0 };
        assert!((factor - wanted).abs() < 1e-5, "{path}: {factor}");
    }
    let sgd = Sgd { weight_decay: 5.0, ..Sgd::default() };
    let all = factors(TrainingConfig { epochs: 1, optimizer: sgd.into(), ..config() });
    assert!((all["norm.gamma"] - 0.125).abs() < 1e-5);
}

#[test]
fn a_penalty_moves_the_amplitudes_alone_by_the_rate() {
    let sgd = || Sgd::default().into();
    let still = |weight| TrainingConfig {
        epochs: 1,
        optimizer: sgd(),
        updates: vec![Update::noise_penalty(weight)],
        ..config()
    };
    for (weight, sign) in [(0.02, -1.0), (-0.02, 1.0)] {
        for (path, factor) in factors(still(weight)) {
            // Three steps of 0.1 · 0.02 / (2 · 0.25), about.
            let step = if path.ends_with("diagonal") { 3.0 * 0.004 / 0.0625 } else { 0.0 };
            let near = match path.ends_with("excess") {
                true => sign * (factor - 1.0) > 0.003,
                false => (factor - 1.0 - sign * step).abs() < 0.1 * step + 1e-6,
            };
            assert!(near, "{path}: {factor}");
        }
    }
}

#[test]
fn built_in_groups_hold_what_they_say() {
    struct Record;
    impl UpdateRule for Record {
        fn spec(&self) -> Value {
            json!({ "update": "record" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            assert_eq!(info.lr, 0.1);
            for (parameter, _) in weights.iter() {
                let within = |names: &[&str]| names.contains(&parameter.path.as_str());
                let (noise, vector) =
                    (parameter.path.contains("noise"), parameter.shape.len() == 1);
                let groups = [
                    ("weights", within(&WEIGHTS)),
                    ("amplitudes", within(&AMPLITUDES)),
                    ("noise", noise),
                    ("vectors", vector),
                ];
                for (group, wanted) in groups {
                    assert_eq!(parameter.is_in(group), wanted, "{group}: {}", parameter.path);
                }
            }
            Ok(ParameterValues::default())
        }
    }
    run(TrainingConfig { epochs: 1, updates: vec![Record.into()], ..config() });
}

#[test]
fn rules_of_noise_are_refused_without_noise_and_out_of_range() {
    #[derive(Module, Debug)]
    struct Plain {
        out: Linear,
    }
    for update in [Update::noise_floor(0.1), Update::noise_penalty(0.1)] {
        let folder = tempfile::tempdir().unwrap();
        let name = update.spec()["update"].as_str().unwrap().to_string();
        let config = TrainingConfig { updates: vec![update], ..config() };
        let plain = Plain { out: LinearConfig::new(64, 10).init(&Device::flex()) };
        let forward = |net: &Plain, x: Tensor<4>| net.out.forward(x.flatten::<2>(1, 3));
        let trainer = Trainer::new(config, folder.path().join("run")).unwrap();
        let error = trainer.run(plain, forward, data().0).unwrap_err().to_string();
        let says = format!("group: got amplitudes without a parameter, for the update rule {name}");
        assert!(error.starts_with(&says), "{error}");
        assert!(!folder.path().join("run").exists());
    }
    let refused = |update: Update| {
        let config = TrainingConfig { updates: vec![update], ..config() };
        trainer(config, Path::new("unused")).err().unwrap().to_string()
    };
    for (update, says) in [
        (Update::noise_floor(0.0), "update rule noise_floor: min: got 0, wanted"),
        (Update::noise_floor(f64::INFINITY), "update rule noise_floor: min: got inf, wanted"),
        (Update::noise_penalty(0.0), "update rule noise_penalty: weight: got 0, wanted"),
        (Update::noise_penalty(f64::NAN), "update rule noise_penalty: weight: got NaN, wanted"),
        (Update::weight_clip(0.0), "update rule clamp: min: got -0 with max 0, wanted"),
        (Update::weight_clip(f64::INFINITY), "update rule clamp: min: got -inf, wanted"),
    ] {
        let error = refused(update);
        assert!(error.starts_with(says), "{error}");
    }
    let spec = json!({ "update": "noise_penalty", "weight": -1e-4, "fade": true });
    let read: Update = serde_json::from_value(spec).unwrap();
    assert_eq!(read.spec(), Update::from(NoisePenalty::learn2perturb()).spec());
}
