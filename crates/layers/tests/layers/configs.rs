//! Configurations as values: what is saved is what is loaded, by the names that a command line has.

use burn::config::Config;
use burn::module::ParamGroup;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use cni_layers::models::{
    Activation, Architecture, ModelNoise, NormalizeConfig, ResNetConfig, Shortcut,
};
use cni_layers::{
    ActivationNoiseConfig, Granularity, LayerNoise, NoisyConv2dConfig, NoisyLinearConfig, Per,
    WeightNoise, keyed_init,
};
use cni_noise::{Key, Noise, NoiseScale, scope};
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;

/// The configuration, saved and loaded.
fn again<C: Config>(config: &C) -> C {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    config.save(&path).unwrap();
    let loaded = C::load(&path).unwrap();
    let json = |config: &C| serde_json::to_value(config).unwrap();
    assert_eq!(json(&loaded), json(config));
    loaded
}

fn everywhere() -> ModelNoise {
    let white = ActivationNoiseConfig::white(Granularity::Channel);
    ModelNoise::cni(2)
        .with_input(white.clone().with_draw_per(Per::Batch).with_std_per(Per::Example))
        .with_conv_input(ActivationNoiseConfig::colored(1))
        .with_conv_output(white)
        .with_scale(NoiseScale::Relative)
}

#[test]
fn a_models_configuration_saved_and_loaded_gives_an_equal_model() {
    let device = Device::flex();
    let images = Tensor::<4>::ones([2, 1, 9, 10], &device);
    for architecture in [
        Architecture::Cifar { depth: 8, shortcut: Shortcut::PadEnd },
        Architecture::Cifar { depth: 8, shortcut: Shortcut::PadBoth },
        Architecture::cifar(8),
        Architecture::ResNet18,
        Architecture::PreActResNet18,
        Architecture::WideResNet { depth: 10 },
        Architecture::Airbench,
    ] {
        let config = ResNetConfig::new(architecture, 3)
            .with_width(0.125)
            .with_images([9, 10], NormalizeConfig::centered(1))
            .with_activation(Activation::Mish)
            .with_noise(everywhere());
        let loaded = again(&config);
        assert_eq!(loaded, config);
        let logits = |config: &ResNetConfig| {
            let model = keyed_init(config.init(&device), Key::new(1));
            scope(Noise::Keyed(Key::new(2)), || model.forward(images.clone())).into_data()
        };
        assert_eq!(logits(&loaded), logits(&config), "{architecture}");
    }
}

#[test]
fn a_file_without_an_activation_has_that_of_its_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    for (architecture, wanted) in [
        (Architecture::cifar(20), Activation::Relu),
        (Architecture::WideResNet { depth: 28 }, Activation::Relu),
        (Architecture::Airbench, Activation::Gelu),
    ] {
        let config = ResNetConfig::new(architecture, 10);
        let mut file = serde_json::to_value(&config).unwrap();
        file.as_object_mut().unwrap().remove("activation").unwrap();
        std::fs::write(&path, file.to_string()).unwrap();
        let loaded = ResNetConfig::load(&path).unwrap();
        assert_eq!((&loaded, loaded.activation()), (&config, wanted));
    }
}

#[test]
fn every_configuration_is_saved_and_loaded() {
    let noise = LayerNoise::none()
        .with_name("conv")
        .with_weight(
            WeightNoise::colored(2)
                .with_group(ParamGroup::from_regex("weight$").unwrap())
                .with_channel_axis(1)
                .with_prefix("left."),
        )
        .with_input(ActivationNoiseConfig::colored(1))
        .with_output(ActivationNoiseConfig::white(Granularity::Element));
    assert_eq!(again(&noise), noise);
    assert_ne!(again(&noise), LayerNoise::none().with_weight(WeightNoise::colored(2)));
    assert_eq!(again(&everywhere()), everywhere());
    let normalize = NormalizeConfig::cni();
    assert_eq!(again(&normalize), normalize);
    let conv = Conv2dConfig::new([2, 3], [3, 3]).with_padding(PaddingConfig2d::Same);
    let conv = NoisyConv2dConfig::new(conv, [8, 8]).with_noise(noise.clone());
    assert_eq!(again(&conv).noise, noise);
    let linear = NoisyLinearConfig::new(LinearConfig::new(2, 3)).with_noise(noise.clone());
    assert_eq!(again(&linear).noise, noise);
    let activation = ActivationNoiseConfig::colored(3).with_features([2, 3]).with_name("hidden");
    assert_eq!(again(&activation), activation);
}

/// The message for a configuration in which `from` reads `to`.
fn refused<C: Config>(config: &C, from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path: &Path = &folder.path().join("config.json");
    let text = serde_json::to_string(config).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    C::load(path).unwrap_err().to_string()
}

#[test]
fn a_file_with_an_unknown_setting_or_value_is_refused_by_name() {
    let config = ResNetConfig::cifar(20, 10).with_noise(everywhere());
    for (from, to, wanted) in [
        (r#""width""#, r#""widht""#, "unknown field `widht`"),
        (r#""depth""#, r#""deep""#, "unknown field `deep`"),
        (r#""conv_input""#, r#""inputs""#, "unknown field `inputs`"),
        (r#""draw_per""#, r#""draws""#, "unknown field `draws`"),
        (r#""prefix""#, r#""prefixes""#, "unknown field `prefixes`"),
        (r#""projection""#, r#""pad""#, "unknown variant `pad`"),
        (r#""mean":[0.491"#, r#""mean":[1e999"#, "number out of range"),
        (r#""std":[0.247"#, r#""std":[0"#, "std: got [0.0, 0.243, 0.262]"),
        (r#""std":[0.247,"#, r#""std":["#, "3 and 2 channels"),
    ] {
        let message = refused(&config, from, to);
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    fn check<T: Copy + Debug + Display + PartialEq + FromStr<Err: Debug>>(
        values: &[T],
        names: &[&str],
    ) {
        let texts: Vec<String> = values.iter().map(T::to_string).collect();
        assert_eq!(texts, names);
        for value in values {
            assert_eq!(value.to_string().parse::<T>().unwrap(), *value);
        }
    }
    check(Granularity::ALL, &["layer", "channel", "element"]);
    check(Per::ALL, &["batch", "example"]);
    check(Activation::ALL, &["relu", "silu", "gelu", "mish", "softplus"]);
    check(Shortcut::ALL, &["pad-end", "pad-both", "projection"]);
    let pad = Architecture::Cifar { depth: 110, shortcut: Shortcut::PadBoth };
    let all = [pad, Architecture::cifar(20), Architecture::ResNet18, Architecture::PreActResNet18];
    check(&all, &["cifar-110-pad-both", "cifar-20-projection", "resnet18", "preact18"]);
    check(
        &[Architecture::WideResNet { depth: 34 }, Architecture::Airbench],
        &["wrn-34", "airbench"],
    );
    for family in Architecture::FAMILIES {
        assert_eq!(family.parse::<Architecture>().unwrap().family(), *family);
    }
    assert_eq!("cifar-56".parse(), Ok(Architecture::cifar(56)));
    assert_eq!("wrn".parse(), Ok(Architecture::WideResNet { depth: 28 }));
    let message = "Layer".parse::<Granularity>().unwrap_err().to_string();
    assert_eq!(message, r#"granularity: got "Layer", wanted one of layer, channel, element"#);
    for (text, field) in [
        ("", "architecture"),
        ("resnet20", "architecture"),
        ("cifar-", "architecture"),
        ("cifar-twenty", "architecture"),
        ("wrn-", "architecture"),
        ("wrn-28-10", "architecture"),
        ("cifar-20-", "shortcut"),
        ("cifar-20-pad", "shortcut"),
    ] {
        let message = text.parse::<Architecture>().unwrap_err().to_string();
        assert!(message.starts_with(&format!("{field}: got ")), "{message}");
    }
}
