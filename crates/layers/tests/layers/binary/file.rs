//! Files of packed models.

use super::{device, numbers};
use burn::module::{Initializer, Module, Param, ParamId};
use burn::nn::{BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Bool, DType, Int, Tensor};
use cni_layers::binary::{BinaryLinearConfig, BinarySummary, Floats, PackedError, PackedModel};
use cni_layers::models::{DenseNetConfig, NormalizeConfig, PackedDenseNet};
use cni_layers::{keyed_init, parameters};
use cni_noise::{Key, uniform};
use std::fs;

fn small() -> DenseNetConfig {
    DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_blocks([2, 1], [2.0])
        .with_growth(24)
        .with_images([8, 8], NormalizeConfig::centered(1))
}

#[test]
fn a_file_gives_back_the_network_exactly_or_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/model.packed");
    let model = keyed_init(small().init(&device()), Key::new(1));
    let images = uniform::<4>(Key::new(2), [4, 1, 8, 8], &device());
    let wanted = numbers(model.forward(images.clone()));

    PackedModel::of(&model, &small(), Floats::F32).unwrap().save(&path).unwrap();
    let packed = PackedModel::load(&path).unwrap();
    assert_eq!(packed.config::<DenseNetConfig>().unwrap(), small());
    assert_eq!(packed.floats(), Floats::F32);
    assert_eq!(packed.bytes() as u64, fs::metadata(&path).unwrap().len());
    let read = packed.fill(small().init(&device())).unwrap();
    assert_eq!(numbers(read.forward(images.clone())), wanted);
    let read = PackedDenseNet::load(&path, &device()).unwrap();
    assert_eq!(numbers(read.forward(images.clone())), wanted);

    // In half precision it is another network, which both forms agree on.
    let half = PackedModel::of(&model, &small(), Floats::F16).unwrap();
    half.save(&path).unwrap();
    let rounded = numbers(half.fill(small().init(&device())).unwrap().forward(images.clone()));
    assert_ne!(rounded, wanted);
    let read = PackedDenseNet::load(&path, &device()).unwrap();
    assert_eq!(numbers(read.forward(images)), rounded);
    // Nothing else is left in the folder.
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

/// The sizes of the summary, which a test holds to the published ones, and a description beside.
#[test]
fn files_have_the_sizes_that_the_summary_tells() {
    for config in [DenseNetConfig::binary_28(1000), DenseNetConfig::binary_37(1000)] {
        let model = config.init(&device());
        let summary = BinarySummary::of(&model);
        let packed = PackedModel::of(&model, &config, Floats::F32).unwrap();
        // A bit of 32: all numbers of weights are multiples of 64.
        assert_eq!(32 * packed.bytes_of_signs(), 4 * summary.binary);
        let beside = packed.bytes() - summary.bytes();
        assert!((1..16_000).contains(&beside), "{beside} bytes beside {summary}");
        let half = PackedModel::of(&model, &config, Floats::F16).unwrap();
        // Means and standard deviations of three channels, which the summary leaves out.
        let numbers = summary.full + 6;
        assert_eq!(packed.bytes() - half.bytes(), 2 * numbers);
    }
}

#[test]
fn files_that_are_not_as_written_are_refused_with_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.packed");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = PackedModel::load(&path).unwrap_err();
        assert!(matches!(error, PackedError::File { .. }), "{error}");
        let text = error.to_string();
        text.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
    };
    let layer = BinaryLinearConfig::new(LinearConfig::new(7, 3)).init(&device());
    PackedModel::of(&layer, &"a layer", Floats::F32).unwrap().save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(PackedModel::load(&path).unwrap().config::<String>().unwrap(), "a layer");

    assert!(refused(b"").starts_with("kind: got another kind of file, wanted a packed model"));
    assert!(refused(b"CNI-SIGM, and more").starts_with("kind: got another kind"));
    assert!(refused(&bytes[..20]).starts_with("length: got 20 bytes, wanted at least 60"));
    let len = bytes.len();
    let wanted = format!("length: got {} bytes, wanted {len}, as it was written", len - 1);
    assert_eq!(refused(&bytes[..len - 1]), wanted);
    let longer = [&bytes[..], &[0]].concat();
    assert!(refused(&longer).starts_with(&format!("length: got {} bytes", len + 1)));
    let mut other = bytes.clone();
    other[8] = 2;
    assert_eq!(refused(&other), "version: got 2, wanted 1");
    // Every byte behind the version and the length counts, those of the checksum too.
    for at in 20..len {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let said = refused(&changed);
        assert!(said.starts_with("checksum: got ") && said.contains("has changed"), "{at}: {said}");
    }
    assert!(matches!(PackedModel::load(folder.path().join("no")), Err(PackedError::Io { .. })));
}

#[test]
fn models_that_a_file_is_not_of_are_refused_by_the_parameter() {
    let packed = |config: BinaryLinearConfig| {
        PackedModel::of(&config.init(&device()), &0, Floats::F32).unwrap()
    };
    let own = packed(BinaryLinearConfig::new(LinearConfig::new(7, 3)));
    let error = |error: PackedError| error.to_string();
    let other = BinaryLinearConfig::new(LinearConfig::new(7, 4)).init(&device());
    let wanted = "linear.weight: got signs [7, 3], wanted signs [7, 4] of the model";
    assert_eq!(error(own.fill(other).unwrap_err()), wanted);
    let plain = LinearConfig::new(7, 3).with_bias(false).init(&device());
    let wanted = "weight: got linear.weight: signs [7, 3], wanted numbers [7, 3] of the model";
    assert_eq!(error(own.fill(plain).unwrap_err()), wanted);
    let norm = BatchNormConfig::new(2).init(&device());
    let norm = PackedModel::of(&norm, &0, Floats::F32).unwrap();
    let layer = LinearConfig::new(2, 2).init(&device());
    let error = error(norm.fill(layer).unwrap_err());
    assert!(error.starts_with("weight: got gamma: numbers [2], wanted numbers [2, 2]"), "{error}");
    assert!(matches!(own.config::<DenseNetConfig>(), Err(PackedError::Config(_))));
}

/// A layer that counts what it sees.
#[derive(Module, Debug)]
struct Counted {
    linear: Linear,
    seen: Param<Tensor<1, Int>>,
}

/// A layer with a mask of its outputs.
#[derive(Module, Debug)]
struct Masked {
    linear: Linear,
    mask: Param<Tensor<1, Bool>>,
}

#[test]
fn parameters_that_a_file_does_not_hold_are_refused_by_name() {
    fn refused<M: Module>(model: M, says: &str) {
        let error = PackedModel::of(&model, &0, Floats::F32).unwrap_err();
        assert_eq!(error.to_string(), says);
        // Nor does a file fill a model that has them.
        let linear = LinearConfig::new(2, 1).init(&device());
        let file = PackedModel::of(&linear, &0, Floats::F32).unwrap();
        assert_eq!(file.fill(model).unwrap_err().to_string(), says);
    }
    let linear = || LinearConfig::new(2, 1).init(&device());
    let seen = Param::initialized(ParamId::new(), Tensor::from_data([3], &device()));
    let says = "seen: got whole numbers, wanted floating-point numbers";
    refused(Counted { linear: linear(), seen }, says);
    let mask = Param::initialized(ParamId::new(), Tensor::from_data([true], &device()));
    let says = "mask: got truth values, wanted floating-point numbers";
    refused(Masked { linear: linear(), mask }, says);

    let mut double = linear();
    double.weight = double.weight.map(|weight| weight.cast(DType::F64));
    for floats in [Floats::F32, Floats::F16] {
        let error = PackedModel::of(&double, &0, floats).unwrap_err().to_string();
        assert_eq!(error, "weight: got F64, wanted single or half precision");
    }
}

#[test]
fn values_that_have_no_sign_or_no_half_are_refused_by_name() {
    let linear = LinearConfig::new(2, 1).with_bias(false);
    let linear = linear.with_initializer(Initializer::Constant { value: f64::INFINITY });
    let layer = BinaryLinearConfig::new(linear).init(&device());
    let error = PackedModel::of(&layer, &0, Floats::F32).unwrap_err().to_string();
    assert!(error.starts_with("linear.weight: got inf, wanted finite latent weights"), "{error}");
    let mut plain = LinearConfig::new(1, 1).init(&device());
    let device = device();
    plain.weight = plain.weight.map(|_| Tensor::from_floats([[7e4]], &device));
    let error = PackedModel::of(&plain, &0, Floats::F16).unwrap_err().to_string();
    assert_eq!(
        error,
        "weight: got 70000, wanted a number that half precision holds, at most 65504"
    );
    // In a file a latent weight is its sign.
    let layer = BinaryLinearConfig::new(LinearConfig::new(70, 1)).init(&device);
    let layer = keyed_init(layer, Key::new(1));
    let read = PackedModel::of(&layer, &0, Floats::F16).unwrap().fill(layer.clone()).unwrap();
    let (got, latent) = (numbers(read.linear.weight.base()), numbers(layer.linear.weight.base()));
    assert!(got.iter().zip(latent).all(|(got, latent)| *got == latent.signum()));
    assert_eq!(parameters(&read), parameters(&layer));
}
