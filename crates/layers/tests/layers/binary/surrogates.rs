//! Surrogates for the gradient of the sign.

use super::{at, device, numbers};
use burn::nn::LinearConfig;
use burn::tensor::Tensor;
use cni_layers::binary::{BinaryLinearConfig, BinaryWeights, Quantizer};
use cni_layers::keyed_init;
use cni_layers::models::{DenseNetConfig, DenseUnits, NormalizeConfig};
use cni_noise::{Key, uniform};

#[test]
fn surrogates_have_the_values_of_the_sign_and_their_own_gradients() {
    let points = [-3.0, -0.4, -0.0, 0.0, 0.1, 2.0];
    let wanted = [-1.0, -1.0, 1.0, 1.0, 1.0, 1.0];
    let [values, gradients] = at(Quantizer::tanh_sign(2.5), &points);
    assert_eq!(values, wanted);
    for (x, got) in points.iter().zip(gradients) {
        let tanh = (2.5 * f64::from(*x)).tanh();
        assert!((f64::from(got) - 2.5 * (1.0 - tanh * tanh)).abs() < 1e-6, "{x}: {got}");
    }
    let [values, gradients] = at(Quantizer::Sign, &points);
    assert_eq!((values, gradients), (wanted.to_vec(), vec![0.0; 6]));
}

#[test]
fn a_surrogate_changes_what_an_attack_follows_and_no_value() {
    let config = DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_blocks([2], [])
        .with_images([8, 8], NormalizeConfig::centered(1));
    let model = keyed_init(config.init(&device()), Key::new(1));
    let images = uniform::<4>(Key::new(2), [2, 1, 8, 8], &device());
    let of = |model: &cni_layers::models::DenseNet| {
        let images = images.clone().autodiff().require_grad();
        let logits = model.forward(images.clone());
        // Not their sum, which any shift leaves alone.
        let gradients = logits.clone().slice([0..2, 0..1]).sum().backward();
        (numbers(logits), numbers(images.grad(&gradients).unwrap()))
    };
    let (logits, own) = of(&model);
    for surrogate in [Quantizer::tanh_sign(2.0), Quantizer::Sign] {
        let (same, other) = of(&model.clone().with_surrogate(surrogate).unwrap());
        assert_eq!(same, logits);
        assert_ne!(other, own);
    }
}

#[test]
fn a_quantizer_without_a_gradient_is_a_surrogate_alone() {
    let device = device();
    let config = || BinaryLinearConfig::new(LinearConfig::new(3, 2));
    for config in
        [config().with_weights(Quantizer::Sign), config().with_input(Some(Quantizer::Sign))]
    {
        let error = config.try_init(&device).unwrap_err().to_string();
        assert_eq!(error, "quantizer: got sign, wanted a quantizer with a gradient");
    }
    let plain = LinearConfig::new(3, 2).init(&device);
    assert!(BinaryWeights::new(Quantizer::Sign).try_inject(plain).is_err());
    // It stands for a quantizer, and does not bring one.
    let open = config().with_input(None).init(&device);
    let error = open.with_surrogate(Quantizer::Sign).unwrap_err().to_string();
    assert!(error.starts_with("input: got none, wanted a quantizer"), "{error}");
    let layer = config().init(&device);
    let error = layer.clone().with_surrogate(Quantizer::tanh_sign(0.0)).unwrap_err().to_string();
    assert!(error.starts_with("beta: got 0,"), "{error}");
    let layer = layer.with_surrogate(Quantizer::Sign).unwrap();
    let x = Tensor::<2>::ones([1, 3], &device).autodiff().require_grad();
    let gradients = layer.forward(x.clone()).sum().backward();
    assert_eq!(numbers(x.grad(&gradients).unwrap()), [0.0; 3]);
    let full = DenseNetConfig::binary_28(10).for_cifar().with_units(DenseUnits::Full);
    let error = full.with_blocks([1], []).init(&device).with_surrogate(Quantizer::Sign);
    assert!(error.unwrap_err().to_string().starts_with("units: got full, wanted binary units"));
}

/// In single precision 1 − tanh² is zero from about 9 on, and the gradient is not.
#[test]
fn smooth_gradients_do_not_vanish_before_single_precision_ends() {
    let points = [-40.0_f32, -20.0, -9.5, -9.0, 9.0, 9.5, 20.0, 40.0];
    let [_, of_tanh] = at(Quantizer::tanh_sign(1.0), &points);
    let [_, of_swish] = at(Quantizer::SwishSign { beta: 1.0 }, &points);
    for ((x, tanh), swish) in points.iter().zip(of_tanh).zip(of_swish) {
        let x = f64::from(*x);
        let (wanted_tanh, wanted_swish) =
            (x.cosh().powi(-2), (2.0 - x * (x / 2.0).tanh()) / (1.0 + x.cosh()));
        for (got, wanted) in [(tanh, wanted_tanh), (swish, wanted_swish)] {
            assert!((f64::from(got) / wanted - 1.0).abs() < 1e-4, "{x}: {got} {wanted}");
        }
    }
    let [_, beyond] = at(Quantizer::tanh_sign(1.0), &[-60.0, 60.0, 1e30]);
    assert_eq!(beyond, [0.0; 3]);
}

#[test]
fn quantizers_and_units_refuse_settings_that_they_do_not_have() {
    for (name, quantizer) in [("approx_sign", Quantizer::ApproxSign), ("sign", Quantizer::Sign)] {
        let text = format!(r#"{{"quantizer":"{name}"}}"#);
        assert_eq!(serde_json::to_string(&quantizer).unwrap(), text);
        assert_eq!(serde_json::from_str::<Quantizer>(&text).unwrap(), quantizer);
        let more = format!(r#"{{"quantizer":"{name}","beta":2.0}}"#);
        let error = serde_json::from_str::<Quantizer>(&more).unwrap_err().to_string();
        assert!(error.contains("unknown field `beta`"), "{error}");
    }
    let text = r#"{"units":"full"}"#;
    assert_eq!(serde_json::to_string(&DenseUnits::Full).unwrap(), text);
    assert_eq!(serde_json::from_str::<DenseUnits>(text).unwrap(), DenseUnits::Full);
    let more = r#"{"units":"full","pad":"zero"}"#;
    let error = serde_json::from_str::<DenseUnits>(more).unwrap_err().to_string();
    assert!(error.contains("unknown field `pad`"), "{error}");
}
