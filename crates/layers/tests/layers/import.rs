//! PyTorch checkpoints of the reference models; `tests/reference/checkpoints.py` made the files.

use crate::support::reference::{images, json, list, reference};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_layers::models::{Architecture, ModelNoise, ResNet, ResNetConfig, Shortcut};
use cni_layers::{ActivationNoiseConfig, Granularity, count_parameters};
use cni_noise::{Noise, scope};

fn cni_acts(rank: usize) -> ModelNoise {
    ModelNoise::cni(rank).with_conv_input(ActivationNoiseConfig::colored(rank))
}

fn small(width: f64, shortcut: Shortcut, noise: ModelNoise) -> ResNetConfig {
    ResNetConfig::new(Architecture::Cifar { depth: 8, shortcut }, 10)
        .with_width(width)
        .with_noise(noise)
}

/// The files of `checkpoints.py` with the noise of the model that takes them.
fn checkpoints() -> Vec<(&'static str, ResNetConfig)> {
    let (pad, projection) = (Shortcut::PadEnd, Shortcut::Projection);
    vec![
        ("plain_zip.pth", small(0.25, projection, ModelNoise::none())),
        ("plain_legacy.pth", small(0.25, projection, ModelNoise::none())),
        ("cni_zip.pth", small(0.25, projection, ModelNoise::cni(5))),
        ("cni_act_zip.pth", small(0.25, projection, cni_acts(1))),
        ("pni_zip.pth", small(0.25, pad, ModelNoise::pni(Granularity::Layer))),
        ("pni_channel_zip.pth", small(0.25, pad, ModelNoise::pni(Granularity::Channel))),
        ("pad_both.pth", small(0.125, Shortcut::PadBoth, ModelNoise::none())),
        ("whole_model.pth", small(0.125, projection, ModelNoise::none())),
        ("mixed_types.pth", small(0.125, projection, ModelNoise::none())),
    ]
}

fn noise_free(model: &ResNet, device: &Device) -> Vec<f64> {
    let model = model.valid();
    scope(Noise::Off, || model.forward(images(2, &device.clone().inner()))).try_to_vec_as().unwrap()
}

#[test]
fn pytorch_checkpoints_are_taken_as_they_are() {
    let values = json("checkpoints.json");
    for device in [Device::flex(), Device::flex().autodiff()] {
        for (file, config) in checkpoints() {
            let model = config.init(&device).load_pytorch(reference(file)).unwrap();
            let wanted = &values["files"][file];
            assert_eq!(
                count_parameters(&model) as u64,
                wanted["parameters"].as_u64().unwrap(),
                "{file}"
            );
            for (got, wanted) in noise_free(&model, &device).iter().zip(list(&wanted["logits"])) {
                assert!((got - wanted).abs() < 1e-4, "{file}: {got} ≠ {wanted}");
            }
        }
    }
}

/// Neither names nor shapes tell how a shortcut without parameters pads.
#[test]
fn a_checkpoint_fits_the_other_padding_and_gives_other_logits() {
    let device = Device::flex();
    let load = |shortcut| {
        let model = small(0.125, shortcut, ModelNoise::none()).init(&device);
        noise_free(&model.load_pytorch(reference("pad_both.pth")).unwrap(), &device)
    };
    let (both, end) = (load(Shortcut::PadBoth), load(Shortcut::PadEnd));
    assert!(both.iter().zip(&end).any(|(a, b)| (a - b).abs() > 0.01));
}

#[test]
fn noise_parameters_of_a_checkpoint_land_at_their_elements() {
    let values = json("checkpoints.json");
    let device = Device::flex();
    let (file, config) = checkpoints().remove(2);
    let model = config.init(&device).load_pytorch(reference(file)).unwrap();
    let noise = |param: &burn::module::Param<Tensor<2>>| {
        param.reparameterization::<cni_layers::LearnedNoise>().unwrap().clone()
    };
    // The record holds nine digits, which tell single-precision numbers apart.
    let head = |values: Vec<f64>| -> Vec<f32> { values[..4].iter().map(|&v| v as f32).collect() };
    let first = |name: &str| head(list(&values["files"][file]["tensors"][name]["first"]));
    // The classifier is [out, in] in the file and [in, out] here: its first row is our first
    // column.
    let alpha: Vec<f64> =
        noise(&model.fc.linear.weight).vector("alpha").unwrap().val().try_to_vec_as().unwrap();
    let column: Vec<f64> = alpha.into_iter().step_by(10).take(4).collect();
    assert_eq!(head(column), first("module.fc.alpha"));
    let conv =
        model.layer1[0].conv1.conv.weight.reparameterization::<cni_layers::LearnedNoise>().unwrap();
    let diagonal = conv.vector("diagonal").unwrap().val().try_to_vec_as().unwrap();
    let factor = conv.factor().unwrap().val().try_to_vec_as().unwrap();
    assert_eq!(head(diagonal), first("module.layer1.0.conv1.alphad_w"));
    assert_eq!(head(factor), first("module.layer1.0.conv1.alphaf_w"));
}

#[test]
fn a_checkpoint_of_another_model_is_refused_by_name_and_changes_nothing() {
    let device = Device::flex();
    let plain = checkpoints().remove(0).1;
    let model = plain.init(&device);
    let before = noise_free(&model, &device);
    let refuse = |file: &str| {
        let error = model.clone().load_pytorch(reference(file)).unwrap_err().to_string();
        assert_eq!(noise_free(&model, &device), before, "{file}");
        error
    };
    let error = refuse("broken_missing.pth");
    let wanted = "; found weights under state_dict.; missing 2: layer2.0.conv2.conv.weight, \
                  fc.linear.bias";
    assert!(error.ends_with(wanted), "{error}");
    let error = refuse("broken_shape.pth");
    let wanted = "wrong shape 1: layer1.0.conv1.conv.weight: got [4, 4, 1, 1], wanted [4, 4, 3, 3]";
    assert!(error.ends_with(wanted), "{error}");
    let error = refuse("cni_zip.pth");
    assert!(error.contains("found weights under state_dict.module."), "{error}");
    let wanted = "not in the model 19: state_dict.module.conv1.alphad_w, ";
    assert!(error.contains(wanted) && error.ends_with("and 15 more"), "{error}");
    assert!(refuse("absent.pth").contains("got no such file"));
    let folder = tempfile::tempdir().unwrap();
    let truncated = folder.path().join("truncated.pth");
    let bytes = std::fs::read(reference("plain_zip.pth")).unwrap();
    std::fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    let error = model.clone().load_pytorch(&truncated).unwrap_err().to_string();
    assert!(error.contains("truncated.pth"), "{error}");
}
