//! The ResNets: sizes, noise, and what they refuse.

use burn::tensor::{Device, Tensor};
use cni_layers::models::{Architecture, ModelNoise, NormalizeConfig, ResNetConfig, Shortcut};
use cni_layers::{ActivationNoiseConfig, Granularity, NoiseSummary, WeightNoise, count_parameters};
use cni_noise::laws::Colored;

fn pni(granularity: Granularity) -> ResNetConfig {
    ResNetConfig::new(Architecture::Cifar { depth: 20, shortcut: Shortcut::PadEnd }, 10)
        .with_noise(ModelNoise::pni(granularity))
}

fn cni_acts(rank: usize) -> ModelNoise {
    ModelNoise::cni(rank).with_conv_input(ActivationNoiseConfig::colored(rank))
}

#[test]
fn parameter_counts_are_those_of_the_published_models() {
    let cifar = |depth| ResNetConfig::cifar(depth, 10);
    let cases = [
        ("plain, shortcut B", cifar(20), 272_474),
        ("CNI-W", cifar(20).with_noise(ModelNoise::cni(5)), 1_894_650),
        ("CNI-W and inputs", cifar(20).with_noise(cni_acts(5)), 3_148_026),
        ("plain, shortcut A", pni(Granularity::Layer).with_noise(ModelNoise::none()), 269_722),
        ("PNI-W layer-wise", pni(Granularity::Layer), 269_742),
        // He et al.'s sizes of the deeper networks with shortcut A are 0.46, 0.66, 0.85 and 1.7
        // million.
        ("ResNet-110", cifar(110), 1_727_962 + 2_752),
        // kuangliu's ResNet-18 and PreActResNet-18; ours has a batch norm of 512 channels more at
        // the end of the latter.
        ("ResNet-18", ResNetConfig::new(Architecture::ResNet18, 10), 11_173_962),
        (
            "PreActResNet-18",
            ResNetConfig::new(Architecture::PreActResNet18, 10),
            11_171_146 + 1_024,
        ),
        // As in the authors' code and in RobustBench.
        ("WRN-28-10", ResNetConfig::wide(28, 10.0, 10), 36_479_194),
        ("WRN-34-10", ResNetConfig::wide(34, 10.0, 10), 46_160_474),
        ("airbench at half width", ResNetConfig::new(Architecture::Airbench, 10), 498_104),
        // The published 1.97 million, of which the scales of batch norms are 1,152: they are fixed
        // there.
        (
            "airbench",
            ResNetConfig::new(Architecture::Airbench, 10).with_width(2.0),
            1_971_640 + 1_152,
        ),
    ];
    for (name, config, wanted) in cases {
        assert_eq!(count_parameters(&config.init(&Device::flex())), wanted, "{name}");
    }
}

#[test]
fn every_architecture_and_placement_gives_logits() {
    let device = Device::flex();
    let architectures = [
        Architecture::Cifar { depth: 8, shortcut: Shortcut::PadEnd },
        Architecture::Cifar { depth: 8, shortcut: Shortcut::PadBoth },
        Architecture::Cifar { depth: 8, shortcut: Shortcut::Projection },
        Architecture::ResNet18,
        Architecture::PreActResNet18,
        Architecture::WideResNet { depth: 10 },
        Architecture::Airbench,
    ];
    let white = ActivationNoiseConfig::white(Granularity::Channel);
    let everywhere = cni_acts(2).with_conv_output(white.clone()).with_input(white);
    for architecture in architectures {
        for noise in [ModelNoise::none(), everywhere.clone()] {
            let model = ResNetConfig::new(architecture, 7)
                .with_width(0.125)
                .with_images([9, 10], NormalizeConfig::centered(1))
                .with_noise(noise)
                .init(&device);
            let logits = model.forward(Tensor::ones([2, 1, 9, 10], &device));
            assert_eq!(logits.dims(), [2, 7], "{architecture:?}");
        }
    }
}

#[test]
fn the_display_of_a_model_lists_its_noise() {
    let model = ResNetConfig::cifar(8, 10).with_noise(ModelNoise::cni(5)).init(&Device::flex());
    let text = model.to_string();
    assert!(text.contains("layer2.0.downsample.conv.conv.weight: colored, rank 5"), "{text}");
    assert!(text.contains("fc.linear.weight: white, 640 parameters"), "{text}");
}

#[test]
#[should_panic(expected = "depth: got 21, wanted 6n + 2 with n > 0")]
fn a_depth_that_is_no_cifar_resnet_is_refused() {
    ResNetConfig::cifar(21, 10).init(&Device::flex());
}

#[test]
#[should_panic(expected = "classes: got 0, wanted at least 2")]
fn zero_classes_are_refused() {
    ResNetConfig::cifar(20, 0).init(&Device::flex());
}

#[test]
fn sizes_beyond_any_network_are_refused_before_memory_is_asked_for() {
    let try_init = |config: ResNetConfig| {
        let error = config.try_init(&Device::flex()).unwrap_err().to_string();
        let (field, _) = error.split_once(": got ").unwrap();
        field.to_string()
    };
    for width in [1e18, 1e3, f64::INFINITY, f64::NAN, -1.0, 0.0, 0.01] {
        assert_eq!(try_init(ResNetConfig::cifar(20, 10).with_width(width)), "width", "{width}");
        let resnet = ResNetConfig::new(Architecture::ResNet18, 10);
        assert_eq!(try_init(resnet.with_width(width / 4.0)), "width", "{width}");
    }
    for depth in [usize::MAX - usize::MAX % 6 - 4, 6_008, 2, 0] {
        assert_eq!(try_init(ResNetConfig::cifar(depth, 10)), "depth", "{depth}");
        assert_eq!(try_init(ResNetConfig::wide(depth, 1.0, 10)), "depth", "{depth}");
    }
    for width in [1e3, 128.1, 0.01, -1.0] {
        let airbench = ResNetConfig::new(Architecture::Airbench, 10).with_width(width);
        assert_eq!(try_init(airbench), "width", "{width}");
    }
    for size in [[8, 32], [32, 8], [0, 0]] {
        let airbench = ResNetConfig::new(Architecture::Airbench, 10);
        let airbench = airbench.with_images(size, NormalizeConfig::cni());
        assert_eq!(try_init(airbench), "image_size", "{size:?}");
    }
    assert_eq!(try_init(ResNetConfig::cifar(20, usize::MAX)), "classes");
    let flat = ResNetConfig::cifar(20, 10).with_images([32, 0], NormalizeConfig::cni());
    assert_eq!(try_init(flat), "image_size");
}

#[test]
#[should_panic(expected = "rank: got 2000 for conv1.weight, wanted at most its 432 elements")]
fn a_rank_above_the_elements_is_refused() {
    // The path within the layer is `weight`; the message must say which layer.
    ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(2000)).init(&Device::flex());
}

#[test]
fn classifier_and_convolutions_carry_the_noise_of_the_reference() {
    let model = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5)).init(&Device::flex());
    let summary = NoiseSummary::of(&model);
    assert_eq!(summary.entries().len(), 22);
    assert_eq!(summary.parameters(), 1_894_650 - 272_474);
    let noise = model.conv1.conv.weight.reparameterization::<cni_layers::LearnedNoise>().unwrap();
    assert_eq!((noise.law(), noise.name()), (&Colored::new(5).into(), "conv1.weight"));
    let bare = WeightNoise::remove(model);
    assert_eq!(count_parameters(&bare), 272_474);
}
