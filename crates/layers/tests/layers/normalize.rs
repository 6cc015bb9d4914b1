//! Normalization: part of a model's record, and never trained.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use cni_layers::models::{ModelNoise, Normalize, NormalizeConfig, ResNet, ResNetConfig};
use cni_layers::{NoiseSummary, WeightNoise, count_parameters, keyed_init, noise_parameters};
use cni_noise::{Key, uniform};

fn config() -> ResNetConfig {
    ResNetConfig::cifar(8, 10).with_width(0.125)
}

fn images(device: &Device) -> Tensor<4> {
    uniform(Key::new(1), [2, 3, 8, 8], device)
}

#[test]
fn a_models_normalization_survives_saving_and_loading() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    for device in [device.clone(), device.autodiff()] {
        let model = config().with_normalization(NormalizeConfig::imagenet()).init(&device);
        model.clone().save_file(&path).unwrap();
        let fresh = config().init(&device);
        assert_eq!(fresh.normalize.config().unwrap(), NormalizeConfig::cni());
        let loaded = fresh.load_file(&path);
        assert_eq!(loaded.normalize.config().unwrap(), NormalizeConfig::imagenet());
        let logits = |model: &ResNet| model.valid().forward(images(&Device::flex())).into_data();
        assert_eq!(logits(&loaded), logits(&model));
    }
}

#[test]
fn a_record_without_normalization_is_refused_with_a_sentence_that_names_it() {
    #[derive(Module, Debug)]
    struct Old {
        linear: Linear,
    }
    #[derive(Module, Debug)]
    struct New {
        normalize: Normalize,
        linear: Linear,
    }
    let device = Device::flex();
    let linear = || LinearConfig::new(3, 2).init(&device);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.bpk");
    Old { linear: linear() }.save_file(&path).unwrap();
    let new = New { normalize: NormalizeConfig::cni().init(&device), linear: linear() };
    let error = new.try_load_file(&path).unwrap_err().to_string();
    assert!(error.contains("normalize.mean") && error.contains("normalize.std"), "{error}");
}

#[test]
fn normalization_is_not_counted_not_noised_and_not_trained_even_when_all_is_unfrozen() {
    let device = Device::flex().autodiff();
    let model = config().with_noise(ModelNoise::cni(2)).init(&device).freeze().unfreeze();
    let parameters = count_parameters(&model);
    let wanted = model.normalize.config().unwrap();
    let everything =
        WeightNoise::white(cni_layers::Granularity::Layer).with_group(ParamGroup::all());
    let noisy = everything.try_inject(config().init(&device)).unwrap();
    let entries = NoiseSummary::of(&noisy);
    assert!(entries.entries().iter().all(|entry| !entry.path.starts_with("normalize")));

    let loss = model.forward(images(&device)).powi_scalar(2).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let decay = Some(WeightDecayConfig::new(0.5));
    let mut optimizer = SgdConfig::new().with_weight_decay(decay).init();
    let before = model.fc.linear.weight.base().into_data();
    let trained = optimizer.step(0.1, model, gradients);
    assert_ne!(trained.fc.linear.weight.base().into_data(), before);
    assert_eq!(trained.normalize.config().unwrap(), wanted);
    assert_eq!(count_parameters(&trained), parameters);
    let without = config().with_noise(ModelNoise::cni(2)).init(&device);
    assert_eq!(without.num_params() - 6, {
        let running = 2 * (2 * 3 + 4 * 3 + 8 * 3);
        count_parameters(&without) + running
    });
}

#[test]
fn the_group_of_noise_parameters_holds_them_and_no_others() {
    let model = config().with_noise(ModelNoise::cni(2)).init(&Device::flex());
    let group = noise_parameters(&model);
    let noise = model.conv1.conv.weight.reparameterization::<cni_layers::LearnedNoise>().unwrap();
    assert!(group.matches(&noise.vector("diagonal").unwrap().id, None));
    assert!(group.matches(&noise.factor().unwrap().id, None));
    assert!(!group.matches(&model.conv1.conv.weight.id, None));
    assert!(!group.matches(&model.fc.linear.bias.as_ref().unwrap().id, None));
}

#[test]
fn the_display_of_a_model_shows_its_normalization() {
    let text = config().init(&Device::flex()).to_string();
    let wanted = "normalize: Normalize {mean: [0.491, 0.482, 0.447], std: [0.247, 0.243, 0.262]}";
    assert!(text.contains(wanted), "{text}");
}

#[test]
fn a_model_for_images_of_one_channel_normalizes_them() {
    let device = Device::flex();
    for name in ["centered", "none", "0.1307/0.3081"] {
        let normalize = NormalizeConfig::named(name, 1).unwrap();
        let model = config().with_images([28, 28], normalize).init(&device);
        let logits = model.forward(Tensor::ones([2, 1, 28, 28], &device));
        assert_eq!(logits.dims(), [2, 10], "{name}");
    }
    let x = NormalizeConfig::new(&[0.5], &[0.25]).init(&device);
    let out = x.forward(Tensor::ones([1, 1, 1, 1], &device)).into_scalar::<f32>();
    assert_eq!(out, 2.0);
}

#[test]
#[should_panic(expected = "images: got 1 channels, wanted 3, those of the model")]
fn images_of_one_channel_are_refused_by_a_model_of_three() {
    let device = Device::flex();
    config().init(&device).forward(Tensor::ones([2, 1, 8, 8], &device));
}

#[test]
#[should_panic(expected = "images: got 3 channels, wanted 1, those of the model")]
fn images_of_three_channels_are_refused_by_a_model_of_one() {
    let device = Device::flex();
    let model = config().with_normalization(NormalizeConfig::centered(1)).init(&device);
    model.forward(images(&device));
}

#[test]
fn constants_of_one_channel_serve_all_channels_of_a_model() {
    let device = Device::flex();
    let three = config().with_normalization(NormalizeConfig::centered(3)).init(&device);
    let mut one = keyed_init(three, Key::new(2));
    let wanted = one.forward(images(&device));
    one.normalize = NormalizeConfig::centered(1).init(&device);
    let off = (one.forward(images(&device)) - wanted).abs().max().into_scalar::<f64>();
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_normalization_is_taken_by_name_or_by_numbers() {
    let named = |text| NormalizeConfig::named(text, 3);
    assert_eq!(named("cni"), Ok(NormalizeConfig::cni()));
    assert_eq!(named("cifar10").unwrap().std(), [0.2023, 0.1994, 0.2010]);
    assert_eq!(named("imagenet").unwrap().mean(), [0.485, 0.456, 0.406]);
    assert_eq!(named("none").unwrap(), NormalizeConfig::new(&[0.0; 3], &[1.0; 3]));
    assert_eq!(named("0.5/0.25"), Ok(NormalizeConfig::new(&[0.5; 3], &[0.25; 3])));
    let numbers = named("0.1, 0.2, 0.3 / 0.4, 0.5, 0.6").unwrap();
    assert_eq!((numbers.mean(), numbers.std()), (&[0.1, 0.2, 0.3][..], &[0.4, 0.5, 0.6][..]));
    for text in ["", "imagenet21k", "0.5", "0.5,0.5/x", "0.5,0.5,0.5/0.25,0.25,0.25/1"] {
        let error = named(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("normalization: got {text:?}, wanted cni, ")),
            "{error}"
        );
    }
    let error = named("0.5,0.5/0.2,0.2").unwrap_err().to_string();
    assert!(error.contains("which has 2 channels"), "{error}");
    assert!(named("0.5/0").unwrap_err().to_string().starts_with("std: got [0.0, 0.0, 0.0]"));
}

#[test]
fn a_configuration_that_no_layer_can_have_is_refused_also_when_read() {
    let try_new =
        |mean: &[f64], std: &[f64]| NormalizeConfig::try_new(mean, std).unwrap_err().to_string();
    assert!(try_new(&[], &[]).starts_with("mean, std: got 0 and 0 channels"));
    assert!(try_new(&[0.5], &[0.5; 2]).starts_with("mean, std: got 1 and 2 channels"));
    assert!(try_new(&[f64::NAN], &[0.5]).starts_with("mean: got [NaN], wanted finite"));
    // Zero in single precision.
    for std in [0.0, -1.0, f64::INFINITY, 1e-60] {
        assert!(try_new(&[0.5], &[std]).starts_with("std: got ["), "{std}");
    }
    let text = serde_json::to_string(&NormalizeConfig::cni()).unwrap();
    assert_eq!(serde_json::from_str::<NormalizeConfig>(&text).unwrap(), NormalizeConfig::cni());
    let broken = r#"{"mean": [0.5], "std": [0.0]}"#;
    assert!(serde_json::from_str::<NormalizeConfig>(broken).is_err());
    let model = config().init(&Device::flex());
    let error = model.with_normalization(&NormalizeConfig::centered(1)).unwrap_err().to_string();
    assert!(error.starts_with("normalization: got 1 channels for images of 3"), "{error}");
}
