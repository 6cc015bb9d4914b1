//! Dense networks: their sizes, shapes and settings.

use super::device;
use cni_layers::binary::BinarySummary;
use cni_layers::models::{DenseNetConfig, DenseUnits, NormalizeConfig};
use cni_layers::{count_parameters, keyed_init, parameters};
use cni_noise::{Key, normal};

#[test]
#[should_panic(expected = "images: got 1 channels, wanted 3, those of the model")]
fn images_of_other_channels_than_the_networks_are_refused() {
    let model = DenseNetConfig::binary_28(10).for_cifar().with_blocks([1], []).init(&device());
    model.forward(normal(Key::new(1), [2, 1, 16, 16], &device()));
}

/// Larq's counts of values, with all four vectors of a batch norm; BMXNet's sizes, which leave the
/// running statistics out, and Larq's of the smallest.
#[test]
fn dense_networks_have_the_published_sizes() {
    for (config, values, mebibytes) in [
        (DenseNetConfig::binary_28(1000), 5_150_504, "4.04"),
        (DenseNetConfig::binary_37(1000), 8_734_120, "5.13"),
        (DenseNetConfig::binary_37_dilated(1000), 8_734_120, "5.13"),
        (DenseNetConfig::binary_45(1000), 13_939_240, "7.35"),
    ] {
        let model = config.init(&device());
        let summary = BinarySummary::of(&model);
        assert_eq!(summary.values(), values, "{summary}");
        let running = |found: &cni_layers::Parameter| {
            found.role == cni_layers::ParameterRole::RunningStatistic
        };
        let all = parameters(&model);
        let running: usize = all.iter().filter(|p| running(p)).map(|p| p.elements()).sum();
        assert_eq!(values - running, count_parameters(&model));
        let size = (summary.bytes() - 4 * running) as f64 / f64::from(1 << 20);
        assert_eq!(format!("{size:.2}"), mebibytes, "{summary}");
    }
    let summary = BinarySummary::of(&DenseNetConfig::binary_28(1000).init(&device()));
    assert!(summary.to_string().ends_with(": 4.12 MiB in place of 19.65"), "{summary}");
}

#[test]
fn dense_networks_keep_their_shapes_and_settings() {
    let small = DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_blocks([2, 2], [2.0])
        .with_growth(32)
        .with_images([16, 16], NormalizeConfig::centered(1));
    let x = normal::<4>(Key::new(1), [2, 1, 16, 16], &device());
    for config in [small.clone(), small.clone().with_units(DenseUnits::Full)] {
        let text = serde_json::to_string(&config).unwrap();
        let read: DenseNetConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read, config);
        let model = keyed_init(read.init(&device()), Key::new(1));
        assert_eq!(model.forward(x.clone()).dims(), [2, 10]);
        // 64 + 2 · 32 = 128 channels, 64 behind the transition, 128 at the end.
        assert_eq!(model.transitions[0].conv.weight.dims(), [64, 128, 1, 1]);
        assert_eq!(model.fc.weight.dims(), [128, 10]);
    }
    // A dilated stage keeps its size.
    let dilated = DenseNetConfig { dilations: vec![1, 2], ..small.clone() };
    let model = keyed_init(dilated.init(&device()), Key::new(1));
    assert!(!model.transitions[0].pools);
    assert_eq!(model.forward(x).dims(), [2, 10]);
    let error = |config: DenseNetConfig| config.try_init(&device()).unwrap_err().to_string();
    assert!(error(small.clone().with_blocks([2, 0], [2.0])).starts_with("blocks: got [2, 0]"));
    assert!(error(small.clone().with_blocks([2], [2.0])).starts_with("reductions: got 1 for 1"));
    assert!(error(small.clone().with_blocks([1, 1], [9.0])).starts_with("reductions: got [9.0]"));
    assert!(error(small.clone().with_growth(0)).starts_with("growth: got 64 channels and"));
    assert!(
        error(small.clone().with_growth(usize::MAX)).starts_with("growth: got 64 channels and")
    );
    assert!(error(small.clone().with_growth(9_000)).contains("at most 16,384 channels in every"));
    assert!(error(small.clone().with_blocks([usize::MAX], [])).contains("at most 1,000 units"));
    let tiny = small.clone().with_images([1, 16], NormalizeConfig::centered(1));
    assert!(error(tiny).starts_with("image_size: got [1, 16], wanted a size of which"));
    let no_dilation = DenseNetConfig { dilations: vec![1], ..small.clone() };
    assert!(error(no_dilation).starts_with("dilations: got [1] for 2 stages"));
    assert!(error(DenseNetConfig { classes: 1, ..small }).starts_with("classes: got 1"));
}
