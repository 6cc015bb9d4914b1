//! Promises of weight noise to the user of any Burn module. One file: the same small module for
//! all.

use crate::support::noises::every_noise;
use burn::module::{Module, Param, ParamGroup};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Tensor, TensorData, Tolerance};
use cni_layers::{
    ActivationNoiseConfig, Granularity, LearnedNoise, NoiseError, NoiseSummary, ParameterRole,
    WeightNoise, count_parameters, keyed_init, noise_covariances, parameters,
};
use cni_noise::laws::{Colored, NoiseLaw, NoiseParameters, TensorShape, standard_deviation};
use cni_noise::{Key, Noise, NoiseScale, normal, scope};
use statrs::distribution::{ContinuousCDF, Normal};

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    fc: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let net = Self {
            conv: Conv2dConfig::new([2, 3], [3, 3]).with_padding(same).init(device),
            fc: LinearConfig::new(3, 2).init(device),
        };
        keyed_init(net, Key::new(1))
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let [batch, _, _, _] = x.dims();
        self.fc.forward(self.conv.forward(x).mean_dims(&[2, 3]).reshape([batch, 3]))
    }
}

fn images(device: &Device) -> Tensor<4> {
    normal(Key::new(2), [4, 2, 5, 5], device)
}

fn keyed(net: &Net, key: u64, x: &Tensor<4>) -> TensorData {
    scope(Noise::Keyed(Key::new(key)), || net.forward(x.clone())).into_data()
}

#[test]
fn off_removes_noise_exactly_keyed_replays_it_and_fresh_is_new() {
    let device = Device::flex();
    let (plain, x) = (Net::new(&device), images(&device));
    for noise in every_noise() {
        let noisy = noise.inject(plain.clone());
        let off = scope(Noise::Off, || noisy.forward(x.clone()));
        off.into_data().assert_eq(&plain.forward(x.clone()).into_data(), true);
        keyed(&noisy, 1, &x).assert_eq(&keyed(&noisy, 1, &x), true);
        assert_ne!(keyed(&noisy, 1, &x), keyed(&noisy, 2, &x), "{noise:?}");
        let fresh = || noisy.forward(x.clone()).into_data();
        assert_ne!(fresh(), fresh(), "{noise:?}");
    }
}

#[test]
fn noise_stays_on_in_every_state_of_a_module() {
    let device = Device::flex().autodiff();
    let noisy = WeightNoise::colored(2).inject(Net::new(&device));
    let x = images(&Device::flex());
    let wanted = keyed(&noisy, 1, &x);
    assert_ne!(wanted, scope(Noise::Off, || noisy.forward(x.clone())).into_data());
    for (state, net) in [
        ("valid", noisy.valid()),
        ("frozen", noisy.clone().freeze()),
        ("without gradients", noisy.clone().no_grad()),
        ("trained again", noisy.valid().train()),
        ("forked", noisy.clone().fork(&device)),
    ] {
        assert_eq!(keyed(&net, 1, &x), wanted, "{state}");
        assert_eq!(keyed(&net, 1, &x.clone().autodiff()), wanted, "{state}, input on the tape");
    }
}

#[test]
fn one_draw_serves_the_whole_batch() {
    let device = Device::flex();
    let noisy = WeightNoise::colored(2).inject(Net::new(&device));
    let twice = images(&device).slice(0..1).repeat_dim(0, 2);
    let out: Vec<f32> = noisy.forward(twice).try_to_vec_as().unwrap();
    assert_eq!(out[..2], out[2..]);
}

#[test]
fn folding_a_draw_equals_the_forward_pass_with_it() {
    let device = Device::flex();
    let x = images(&device);
    for noise in every_noise() {
        let noisy = noise.inject(Net::new(&device));
        let folded = WeightNoise::fold(noisy.clone(), Key::new(3));
        assert!(NoiseSummary::of(&folded).entries().is_empty());
        folded.forward(x.clone()).into_data().assert_eq(&keyed(&noisy, 3, &x), true);
    }
}

#[test]
fn removing_noise_gives_the_module_back() {
    let device = Device::flex();
    let (plain, x) = (Net::new(&device), images(&device));
    let bare = WeightNoise::remove(WeightNoise::colored(5).inject(plain.clone()));
    assert_eq!(count_parameters(&bare), count_parameters(&plain));
    bare.forward(x.clone()).into_data().assert_eq(&plain.forward(x).into_data(), true);
}

#[test]
fn the_summary_lists_each_noisy_weight_with_its_law_and_size() {
    let net = Net::new(&Device::flex());
    let net = WeightNoise::colored(2).with_group(ParamGroup::from_path("conv.weight")).inject(net);
    let net = WeightNoise::white(Granularity::Channel)
        .with_group(ParamGroup::from_path("fc.weight"))
        .inject(net);
    let text = NoiseSummary::of(&net).to_string();
    assert_eq!(
        text,
        "conv.weight: colored, rank 2, 162 parameters\nfc.weight: white, 2 parameters"
    );
    assert_eq!(count_parameters(&net), 54 + 3 + 6 + 2 + 164);
    let noise = net.conv.weight.reparameterization::<LearnedNoise>().unwrap();
    assert_eq!((noise.law(), noise.name()), (&Colored::new(2).into(), "conv.weight"));
    assert!(noise.to_string().contains("Colored { rank: 2,"), "{noise}");
}

#[test]
fn noise_parameters_are_saved_loaded_and_trained() {
    let device = Device::flex().autodiff();
    let make = || WeightNoise::colored(2).inject(Net::new(&device));
    let x = images(&device);
    let net = make();
    let loss = scope(Noise::Keyed(Key::new(1)), || net.forward(x.clone())).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &net);
    let mut optimizer = SgdConfig::new().init();
    let trained = optimizer.step(1.0, net.clone(), gradients);
    let [before, after] = [&net, &trained].map(|net| {
        let noise = net.conv.weight.reparameterization::<LearnedNoise>().unwrap();
        let factor = noise.factor().unwrap().val().into_data();
        (noise.vector("diagonal").unwrap().val().into_data(), factor)
    });
    assert!(before.0 != after.0 && before.1 != after.1, "a step moves diagonal and factor");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.bpk");
    trained.clone().save_file(&file).unwrap();
    let loaded = make().load_file(&file);
    keyed(&loaded, 5, &x).assert_eq(&keyed(&trained, 5, &x), true);
}

/// A linear unit with noise of covariance Σ on its weight is positive with probability Φ(w·x /
/// √(xᵀΣx)). n = 4,000 draws; the bound is five standard errors of a proportion.
#[test]
fn a_noisy_linear_unit_is_positive_as_often_as_the_closed_form_says() {
    let device = Device::flex();
    let n = 4_000;
    let unit = LinearConfig::new(6, 1).with_bias(false).init(&device);
    let x = normal::<2>(Key::new(11), [1, 6], &device).abs();
    for scale in [NoiseScale::Reference, NoiseScale::Relative] {
        let law = Colored { rank: 2, diagonal: 1.0, factor: 1.0 };
        let unit = keyed_init(unit.clone(), Key::new(9));
        let w = unit.weight.val();
        let std: f64 = standard_deviation(w.clone()).into_scalar();
        let parameters = NoiseParameters {
            scale,
            shape: TensorShape::new(&[6, 1], 1),
            vectors: vec![Tensor::full([6], 1.0, &device)],
            factor: Some(Tensor::full([6, 2], 1.0, &device)),
        };
        let covariance = law.covariance(&parameters.read().unwrap(), std, None);
        let inputs: Vec<f64> = x.try_to_vec_as().unwrap();
        let terms = (0..6).flat_map(|i| (0..6).map(move |j| (i, j)));
        let variance: f64 = terms.map(|(i, j)| inputs[i] * covariance.at(i, j) * inputs[j]).sum();
        let mean: f64 = x.clone().matmul(w).into_scalar();
        let p = Normal::standard().cdf(mean / variance.sqrt());
        assert!((0.05..0.95).contains(&p), "the case says something: p = {p}");

        let noisy = WeightNoise::new(law).with_scale(scale).inject(unit);
        let positive = (0..n)
            .filter(|&draw| {
                let key = Key::new(10).child(draw);
                let out: f32 = scope(Noise::Keyed(key), || noisy.forward(x.clone())).into_scalar();
                out > 0.0
            })
            .count() as f64;
        let error = (p * (1.0 - p) / n as f64).sqrt();
        let found = positive / n as f64;
        assert!((found - p).abs() < 5.0 * error, "{scale:?}: {found} ≠ {p} ± {error}");
    }
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let net = || Net::new(&Device::flex());
    let law = |diagonal, factor| WeightNoise::new(Colored { rank: 1, diagonal, factor });
    let cases = [
        (WeightNoise::colored(7), "rank: got 7 for fc.weight, wanted at most its 6 elements"),
        (law(f64::NAN, 0.0), "diagonal: got NaN for conv.weight, wanted a finite number"),
        (law(0.0, f64::INFINITY), "factor: got inf for conv.weight, wanted a finite number"),
        (
            WeightNoise::white(Granularity::Channel).with_channel_axis(2),
            "channel_axis: got 2 for fc.weight, wanted less than its rank 2",
        ),
        (
            WeightNoise::colored(1).with_group(ParamGroup::from_path("head.weight")),
            "group: selects none of the module's parameters, wanted at least one of \
             [\"conv.weight\", \"conv.bias\", \"fc.weight\", \"fc.bias\"]; \
             without a group each one named `weight` of two or more dimensions is selected",
        ),
    ];
    for (noise, message) in cases {
        assert_eq!(noise.try_inject(net()).unwrap_err().to_string(), message);
    }
    let again = WeightNoise::colored(1).try_inject(WeightNoise::colored(1).inject(net()));
    assert_eq!(again.unwrap_err(), NoiseError::AlreadyNoisy("conv.weight".into()));
}

#[test]
fn the_size_of_noise_follows_its_scale() {
    let device = Device::flex();
    let linear = LinearConfig::new(40, 40).with_bias(false).init(&device);
    let identity = Tensor::<2>::eye(40, &device);
    let spread = |scale, factor: f64| -> f64 {
        let linear = keyed_init(linear.clone(), Key::new(1));
        let weight = linear.weight.val().mul_scalar(factor);
        let linear = Linear { weight: Param::from_tensor(weight.clone()), bias: None };
        let noisy = WeightNoise::colored(0).with_scale(scale).inject(linear);
        let out = scope(Noise::Keyed(Key::new(2)), || noisy.forward(identity.clone()));
        standard_deviation(out - weight).into_scalar()
    };
    let powers =
        [(NoiseScale::Reference, 0.5), (NoiseScale::Relative, 1.0), (NoiseScale::Absolute, 0.0)];
    for (scale, power) in powers {
        let ratio = spread(scale, 4.0) / spread(scale, 1.0);
        TensorData::from([ratio]).assert_approx_eq::<f64>(
            &TensorData::from([4f64.powf(power)]),
            Tolerance::relative(1e-3),
        );
    }
}

#[test]
fn a_module_that_is_named_noise_is_a_module_like_any_other() {
    #[derive(Module, Debug)]
    struct Odd {
        noise: Linear,
    }
    let odd = Odd { noise: LinearConfig::new(3, 2).init(&Device::flex()) };
    let odd = WeightNoise::colored(1).inject(odd);
    let summary = NoiseSummary::of(&odd).to_string();
    assert_eq!(summary, "noise.weight: colored, rank 1, 12 parameters");
}

/// A derive gives a struct its plain name, whatever crate it is of.
#[test]
fn a_struct_that_is_named_like_the_noise_is_a_module_like_any_other() {
    #[derive(Module, Debug)]
    struct LearnedNoise {
        weight: Param<Tensor<2>>,
    }
    let own = LearnedNoise { weight: Param::from_data([[0.5, 1.0]], &Device::flex()) };
    let own = WeightNoise::colored(1).inject(own);
    let summary = NoiseSummary::of(&own).to_string();
    assert_eq!(summary, "weight: colored, rank 1, 4 parameters");
    assert_eq!(noise_covariances(&own).unwrap()[0].0, "weight");
    let found = parameters(&own).into_iter().map(|found| (found.path, found.role));
    let wanted = [
        ("weight", ParameterRole::Model),
        ("weight.noise.diagonal", ParameterRole::Noise),
        ("weight.noise.factor", ParameterRole::Noise),
    ];
    let wanted = wanted.map(|(path, role)| (path.to_string(), role));
    assert_eq!(found.collect::<Vec<_>>(), wanted);
}

/// For the adapters of `burn-store` the noise of a layer is not that layer.
#[test]
fn storing_weights_in_half_precision_leaves_their_noise_in_single() {
    use burn::store::{HalfPrecisionAdapter, ModuleSnapshot};
    let net = WeightNoise::colored(1).inject(Net::new(&Device::flex()));
    let stored = net.collect(None, Some(Box::new(HalfPrecisionAdapter::new())), false);
    assert_eq!(stored.len(), 8);
    for tensor in stored {
        let noise = tensor.name.contains(".noise.");
        assert_eq!(tensor.dtype == DType::F32, noise, "{}", tensor.name);
    }
}

/// As saved before a law had a file of its own.
#[test]
fn configurations_of_before_are_read() {
    let text = r#"{"law":{"colored":{"rank":5,"diagonal":0.0625,"factor":0.01}},
        "convention":"scaled","group":null,"channel_axis":null,"prefix":""}"#;
    let read: WeightNoise = serde_json::from_str(text).unwrap();
    let wanted = WeightNoise::colored(5).with_scale(NoiseScale::Relative);
    assert_eq!(format!("{read:?}"), format!("{wanted:?}"));
    let text = r#"{"law":{"white":{"granularity":"layer","alpha":0.25}},
        "convention":"reference","draw_per":"example","std_per":"batch"}"#;
    let read: ActivationNoiseConfig = serde_json::from_str(text).unwrap();
    assert_eq!(read, ActivationNoiseConfig::white(Granularity::Layer));
}
