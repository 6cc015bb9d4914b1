//! A run's folder: what is found damaged there, whose it is, and what stays. One
//! file, because every test has the same run with one file changed.

use crate::support::conv_net::{Net, Settings, config, data, run, trainer};
use crate::support::numbers;
use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_layers::Granularity;
use cni_layers::models::{Normalize, NormalizeConfig};
use cni_noise::NoiseScale;
use cni_noise::laws::White;
use cni_training::{
    CheckpointFault, CheckpointSelector, Progress, Schedule, Trainer, TrainingConfig,
    TrainingError, load_checkpoint, publish_checkpoint,
};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;

fn start(folder: &Path, epochs: usize, resume: bool) -> Result<Vec<f32>, TrainingError> {
    run(config(epochs), folder, &Settings::default(), resume).map(|run| numbers(&run.model))
}

fn net() -> Net {
    Net::new(&Settings::default())
}

/// Flips the lowest bit of a byte.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_changed_bit_anywhere_in_a_checkpoint_is_an_error_that_leads_on() {
    let folder = tempfile::tempdir().unwrap();
    let expected = start(folder.path(), 3, false).unwrap();
    let checkpoints = folder.path().join("checkpoints");
    let last = checkpoints.join("epoch-3");
    for name in ["model.bpk", "optimizer.bpk", "schedule.bpk", "state.json"] {
        let path = last.join(name);
        let len = fs::metadata(&path).unwrap().len() as usize;
        // At forty places of each file.
        for at in (0..len).step_by(len / 40) {
            flip(&path, at);
            let loaded = load_checkpoint(net(), folder.path(), CheckpointSelector::Last);
            let read = ["model.bpk", "state.json"].contains(&name);
            assert_eq!(loaded.is_err(), read, "{name}, byte {at}");
            flip(&path, at);
        }
        flip(&path, len / 2);
        let error = start(folder.path(), 3, true).unwrap_err();
        let text = error.to_string();
        let TrainingError::Damaged { path: damaged, fault, before } = error else {
            panic!("{text}")
        };
        assert_eq!(damaged, path);
        assert_eq!(before, Some(checkpoints.join("epoch-2")));
        let state = matches!(fault, CheckpointFault::State(_)) && name == "state.json";
        assert!(state || matches!(fault, CheckpointFault::Checksum { .. }), "{text}");
        let advice = format!("move {} away and resume", last.display());
        assert!(text.contains(&advice), "{text}");
        flip(&path, len / 2);
    }
    // As the error says.
    fs::rename(&last, folder.path().join("damaged")).unwrap();
    assert_eq!(start(folder.path(), 3, true).unwrap(), expected);
}

#[test]
fn a_checkpoint_without_checksums_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    let expected = start(folder.path(), 1, false).unwrap();
    let path = folder.path().join("checkpoints/epoch-1/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let fields = state.as_object_mut().unwrap();
    for field in ["files", "checksum", "versions"] {
        fields.remove(field).unwrap();
    }
    fs::write(&path, state.to_string()).unwrap();
    let (loaded, _) = load_checkpoint(net(), folder.path(), CheckpointSelector::Last).unwrap();
    assert_eq!(numbers(&loaded), expected);
    assert_eq!(start(folder.path(), 1, true).unwrap(), expected);
}

#[test]
fn a_model_and_its_state_alone_are_a_published_checkpoint() {
    let [folder, published] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let trained = run(config(3), folder.path(), &Settings::default(), false).unwrap();
    let best = folder.path().join(format!("checkpoints/epoch-{}", trained.best_epoch));
    // In the run's folder and by themselves.
    for file in ["optimizer.bpk", "schedule.bpk"] {
        fs::remove_file(best.join(file)).unwrap();
    }
    for file in ["model.bpk", "state.json"] {
        fs::copy(best.join(file), published.path().join(file)).unwrap();
    }
    let load = |path: &Path, which| load_checkpoint(net(), path, which);
    let (in_run, epoch) = load(folder.path(), CheckpointSelector::Best).unwrap();
    let (alone, of) = load(published.path(), CheckpointSelector::Best).unwrap();
    assert_eq!((epoch, of), (trained.best_epoch, trained.best_epoch));
    assert_eq!(numbers(&in_run), numbers(&alone));
    let error = load(published.path(), CheckpointSelector::Epoch(9)).unwrap_err().to_string();
    assert!(error.contains("wanted epoch 9"), "{error}");
    // What a refused run leaves beside it does no harm, nor does an empty folder.
    fs::create_dir(published.path().join("checkpoints")).unwrap();
    assert_eq!(
        numbers(&load(published.path(), CheckpointSelector::Last).unwrap().0),
        numbers(&alone)
    );
    flip(&published.path().join("model.bpk"), 900);
    assert!(
        load(published.path(), CheckpointSelector::Best)
            .unwrap_err()
            .to_string()
            .contains("SHA-256")
    );
}

#[test]
fn published_weights_are_those_of_the_checkpoint_or_their_halves() {
    let folder = tempfile::tempdir().unwrap();
    let trained = run(config(2), folder.path(), &Settings::default(), false).unwrap();
    let best = CheckpointSelector::Best;
    let [whole, half] = ["whole", "deep/half"].map(|name| folder.path().join(name));
    let publish = |to: &Path, half| publish_checkpoint(folder.path(), best, to, half);
    assert_eq!(publish(&whole, false).unwrap(), trained.best_epoch);
    fs::create_dir_all(&half).unwrap();
    assert_eq!(publish(&half, true).unwrap(), trained.best_epoch);
    let weights = |of: &Path| {
        let (model, epoch) = load_checkpoint(net(), of, best).unwrap();
        assert_eq!(epoch, trained.best_epoch);
        numbers(&model)
    };
    let exact = weights(folder.path());
    assert_eq!(weights(&whole), exact);
    // Each is rounded to 11 bits, or to multiples of 2^-24 where it is tiny.
    let rounded = weights(&half);
    assert_eq!(rounded.len(), exact.len());
    for (rounded, exact) in rounded.iter().zip(&exact) {
        let near = (rounded - exact).abs() <= (exact.abs() / 2048.0).max(2f32.powi(-25));
        assert!(near, "{rounded} of {exact}");
    }
    assert_ne!(rounded, exact);
    let bytes = |of: &Path| fs::metadata(of.join("model.bpk")).unwrap().len();
    assert!(bytes(&half) < bytes(&whole));
    let names = |of: &Path| {
        let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&half), ["model.bpk", "state.json"]);
    assert_eq!(names(&folder.path().join("deep")), ["half"]);
    // What a killed call has left is completed, and a file of somebody else is left alone.
    let killed = folder.path().join("killed");
    fs::create_dir_all(killed.join(".publishing")).unwrap();
    fs::write(killed.join(".publishing/state.json"), "half").unwrap();
    for name in ["model.bpk", "recipe.toml"] {
        fs::write(killed.join(name), "half").unwrap();
        let other = folder.path().join(format!("other-{name}"));
        fs::create_dir(&other).unwrap();
        fs::write(other.join(name), "mine").unwrap();
        let error = publish(&other, true).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("new or empty folder"), "{error}");
        assert_eq!(fs::read_to_string(other.join(name)).unwrap(), "mine");
    }
    publish(&killed, true).unwrap();
    assert_eq!(weights(&killed), rounded);
    assert_eq!(names(&killed), ["model.bpk", "state.json"]);
    // An equal training gives equal files, though the ids of its parameters differ.
    let twin = folder.path().join("twin");
    run(config(2), &twin, &Settings::default(), false).unwrap();
    publish_checkpoint(&twin, best, twin.join("half"), true).unwrap();
    for name in ["model.bpk", "state.json"] {
        let [ours, theirs] = [&half, &twin.join("half")].map(|of| fs::read(of.join(name)).unwrap());
        assert!(ours == theirs, "{name}");
    }
    // It can be published further, is never replaced, and is no place for a run.
    let error = start(&half, 1, false).unwrap_err().to_string();
    assert!(error.contains("state.json"), "{error}");
    let again = folder.path().join("again");
    publish_checkpoint(&half, best, &again, false).unwrap();
    assert_eq!(weights(&again), rounded);
    let error = publish(&half, false).unwrap_err().to_string();
    assert!(error.contains("in it, wanted a new or empty folder"), "{error}");
    assert_eq!(weights(&half), rounded);
    flip(&half.join("model.bpk"), 900);
    let error = publish_checkpoint(&half, best, folder.path().join("third"), true).unwrap_err();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert!(!folder.path().join("third").exists());
}

#[test]
fn a_run_that_keeps_all_checkpoints_keeps_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainingConfig { keep_last: usize::MAX, ..config(4) };
    run(config, folder.path(), &Settings::default(), false).unwrap();
    for epoch in 1..=4 {
        let (_, of) =
            load_checkpoint(net(), folder.path(), CheckpointSelector::Epoch(epoch)).unwrap();
        assert_eq!(of, epoch);
    }
}

#[test]
fn a_checkpoint_is_not_loaded_into_a_model_with_noise_of_another_law() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    let expected = start(folder.path(), 1, false).unwrap();
    let with_law = |granularity, alpha| {
        let law = White { granularity, alpha };
        let activation = settings.activation.clone().with_law(law);
        Settings { activation, ..settings.clone() }
    };
    let load = |net: Net| load_checkpoint(net, folder.path(), CheckpointSelector::Last);
    let changed = [
        (
            Settings { scale: NoiseScale::Reference, ..settings.clone() },
            "scale was \"relative\", is \"reference\"",
        ),
        (with_law(Granularity::Channel, 0.25), "law/white/granularity was "),
    ];
    for (settings, wanted) in changed {
        let error = load(Net::new(&settings)).unwrap_err();
        let text = error.to_string();
        let TrainingError::Checkpoint { fault, .. } = error else { panic!("{text}") };
        assert!(matches!(fault, CheckpointFault::Model(_)) && text.contains(wanted), "{text}");
    }
    let outputs = load(Net::with_outputs(&settings, 12)).unwrap_err().to_string();
    assert!(outputs.contains("was [4,10], is [4,12]"), "{outputs}");
    // Its own model in training and in inference, and one whose constants the checkpoint replaces.
    let other = Net::new(&Settings { mean: 0.4, ..with_law(Granularity::Layer, 0.5) });
    for model in [net(), net().train(), net().valid(), other] {
        assert_eq!(numbers(&load(model).unwrap().0), expected);
    }
}

/// The state of a checkpoint from before it told the model, as far as that is about loading.
#[test]
fn a_checkpoint_that_does_not_tell_its_model_stays_readable() {
    let folder = tempfile::tempdir().unwrap();
    let expected = start(folder.path(), 1, false).unwrap();
    let path = folder.path().join("checkpoints/epoch-1/state.json");
    let state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for without in ["model", "settings", "parameters", "scale"] {
        let mut state = state.clone();
        for field in ["files", "checksum", "versions"] {
            state.as_object_mut().unwrap().remove(field).unwrap();
        }
        let run = state["run"].as_object_mut().unwrap();
        if run.remove(without).is_none() {
            let model = run["model"].as_object_mut().unwrap();
            if model.remove(without).is_none() {
                for noise in model["settings"].as_object_mut().unwrap().values_mut() {
                    noise.as_object_mut().unwrap().remove(without).unwrap();
                }
            }
        }
        fs::write(&path, state.to_string()).unwrap();
        let (loaded, _) = load_checkpoint(net(), folder.path(), CheckpointSelector::Last).unwrap();
        assert_eq!(numbers(&loaded), expected, "{without}");
    }
}

/// A record as it was before a normalization had parameters.
#[test]
fn a_checkpoint_without_its_normalization_says_what_it_is() {
    #[derive(Module, Debug)]
    struct New {
        normalize: Normalize,
        weight: Param<Tensor<2>>,
        bias: Option<Param<Tensor<1>>>,
    }
    let (folder, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let old = LinearConfig::new(64, 10).init(&device);
    let Linear { weight, bias } = old.clone();
    let new = New { normalize: NormalizeConfig::new(&[0.5], &[0.5]).init(&device), weight, bias };
    let (train, validation) = data();
    let forward = |net: &Linear, images: Tensor<4>| net.forward(images.flatten::<2>(1, 3));
    let trainer = Trainer::new(config(1), folder.path()).unwrap().with_progress(Progress::Quiet);
    trainer.with_validation(validation).run(old, forward, train).unwrap();
    let error =
        load_checkpoint(new, folder.path(), CheckpointSelector::Last).unwrap_err().to_string();
    assert!(error.contains("normalize.mean"), "{error}");
    assert!(error.contains("saved before a model's normalization was part of"), "{error}");
}

#[test]
fn one_run_at_a_time_works_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".lock");
    let other = File::create(&path).unwrap();
    other.lock().unwrap();
    let error = start(folder.path(), 1, false).unwrap_err();
    assert!(matches!(&error, TrainingError::Locked(path) if path == folder.path()), "{error}");
    drop(other);
    start(folder.path(), 1, false).unwrap();
    // A run gives the lock back.
    start(folder.path(), 1, true).unwrap();
}

#[test]
fn files_of_others_stay_and_a_refused_run_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("checkpoints");
    fs::create_dir_all(root.join(".notes")).unwrap();
    for file in [".gitignore", ".notes/today", ".epoch-notes", ".epoch-07"] {
        fs::write(root.join(file), "mine").unwrap();
    }
    let theirs = [".gitignore", ".notes/today", ".epoch-notes", ".epoch-07"];
    let all_there = |names: &[&str]| names.iter().all(|name| root.join(name).exists());
    start(folder.path(), 1, false).unwrap();
    assert!(all_there(&theirs));
    // What a killed run left is another run's business until this one may begin.
    fs::create_dir(root.join(".epoch-2")).unwrap();
    fs::create_dir(root.join(".drop-1")).unwrap();
    let leftovers = [".epoch-2", ".drop-1"];
    start(folder.path(), 1, false).unwrap_err();
    let other = TrainingConfig { schedule: Schedule::constant(0.2), ..config(1) };
    run(other, folder.path(), &Settings::default(), true).unwrap_err();
    assert!(all_there(&theirs) && all_there(&leftovers));
    start(folder.path(), 1, true).unwrap();
    assert!(all_there(&theirs) && !leftovers.iter().any(|name| root.join(name).exists()));
}

/// The first save of the first run fails, so that no checkpoint says what the folder is of.
#[test]
fn what_stands_beside_the_weights_describes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.json");
    let described = || -> Value { serde_json::from_slice(&fs::read(&path).unwrap()).unwrap() };
    let run = |note: Value, resume, blocked: bool| {
        let (train, validation) = data();
        let block = folder.path().join("checkpoints/.epoch-1");
        let forward = move |net: &Net, images| {
            if blocked {
                fs::create_dir_all(block.parent().unwrap()).unwrap();
                fs::write(&block, "").unwrap();
            }
            net.forward(images)
        };
        let trainer = trainer(config(1), folder.path(), &note);
        let trainer = trainer.with_validation(validation).resume(resume);
        trainer.run(net(), forward, train).map(drop)
    };
    let stopped = run(json!({"epsilon": 0.1}), false, true).unwrap_err();
    assert!(matches!(stopped, TrainingError::Stopped { last: None, .. }), "{stopped}");
    run(json!({"epsilon": 0.3}), false, false).unwrap();
    assert_eq!(described(), json!({"epsilon": 0.3}));
    for resume in [false, true] {
        run(json!({"epsilon": 0.5}), resume, false).unwrap_err();
        assert_eq!(described(), json!({"epsilon": 0.3}));
    }
}
