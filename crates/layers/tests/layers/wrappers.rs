//! What PyTorch checkpoints are wrapped in, and what of them is refused. The files are made here
//! from the tensors of one that PyTorch wrote. One file, because all tests make theirs from it.

use crate::support::reference::{images, reference};
use crate::support::torch::{Value, dict, save};
use burn::module::Module;
use burn::store::bridge;
use burn::store::pytorch_reader::PytorchReader;
use burn::tensor::{Device, Tensor};
use cni_layers::models::{
    Architecture, ImportReport, ModelNoise, NormalizeConfig, ResNet, ResNetConfig, Shortcut,
};
use cni_layers::{ImportError, LearnedNoise, WeightNoise};

type Entries = Vec<(String, Value)>;

fn config() -> ResNetConfig {
    let shortcut = Shortcut::Projection;
    ResNetConfig::new(Architecture::Cifar { depth: 8, shortcut }, 10).with_width(0.25)
}

/// The state dict of `plain_zip.pth`.
fn plain() -> Entries {
    let reader = PytorchReader::with_top_level_key(reference("plain_zip.pth"), "state_dict");
    let tensors = reader.unwrap().into_tensors().into_iter();
    let mut entries: Entries = tensors
        .map(|(name, tensor)| {
            let shape = tensor.shape().to_vec();
            let data = bridge::into_data(bridge::from_pytorch(tensor)).unwrap();
            (name, Value::Floats(shape, data.iter::<f32>().collect()))
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

fn floats(numbers: &[f32]) -> Value {
    Value::Floats(vec![numbers.len()], numbers.to_vec())
}

fn prefixed(prefix: &str, entries: &Entries) -> Entries {
    entries.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone())).collect()
}

/// Entries with others behind them.
fn with(mut entries: Entries, more: impl IntoIterator<Item = (&'static str, Value)>) -> Entries {
    entries.extend(more.into_iter().map(|(name, value)| (name.to_string(), value)));
    entries
}

/// Entries with another value of one of them.
fn changed(mut entries: Entries, name: &str, value: Value) -> Entries {
    let entry = entries.iter_mut().find(|(entry, _)| entry == name).unwrap();
    entry.1 = value;
    entries
}

fn import(config: &ResNetConfig, file: &Value) -> Result<(ResNet, ImportReport), ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pth");
    save(file, &path);
    config.init(&Device::flex()).import_pytorch(path)
}

fn report(file: &Value) -> ImportReport {
    import(&config(), file).unwrap().1
}

fn refuse(file: &Value) -> String {
    let error = import(&config(), file).unwrap_err().to_string();
    let (_, message) = error.split_once("model.pth: ").unwrap();
    message.to_string()
}

fn logits(model: &ResNet) -> Vec<f64> {
    model.forward(images(2, &Device::flex())).try_to_vec_as().unwrap()
}

#[test]
fn a_wrapper_is_whatever_all_names_begin_with() {
    let plain = plain();
    let wanted =
        logits(&config().init(&Device::flex()).load_pytorch(reference("plain_zip.pth")).unwrap());
    let bare = || dict(plain.clone());
    let prefix = |prefix: &str| dict(prefixed(prefix, &plain));
    let momentum = || dict([("momentum_buffer", floats(&[1.0]))]);
    let optimizer = || dict([("state", dict([("0", momentum())]))]);
    let zeros = || {
        let zero = |value: &Value| match value {
            Value::Floats(shape, numbers) => Value::Floats(shape.clone(), vec![0.0; numbers.len()]),
            other => other.clone(),
        };
        dict(plain.iter().map(|(name, value)| (name.clone(), zero(value))))
    };
    let counter = || Value::Ints(vec![], vec![3]);
    let cases = [
        (bare(), "", vec![]),
        (prefix("module."), "module.", vec![]),
        (prefix("_orig_mod.module."), "_orig_mod.module.", vec![]),
        (prefix("1.module."), "1.module.", vec![]),
        (prefix("anything.at.all."), "anything.at.all.", vec![]),
        (dict([("net", prefix("module.")), ("acc", Value::Number(95.1))]), "net.module.", vec![]),
        (dict([("model", bare()), ("optimizer", optimizer())]), "model.", vec!["optimizer"]),
        (
            dict([("model_state_dict", bare()), ("best", floats(&[0.9]))]),
            "model_state_dict.",
            vec!["best"],
        ),
        (
            dict([("run", dict([("model", bare()), ("optimizer", optimizer())]))]),
            "run.model.",
            vec!["run.optimizer"],
        ),
        (
            dict([("ema_state_dict", zeros()), ("state_dict", bare())]),
            "state_dict.",
            vec!["ema_state_dict"],
        ),
        (
            dict([(
                "state_dict",
                dict([prefixed("model.", &plain), prefixed("ema.", &plain)].concat()),
            )]),
            "state_dict.model.",
            vec!["state_dict.ema"],
        ),
        // Where nothing else is there, averages are what is asked for.
        (dict([("ema_state_dict", bare())]), "ema_state_dict.", vec![]),
        // `torch.optim.swa_utils.AveragedModel` counts its models beside them.
        (dict(with(prefixed("module.", &plain), [("n_averaged", counter())])), "module.", vec![]),
    ];
    for (file, wrapper, left_out) in cases {
        let (model, report) = import(&config(), &file).unwrap();
        assert_eq!(logits(&model), wanted, "{wrapper}");
        let left_out: Vec<String> = left_out.into_iter().map(String::from).collect();
        assert_eq!((report.wrapper.as_str(), report.left_out), (wrapper, left_out));
        assert_eq!(
            (report.normalization, report.normalization_from),
            (NormalizeConfig::cni(), None)
        );
    }
}

#[test]
fn a_file_with_several_models_or_an_unknown_part_is_refused() {
    let plain = plain();
    let two = [("best", dict(plain.clone())), ("state_dict", dict(plain.clone()))];
    assert_eq!(refuse(&dict(two)), r#"got 2 sets of tensors ("best.", "state_dict."), wanted one"#);
    // A layer behind the network is no part to leave out.
    let head = with(prefixed("0.", &plain), [("1.weight", floats(&[1.0; 100]))]);
    let message = refuse(&dict(head));
    assert!(message.ends_with("found weights under 0.; not in the model 1: 1.weight"), "{message}");
    // Two names of one parameter.
    let twice = with(plain.clone(), [("linear.bias", floats(&[0.0; 10]))]);
    let message = refuse(&dict(twice));
    assert!(message.ends_with("not in the model 1: linear.bias"), "{message}");
}

#[test]
fn the_message_for_another_network_is_short_and_says_what_was_found() {
    let vgg = (0..200).map(|i| (format!("net.features.{i}.weight"), floats(&[1.0])));
    let message = refuse(&dict(vgg));
    assert!(message.contains("found no ResNet's conv1.weight beside layer1"), "{message}");
    assert!(message.contains("not in the model 200: ") && message.ends_with("and 196 more"));
    assert!(message.len() < 500, "{message}");
    let message = refuse(&dict([("epoch", Value::Number(3.0))]));
    assert!(message.contains("missing 47: conv1.conv.weight, "), "{message}");
}

#[test]
fn a_normalization_of_the_file_is_taken_wherever_it_is() {
    let own = NormalizeConfig::cifar10();
    let wanted = {
        let model = config().with_normalization(own.clone()).init(&Device::flex());
        logits(&model.load_pytorch(reference("plain_zip.pth")).unwrap())
    };
    let plain = plain();
    let constants = |mean: &'static str, std: &'static str| {
        let shaped = |numbers: [f32; 3]| Value::Floats(vec![1, 3, 1, 1], numbers.to_vec());
        [(mean, shaped([0.4914, 0.4822, 0.4465])), (std, shaped([0.2023, 0.1994, 0.201]))]
    };
    let beside = |entries, mean, std| dict(with(entries, constants(mean, std)));
    let cases = [
        (beside(prefixed("1.", &plain), "0.mean", "0.std"), ["0.mean", "0.std"]),
        (beside(prefixed("1.module.", &plain), "0.mean", "0.std"), ["0.mean", "0.std"]),
        (
            beside(prefixed("module.1.", &plain), "module.0.mean", "module.0.std"),
            ["module.0.mean", "module.0.std"],
        ),
        (
            beside(prefixed("model.", &plain), "normalize.mean", "normalize.std"),
            ["normalize.mean", "normalize.std"],
        ),
        (beside(plain.clone(), "mean", "std"), ["mean", "std"]),
        (
            dict(with(vec![("net".to_string(), dict(plain.clone()))], constants("mean", "std"))),
            ["mean", "std"],
        ),
    ];
    for (file, names) in cases {
        let (model, report) = import(&config(), &file).unwrap();
        assert_eq!(report.normalization_from, Some(names.map(String::from)));
        assert_eq!(report.normalization, own);
        assert_eq!(model.normalize.config().unwrap(), own);
        for (got, wanted) in logits(&model).iter().zip(&wanted) {
            assert!((got - wanted).abs() < 1e-6, "{names:?}: {got} ≠ {wanted}");
        }
        let text = report.to_string();
        assert!(text.contains("mean 0.4914 0.4822 0.4465, std 0.2023 0.1994 0.201"), "{text}");
    }
    // One number counts for all channels.
    let constants = [("0.mean", floats(&[0.4914, 0.4822, 0.4465])), ("0.std", floats(&[0.25]))];
    let report = report(&dict(with(prefixed("1.", &plain), constants)));
    assert_eq!(report.normalization.std(), [0.25; 3]);
}

#[test]
fn a_normalization_that_is_not_whole_or_does_not_fit_is_refused_by_name() {
    let plain = prefixed("1.", &plain());
    let message = |constants: Vec<(&'static str, Value)>| {
        refuse(&dict([("state_dict", dict(with(plain.clone(), constants)))]))
    };
    let cases = [
        (vec![("0.mean", floats(&[0.5; 3]))], "state_dict.0.mean: got no other constant"),
        (vec![("0.std", floats(&[0.5; 3]))], "state_dict.0.std: got no other constant"),
        (
            vec![("0.mean", floats(&[0.5; 3])), ("0.std", floats(&[0.2, 0.0, 0.2]))],
            "state_dict.0.std: got [0.2, 0.0, 0.2], wanted numbers above zero",
        ),
        (
            vec![("0.mean", floats(&[0.5; 3])), ("0.std", floats(&[0.2, -0.1, 0.2]))],
            "state_dict.0.std: got [0.2, -0.1, 0.2], wanted numbers above zero",
        ),
        (
            vec![("0.mean", floats(&[0.5, f32::NAN, 0.5])), ("0.std", floats(&[0.2; 3]))],
            "state_dict.0.mean: got NaN, wanted numbers that are finite",
        ),
        (
            vec![("0.mean", floats(&[0.5; 4])), ("0.std", floats(&[0.2; 4]))],
            "state_dict.0.mean: got shape [4] for 3 channels",
        ),
        (
            vec![("0.mean", floats(&[125.3, 123.0, 113.9])), ("0.std", floats(&[63.0; 3]))],
            "state_dict.0.mean: got [125.3, 123.0, 113.9], wanted means in [0, 1]",
        ),
        (
            vec![
                ("0.mean", floats(&[0.5; 3])),
                ("0.std", floats(&[0.5; 3])),
                ("2.mean", floats(&[0.5; 3])),
                ("2.std", floats(&[0.5; 3])),
            ],
            r#"got 2 sets of tensors ("state_dict.0.mean", "state_dict.2.mean")"#,
        ),
    ];
    for (constants, wanted) in cases {
        let message = message(constants);
        assert!(message.starts_with(wanted), "{message}");
    }
}

#[test]
fn numbers_that_no_trained_model_has_are_refused_by_name() {
    let file = |name: &str, value: Value| dict(changed(plain(), name, value));
    let mut weight = vec![0.1; 4 * 3 * 9];
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        weight[50] = bad;
        let message =
            refuse(&file("conv1.weight", Value::Floats(vec![4, 3, 3, 3], weight.clone())));
        let wanted = format!("conv1.weight: got {bad}, wanted numbers that are finite");
        assert!(message.starts_with(&wanted), "{message}");
    }
    // Beyond single precision.
    let message = refuse(&file("bn1.bias", Value::Doubles(vec![4], vec![0.0, 1e300, 0.0, 0.0])));
    assert!(message.starts_with("bn1.bias: got inf"), "{message}");
    let message = refuse(&file("bn1.running_var", floats(&[1.0, -1.0, 1.0, 1.0])));
    let wanted = "bn1.running_var: got a negative variance, wanted numbers of at least 0";
    assert_eq!(message, wanted);
    let message = refuse(&file("bn1.weight", Value::Ints(vec![4], vec![1; 4])));
    let wanted = "bn1.weight: got elements of type I32, wanted floating-point numbers";
    assert_eq!(message, wanted);
}

#[test]
fn a_colored_classifiers_noise_lands_at_its_elements() {
    let (outputs, inputs) = (10, 16);
    for rank in [2, 3] {
        let noise =
            ModelNoise { classifier: Some(WeightNoise::colored(rank)), ..ModelNoise::none() };
        let config = config().with_noise(noise);
        // The number of an element in the file: 100 output + input, and the column in the decimals.
        let value = |o: usize, i: usize, k: usize| (100 * o + i) as f32 + 0.25 * k as f32;
        let elements = || (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i)));
        let diagonal: Vec<f32> = elements().map(|(o, i)| value(o, i, 0)).collect();
        let factor: Vec<f32> =
            elements().flat_map(|(o, i)| (0..rank).map(move |k| value(o, i, k))).collect();
        let n = outputs * inputs;
        for shape in [vec![n, rank], vec![1, n, rank], vec![outputs, inputs, rank]] {
            let rows =
                if shape.len() == 3 && shape[0] > 1 { vec![outputs, inputs] } else { vec![n] };
            let more = [
                ("fc.alphad_w", Value::Floats(rows, diagonal.clone())),
                ("fc.alphaf_w", Value::Floats(shape.clone(), factor.clone())),
            ];
            let (model, _) = import(&config, &dict(with(plain(), more))).unwrap();
            let noise = model.fc.linear.weight.reparameterization::<LearnedNoise>().unwrap();
            let read = |values: Tensor<1>| values.try_to_vec_as::<f32>().unwrap();
            let a = read(noise.vector("diagonal").unwrap().val());
            let f = read(noise.factor().unwrap().val().reshape([n * rank]));
            for (o, i) in elements() {
                // Burn's weight is [in, out].
                let element = i * outputs + o;
                assert_eq!(a[element], value(o, i, 0), "{shape:?}");
                for k in 0..rank {
                    assert_eq!(f[element * rank + k], value(o, i, k), "{shape:?}");
                }
            }
        }
    }
}

#[test]
fn an_imported_normalization_is_saved_with_the_model() {
    let constants = [("0.mean", floats(&[0.1, 0.2, 0.3])), ("0.std", floats(&[0.4, 0.5, 0.6]))];
    let file = dict(with(prefixed("1.", &plain()), constants));
    let (model, _) = import(&config(), &file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    model.clone().save_file(&path).unwrap();
    let loaded = config().init(&Device::flex()).load_file(&path);
    assert_eq!(loaded.normalize.config().unwrap(), model.normalize.config().unwrap());
    assert_eq!(logits(&loaded), logits(&model));
}
