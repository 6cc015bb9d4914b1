//! Models of band-limited convolutions.

use super::{close, device, limit, numbers, values};
use burn::module::Module;
use burn::tensor::Tensor;
use cni_layers::band_limited::{Band, BandLimitedInputConfig};
use cni_layers::models::{Architecture, ModelNoise, NormalizeConfig, ResNetConfig};
use cni_layers::{NoiseSummary, NoisyConv2d, keyed_init};
use cni_noise::{Key, Noise, scope};

#[test]
fn more_frequencies_than_there_are_keep_all_of_an_axis_and_are_refused_of_a_network() {
    let x = values::<4>(3, [2, 1, 4, 6]);
    let rows = |q| numbers(limit(Band::Frequencies([q, 2])).forward(x.clone()));
    close("rows", &rows(9), &rows(3), 1e-6);
    // The largest grid is that of the stem, or of the convolution behind a stem without padding.
    for (architecture, side, power_of_two, most) in [
        (Architecture::cifar(8), 16, false, 17),
        (Architecture::cifar(8), 32, true, 65),
        (Architecture::Airbench, 16, false, 16),
        (Architecture::Airbench, 17, true, 33),
    ] {
        let network = |frequencies| {
            let band = BandLimitedInputConfig::new(Band::Frequencies(frequencies));
            let config = ResNetConfig::new(architecture, 10)
                .with_width(0.25)
                .with_band(band.with_power_of_two(power_of_two))
                .with_images([side; 2], NormalizeConfig::centered(3));
            config.try_init(&device())
        };
        let model = network([1, 1]).unwrap();
        let grid = |layer: &NoisyConv2d, side| {
            let x = Tensor::ones([1, 1, side, side], &device());
            let energy = layer.band.as_ref().unwrap().energy(&layer.conv, x);
            energy.unwrap().size()[0]
        };
        let behind = if architecture == Architecture::Airbench { side - 1 } else { side };
        let largest = grid(&model.conv1, side).max(grid(&model.layer1[0].conv1, behind));
        assert_eq!(largest / 2 + 1, most, "{architecture}");

        for fits in [[10, 10], [most - 1; 2], [most, most - 1], [2, 99]] {
            let images = values::<4>(4, [1, 3, side, side]);
            let logits = network(fits).unwrap().forward(images);
            assert_eq!(logits.dims(), [1, 10], "{architecture} {fits:?}");
        }
        let error = network([most; 2]).err().unwrap().to_string();
        let says = format!("band: got {most}x{most}, wanted fewer frequencies");
        assert!(error.starts_with(&says), "{error}");
    }
}

#[test]
fn a_model_of_band_limited_convolutions_takes_the_weights_of_the_plain_one() {
    let plain = ResNetConfig::cifar(8, 10).with_width(0.5);
    let model = keyed_init(plain.init(&device()), Key::new(1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    model.clone().save_file(&path).unwrap();
    let x = values::<4>(1, [2, 3, 32, 32]);
    let limited = |band| {
        let config = plain.clone().with_band(BandLimitedInputConfig::new(band));
        let text = serde_json::to_string(&config).unwrap();
        let config: ResNetConfig = serde_json::from_str(&text).unwrap();
        numbers(config.init(&device()).load_file(&path).forward(x.clone()))
    };
    let wanted = numbers(model.forward(x.clone()));
    close("rate 0", &limited(Band::ALL), &wanted, 1e-4);
    let half = limited(Band::Rate(0.5));
    let error = half.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error > 1e-2, "{error}");
    let wrong = plain.with_band(BandLimitedInputConfig::new(Band::Rate(2.0)));
    let error = wrong.try_init(&device()).unwrap_err().to_string();
    assert!(error.starts_with("band.rate: got 2"), "{error}");
}

/// A band that is drawn is noise to all that ask for it.
#[test]
fn a_model_of_drawn_bands_is_stochastic_and_says_so() {
    let config = |band| {
        let plain = ResNetConfig::cifar(8, 10).with_width(0.5);
        plain.with_band(BandLimitedInputConfig::new(band))
    };
    let x = values::<4>(1, [2, 3, 32, 32]);
    let fixed = config(Band::Rate(0.5));
    assert!(!fixed.is_stochastic());
    assert_eq!(NoiseSummary::of(&fixed.init(&device())).to_string(), "no noise");
    let random = config(Band::Random { from: 0.2, to: 0.8 });
    for config in [random.clone(), random.with_noise(ModelNoise::cni(1))] {
        assert!(config.is_stochastic());
        let model = keyed_init(config.init(&device()), Key::new(1));
        let run = |key| scope(Noise::Keyed(Key::new(key)), || numbers(model.forward(x.clone())));
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        // Eight layers and two projections, each with draws of its own.
        let summary = NoiseSummary::of(&model);
        let bands = summary.entries().iter().filter(|entry| entry.law.contains("0.2..0.8"));
        let paths: Vec<&str> = bands.map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths.len(), 9, "{paths:?}");
        assert_eq!(paths[0], "conv1.band.limit");
    }
}
