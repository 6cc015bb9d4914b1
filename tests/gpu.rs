//! A GPU computes what the CPU does: draws, noise, layers, attacks and a training step.
//!
//! Runs on whatever graphics API there is, Mesa's software Vulkan included, by kernels in WebGPU's shading language:
//! `cargo test --features webgpu --test gpu`. One test, so that the device starts once; everything is small and in
//! single precision.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, DeviceKind, Int, Tensor};
use cni_burn::attacks::{CarliniWagner, Fab, HopSkipJump};
use cni_burn::noise::law::Colored;
use cni_burn::noise::{AddedNoise, Parameters, normal, normal_at, sign, uniform};
use cni_burn::prelude::*;

/// Polynomials of the same degree, whose terms one of the two may fuse.
const DRAWS: f32 = 2e-6;
/// Sums of some thousand terms in another order.
const SUMS: f32 = 5e-5;
/// Twenty layers of such sums, divided by standard deviations.
const MODEL: f32 = 2e-3;

fn list<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.try_to_vec_as().unwrap()
}

/// Equal to a tolerance relative to the largest value, 1 at least.
fn assert_close(what: &str, got: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let scale = wanted.iter().fold(1.0f32, |m, w| m.max(w.abs()));
    for (i, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let close = (got - wanted).abs() <= tolerance * scale;
        assert!(close, "{what}[{i}]: {got} on the GPU, {wanted} on the CPU");
    }
}

fn draws(gpu: &Device, cpu: &Device) {
    let key = Key::new(1);
    for n in [1, 15, 64, 65, 1_000, 100_003] {
        assert_eq!(list(uniform::<1>(key, [n], gpu)), list(uniform::<1>(key, [n], cpu)));
        assert_eq!(list(sign::<1>(key, [n], gpu)), list(sign::<1>(key, [n], cpu)));
        let (a, b) = (normal::<1>(key, [n], gpu), normal::<1>(key, [n], cpu));
        assert_close("normal", &list(a), &list(b), DRAWS);
    }
    // Within a group, across the carry into the counter's second word, and beyond it.
    for first in [1, 63, (1 << 32) - 17, (1 << 34) - 100, (1 << 38) + 5, 1 << 60] {
        let at = |device| normal_at::<2, 1>(key, first, [3, 77], &Tensor::<1>::empty([1], device));
        assert_close(&format!("normal at {first}"), &list(at(gpu)), &list(at(cpu)), DRAWS);
    }
    let lifted = normal::<2>(key, [2, 3], &gpu.clone().autodiff());
    assert!(lifted.is_autodiff() && !lifted.is_tracked());
    assert_eq!(normal::<2>(key, [0, 3], gpu).dims(), [0, 3]);
}

/// Noise on `[4, 75]`: the tensor and every gradient.
fn added(
    device: &Device,
    rank: Option<usize>,
    convention: Convention,
    draw_per_row: bool,
    std_per_row: bool,
) -> Vec<(&'static str, Vec<f32>)> {
    const SHAPE: [usize; 2] = [4, 75];
    let leaf = |n, shape: [usize; 2]| {
        let values = list(normal::<2>(Key::new(2).child(n), shape, &Device::flex()));
        let data = burn::tensor::TensorData::new(values, shape);
        Tensor::<2>::from_data(data, device).autodiff().require_grad()
    };
    let x = leaf(0, SHAPE);
    let parameter = leaf(1, [1, if rank.is_some() { 75 } else { 5 }]);
    let factor = leaf(2, [75, rank.unwrap_or(0).max(1)]);
    let parameters = match rank {
        None => Parameters::White { alpha: parameter.clone().reshape([5]), stride: 3, convention },
        Some(rank) => Parameters::Colored(Colored {
            diagonal: parameter.clone().reshape([75]),
            factor: (rank > 0).then(|| factor.clone()),
            convention,
        }),
    };
    let (key, first) = (Key::new(3), u64::from(draw_per_row) * 5);
    let out =
        AddedNoise { parameters, key, rows: 4, draw_per_row, examples: first.into(), std_per_row }
            .add_to(x.clone());
    let gradients = (out.clone() * leaf(3, SHAPE).inner()).sum().backward();
    let mut all = vec![("value", list(out))];
    for (what, leaf) in [("input", &x), ("parameter", &parameter), ("factor", &factor)] {
        if let Some(slope) = leaf.grad(&gradients) {
            all.push((what, list(slope)));
        }
    }
    all
}

fn noise(gpu: &Device, cpu: &Device) {
    for rank in [None, Some(0), Some(1), Some(5)] {
        for convention in [Convention::Reference, Convention::Scaled] {
            for (draws, stds) in [(false, false), (true, false), (true, true)] {
                let on = |device| added(device, rank, convention, draws, stds);
                for ((what, got), (_, wanted)) in on(gpu).iter().zip(on(cpu)) {
                    let what = format!("{rank:?} {convention:?} {draws} {stds} {what}");
                    assert_close(&what, got, &wanted, SUMS);
                }
            }
        }
    }
    // A standard deviation that takes more than one step to join.
    let large = |device| {
        let x = normal::<2>(Key::new(4), [130, 301], device);
        let weight = WeightNoise::colored(2);
        let linear = burn::nn::LinearConfig::new(130, 301).with_bias(false).init(device);
        let linear = weight.inject(keyed_init(linear, Key::new(5)));
        let weight = scope(Noise::Keyed(Key::new(6)), || linear.weight.val());
        list(weight + x)
    };
    assert_close("weight", &large(gpu), &large(cpu), SUMS);
}

fn layer(gpu: &Device, cpu: &Device) {
    let on = |device: &Device| {
        let noise = LayerNoise::none()
            .with_weight(WeightNoise::colored(5))
            .with_input(ActivationNoiseConfig::white(Granularity::Channel))
            .with_output(ActivationNoiseConfig::colored(3));
        let conv =
            Conv2dConfig::new([3, 5], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let config = NoisyConv2dConfig::new(conv, [6, 6]).with_noise(noise);
        let layer = keyed_init(config.init("layer", device), Key::new(7));
        let x = normal::<4>(Key::new(8), [3, 3, 6, 6], device);
        list(scope(Noise::Keyed(Key::new(9)), || layer.forward(x)))
    };
    assert_close("noisy convolution", &on(gpu), &on(cpu), 10.0 * SUMS);
}

/// Every parameter, by its path.
#[derive(Default)]
struct Weights {
    path: Vec<String>,
    all: Vec<(String, Vec<f32>)>,
}

impl ModuleVisitor for Weights {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.all.push((self.path.join("."), list(param.base().inner())));
    }
}

/// What a model does.
struct Outcome {
    logits: Vec<f32>,
    /// What an attack adds to the images.
    moved: Vec<f32>,
    /// After a training step.
    weights: Vec<(String, Vec<f32>)>,
}

fn model(device: &Device) -> Outcome {
    let noise = ModelNoise::cni(2)
        .with_input(ActivationNoiseConfig::white(Granularity::Layer))
        .with_conv_output(ActivationNoiseConfig::colored(1));
    let config = ResNetConfig::cifar(8, 10)
        .with_width(0.25)
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_noise(noise);
    let autodiff = device.clone().autodiff();
    let model = keyed_init(config.init(&autodiff), Key::new(10));
    let images = uniform::<4>(Key::new(11), [4, 1, 8, 8], device);
    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1], device);
    let logits = scope(Noise::Keyed(Key::new(12)), || model.valid().forward(images.clone()));

    let threat = Threat::linf(8.0 / 255.0).unwrap();
    let attack = Pgd::new(threat).with_steps(2).unwrap();
    let goal = Goal::Misclassify(labels.clone());
    let victim = Victim::new(&model, ResNet::forward);
    let attacked = attack.perturb(&victim, images.clone(), &goal, Key::new(13), 0).unwrap();
    let moved = list(attacked.images - images.clone());
    assert!(moved.iter().all(|d| d.abs() < 8.001 / 255.0));

    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1], &autodiff);
    let out = scope(Noise::Keyed(Key::new(14)), || model.forward(images.autodiff()));
    let loss = CrossEntropyLossConfig::new().init(&autodiff).forward(out, labels);
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let stepped = SgdConfig::new().init().step(0.1, model, gradients);
    let mut weights = Weights::default();
    stepped.visit(&mut weights);
    Outcome { logits: list(logits), moved, weights: weights.all }
}

fn models(gpu: &Device, cpu: &Device) {
    let (got, wanted) = (model(gpu), model(cpu));
    assert_close("logits", &got.logits, &wanted.logits, MODEL);
    // A step follows the gradient's sign, which rounding may turn where the gradient is nearly zero.
    let same = got.moved.iter().zip(&wanted.moved).filter(|(a, b)| (*a - *b).abs() < 1e-5).count();
    assert!(same * 100 >= got.moved.len() * 98, "{same} of {} pixels moved alike", got.moved.len());
    assert_eq!(got.weights.len(), wanted.weights.len());
    for ((path, got), (_, wanted)) in got.weights.iter().zip(&wanted.weights) {
        assert_close(path, got, wanted, MODEL);
    }
}

/// Attacks of every kind on a linear model. Rounding may turn a choice among nearly equal points, but not who is broken.
fn attacks(gpu: &Device, cpu: &Device) {
    let threat = Threat::linf(0.05).unwrap();
    let l2 = Threat::l2(0.3).unwrap();
    let suite: Vec<Box<dyn Attack>> = vec![
        Box::new(Apgd::dlr(threat).with_steps(10).unwrap()),
        Box::new(Apgd::targeted(Threat::l1(1.0).unwrap()).with_steps(5).unwrap()),
        Box::new(Fab::targeted(l2).with_steps(5).unwrap()),
        Box::new(
            CarliniWagner::new(l2).unwrap().with_steps(20).unwrap().with_search_steps(2).unwrap(),
        ),
        Box::new(Square::new(threat).with_queries(30).unwrap()),
        Box::new(HopSkipJump::new(l2).unwrap().with_steps(2).unwrap()),
    ];
    let broken = |attack: &dyn Attack, device: &Device| {
        let weight = normal::<2>(Key::new(20), [12, 4], device);
        let model = |x: Tensor<4>| x.sub_scalar(0.5).flatten::<2>(1, 3).matmul(weight.clone());
        let images = uniform::<4>(Key::new(21), [16, 3, 2, 2], device);
        let goal = Goal::Misclassify(model(images.clone()).argmax(1).squeeze_dim(1));
        let found = attack.perturb(&model, images.clone(), &goal, Key::new(22), 0).unwrap().images;
        let distance = list(attack.threat().norm().distance(&found, &images));
        assert!(distance.iter().all(|&d| f64::from(d) <= attack.threat().epsilon() * 1.0001));
        goal.reached(&model(found)).try_to_vec_as::<bool>().unwrap()
    };
    for attack in suite {
        let (got, wanted) = (broken(attack.as_ref(), gpu), broken(attack.as_ref(), cpu));
        let differ = got.iter().zip(&wanted).filter(|(a, b)| a != b).count();
        assert!(differ <= 1, "{}: {got:?} on the GPU, {wanted:?} on the CPU", attack.name());
        assert!(wanted.contains(&true), "{}: nothing is broken", attack.name());
    }
}

#[test]
fn a_gpu_computes_what_the_cpu_does() {
    let (gpu, cpu) = (Device::wgpu(DeviceKind::DefaultDevice), Device::flex());
    draws(&gpu, &cpu);
    noise(&gpu, &cpu);
    layer(&gpu, &cpu);
    models(&gpu, &cpu);
    attacks(&gpu, &cpu);
}
