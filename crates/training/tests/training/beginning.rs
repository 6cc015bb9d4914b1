//! The beginning of a run, once nothing is refused any more: files of the caller's, and a word.

use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_data::{Split, digits};
use cni_noise::Key;
use cni_training::{Objective, Progress, Schedule, Trainer, TrainingConfig, TrainingError};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The numbers of epochs that the runs had when they began.
type Calls = Arc<Mutex<Vec<usize>>>;

/// Trains to so many epochs, from wherever the run in the folder is.
fn run(folder: &Path, epochs: usize, calls: &Calls) -> Result<(), TrainingError> {
    let (train, validation) =
        digits(Split::Train).take(60).split_validation(20, Key::new(1)).unwrap();
    let config = TrainingConfig {
        schedule: Schedule::constant(0.1),
        ..TrainingConfig::new(epochs, Objective::clean())
    };
    let model: Linear = LinearConfig::new(64, 10).init(&Device::flex());
    let forward = |model: &Linear, x: Tensor<4>| model.forward(x.flatten::<2>(1, 3));
    let calls = calls.clone();
    let trainer = Trainer::new(config, folder)?
        .with_validation(validation)
        .with_progress(Progress::Quiet)
        .with_file("notes.txt", "ours")
        .with_beginning(move |rows| calls.lock().unwrap().push(rows.len()))
        .resume(true);
    trainer.run(model, forward, train).map(drop)
}

#[test]
fn a_run_that_begins_or_goes_on_writes_its_files_and_says_how_far_it_is() {
    let (folder, calls) = (tempfile::tempdir().unwrap(), Calls::default());
    run(folder.path(), 2, &calls).unwrap();
    let notes = folder.path().join("notes.txt");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "ours");
    fs::write(&notes, "from before").unwrap();
    run(folder.path(), 3, &calls).unwrap();
    assert_eq!(fs::read_to_string(&notes).unwrap(), "ours");
    assert_eq!(*calls.lock().unwrap(), [0, 2]);
}

#[test]
fn a_run_that_is_refused_says_nothing_and_leaves_a_file_of_others() {
    let (folder, calls) = (tempfile::tempdir().unwrap(), Calls::default());
    let notes = folder.path().join("notes.txt");
    fs::write(&notes, "theirs").unwrap();
    let error = run(folder.path(), 2, &calls).unwrap_err();
    assert!(matches!(&error, TrainingError::NotOurs(path) if *path == notes), "{error}");
    assert_eq!(fs::read_to_string(&notes).unwrap(), "theirs");
    assert!(calls.lock().unwrap().is_empty());
}
