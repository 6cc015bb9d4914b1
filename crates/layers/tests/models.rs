//! The ResNets: sizes, parity with PyTorch, and the import of its checkpoints. The reference values and the scripts that
//! made them are in `tests/reference` of the repository.

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_layers::models::{Architecture, ModelNoise, Normalize, ResNet, ResNetConfig, Shortcut};
use cni_layers::{
    ActivationNoiseConfig, Granularity, Law, NoiseSummary, WeightNoise, count_parameters,
};
use cni_noise::{Key, Noise, scope};
use serde_json::Value;
use std::path::PathBuf;

fn reference(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data")).join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(reference(name)).unwrap()).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// `hash_uniform` of `tests/reference/hashing.py`.
fn hash_uniform(stream: u32, n: usize) -> Vec<f64> {
    let hash = |i: usize| {
        let mut x = (i as u32).wrapping_mul(0x9E37_79B9);
        x = x.wrapping_add(stream.wrapping_mul(0x85EB_CA6B));
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        (f64::from(x ^ (x >> 16)) + 0.5) / 4_294_967_296.0
    };
    (0..n).map(hash).collect()
}

fn images(batch: usize, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = hash_uniform(1, batch * 3072).into_iter().map(|v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, [batch, 3, 32, 32]), device)
}

fn pni(granularity: Granularity) -> ResNetConfig {
    ResNetConfig::new(Architecture::Cifar { depth: 20, shortcut: Shortcut::Pad }, 10)
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
        // He et al.'s sizes of the deeper networks with shortcut A are 0.46, 0.66, 0.85 and 1.7 million.
        ("ResNet-110", cifar(110), 1_727_962 + 2_752),
        // kuangliu's ResNet-18 and PreActResNet-18; ours has a batch norm of 512 channels more at the end of the latter.
        ("ResNet-18", ResNetConfig::new(Architecture::ResNet18, 10), 11_173_962),
        (
            "PreActResNet-18",
            ResNetConfig::new(Architecture::PreActResNet18, 10),
            11_171_146 + 1_024,
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
        Architecture::Cifar { depth: 8, shortcut: Shortcut::Pad },
        Architecture::Cifar { depth: 8, shortcut: Shortcut::Projection },
        Architecture::ResNet18,
        Architecture::PreActResNet18,
    ];
    let white = ActivationNoiseConfig::white(Granularity::Channel);
    let everywhere = cni_acts(2).with_conv_output(white.clone()).with_input(white);
    for architecture in architectures {
        for noise in [ModelNoise::none(), everywhere.clone()] {
            let model = ResNetConfig::new(architecture, 7)
                .with_width(0.125)
                .with_images([8, 8], Normalize::centered(1))
                .with_noise(noise)
                .init(&device);
            let logits = model.forward(Tensor::ones([2, 1, 8, 8], &device));
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
#[should_panic(expected = "rank: got 2000 for conv1.weight, wanted at most its 432 elements")]
fn a_rank_above_the_elements_is_refused() {
    // The path within the layer is `weight`; the message must say which layer.
    ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(2000)).init(&Device::flex());
}

/// The files of `checkpoints.py` with the noise of the model that takes them.
fn checkpoints() -> Vec<(&'static str, ResNetConfig)> {
    let small = |shortcut, noise| {
        ResNetConfig::new(Architecture::Cifar { depth: 8, shortcut }, 10)
            .with_width(0.25)
            .with_noise(noise)
    };
    let (pad, projection) = (Shortcut::Pad, Shortcut::Projection);
    vec![
        ("plain_zip.pth", small(projection, ModelNoise::none())),
        ("plain_legacy.pth", small(projection, ModelNoise::none())),
        ("cni_zip.pth", small(projection, ModelNoise::cni(5))),
        ("cni_act_zip.pth", small(projection, cni_acts(1))),
        ("pni_zip.pth", small(pad, ModelNoise::pni(Granularity::Layer))),
        ("pni_channel_zip.pth", small(pad, ModelNoise::pni(Granularity::Channel))),
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
    // The classifier is [out, in] in the file and [in, out] here: its first row is our first column.
    let alpha: Vec<f64> =
        noise(&model.fc.linear.weight).alpha.unwrap().val().try_to_vec_as().unwrap();
    let column: Vec<f64> = alpha.into_iter().step_by(10).take(4).collect();
    assert_eq!(head(column), first("module.fc.alpha"));
    let conv =
        model.layer1[0].conv1.conv.weight.reparameterization::<cni_layers::LearnedNoise>().unwrap();
    let diagonal = conv.diagonal.as_ref().unwrap().val().try_to_vec_as().unwrap();
    let factor = conv.factor.as_ref().unwrap().val().try_to_vec_as().unwrap();
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
    assert!(
        error.contains(r#"missing: ["layer2.0.conv2.conv.weight", "fc.linear.bias"]"#),
        "{error}"
    );
    let error = refuse("broken_shape.pth");
    assert!(
        error.contains("layer1.0.conv1.conv.weight: got [4, 4, 1, 1], wanted [4, 4, 3, 3]"),
        "{error}"
    );
    let error = refuse("cni_zip.pth");
    assert!(error.contains(r#"not in the model: ["module.conv1.alphad_w""#), "{error}");
    assert!(refuse("absent.pth").contains("got no such file"));
    let folder = tempfile::tempdir().unwrap();
    let truncated = folder.path().join("truncated.pth");
    let bytes = std::fs::read(reference("plain_zip.pth")).unwrap();
    std::fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    let error = model.clone().load_pytorch(&truncated).unwrap_err().to_string();
    assert!(error.contains("truncated.pth"), "{error}");
}

/// The model of `resnet20.py`: its weights come from a hash, its draws from the library's keys, rewritten in numpy.
fn resnet20(device: &Device) -> ResNet {
    use burn::module::{ModuleMapper, Param};
    struct Fill {
        path: Vec<String>,
        stream: u32,
    }
    fn hash_normal(stream: u32, n: usize) -> Vec<f64> {
        let pairs = hash_uniform(2 * stream, n).into_iter().zip(hash_uniform(2 * stream + 1, n));
        pairs.map(|(u, v)| (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()).collect()
    }
    impl ModuleMapper for Fill {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let path = self.path.join(".");
            let name = path.rsplit('.').next().unwrap();
            let shape = param.lazy_shape();
            let (n, classifier) = (shape.num_elements(), path.starts_with("fc."));
            // The file lists the classifier as weight, bias, alpha; here the noise follows its weight.
            let stream = match (classifier, name) {
                (true, "alpha") => self.stream + 1,
                (true, "bias") => self.stream - 1,
                _ => self.stream,
            };
            self.stream += 1;
            let scaled = |values: Vec<f64>, scale: f64, shift: f64| -> Vec<f64> {
                values.into_iter().map(|v| scale * v + shift).collect()
            };
            let mut values = match name {
                "diagonal" => scaled(hash_uniform(stream, n), 0.0625, 0.03125),
                "alpha" => scaled(hash_uniform(stream, n), 0.25, 0.125),
                "factor" => scaled(hash_normal(stream, n), 0.01, 0.0),
                "weight" if D == 4 => {
                    let fan_out = shape[0] * shape[2] * shape[3];
                    scaled(hash_normal(stream, n), (2.0 / fan_out as f64).sqrt(), 0.0)
                }
                "gamma" => scaled(hash_uniform(stream, n), 1.0, 0.5),
                "running_var" => scaled(hash_uniform(stream, n), 2.0, 1.0),
                _ => scaled(hash_normal(stream, n), 0.1, 0.0),
            };
            if classifier && n == 640 {
                values = (0..640).map(|i| values[(i % 10) * 64 + i / 10]).collect();
            }
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            let tracked = param.is_require_grad();
            param.map(|old| {
                let new =
                    Tensor::from_data(TensorData::new(values, old.shape()), &old.device().inner());
                if tracked { new.autodiff().require_grad() } else { new.autodiff() }
            })
        }
    }
    let model = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5)).init(device);
    model.map(&mut Fill { path: Vec::new(), stream: 1000 })
}

fn assert_norm(what: &str, got: &[f64], wanted: f64, tolerance: f64) {
    let norm = got.iter().map(|g| g * g).sum::<f64>().sqrt();
    assert!((norm - wanted).abs() < tolerance * wanted, "{what}: norm {norm} ≠ {wanted}");
}

/// Forward pass and gradients of a noisy ResNet-20 against PyTorch with the same draws, in both modes.
#[test]
fn resnet20_agrees_with_pytorch_forward_and_backward() {
    let values = json("resnet20.json");
    let device = Device::flex().autodiff();
    let labels = Tensor::<1, Int>::from_data([3, 1, 4, 1], &device);
    for mode in ["eval", "train"] {
        let model = resnet20(&device);
        let wanted = &values[mode];
        let x = images(4, &Device::flex()).autodiff().require_grad();
        let run = |model: &ResNet| {
            let logits = scope(Noise::Keyed(Key::new(7)), || model.forward(x.clone()));
            let loss = CrossEntropyLossConfig::new().init(&device);
            (logits.clone(), loss.forward(logits, labels.clone()))
        };
        // `valid` has the running statistics but no parameter gradients; those are compared in training mode.
        let (logits, loss) = if mode == "eval" { run(&model.valid()) } else { run(&model) };
        let scale = list(&wanted["logits"]).iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let logits: Vec<f64> = logits.try_to_vec_as().unwrap();
        for (got, wanted) in logits.iter().zip(list(&wanted["logits"])) {
            assert!((got - wanted).abs() < 1e-4 * scale, "{mode}: logit {got} ≠ {wanted}");
        }
        let gradients = loss.backward();
        let slope: Vec<f64> = x.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        let norm = wanted["input_gradient"]["norm"].as_f64().unwrap();
        assert_norm("input", &slope, norm, 1e-4);
        for (got, wanted) in slope.iter().zip(list(&wanted["input_gradient"]["first"])) {
            assert!((got - wanted).abs() < 1e-4 * norm, "{mode}: input gradient {got} ≠ {wanted}");
        }
        if mode == "train" {
            assert_parameter_gradients(&model, &gradients, &wanted["gradients"]);
        }
    }
}

fn assert_parameter_gradients(model: &ResNet, gradients: &burn::tensor::Gradients, wanted: &Value) {
    use burn::module::{ModuleVisitor, Param};
    struct Compare<'a> {
        path: Vec<String>,
        gradients: &'a burn::tensor::Gradients,
        wanted: &'a Value,
        compared: usize,
    }
    impl ModuleVisitor for Compare<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            let name = path
                .replace("downsample.conv.conv", "downsample.0")
                .replace("downsample.bn", "downsample.1")
                .replace(".conv.weight", ".weight")
                .replace("fc.linear", "fc")
                .replace("gamma", "weight")
                .replace("beta", "bias")
                .replace("weight.noise.diagonal", "alphad_w")
                .replace("weight.noise.factor", "alphaf_w")
                .replace("weight.noise.alpha", "alpha");
            let Some(wanted) = self.wanted.get(&name) else {
                assert!(name.contains("running_"), "{name} has no reference value");
                return;
            };
            let slope = param.base().grad(self.gradients).expect(&name);
            let slope: Vec<f64> = slope.try_to_vec_as().unwrap();
            let norm = wanted["norm"].as_f64().unwrap();
            assert_norm(&name, &slope, norm, 1e-4);
            if !name.starts_with("fc.") {
                for (got, wanted) in slope.iter().zip(list(&wanted["first"])) {
                    assert!((got - wanted).abs() < 1e-4 * norm, "{name}: {got} ≠ {wanted}");
                }
            }
            self.compared += 1;
        }
    }
    let mut compare = Compare { path: Vec::new(), gradients, wanted, compared: 0 };
    model.visit(&mut compare);
    assert_eq!(compare.compared, wanted.as_object().unwrap().len());
}

/// One noisy convolution with injected draws in f64, both conventions, against `noisy_conv.py`.
#[test]
fn a_noisy_convolution_agrees_with_pytorch() {
    use burn::tensor::DType;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use cni_noise::Convention;
    use cni_noise::law::{Colored, standard_deviation, white};
    let values = json("noisy_conv.json");
    let options = (&Device::flex(), DType::F64);
    let leaf = |name: &str| {
        let value = &values["values"][name];
        let data = TensorData::new(list(&value["data"]), [list(&value["data"]).len()]);
        Tensor::<1>::from_data(data, options).autodiff().require_grad()
    };
    for (case, convention) in [
        ("colored_reference", Some(Convention::Reference)),
        ("colored_scaled", Some(Convention::Scaled)),
        ("white", None),
    ] {
        let [w, b, x, a, f, alpha] = ["weight", "bias", "input", "a", "f", "alpha"].map(leaf);
        let [e, e_f, c] = ["e", "e_f", "c"].map(|name| leaf(name).inner());
        let weight = w.clone().reshape([4, 3, 3, 3]);
        let noise = match convention {
            Some(convention) => Colored {
                diagonal: a.clone(),
                factor: Some(f.clone().reshape([108, 2])),
                convention,
            }
            .noise(
                standard_deviation(w.clone()).unsqueeze(),
                e.unsqueeze(),
                Some(e_f.unsqueeze()),
            ),
            None => {
                let std = Convention::Reference.white_std(&w);
                white(alpha.clone().unsqueeze::<2>(), std.unsqueeze(), e.unsqueeze())
            }
        };
        let weight = weight + noise.reshape([4, 3, 3, 3]);
        let padded = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let input = x.clone().reshape([2, 3, 5, 5]);
        let out = conv2d(input, weight, Some(b.clone()), padded);
        let gradients = (out.clone() * c.reshape([2, 4, 5, 5])).sum().backward();
        let close = |what: &str, got: Tensor<1>, wanted: &Value| {
            let got: Vec<f64> = got.try_to_vec_as().unwrap();
            let wanted = list(wanted);
            assert_eq!(got.len(), wanted.len());
            // Burn's backward pass of a division by a number is good to 1e-8 in double precision.
            for (got, wanted) in got.iter().zip(wanted) {
                let close = (got - wanted).abs() < 1e-7 * wanted.abs().max(1.0);
                assert!(close, "{case} {what}: {got} ≠ {wanted}");
            }
        };
        let wanted = &values["cases"][case];
        close("output", out.reshape([200]), &wanted["output"]);
        for (name, leaf) in
            [("weight", w), ("bias", b), ("input", x), ("a", a), ("f", f), ("alpha", alpha)]
        {
            if let Some(wanted) = wanted["gradients"].get(name) {
                close(name, leaf.grad(&gradients).unwrap(), wanted);
            }
        }
    }
}

#[test]
fn classifier_and_convolutions_carry_the_noise_of_the_reference() {
    let model = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5)).init(&Device::flex());
    let summary = NoiseSummary::of(&model);
    assert_eq!(summary.entries().len(), 22);
    assert_eq!(summary.parameters(), 1_894_650 - 272_474);
    let noise = model.conv1.conv.weight.reparameterization::<cni_layers::LearnedNoise>().unwrap();
    assert_eq!((noise.law(), noise.name()), (Law::colored(5), "conv1.weight"));
    let bare = WeightNoise::remove(model);
    assert_eq!(count_parameters(&bare), 272_474);
}
