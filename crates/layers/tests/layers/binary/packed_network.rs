//! Packed networks against those that they are made of.

use super::{device, numbers};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use cni_layers::binary::{PadValue, Quantizer};
use cni_layers::keyed_init;
use cni_layers::models::{DenseNet, DenseNetConfig, DenseUnits, NormalizeConfig, PackedDenseNet};
use cni_noise::{Key, normal_like, uniform};

/// Gives the parameters of batch norms values as of a training: factors of both signs, shifts, and
/// running statistics.
pub struct Trained(pub u64);

impl ModuleMapper for Trained {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D > 1 {
            return param;
        }
        self.0 += 1;
        let key = Key::new(self.0);
        // Variances stay above zero.
        param.map(|old| {
            let positive = old.clone().min().into_scalar::<f32>() > 0.0;
            let noise = normal_like(key, &old, 0);
            let new = old + noise.mul_scalar(0.7);
            if positive && self.0.is_multiple_of(2) { new.abs().add_scalar(0.1) } else { new }
        })
    }
}

fn trained(config: &DenseNetConfig, seed: u64) -> DenseNet {
    let model = keyed_init(config.init(&device()), Key::new(seed));
    let DenseNet { normalize, stem, stem_norm, stages, transitions, norm, fc } = model;
    let mut map = Trained(1_000 * seed);
    DenseNet {
        stem_norm: stem_norm.map(|norm| norm.map(&mut map)),
        stages: stages.map(&mut map),
        transitions: transitions.map(&mut map),
        norm: norm.map(&mut map),
        normalize,
        stem,
        fc,
    }
}

#[test]
fn packed_networks_have_the_logits_of_the_float_ones_exactly() {
    let small = DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_blocks([2, 3], [2.0])
        .with_growth(24)
        .with_channels(40)
        .with_images([9, 7], NormalizeConfig::centered(2));
    let units = |pad, input| DenseUnits::Binary { weights: Quantizer::ste_sign(), input, pad };
    let large = DenseNetConfig::binary_28(7).with_blocks([2, 1, 2], [1.5, 1.2]).with_growth(32);
    let configs = [
        small.clone(),
        small.clone().with_units(units(PadValue::Minus, Quantizer::ApproxSign)),
        small.clone().with_units(units(PadValue::Plus, Quantizer::swish_sign())),
        DenseNetConfig { dilations: vec![1, 2], ..small.clone() },
        // The stem of ImageNet, whose output is 16 by 16.
        large.with_images([64, 64], NormalizeConfig::imagenet()),
        DenseNetConfig::binary_28(10).for_cifar().with_blocks([1], []).with_growth(130),
    ];
    for (at, config) in configs.iter().enumerate() {
        let model = trained(config, at as u64 + 1);
        let packed = PackedDenseNet::of(&model).unwrap();
        let [height, width] = config.image_size;
        let shape = [3, config.normalize.channels(), height, width];
        let images = uniform::<4>(Key::new(9), shape, &device());
        let (got, wanted) = (packed.forward(images.clone()), model.forward(images.clone()));
        let wanted = numbers(wanted);
        assert_eq!(numbers(got), wanted, "{config:?}");
        // They differ from image to image, so that equal numbers say something.
        assert!(wanted.windows(2).all(|pair| pair[0] != pair[1]), "{wanted:?}");
        // Batches do not matter.
        let one = packed.forward(images.narrow(0, 1, 1));
        assert_eq!(numbers(one), wanted[config.classes..2 * config.classes]);
    }
}

#[test]
fn packed_networks_refuse_what_has_no_signs() {
    let config = DenseNetConfig::binary_28(10).for_cifar().with_blocks([1], []);
    let full = config.clone().with_units(DenseUnits::Full).init(&device());
    let error = PackedDenseNet::of(&full).unwrap_err().to_string();
    assert_eq!(error, "units: got full, wanted binary units, for a packed network");
    let mut broken = config.init(&device());
    let cni_layers::models::DenseConv::Binary(conv) = &mut broken.stages[0][0].conv else {
        panic!("a binary unit")
    };
    conv.conv.weight = conv.conv.weight.clone().map(|weight| weight.mul_scalar(f32::NAN));
    let error = PackedDenseNet::of(&broken).unwrap_err().to_string();
    assert_eq!(error, "weight: got NaN, wanted finite latent weights, for a packed layer");
}
