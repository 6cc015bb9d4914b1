//! The weights that come with the library, in the folder `weights`.

use super::root;
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;
use cni_burn::pretrained::PretrainedError;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn weights() -> PathBuf {
    root().join("weights")
}

/// 200 test digits, and what is right of them: clean, and under EOT-PGD-10x5 at 0.1 in L∞.
const DIGITS: &[(Pretrained, [f64; 2])] = &[
    (Pretrained::DigitsClean, [0.925, 0.445]),
    (Pretrained::DigitsAdversarial, [0.97, 0.84]),
    (Pretrained::DigitsPniW, [0.9735, 0.8365]),
    (Pretrained::DigitsCniW, [0.911, 0.74]),
];

/// Two images of 200. Rounding differs between processors, and an attack can go another way by it.
const TOLERANCE: f64 = 0.01;

/// 200 test digits four times as large, in grey, which show no class of CIFAR-10. The share that
/// the model gives the class that it gives them without noise: with noise, and under PGD-3 at 8/255
/// in L∞.
const CIFAR10: &[(Pretrained, [f64; 2])] = &[
    (Pretrained::Cifar10Adversarial, [1.0, 0.765]),
    (Pretrained::Cifar10HalfAndHalf, [1.0, 0.51]),
    (Pretrained::Cifar10PniW, [0.948, 0.837]),
    (Pretrained::Cifar10CniW, [0.665, 0.575]),
];

/// The accuracies of a model in `draws` draws, clean and under an attack.
fn accuracies(
    model: &ResNet,
    attack: Pgd,
    draws: usize,
    batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
) -> [f64; 2] {
    let record = Evaluation::new(vec![Box::new(attack)])
        .unwrap()
        .with_draws(draws)
        .unwrap()
        .with_key(Key::new(1))
        .run(&FrozenModel::new(model, ResNet::forward), batches)
        .unwrap()
        .record;
    [&record.clean, &record.attacks[0].robust].map(|of| of.one_shot.accuracy)
}

fn assert_near(wanted: &[(Pretrained, [f64; 2])], found: impl Fn(Pretrained) -> [f64; 2]) {
    let found: Vec<_> = wanted.iter().map(|(name, _)| (*name, found(*name))).collect();
    for ((name, wanted), (_, got)) in wanted.iter().zip(&found) {
        for (got, wanted) in got.iter().zip(wanted) {
            assert!((got - wanted).abs() <= TOLERANCE, "{name}: {found:?}");
        }
    }
}

#[test]
fn the_weights_for_digits_are_as_good_as_they_were() {
    let (data, device) = (digits(Split::Test).take(200), Device::flex());
    let attack = Pgd::new(Threat::linf(0.1).unwrap()).with_steps(10).unwrap();
    let attack = attack.with_draws(5).unwrap();
    assert_near(DIGITS, |name| {
        let model = name.load(weights(), &device).unwrap().model;
        let batches = data.batches(100, &device).map(|batch| batch.unwrap());
        accuracies(&model, attack.clone(), 10, batches)
    });
}

#[test]
fn the_weights_for_cifar_10_do_as_they_did() {
    let (device, attack) = (Device::flex(), Pgd::new(Threat::linf(8.0 / 255.0).unwrap()));
    let attack = attack.with_steps(3).unwrap();
    let (digits, _) = digits(Split::Test).batch(0..200, &device).unwrap();
    let images = digits.reshape([200, 1, 8, 1, 8, 1]).repeat(&[1, 3, 1, 4, 1, 4]);
    let images: Tensor<4> = images.reshape([200, 3, 32, 32]);
    assert_near(CIFAR10, |name| {
        let model = name.load(weights(), &device).unwrap().model;
        let logits = scope(Noise::Off, || model.forward(images.clone()));
        let labels = logits.argmax(1).squeeze_dim(1);
        accuracies(&model, attack.clone(), 3, [(images.clone(), labels)])
    });
}

#[test]
fn every_folder_of_weights_is_known_by_its_name_and_loads_bit_for_bit() {
    let folders = fs::read_dir(weights()).unwrap().map(|entry| entry.unwrap());
    let folders = folders.filter(|entry| entry.path().is_dir());
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    let names = Pretrained::ALL.iter().map(|name| name.to_string()).collect();
    assert_eq!(folders, names);
    let mut bytes = 0;
    for &name in Pretrained::ALL {
        let folder = weights().join(name.name());
        let run = name.load(weights(), &Device::flex()).unwrap();
        // The record was made of these weights, by another process.
        let record = Record::read(folder.join("record.json")).unwrap();
        assert_eq!(ModelCard::fingerprint_of(&run.model), record.model.fingerprint, "{name}");
        assert_eq!(record.model.name, name.name());
        // The folder itself is found as well.
        assert_eq!(name.verified(&folder).unwrap(), folder);
        bytes += fs::metadata(folder.join("model.bpk")).unwrap().len();
    }
    assert!(bytes <= 12_000_000, "{bytes} bytes");
}

/// A copy of a folder of weights in a folder of the same name.
fn copied(name: Pretrained, to: &Path) -> PathBuf {
    let folder = to.join(name.name());
    fs::create_dir_all(&folder).unwrap();
    for file in ["model.bpk", "recipe.toml", "state.json"] {
        fs::copy(weights().join(name.name()).join(file), folder.join(file)).unwrap();
    }
    folder
}

fn refused(name: Pretrained, weights: &Path) -> PretrainedError {
    match name.load(weights, &Device::flex()) {
        Ok(run) => panic!("{name}: loaded epoch {}", run.epoch),
        Err(error) => error,
    }
}

#[test]
fn changed_and_other_weights_are_refused_with_the_checksum_that_is_wanted() {
    let (name, device) = (Pretrained::DigitsPniW, Device::flex());
    for (file, byte) in
        [("state.json", 70), ("model.bpk", 9000), ("model.bpk", 40), ("recipe.toml", 20)]
    {
        let scratch = tempfile::tempdir().unwrap();
        let path = copied(name, scratch.path()).join(file);
        assert!(name.load(scratch.path(), &device).is_ok());
        let mut bytes = fs::read(&path).unwrap();
        bytes[byte] ^= 1;
        fs::write(&path, bytes).unwrap();
        let said = refused(name, scratch.path()).to_string();
        assert!(
            said.contains(file) && said.contains("SHA-256") && said.contains("wanted"),
            "{said}"
        );
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = copied(name, scratch.path());
    let error = refused(Pretrained::DigitsCniW, &folder);
    assert!(matches!(error, PretrainedError::Checksum { .. }), "{error}");
    assert!(error.to_string().contains("that of digits-cni-w for cni-burn"), "{error}");
    // Checkpoints of a run beside them are not read in their place.
    fs::create_dir_all(folder.join("checkpoints/epoch-1")).unwrap();
    assert_eq!(name.load(&folder, &device).unwrap().epoch, 13);
    let error = refused(name, &scratch.path().join("nowhere"));
    assert!(matches!(error, PretrainedError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("wanted the weights digits-pni-w"), "{error}");
    let error = "digits".parse::<Pretrained>().unwrap_err().to_string();
    assert!(error.contains("wanted one of digits-clean, digits-adversarial"), "{error}");
}

#[test]
fn weights_are_read_from_bytes_as_from_their_folder_and_refused_alike() {
    let device = Device::flex();
    for &name in Pretrained::ALL {
        let file = |file: &str| fs::read(weights().join(name.name()).join(file)).unwrap();
        let (state, bytes) = (file("state.json"), file("model.bpk"));
        let read = name.read(&state, bytes.clone(), &device).unwrap();
        let run = name.load(weights(), &device).unwrap();
        let fingerprint = ModelCard::fingerprint_of(&run.model);
        assert_eq!(ModelCard::fingerprint_of(&read.model), fingerprint, "{name}");
        let described = (&read.config, &read.classes, read.epoch);
        assert_eq!(described, (&run.model_config, &run.classes, run.epoch), "{name}");

        let said = |state: &[u8], bytes: &[u8]| {
            let error = name.read(state, bytes.to_vec(), &device).unwrap_err();
            assert!(matches!(error, PretrainedError::Checksum { .. }), "{error}");
            error.to_string()
        };
        assert!(said(&state[..state.len() - 1], &bytes).starts_with("state.json: got SHA-256"));
        let mut changed = bytes.clone();
        changed[5000] ^= 1;
        for bytes in [&changed[..], &bytes[..bytes.len() / 2], &[]] {
            assert!(said(&state, bytes).starts_with("model.bpk: got SHA-256"), "{name}");
        }
    }
}

#[test]
fn the_table_of_weights_is_that_of_their_records() {
    let page = fs::read_to_string(weights().join("README.md")).unwrap();
    for name in Pretrained::ALL {
        let record = Record::read(weights().join(name.name()).join("record.json")).unwrap();
        let worst = record.worst_case.unwrap().one_shot;
        let [clean, worst] = [record.clean.one_shot, worst].map(|of| {
            let [accuracy, low, high] = [of.accuracy, of.low, of.high].map(|share| 100.0 * share);
            format!("{accuracy:.1} [{low:.1}, {high:.1}]")
        });
        let row = page.lines().find(|line| line.starts_with(&format!("| [{name}]({name}) |")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row"));
        assert!(row.ends_with(&format!(" | {clean} | {worst} |")), "{row}: {clean}, {worst}");
    }
}
