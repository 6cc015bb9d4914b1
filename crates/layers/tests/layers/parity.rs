//! A noisy convolution and a whole noisy ResNet-20 against PyTorch, forward and backward.

use crate::support::reference::resnet20::{gradients, resnet20};
use crate::support::reference::{images, json, list};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use cni_layers::models::{ModelNoise, ResNet};
use cni_noise::{Key, Noise, scope};
use serde_json::Value;

fn assert_norm(what: &str, got: &[f64], wanted: f64, tolerance: f64) {
    let norm = got.iter().map(|g| g * g).sum::<f64>().sqrt();
    assert!((norm - wanted).abs() < tolerance * wanted, "{what}: norm {norm} ≠ {wanted}");
}

/// Forward pass and gradients of a noisy ResNet-20 against PyTorch with the same draws, in both
/// modes.
#[test]
fn resnet20_agrees_with_pytorch_forward_and_backward() {
    let values = json("resnet20.json");
    let device = Device::flex().autodiff();
    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1], &device);
    for mode in ["eval", "train"] {
        let model = resnet20(&device, ModelNoise::cni(5));
        let wanted = &values[mode];
        let x = images(4, &Device::flex()).autodiff().require_grad();
        let run = |model: &ResNet| {
            let logits = scope(Noise::Keyed(Key::new(7)), || model.forward(x.clone()));
            let loss = CrossEntropyLossConfig::new().init(&device);
            (logits.clone(), loss.forward(logits, labels.clone()))
        };
        // `valid` has the running statistics but no parameter gradients; those are compared in
        // training mode.
        let (logits, loss) = if mode == "eval" { run(&model.valid()) } else { run(&model) };
        let scale = list(&wanted["logits"]).iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let logits: Vec<f64> = logits.try_to_vec_as().unwrap();
        for (got, wanted) in logits.iter().zip(list(&wanted["logits"])) {
            assert!((got - wanted).abs() < 1e-4 * scale, "{mode}: logit {got} ≠ {wanted}");
        }
        let gradients = loss.backward();
        let slope: Vec<f64> = x.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        let norm = wanted["input_gradient"]["norm"].as_f64().unwrap();
        assert_norm("input", &slope, norm, 1e-4);
        for (got, wanted) in slope.iter().zip(list(&wanted["input_gradient"]["first"])) {
            assert!((got - wanted).abs() < 1e-4 * norm, "{mode}: input gradient {got} ≠ {wanted}");
        }
        if mode == "train" {
            assert_parameter_gradients(&model, &gradients, &wanted["gradients"]);
        }
    }
}

fn assert_parameter_gradients(model: &ResNet, slopes: &Gradients, wanted: &Value) {
    let slopes = gradients(model, slopes);
    for (name, slope) in &slopes {
        let wanted = &wanted[name];
        let norm = wanted["norm"].as_f64().expect(name);
        assert_norm(name, slope, norm, 1e-4);
        if !name.starts_with("fc.") {
            for (got, wanted) in slope.iter().zip(list(&wanted["first"])) {
                assert!((got - wanted).abs() < 1e-4 * norm, "{name}: {got} ≠ {wanted}");
            }
        }
    }
    assert_eq!(slopes.len(), wanted.as_object().unwrap().len());
}

/// One noisy convolution with injected draws in f64, both scales, against `noisy_conv.py`.
#[test]
fn a_noisy_convolution_agrees_with_pytorch() {
    use burn::tensor::DType;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use cni_noise::laws::{
        Colored, Draws, Granularity, NoiseLaw, NoiseParameters, NoiseScale, Rows, TensorShape,
        White,
    };
    let values = json("noisy_conv.json");
    let options = (&Device::flex(), DType::F64);
    let leaf = |name: &str| {
        let value = &values["values"][name];
        let data = TensorData::new(list(&value["data"]), [list(&value["data"]).len()]);
        Tensor::<1>::from_data(data, options).autodiff().require_grad()
    };
    for (case, colored, scale) in [
        ("colored_reference", true, NoiseScale::Reference),
        ("colored_scaled", true, NoiseScale::Relative),
        ("white", false, NoiseScale::Reference),
    ] {
        let [w, b, x, a, f, alpha] = ["weight", "bias", "input", "a", "f", "alpha"].map(leaf);
        let [e, e_f, c] = ["e", "e_f", "c"].map(|name| leaf(name).inner());
        let weight = w.clone().reshape([4, 3, 3, 3]);
        let (vectors, factor) = match colored {
            true => (vec![a.clone()], Some(f.clone().reshape([108, 2]))),
            false => (vec![alpha.clone()], None),
        };
        let shape = TensorShape::new(&[4, 3, 3, 3], 0);
        let parameters = NoiseParameters { scale, shape, vectors, factor };
        let rows = Rows::new(w.clone().unsqueeze(), false);
        let noise = match colored {
            true => {
                let draws = Draws::new(vec![e.unsqueeze(), e_f.unsqueeze()]);
                Colored::new(2).noise(&parameters, &rows, draws)
            }
            false => {
                let draws = Draws::new(vec![e.unsqueeze()]);
                White::new(Granularity::Element).noise(&parameters, &rows, draws)
            }
        };
        let weight = weight + noise.reshape([4, 3, 3, 3]);
        let padded = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let input = x.clone().reshape([2, 3, 5, 5]);
        let out = conv2d(input, weight, Some(b.clone()), padded);
        let gradients = (out.clone() * c.reshape([2, 4, 5, 5])).sum().backward();
        let close = |what: &str, got: Tensor<1>, wanted: &Value| {
            let got: Vec<f64> = got.try_to_vec_as().unwrap();
            let wanted = list(wanted);
            assert_eq!(got.len(), wanted.len());
            // Burn's backward pass of a division by a number is good to 1e-8 in double precision.
            for (got, wanted) in got.iter().zip(wanted) {
                let close = (got - wanted).abs() < 1e-7 * wanted.abs().max(1.0);
                assert!(close, "{case} {what}: {got} ≠ {wanted}");
            }
        };
        let wanted = &values["cases"][case];
        close("output", out.reshape([200]), &wanted["output"]);
        for (name, leaf) in
            [("weight", w), ("bias", b), ("input", x), ("a", a), ("f", f), ("alpha", alpha)]
        {
            if let Some(wanted) = wanted["gradients"].get(name) {
                close(name, leaf.grad(&gradients).unwrap(), wanted);
            }
        }
    }
}
