//! Adversarial weight perturbation: PyTorch's update, one set of images, statistics that move once,
//! noise that stays, exact resume, and what it refuses.

use crate::support::linear_net::data;
use crate::support::{broken_off, list, numbers, reference};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_attacks::{Pgd, Threat};
use cni_data::Batch;
use cni_layers::{Granularity, WeightNoise};
use cni_noise::{Key, normal_at};
use cni_training::{
    Awp, Devices, Gradient, GradientRule, Objective, Parallel, Progress, Step, StepGradients,
    Trained, Trainer, TrainingConfig, TrainingError,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    norm: BatchNorm,
    out: Linear,
}

impl Net {
    fn new(sizes: [usize; 3]) -> Self {
        let device = Device::flex();
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).init(&device);
            let drawn = normal_at(Key::new(1).named(name), 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
            layer.bias = layer.bias.map(|_| Param::from_tensor(Tensor::zeros([o], &device)));
            layer
        };
        let [inputs, hidden, classes] = sizes;
        Self {
            hidden: linear("hidden", inputs, hidden),
            norm: BatchNormConfig::new(hidden).init(&device),
            out: linear("out", hidden, classes),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let hidden = self.hidden.forward(images.flatten::<2>(1, 3));
        self.out.forward(relu(self.norm.forward(hidden)))
    }
}

fn batch(images: Tensor<4>, labels: Tensor<1, Int>) -> Batch {
    let whole = images.dims()[0];
    Batch {
        images: images.autodiff(),
        labels,
        key: Key::new(5),
        epoch: 0,
        number: 0,
        batches: 1,
        indices: (0..whole).collect(),
        first_example: 0,
        whole,
    }
}

fn gradients(net: &Net, batch: Batch, rule: Awp) -> StepGradients {
    let step = Step::new(net, Net::forward, batch);
    rule.gradients(&Objective::clean(), &step).unwrap()
}

/// `tests/reference/awp.py` made the values. PyTorch keeps the weight of a linear layer transposed.
#[test]
fn an_update_is_pytorchs_and_the_statistics_move_once() {
    let values = reference("awp.json");
    let device = Device::flex();
    let vector =
        |value: &Value| Tensor::<1>::from_data(TensorData::from(&list(value)[..]), &device);
    let start = &values["start"];
    let matrix = |name: &str, [o, i]: [usize; 2]| {
        Param::from_tensor(vector(&start[name]).reshape([o, i]).transpose())
    };
    let mut net = Net::new([6, 5, 3]);
    net.hidden.weight = matrix("0.weight", [5, 6]);
    net.hidden.bias = Some(Param::from_tensor(vector(&start["0.bias"])));
    net.norm.gamma = Param::from_tensor(vector(&start["1.weight"]));
    net.norm.beta = Param::from_tensor(vector(&start["1.bias"]));
    net.out.weight = matrix("3.weight", [3, 5]);
    net.out.bias = Some(Param::from_tensor(vector(&start["3.bias"])));
    let net = net.train();

    let images = vector(&values["images"]).reshape([4, 1, 2, 3]);
    let labels = Tensor::from_ints([0, 2, 1, 2], &device);
    let rule = Awp::new(values["gamma"].as_f64().unwrap());
    let StepGradients { gradients, losses } = gradients(&net, batch(images, labels), rule);
    let near = |what: &str, got: Vec<f64>, wanted: Vec<f64>| {
        assert_eq!(got.len(), wanted.len(), "{what}");
        for (got, wanted) in got.into_iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-5, "{what}: {got} ≠ {wanted}");
        }
    };
    let read = |values: Tensor<1>| values.try_to_vec_as::<f64>().unwrap();
    // The loss is that of the weights as they are.
    let loss = losses.loss().clone().mean().into_scalar::<f64>();
    near("loss", vec![loss], vec![values["loss"].as_f64().unwrap()]);
    let lr = values["lr"].as_f64().unwrap();
    for (path, name, shape) in [
        ("hidden.weight", "0.weight", [6, 5]),
        ("hidden.bias", "0.bias", [1, 5]),
        ("norm.gamma", "1.weight", [1, 5]),
        ("norm.beta", "1.bias", [1, 5]),
        ("out.weight", "3.weight", [5, 3]),
        ("out.bias", "3.bias", [1, 3]),
    ] {
        let gradient = gradients.get(path).unwrap().clone().reshape(shape).transpose();
        let gradient = gradient.reshape([shape[0] * shape[1]]);
        let after = vector(&start[name]) - gradient.mul_scalar(lr);
        near(path, read(after), list(&values["after"][name]));
    }
    let mean = net.valid().norm.running_mean.value();
    near("running mean", read(mean), list(&values["running_mean"]));
}

/// Three epochs of three steps, of which the last two perturb.
fn config(gradient: impl Into<Gradient>) -> TrainingConfig {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    TrainingConfig {
        batch_size: 64,
        key: Key::new(3),
        gradient: gradient.into(),
        ..TrainingConfig::new(3, Objective::half_and_half(attack))
    }
}

fn awp() -> Awp {
    Awp::new(0.1).with_start_epoch(1)
}

fn trainer(config: TrainingConfig, folder: &Path) -> Trainer<Net> {
    let trainer = Trainer::new(config, folder).unwrap();
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

fn run(config: TrainingConfig) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    trainer(config, folder.path()).run(Net::new([64, 16, 10]), Net::forward, data().0)
}

/// Training passes over a model whose output layer is tracked: two a plain step of half and half.
fn training_pass(net: &Net, images: &Tensor<4>) -> bool {
    images.is_autodiff() && net.out.weight.val().is_autodiff()
}

#[test]
fn a_run_resumes_exactly_and_a_warm_up_is_plain() {
    let whole = run(config(awp())).unwrap();
    let trainer = |folder: &Path| trainer(config(awp()), folder);
    let model = || Net::new([64, 16, 10]);
    // An epoch of three plain steps takes six passes, one of perturbed steps twelve.
    let resumed = broken_off::resumed(trainer, model, Net::forward, data().0, 18, training_pass);
    assert_eq!(numbers(&resumed.model), numbers(&whole.model));
    let plain = run(config(Gradient::backward())).unwrap();
    assert_ne!(numbers(&plain.model), numbers(&whole.model));
    // The rows of the first epoch are the same: the rule had not begun.
    assert_eq!(format!("{:?}", plain.history[0]), format!("{:?}", whole.history[0]));
}

/// The attack of a step runs once, on the weights as they are: two steps of two attack gradients
/// for each batch, whatever the rule.
#[test]
fn adversarial_images_are_made_once() {
    let attacked = |gradient: Gradient| {
        let (calls, images) =
            (Arc::new(AtomicUsize::new(0)), Tensor::full([4, 1, 8, 8], 0.4, &Device::flex()));
        let count = calls.clone();
        let forward = move |net: &Net, images: Tensor<4>| {
            if !net.out.weight.val().is_autodiff() {
                count.fetch_add(1, Ordering::Relaxed);
            }
            net.forward(images)
        };
        let net = Net::new([64, 16, 10]).train();
        let labels = Tensor::from_ints([0, 1, 2, 3], &Device::flex());
        let step = Step::new(&net, forward, batch(images, labels));
        let objective = config(Gradient::backward()).objective;
        match gradient.spec()["gradient"].as_str() {
            Some("awp") => drop(Awp::new(0.1).gradients(&objective, &step).unwrap()),
            _ => drop(step.backward(objective.losses(&step).unwrap())),
        }
        calls.load(Ordering::Relaxed)
    };
    assert_eq!(attacked(Gradient::awp(0.1)), attacked(Gradient::backward()));
    assert!(attacked(Gradient::backward()) > 0);
}

/// A rule that returned the gradient of the ascent would differ, since its noise is the same.
#[test]
fn the_parameters_of_noise_stay_and_get_a_gradient() {
    let net = WeightNoise::white(Granularity::Element).inject(Net::new([6, 5, 3])).train();
    let images = Tensor::<4>::full([3, 1, 2, 3], 0.4, &Device::flex());
    let labels = Tensor::<1, Int>::from_ints([0, 1, 2], &Device::flex());
    let found = gradients(&net, batch(images.clone(), labels.clone()), Awp::new(0.2));
    let noisy: Vec<&str> = found.gradients.iter().map(|(p, _)| p.path.as_str()).collect();
    assert!(noisy.iter().any(|path| path.starts_with("hidden.weight.")), "{noisy:?}");
    let step = Step::new(&net, Net::forward, batch(images, labels));
    let plain = step.backward(Objective::clean().losses(&step).unwrap());
    let value = |of: &StepGradients| {
        of.gradients.get("hidden.weight").unwrap().try_to_vec_as::<f64>().unwrap()
    };
    assert_ne!(value(&found), value(&plain));
    assert_eq!(found.gradients.len(), plain.gradients.len());
}

#[test]
fn it_is_a_file_and_what_has_no_effect_is_refused() {
    let gradient: Gradient =
        serde_json::from_value(json!({ "gradient": "awp", "gamma": 0.01 })).unwrap();
    assert_eq!(gradient.spec(), Gradient::awp(Awp::ADVERSARIAL).spec());
    let unknown = json!({ "gradient": "awp", "gamma": 0.01, "radius": 2 });
    assert!(serde_json::from_value::<Gradient>(unknown).is_err());
    let folder = tempfile::tempdir().unwrap();
    let text = |config: TrainingConfig| {
        Trainer::<Net>::new(config, folder.path()).map(drop).unwrap_err().to_string()
    };
    let said = text(config(Awp::new(0.0)));
    assert!(said.contains("awp: gamma: got 0, wanted a finite number above 0"), "{said}");
    let said = text(config(Awp::new(0.1).with_start_epoch(3)));
    assert!(said.contains("awp: start_epoch: got 3 of 3 epochs"), "{said}");
    let said = text(TrainingConfig { accumulation: 2, ..config(awp()) });
    assert!(said.starts_with("accumulation: got 2 with the"), "{said}");
    let two = Devices::new(vec![Device::flex(), Device::flex()], Parallel::Multi).unwrap();
    let error = trainer(config(awp()), folder.path()).with_devices(two).run(
        Net::new([64, 16, 10]),
        Net::forward,
        data().0,
    );
    let said = error.map(drop).unwrap_err().to_string();
    assert!(said.starts_with("devices: got 2 with the"), "{said}");
}
