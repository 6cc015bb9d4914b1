//! Noise made larger and smaller.

use crate::support::noises::every_noise;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::LinearConfig;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use cni_layers::{
    ActivationNoiseConfig, Granularity, NoiseError, WeightNoise, amplify_noise, keyed_init,
    noise_amplitudes,
};
use cni_noise::laws::Multiplicative;
use cni_noise::{Key, Noise, scope};

fn conv(noise: &WeightNoise, device: &Device) -> Conv2d {
    let conv = Conv2dConfig::new([3, 4], [3, 3]).init(device);
    noise.inject(keyed_init(conv, Key::new(1)))
}

/// The weight and its bias under a draw, or without noise.
fn values(conv: &Conv2d, noise: Noise) -> Vec<f64> {
    let read = |values: Tensor<1>| values.inner().try_to_vec_as::<f64>().unwrap();
    let (weight, bias) = scope(noise, || (conv.weight.val(), conv.bias.clone().unwrap().val()));
    [read(weight.flatten(0, 3)), read(bias)].concat()
}

#[test]
fn a_draw_is_as_much_larger_as_was_asked_and_its_mean_stays() {
    let device = Device::flex();
    let mut laws = 0;
    for noise in every_noise() {
        let before = conv(&noise, &device);
        let draw = Noise::Keyed(Key::new(3));
        let (mean, noisy) = (values(&before, Noise::Off), values(&before, draw));
        let Ok(after) = amplify_noise(before.clone(), 0.5) else {
            assert!(noise.law().name().contains("multiplicative"), "{noise:?}");
            continue;
        };
        laws += 1;
        assert_eq!(values(&after, Noise::Off), mean);
        for ((amplified, noisy), mean) in values(&after, draw).iter().zip(&noisy).zip(&mean) {
            let wanted = mean + 0.5 * (noisy - mean);
            assert!((amplified - wanted).abs() <= 2e-6 * (1.0 + wanted.abs()), "{noise:?}");
        }
        let silent = amplify_noise(before.clone(), 0.0).unwrap();
        assert_eq!(values(&silent, draw), mean, "{noise:?}");
        assert_eq!(values(&amplify_noise(before, 1.0).unwrap(), draw), noisy, "{noise:?}");
    }
    assert!(laws >= 8, "{laws} noises");
}

#[test]
fn noise_on_activations_grows_too_and_still_learns() {
    let device = Device::flex().autodiff();
    let config = ActivationNoiseConfig::white(Granularity::Layer).with_features([4]);
    let layer = config.init(&device);
    let louder = amplify_noise(layer, 3.0).unwrap();
    assert_eq!(noise_amplitudes(&louder)[0].1, 0.75);

    /// Counts parameters that learn.
    struct Learning(usize);
    impl ModuleMapper for Learning {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            self.0 += usize::from(param.is_require_grad() && param.val().is_autodiff());
            param
        }
    }
    let mut learning = Learning(0);
    louder.map(&mut learning);
    assert_eq!(learning.0, 1);
}

#[test]
fn factors_that_are_none_and_laws_that_cannot_grow_are_refused_by_name() {
    let device = Device::flex();
    let linear = || LinearConfig::new(8, 4).init(&device);
    for (factor, got) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let error = amplify_noise(linear(), factor).unwrap_err();
        let wanted = format!("factor: got {got}, wanted a finite number of at least 0");
        assert_eq!(error.to_string(), wanted);
    }
    let floor = WeightNoise::new(Multiplicative::new(Granularity::Layer, 0.1));
    let error = amplify_noise(floor.inject(linear()), 2.0).unwrap_err();
    assert!(matches!(&error, NoiseError::Law { name, .. } if name == "weight"), "{error}");
    assert!(error.to_string().contains("wanted one whose noise grows"), "{error}");
    let free = WeightNoise::new(Multiplicative::new(Granularity::Layer, 0.0));
    assert_eq!(noise_amplitudes(&amplify_noise(free.inject(linear()), 2.0).unwrap())[0].1, 2.0);
}
