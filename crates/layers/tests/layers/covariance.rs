//! The learned covariance against closed forms and against draws.

use crate::support::noises::every_noise;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_evaluation::NoiseCovariance;
use cni_layers::models::{ModelNoise, ResNetConfig};
use cni_layers::{
    ActivationNoise, ActivationNoiseConfig, Granularity, NoiseSummary, WeightNoise, keyed_init,
    noise_amplitudes, noise_covariances,
};
use cni_noise::laws::{Colored, CovarianceFault, standard_deviation};
use cni_noise::{Key, NoiseScale, normal_at};

fn conv(noise: &WeightNoise) -> Conv2d {
    let conv = Conv2dConfig::new([3, 4], [3, 3]).with_bias(false).init(&Device::flex());
    let noisy = noise.inject(keyed_init(conv, Key::new(1)));
    noisy.map(&mut Learn { path: Vec::new() })
}

fn only<M: Module>(model: &M) -> NoiseCovariance {
    let mut found = NoiseCovariance::of(noise_covariances(model).unwrap());
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Noise parameters as training might leave them: each another one, of either sign, and columns of
/// `F` that differ.
struct Learn {
    path: Vec<String>,
}

impl ModuleMapper for Learn {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let scale = match self.path.last().map_or("", String::as_str) {
            "weight" | "bias" => return param,
            "diagonal" => 0.05,
            _ => 0.1,
        };
        let key = Key::new(2).named(&self.path.join("."));
        param.map(|old| old.clone() + normal_at(key, 0, old.dims(), &old).mul_scalar(scale))
    }
}

/// The covariance between channels of `n` draws of a convolution's weight `[4, 3, 3, 3]`, and the
/// standard errors.
///
/// For Gaussian draws the variance of an entry of the covariance of all elements is
/// `(C_ii C_jj + C_ij²) / n`; the mean over positions errs at most by the mean of their standard
/// errors.
fn sampled(conv: &Conv2d, n: usize) -> (Vec<f64>, Vec<f64>) {
    let (channels, m) = (4, 27);
    let mean = WeightNoise::remove(conv.clone());
    let mean: Vec<f64> = mean.weight.base().try_to_vec_as().unwrap();
    let draws: Vec<Vec<f64>> = (0..n as u64)
        .map(|draw| {
            let folded = WeightNoise::fold(conv.clone(), Key::new(3).child(draw));
            let weight: Vec<f64> = folded.weight.base().try_to_vec_as().unwrap();
            weight.iter().zip(&mean).map(|(noisy, weight)| noisy - weight).collect()
        })
        .collect();
    let moment = |i: usize, j: usize| draws.iter().map(|e| e[i] * e[j]).sum::<f64>() / n as f64;
    let (mut covariance, mut errors) = (Vec::new(), Vec::new());
    for (a, b) in (0..channels).flat_map(|a| (0..channels).map(move |b| (a, b))) {
        let pairs = (0..m).map(|i| (a * m + i, b * m + i));
        let moments: Vec<[f64; 3]> =
            pairs.map(|(i, j)| [moment(i, j), moment(i, i), moment(j, j)]).collect();
        covariance.push(moments.iter().map(|[c, _, _]| c).sum::<f64>() / m as f64);
        let error = |[c, u, v]: &[f64; 3]| ((u * v + c * c) / n as f64).sqrt();
        errors.push(moments.iter().map(error).sum::<f64>() / m as f64);
    }
    (covariance, errors)
}

#[test]
fn it_is_the_covariance_of_4_000_draws_of_the_weight() {
    let n = 4_000;
    for noise in every_noise() {
        let conv = conv(&noise);
        let found = only(&conv);
        let (sample, errors) = sampled(&conv, n);
        for ((got, sample), error) in found.covariance.concat().iter().zip(&sample).zip(&errors) {
            assert!((got - sample).abs() < 5.0 * error, "{noise:?}: {got} ≠ {sample} ± {error}");
        }
        // The case says something: a covariance that is wrong by a third would not pass.
        let diagonal: f64 = (0..4).map(|i| sample[5 * i] / errors[5 * i]).fold(f64::MAX, f64::min);
        assert!(diagonal > 15.0, "{noise:?}: {diagonal}");
        let sum: f64 = found.eigenvalues.iter().sum();
        let trace: f64 = (0..4).map(|i| found.covariance[i][i]).sum();
        assert!((sum / trace - 1.0).abs() < 1e-12, "{noise:?}: {sum} ≠ {trace}");
    }
}

#[test]
fn the_factor_has_as_many_eigenvalues_as_it_has_directions() {
    let law = Colored { rank: 2, diagonal: 0.0625, factor: 0.1 };
    let noise = WeightNoise::new(law);
    let learned = only(&conv(&noise)).factor_eigenvalues;
    assert!(learned.len() == 2 && learned[1] > 0.1, "{learned:?}");
    // Before training all entries of F are equal: one direction, of power 2 · 108 · 0.1².
    let fresh = only(&noise.inject(Conv2dConfig::new([3, 4], [3, 3]).init(&Device::flex())));
    assert!((fresh.factor_eigenvalues[0] - 2.16).abs() < 1e-6, "{:?}", fresh.factor_eigenvalues);
    assert!(fresh.factor_eigenvalues[1] < 1e-9, "{:?}", fresh.factor_eigenvalues);
    // And it couples all channels alike: 2 · 0.1² between any two.
    assert!((fresh.covariance[0][3] - 0.02).abs() < 1e-8, "{:?}", fresh.covariance);
}

#[test]
fn a_linear_weight_has_its_channels_along_the_second_axis() {
    let linear = LinearConfig::new(5, 3).with_bias(false).init(&Device::flex());
    let mut linear: Linear = keyed_init(linear, Key::new(1));
    let s: f64 = standard_deviation(linear.weight.val()).into_scalar();
    for granularity in [Granularity::Layer, Granularity::Channel, Granularity::Element] {
        for scale in [NoiseScale::Reference, NoiseScale::Relative] {
            let noise = WeightNoise::white(granularity).with_scale(scale);
            let noisy = noise.inject(linear.clone());
            let found = only(&noisy);
            assert_eq!((found.path.as_str(), found.law.as_str()), ("weight", "white"));
            assert_eq!((found.elements, found.channels, found.amplitude), (15, 3, 0.25));
            assert!((found.std_mean - 0.25 * s).abs() < 1e-9 && found.std_max == found.std_mean);
            assert!((found.relative_std.unwrap() - 0.25).abs() < 1e-12);
            for (i, row) in found.covariance.iter().enumerate() {
                let wanted = |j| if i == j { (0.25 * s).powi(2) } else { 0.0 };
                assert!((0..3).all(|j| (row[j] - wanted(j)).abs() < 1e-9), "{row:?}");
            }
        }
    }
    // A transposed view of it, for a module that keeps its channels first.
    linear.weight = Param::from_tensor(linear.weight.val().transpose());
    let noise = WeightNoise::white(Granularity::Channel).with_channel_axis(0);
    assert_eq!(only(&noise.inject(linear)).channels, 3);
}

#[test]
fn activation_noise_is_that_for_an_input_of_standard_deviation_one() {
    #[derive(Module, Debug)]
    struct Net {
        before: Linear,
        noise: ActivationNoise,
    }
    let device = Device::flex();
    let law = Colored { rank: 2, diagonal: 0.0625, factor: 0.1 };
    let config = ActivationNoiseConfig::colored(2).with_law(law);
    let net = Net {
        before: LinearConfig::new(4, 12).init(&device),
        noise: config.with_name("noise").with_features([3, 2, 2]).init(&device),
    };
    let found = only(&net);
    assert_eq!((found.path.as_str(), found.law.as_str()), ("noise", "colored, rank 2"));
    assert_eq!((found.elements, found.channels, found.relative_std), (12, 3, None));
    // √(0.0625 + 2 · 0.1²) for each element, 2 · 0.1² between any two.
    assert!((found.std_mean - 0.0825f64.sqrt()).abs() < 1e-8, "{}", found.std_mean);
    assert!((found.covariance[0][0] - 0.0825).abs() < 1e-8, "{:?}", found.covariance);
    assert!((found.covariance[0][2] - 0.02).abs() < 1e-8, "{:?}", found.covariance);
    assert_eq!(found.amplitude, 0.25);
}

#[test]
fn a_resnet_lists_all_its_noise_in_every_state() {
    let noise = ModelNoise::cni(5)
        .with_input(ActivationNoiseConfig::white(Granularity::Layer))
        .with_conv_output(ActivationNoiseConfig::white(Granularity::Channel));
    let device = Device::flex().autodiff();
    let config = ResNetConfig::cifar(20, 10).with_noise(noise);
    let model = keyed_init(config.init(&device), Key::new(1));
    let noises = noise_covariances(&model).unwrap();
    let found = NoiseCovariance::of(noises.clone());
    let summary = NoiseSummary::of(&model);
    let listed = summary.entries().iter().map(|entry| (entry.path.clone(), entry.law.clone()));
    let paths: Vec<_> = found.iter().map(|noise| (noise.path.clone(), noise.law.clone())).collect();
    assert_eq!(paths, listed.collect::<Vec<_>>());
    // 21 convolutions and the classifier, the input, and the outputs of all convolutions but the
    // stem.
    assert_eq!(found.len(), 22 + 1 + 20);
    assert!(
        found.iter().all(|noise| noise.relative_std.is_some() == noise.path.ends_with("weight"))
    );
    assert_eq!(noise_covariances(&model.valid()).unwrap(), noises);
    let amplitudes: Vec<_> = found.iter().map(|n| (n.path.clone(), n.amplitude)).collect();
    assert_eq!(noise_amplitudes(&model), amplitudes);

    let plain = ResNetConfig::cifar(20, 10).init(&device);
    assert!(noise_covariances(&plain).unwrap().is_empty() && noise_amplitudes(&plain).is_empty());
}

#[test]
fn noise_that_is_not_finite_is_refused_by_its_path() {
    let mut conv = conv(&WeightNoise::colored(1));
    conv.weight = conv.weight.map(|weight| weight.mul_scalar(f64::NAN));
    let conv = WeightNoise::colored(1).inject(WeightNoise::remove(conv));
    let error = noise_covariances(&conv).unwrap_err();
    assert_eq!((error.path.as_str(), error.fault), ("weight", CovarianceFault::NotFinite));
}
