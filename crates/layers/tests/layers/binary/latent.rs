//! Latent weights, and whether gradients reach them.

use super::device;
use burn::module::Param;
use burn::nn::LinearConfig;
use burn::tensor::Tensor;
use cni_layers::NoiseError;
use cni_layers::binary::{
    BinaryLinear, BinaryLinearConfig, BinaryWeights, Quantizer, check_latent, latent_weights,
};
use cni_layers::models::{DenseNetConfig, DenseUnits};

fn layer(quantizer: Quantizer, weights: [f32; 3]) -> BinaryLinear {
    let config = BinaryLinearConfig::new(LinearConfig::new(3, 1)).with_weights(quantizer);
    let mut layer = config.init(&device());
    let latent = Tensor::<1>::from_floats(weights, &device()).reshape([3, 1]);
    layer.linear.weight = Param::from_tensor(latent);
    layer.linear = BinaryWeights::new(quantizer).inject(layer.linear);
    layer
}

#[test]
fn latent_weights_beyond_the_clip_are_refused_by_number_and_size() {
    let clip = Quantizer::dense_net();
    // The clip in single precision is within, as it is for the gradient.
    assert_eq!(check_latent(&layer(clip, [1.3, -1.3, 0.0])), Ok(()));
    let error = check_latent(&layer(clip, [1.5, -1.4, 0.0])).unwrap_err();
    let NoiseError::Latent { name, count, largest, reach } = &error else { panic!("{error}") };
    assert_eq!((name.as_str(), *count, *largest, *reach), ("linear.weight", 2, 1.5, 1.3));
    let wanted = "linear.weight: got 2 latent weights beyond the clip, the largest of size 1.5, \
                  wanted at most 1.3: no gradient reaches the others";
    assert_eq!(error.to_string(), wanted);
    assert!(check_latent(&layer(clip, [f32::NAN, 0.0, 0.0])).is_err());
    assert!(check_latent(&layer(Quantizer::ApproxSign, [1.1, 0.0, 0.0])).is_err());
    // At ±1 its gradient is zero; just before, it is not.
    let error = check_latent(&layer(Quantizer::ApproxSign, [1.0, -1.0, 0.0])).unwrap_err();
    let NoiseError::Latent { count, largest, reach, .. } = &error else { panic!("{error}") };
    assert!(*count == 2 && *largest == 1.0 && *reach < 1.0, "{error}");
    let before = 1.0_f32.next_down();
    assert_eq!(check_latent(&layer(Quantizer::ApproxSign, [before, -before, 0.0])), Ok(()));
    for everywhere in [Quantizer::SteSign { clip: None }, Quantizer::swish_sign()] {
        assert_eq!(check_latent(&layer(everywhere, [9.0, -9.0, 0.0])), Ok(()));
    }
}

#[test]
fn the_latent_weights_of_a_network_are_those_of_its_binary_units() {
    let config = DenseNetConfig::binary_28(10).for_cifar().with_blocks([2], []);
    let paths = |config: DenseNetConfig| {
        let latent = latent_weights(&config.init(&device()));
        latent.into_iter().map(|found| found.path).collect::<Vec<_>>()
    };
    let of = |unit: usize| format!("stages.0.{unit}.conv.Binary.conv.weight");
    assert_eq!(paths(config.clone()), [of(0), of(1)]);
    assert!(paths(config.with_units(DenseUnits::Full)).is_empty());
}
