//! Gradients of single examples, clipped: by hand, by PyTorch, and in runs.

use super::{Net, config, data, resumed, run, run_net, trainer};
use crate::support::{distance, list, numbers, reference};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_attacks::{Pgd, Threat};
use cni_data::Batch;
use cni_noise::Key;
use cni_training::{
    Gradient, GradientRule, Objective, ParameterValues, PerExampleClip, Step, StepGradients,
    TrainingConfig, TrainingError,
};
use serde_json::{Value, json};
use std::path::Path;

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
        let rule = PerExampleClip::new(max_norm);
        let StepGradients { gradients, losses } = rule.gradients(&objective, &step()).unwrap();
        let wanted = clipped_mean(&all, max_norm);
        assert!(difference(&gradients, &wanted) < 1e-6);
        assert!(difference(&gradients, &plain.gradients) > 1e-4);
        let clipped: f64 = losses.score("clipped").unwrap().clone().mean().into_scalar();
        assert!((clipped - share).abs() < 1e-6 && clipped > 0.0 && clipped < 1.0, "{clipped}");
        let off = losses.loss().clone() - plain.losses.loss().clone();
        assert!(off.abs().max().into_scalar::<f64>() < 1e-5);
        // Without a limit it is the backward pass.
        let rule = PerExampleClip::new(f64::MAX);
        let all = rule.gradients(&objective, &step()).unwrap().gradients;
        assert!(difference(&all, &plain.gradients) < 1e-6);
    }
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
    let reference = reference("per_example.json");
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
        let rule = PerExampleClip::new(max_norm);
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
    let error = PerExampleClip::new(1.0).gradients(&Objective::clean(), &step).err().unwrap();
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
