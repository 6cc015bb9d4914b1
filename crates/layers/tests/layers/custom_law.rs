//! A law of one's own in every place that takes a built-in one: against its formula, trained, saved
//! and loaded, and refused by name if it breaks its contract. One file, because all tests share one
//! law.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData, Tolerance};
use cni_layers::models::{ModelNoise, ResNetConfig};
use cni_layers::{
    ActivationNoise, ActivationNoiseConfig, LayerNoise, LearnedNoise, NoiseError, NoiseSummary,
    WeightNoise, keyed_init, noise_amplitudes, noise_covariances, noise_parameters, parameters,
};
use cni_noise::laws::{
    Covariance, Draws, HostParameters, LawError, LawParameters, NoiseKind, NoiseLaw,
    NoiseParameters, Rows, TensorShape, VectorSpec, standard_deviation,
};
use cni_noise::{Key, Noise, NoiseScale, normal, normal_at, scope, scope_at};
use serde_json::{Value, json};

/// Laplace noise `s β ⊙ (e₁ e₂ − e₃ e₄)`: the bracket has the standard Laplace law, of variance 2.
#[derive(Debug)]
struct Laplace {
    /// Initial β.
    width: f64,
    /// The name of its parameter.
    name: &'static str,
}

fn laplace(width: f64) -> Laplace {
    Laplace { width, name: "width" }
}

impl NoiseLaw for Laplace {
    fn name(&self) -> String {
        "laplace".to_string()
    }

    fn spec(&self) -> Value {
        json!({ "laplace": { "width": self.width } })
    }

    fn parameters(&self, _: &TensorShape) -> LawParameters {
        let width = VectorSpec { name: self.name, len: 1, initial: self.width };
        LawParameters { vectors: vec![width], factor: None }
    }

    fn check(&self, scale: NoiseScale, _: &TensorShape) -> Result<(), LawError> {
        match scale {
            NoiseScale::Relative => Ok(()),
            _ => Err(LawError::new("scale", scale, "relative for Laplace noise")),
        }
    }

    fn draws(&self, elements: usize) -> Vec<usize> {
        vec![elements; 4]
    }

    fn noise(&self, parameters: &NoiseParameters, rows: &Rows, draws: Draws) -> Tensor<2> {
        let ([width], [a, b, c, d]) = (parameters.vectors(), draws.streams());
        (a * b - c * d) * parameters.spread(width) * rows.std()
    }

    fn covariance(&self, parameters: &HostParameters, std: f64, _: Option<&[f64]>) -> Covariance {
        let variance = 2.0 * (self.amplitude(parameters) * std).powi(2);
        Covariance::independent(vec![variance; parameters.shape.elements()])
    }

    fn amplitude(&self, parameters: &HostParameters) -> f64 {
        let [width] = parameters.vectors();
        width[0].abs()
    }
}

#[derive(Module, Debug)]
struct Net {
    input: ActivationNoise,
    fc: Linear,
}

const NAMES: [&str; 2] = ["input", "fc.weight"];

impl Net {
    fn new(width: f64, device: &Device) -> Self {
        let scale = NoiseScale::Relative;
        let input = ActivationNoiseConfig::new(laplace(width)).with_scale(scale);
        let net = Self {
            input: input.with_name("input").with_features([3]).init(device),
            fc: LinearConfig::new(3, 4).init(device),
        };
        let noise = WeightNoise::new(laplace(width)).with_scale(scale);
        noise.inject(keyed_init(net, Key::new(1)))
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc.forward(self.input.forward(x))
    }
}

fn inputs() -> Tensor<2> {
    normal(Key::new(2), [5, 3], &Device::flex())
}

fn keyed() -> Noise {
    Noise::Keyed(Key::new(3))
}

fn output(net: &Net, noise: Noise) -> TensorData {
    scope(noise, || net.forward(inputs())).into_data()
}

/// The standard Laplace values of a layer's first draw, from example `first` on.
fn standard(name: &str, first: u64, [rows, columns]: [usize; 2]) -> Tensor<2> {
    let like = Tensor::<2>::zeros([1, 1], &Device::flex());
    let e = |stream| {
        let key = Key::new(3).named(name).child(0).child(stream);
        normal_at::<2, 2>(key, first * columns as u64, [rows, columns], &like)
    };
    e(0) * e(1) - e(2) * e(3)
}

fn close() -> Tolerance<f32> {
    Tolerance::rel_abs(1e-5, 1e-6)
}

#[test]
fn its_noise_is_that_of_its_formula_on_weights_and_on_activations() {
    let net = Net::new(0.3, &Device::flex());
    let (x, weight) = (inputs(), net.fc.weight.base());
    let std = |tensor: &Tensor<2>| standard_deviation(tensor.clone()).reshape([1, 1]);
    let noisy = weight.clone()
        + standard("fc.weight", 0, [1, 12]).reshape([3, 4]) * std(&weight).mul_scalar(0.3);
    let found = scope(keyed(), || net.fc.weight.val());
    found.into_data().assert_approx_eq::<f32>(&noisy.into_data(), close());
    let noisy = x.clone() + standard("input", 7, [5, 3]) * std(&x).mul_scalar(0.3);
    let found = scope_at(keyed(), 7, || net.input.forward(x.clone()));
    found.into_data().assert_approx_eq::<f32>(&noisy.into_data(), close());

    let bare = |net: &Net| net.fc.forward(inputs()).into_data();
    let off = output(&net, Noise::Off);
    off.assert_eq(&scope(Noise::Off, || bare(&net)), true);
    assert_eq!(output(&net, keyed()), output(&net, keyed()));
    assert_ne!(output(&net, keyed()), off);
    assert_ne!(output(&net, keyed()), output(&net, Noise::Keyed(Key::new(4))));
    assert_ne!(output(&net, Noise::Fresh), output(&net, Noise::Fresh));
}

/// The noise is linear in its parameter: the gradient of a weighted sum is the sum of the noise at
/// amplitude 1.
#[test]
fn its_parameter_is_trained_and_its_gradient_is_the_closed_form() {
    let device = Device::flex().autodiff();
    let net = Net::new(0.3, &device);
    let c = normal::<2>(Key::new(5), [3, 4], &Device::flex());
    let width = |noise: &LearnedNoise| noise.vector("width").unwrap().val();
    let weight = net.fc.weight.reparameterization::<LearnedNoise>().unwrap();
    let slope = |noise: &LearnedNoise, sum: Tensor<1>| {
        width(noise).grad(&sum.backward()).unwrap().into_scalar::<f32>()
    };
    let found = slope(weight, scope(keyed(), || (net.fc.weight.val() * c.clone()).sum()));
    let unit = standard("fc.weight", 0, [1, 12]).reshape([3, 4]);
    let std = standard_deviation(net.fc.weight.base().inner()).reshape([1, 1]);
    let wanted = (unit * std * c).sum().into_scalar::<f32>();
    assert!((found - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{found} ≠ {wanted}");

    let (x, c) = (inputs(), normal::<2>(Key::new(6), [5, 3], &Device::flex()));
    let sum = scope(keyed(), || (net.input.forward(x.clone()) * c.clone()).sum());
    let found = slope(&net.input.noise, sum);
    let std = standard_deviation(x).reshape([1, 1]);
    let wanted = (standard("input", 0, [5, 3]) * std * c).sum().into_scalar::<f32>();
    assert!((found - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{found} ≠ {wanted}");

    let train = |net: Net| {
        let loss = scope(keyed(), || net.forward(inputs())).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        SgdConfig::new().init().step(0.1, net, gradients)
    };
    let trained = train(net.clone());
    let moved = |net: &Net| {
        noise_amplitudes(net).into_iter().filter(|(_, width)| (width - 0.3).abs() > 1e-4).count()
    };
    assert_eq!(moved(&trained), 2);
    assert_eq!(moved(&train(net.clone().freeze_group(noise_parameters(&net)))), 0);
}

#[test]
fn it_is_listed_saved_and_loaded_with_its_module() {
    let device = Device::flex();
    let net = Net::new(0.3, &device);
    let paths: Vec<String> = parameters(&net).into_iter().map(|found| found.path).collect();
    let wanted = ["input.noise.width", "fc.weight", "fc.weight.noise.width", "fc.bias"];
    assert_eq!(paths, wanted);
    let summary = "input: laplace, 1 parameters\nfc.weight: laplace, 1 parameters";
    assert_eq!(NoiseSummary::of(&net).to_string(), summary);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.bpk");
    net.clone().save_file(&file).unwrap();
    let loaded = Net::new(0.7, &device);
    assert_ne!(output(&loaded, keyed()), output(&net, keyed()));
    let loaded = loaded.load_file(&file);
    assert_eq!(output(&loaded, keyed()), output(&net, keyed()));
    assert_eq!(noise_amplitudes(&loaded), noise_amplitudes(&net));
}

#[test]
fn folding_keeps_one_draw_and_removing_none() {
    let net = Net::new(0.3, &Device::flex());
    let folded = WeightNoise::fold(net.clone(), Key::new(3));
    let [kept, drawn] =
        [scope(Noise::Off, || folded.fc.weight.val()), scope(keyed(), || net.fc.weight.val())];
    assert_eq!(kept.into_data(), drawn.into_data());
    let bare = WeightNoise::remove(net.clone());
    assert_eq!(bare.fc.weight.val().into_data(), net.fc.weight.base().into_data());
    assert_eq!(bare.fc.weight.id, net.fc.weight.id);
    assert_eq!(NoiseSummary::of(&bare).to_string(), "input: laplace, 1 parameters");
}

/// The variance of a Laplace value's square is 5 σ⁴, so that the mean of n = 12 · 500 squares has
/// the standard error `σ² √(5 / n)` = 0.029 σ².
#[test]
fn its_covariance_is_the_closed_form_and_that_of_500_draws() {
    let net = Net::new(0.3, &Device::flex());
    let found = noise_covariances(&net).unwrap();
    assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), NAMES);
    let std = standard_deviation(net.fc.weight.base()).into_scalar::<f64>();
    for ((path, noise), (std, elements)) in found.iter().zip([(1.0, 3), (std, 12)]) {
        assert_eq!((noise.law(), noise.covariance().elements()), ("laplace", elements), "{path}");
        assert!((noise.amplitude() - 0.3).abs() < 1e-7);
        for i in 0..elements {
            let (got, wanted) = (noise.covariance().at(i, i), 2.0 * (0.3 * std).powi(2));
            assert!((got - wanted).abs() < 1e-6 * wanted, "{path}: {got} ≠ {wanted}");
        }
    }
    let squares = (0..500).map(|draw| {
        let folded = WeightNoise::fold(net.clone(), Key::new(9).child(draw));
        let noise = folded.fc.weight.base() - net.fc.weight.base();
        noise.powi_scalar(2).sum().into_scalar::<f64>()
    });
    let (n, variance) = (12.0 * 500.0, found[1].1.covariance().at(0, 0));
    let (mean, error) = (squares.sum::<f64>() / n, variance * (5.0 / n).sqrt());
    assert!((mean - variance).abs() < 5.0 * error, "{mean} ≠ {variance} ± {error}");
}

#[test]
fn layers_and_models_take_it_and_write_it() {
    let device = Device::flex();
    let weight = WeightNoise::new(laplace(0.1)).with_scale(NoiseScale::Relative);
    let activation = ActivationNoiseConfig::colored(2).with_law(laplace(0.1));
    let activation = activation.with_scale(NoiseScale::Relative);
    let noise = LayerNoise::none()
        .with_weight(weight.clone())
        .with_output(activation.clone().with_features([4]));
    let layer = noise.wrap(LinearConfig::new(3, 4).init(&device), &device);
    let run = |key| scope(Noise::Keyed(Key::new(key)), || layer.forward(inputs(), Linear::forward));
    assert_eq!(run(1).into_data(), run(1).into_data());
    assert_ne!(run(1).into_data(), run(2).into_data());

    let noise = ModelNoise::pni(cni_layers::Granularity::Layer)
        .with_weight(weight)
        .with_conv_input(activation);
    let config = ResNetConfig::cifar(8, 10).with_width(0.25).with_noise(noise.clone());
    assert_eq!(config.noise, noise);
    let model = config.init(&device);
    let laws = NoiseSummary::of(&model);
    let custom = laws.entries().iter().filter(|entry| entry.law == "laplace").count();
    // Nine convolutions and the inputs of eight.
    assert_eq!((custom, laws.entries().len()), (9 + 8, 9 + 8 + 1), "{laws}");
    let images = Tensor::<4>::ones([1, 3, 32, 32], &device);
    let logits = scope(keyed(), || model.forward(images));
    assert!(logits.try_to_vec_as::<f32>().unwrap().iter().all(|logit| logit.is_finite()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.json");
    config.save(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_ok() && text.contains("laplace"), "{text}");
    let error = ResNetConfig::load(&file).unwrap_err().to_string();
    assert!(error.contains("law: got laplace, wanted one of white"), "{error}");
    assert!(error.contains("a custom law is built in code"), "{error}");
}

#[test]
fn a_law_that_does_not_fit_is_refused_before_the_first_draw() {
    let device = Device::flex();
    let dotted = || NoiseKind::from(Laplace { width: 0.1, name: "a.b" });
    let cases = [
        (NoiseKind::from(laplace(0.1)), NoiseScale::Absolute, "scale: got absolute for "),
        (laplace(f64::NAN).into(), NoiseScale::Relative, "width: got NaN for "),
        (dotted(), NoiseScale::Relative, "parameters: got \"a.b\" of laplace for "),
    ];
    for (law, scale, message) in cases {
        let weight = WeightNoise::new(law.clone()).with_scale(scale);
        let on_weight = weight.try_inject(LinearConfig::new(3, 4).init(&device)).unwrap_err();
        let activation = ActivationNoiseConfig::new(law).with_scale(scale);
        let on_input = activation.clone().with_features([3]).try_init(&device).unwrap_err();
        let model = ResNetConfig::cifar(8, 10).with_noise(ModelNoise::none().with_weight(weight));
        let on_model = model.try_init(&device).unwrap_err();
        for error in [on_weight, on_input, on_model] {
            let text = error.to_string();
            assert!(matches!(error, NoiseError::Law { .. }), "{text}");
            assert!(text.starts_with(message), "{text}");
        }
    }
}
