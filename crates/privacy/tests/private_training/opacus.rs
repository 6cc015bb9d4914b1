//! One step against Opacus.

use crate::support::largest_difference;
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{
    GroupNorm, GroupNormConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig, PaddingConfig2d,
};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_data::Batch;
use cni_noise::Key;
use cni_privacy::PrivateGradient;
use cni_training::{GradientRule, Objective, PerExampleClip, Step};
use serde_json::Value;

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
    layer: LayerNorm,
    out: Linear,
}

impl Small {
    fn new(p: &Value) -> Self {
        let device = Device::flex();
        let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let mut conv = Conv2dConfig::new([1, 4], [3, 3]).with_padding(padding).init(&device);
        conv.weight = Param::from_tensor(tensor(&p["conv.weight"], [4, 1, 3, 3]));
        conv.bias = Some(Param::from_tensor(tensor(&p["conv.bias"], [4])));
        let mut norm = GroupNormConfig::new(2, 4).init(&device);
        norm.gamma = Some(Param::from_tensor(tensor(&p["norm.weight"], [4])));
        norm.beta = Some(Param::from_tensor(tensor(&p["norm.bias"], [4])));
        let mut layer = LayerNormConfig::new(64).init(&device);
        layer.gamma = Param::from_tensor(tensor(&p["layer.weight"], [64]));
        layer.beta = Some(Param::from_tensor(tensor(&p["layer.bias"], [64])));
        let mut out = LinearConfig::new(64, 3).init(&device);
        out.weight = Param::from_tensor(tensor(&p["out.weight"], [3, 64]).transpose());
        out.bias = Some(Param::from_tensor(tensor(&p["out.bias"], [3])));
        Self { conv, norm, layer, out }.train()
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(images)));
        self.out.forward(self.layer.forward(x.flatten::<2>(1, 3)))
    }
}

/// `tests/reference/private_step.py` of the repository made the values.
#[test]
fn a_step_without_noise_is_that_of_opacus() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/private_step.json");
    let reference: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let net = Small::new(&reference["parameters"]);
    let labels: Vec<i64> = list(&reference["labels"]).into_iter().map(|v| v as i64).collect();
    let batch = Batch {
        images: tensor(&reference["images"], [6, 1, 4, 4]).autodiff(),
        labels: Tensor::<1, Int>::from_data(&labels[..], &Device::flex()),
        key: Key::new(1),
        epoch: 0,
        number: 0,
        batches: 1,
        indices: (0..6).collect(),
        first_example: 0,
        whole: 6,
    };
    let max_norm = reference["max_norm"].as_f64().unwrap();
    let expected = reference["expected"].as_u64().unwrap() as usize;
    for (per_layer, name) in [(false, "flat"), (true, "per_layer")] {
        let clip = PerExampleClip { max_norm, per_layer };
        let rule = PrivateGradient::new(clip, 1.0, 100, expected).unwrap();
        let step = Step::new(&net, Small::forward, batch.clone());
        let found = rule.gradients(&Objective::clean(), &step).unwrap().gradients;
        let wanted = &reference[name];
        for (path, theirs) in [
            ("conv.weight", list(&wanted["conv.weight"])),
            ("conv.bias", list(&wanted["conv.bias"])),
            ("norm.gamma", list(&wanted["norm.weight"])),
            ("norm.beta", list(&wanted["norm.bias"])),
            ("layer.gamma", list(&wanted["layer.weight"])),
            ("layer.beta", list(&wanted["layer.bias"])),
            ("out.weight", {
                let theirs = tensor::<2>(&wanted["out.weight"], [3, 64]).transpose();
                theirs.flatten::<1>(0, 1).into_data().iter::<f64>().collect()
            }),
            ("out.bias", list(&wanted["out.bias"])),
        ] {
            let ours = found.get(path).unwrap().clone().into_data();
            let ours: Vec<f64> = ours.convert::<f64>().iter::<f64>().collect();
            let off = largest_difference(&ours, &theirs);
            assert!(off < 1e-5, "{name} of {path} is {off} off");
            assert!(theirs.iter().any(|g| g.abs() > 1e-3), "{path}");
        }
    }
}
