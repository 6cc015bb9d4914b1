//! A whole ResNet-20 in bf16 against single precision, on the weights and images on which PyTorch's
//! bf16 autocast was measured; `tests/reference/half_precision.py` made the values.

use crate::support::reference::resnet20::{gradients, resnet20};
use crate::support::reference::{images_of, json, list};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::{Device, Int, Tensor};
use cni_layers::models::ModelNoise;
use cni_ops::{Precision, autocast};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most that our error may be, in that of PyTorch. Both are sums over many roundings that have
/// nothing in common, so they scatter. Over the four batches, the figure of a group of tensors has
/// a standard error of at most 9 % in PyTorch (the stem in training), and the ratio of two such
/// figures one of 13 %; the limit is twice that.
const OF_A_GROUP: f64 = 1.25;
/// The same for one tensor, of which the smallest have 16 values. A wrong gradient is off by its
/// own size, which is three times the error that PyTorch has where it is largest.
const OF_A_TENSOR: f64 = 2.0;

type Tensors = BTreeMap<String, Vec<f64>>;

fn passes(training: bool, stream: u64, labels: &[f64], precision: Precision) -> (f64, Tensors) {
    let device = Device::flex().autodiff();
    let model = resnet20(&device, ModelNoise::none());
    let x = images_of(stream as u32, labels.len(), &Device::flex()).autodiff().require_grad();
    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
    let labels = Tensor::<1, Int>::from_ints(labels.as_slice(), &device);
    let (logits, loss, slopes) = autocast(precision, || {
        // `valid` has the running statistics but no parameter gradients; those are compared in
        // training mode.
        let logits = match training {
            true => model.forward(x.clone()),
            false => model.valid().forward(x.clone()),
        };
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits.clone(), labels);
        (logits, loss.clone(), loss.backward())
    });
    let mut tensors = match training {
        true => BTreeMap::from_iter(gradients(&model, &slopes)),
        false => BTreeMap::new(),
    };
    tensors.insert("logits".into(), logits.try_to_vec_as().unwrap());
    tensors.insert("input".into(), x.grad(&slopes).unwrap().try_to_vec_as().unwrap());
    (loss.into_scalar(), tensors)
}

fn norm(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The logits, the loss and all gradients in single precision, so that the errors in bf16 are
/// those of one network.
fn assert_same_network(mode: &str, (loss, tensors): &(f64, Tensors), wanted: &Value) {
    let wanted_loss = wanted["loss"].as_f64().unwrap();
    assert!((loss - wanted_loss).abs() < 1e-5 * wanted_loss, "{mode}: {loss} ≠ {wanted_loss}");
    let logits = list(&wanted["logits"]);
    let scale = logits.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (got, wanted) in tensors["logits"].iter().zip(logits) {
        assert!((got - wanted).abs() < 1e-4 * scale, "{mode}: logit {got} ≠ {wanted}");
    }
    // In training a rectifier whose input is within rounding of zero may be open here and closed
    // there. One of the 65,536 of a layer of the last stage, half of which are open, changes a
    // gradient by about 1/sqrt(32768), 0.6 %. `parity.rs` has fewer of them, and no such case.
    let tolerance = if mode == "train" { 1e-2 } else { 1e-4 };
    for (name, values) in tensors.iter().filter(|(name, _)| *name != "logits") {
        let wanted = &wanted["gradients"][name];
        let (got, of) = (norm(values.iter().copied()), wanted["norm"].as_f64().expect(name));
        assert!((got - of).abs() < tolerance * of, "{mode}: {name}: norm {got} ≠ {of}");
        // The classifier's weight is stored transposed.
        for (got, wanted) in values.iter().zip(list(&wanted["first"])) {
            let close = (got - wanted).abs() < tolerance * of || name == "fc.weight";
            assert!(close, "{mode}: {name}: {got} ≠ {wanted}");
        }
    }
}

/// The part of the network that a tensor belongs to.
fn group(name: &str) -> &str {
    match name.split('.').next().unwrap_or(name) {
        "conv1" | "bn1" => "stem",
        part => part,
    }
}

/// Checks errors of tensors and of groups against PyTorch's, and prints the latter.
fn assert_errors(mode: &str, errors: &BTreeMap<String, f64>, wanted: &Value) {
    let mut groups: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
    let mut above = Vec::new();
    for (name, &error) in errors {
        let of = wanted["tensors"][name]["error"].as_f64().expect(name);
        if error > OF_A_TENSOR * of {
            above.push(format!("{mode}: {name}: {error:.4}, PyTorch {of:.4}"));
        }
        let [ours, theirs] = groups.entry(group(name)).or_default();
        ours.push(error);
        theirs.push(of);
    }
    for (name, group) in groups {
        let of_group = |errors: Vec<f64>| {
            let count = errors.len() as f64;
            norm(errors) / count.sqrt()
        };
        let [error, of] = group.map(of_group);
        println!("{mode} {name:<8}{error:.5}, PyTorch {of:.5}: {:.2}", error / of);
        if error > OF_A_GROUP * of {
            above.push(format!("{mode}: group {name}: {error:.5}, PyTorch {of:.5}"));
        }
    }
    assert!(above.is_empty(), "{above:#?}");
}

#[test]
fn bf16_is_as_close_to_single_precision_as_pytorchs_autocast() {
    let values = json("half_precision.json");
    let (labels, streams) = (list(&values["labels"]), list(&values["streams"]));
    for mode in ["eval", "train"] {
        let (training, wanted) = (mode == "train", &values[mode]);
        let (mut errors, mut kept) = (BTreeMap::<String, Vec<f64>>::new(), Vec::new());
        for (batch, &stream) in streams.iter().enumerate() {
            let run = |precision| passes(training, stream as u64, &labels, precision);
            let (full, half) = (run(Precision::Full), run(Precision::Bf16));
            if batch == 0 {
                assert_same_network(mode, &full, wanted);
            }
            for (name, full) in &full.1 {
                let half = &half.1[name];
                assert_eq!(full.len(), half.len(), "{mode}: {name}");
                let off = norm(full.iter().zip(half).map(|(full, half)| half - full));
                errors.entry(name.clone()).or_default().push(off / norm(full.iter().copied()));
            }
            let signs = full.1["input"].iter().zip(&half.1["input"]);
            let equal = signs.filter(|(a, b)| a.partial_cmp(&&0.0) == b.partial_cmp(&&0.0)).count();
            kept.push(equal as f64 / full.1["input"].len() as f64);
        }
        let mean_square = |errors: Vec<f64>| norm(errors) / (streams.len() as f64).sqrt();
        let errors = errors.into_iter().map(|(name, errors)| (name, mean_square(errors))).collect();
        let kept = kept.iter().sum::<f64>() / kept.len() as f64;
        let theirs = wanted["bf16"]["signs"].as_f64().unwrap();
        println!("{mode} signs kept: {kept:.4}, PyTorch {theirs:.4}");
        assert_errors(mode, &errors, &wanted["bf16"]);
        assert!(1.0 - kept < OF_A_GROUP * (1.0 - theirs), "{mode}: {kept}, PyTorch {theirs}");
    }
}
