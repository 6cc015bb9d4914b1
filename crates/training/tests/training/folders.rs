//! Runs on image folders that stay on disk.

use crate::support::conv_net::{Net, Settings, config, trainer};
use crate::support::numbers;
use cni_data::{Augmentation, ImageData, ImageFolder, Split, digits};
use cni_training::{StopReason, Trained, Trainer, TrainingConfig, TrainingError};
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// 96 digits as image files.
fn folder() -> TempDir {
    let (dir, digits) = (tempdir().unwrap(), digits(Split::Train));
    for i in 0..96 {
        let item = digits.item(i).unwrap();
        let class = dir.path().join(item.label.to_string());
        fs::create_dir_all(&class).unwrap();
        let image = image::GrayImage::from_raw(8, 8, item.to_bytes()).unwrap();
        image.save(class.join(format!("{i:03}.png"))).unwrap();
    }
    dir
}

fn images(dir: &Path) -> ImageFolder {
    ImageFolder::new(dir).with_grayscale()
}

fn run(trainer: Trainer<Net>, data: &ImageData) -> Result<Trained<Net>, TrainingError> {
    let net = Net::new(&Settings::default());
    trainer.with_validation(data.take(16)).run(net, Net::forward, data.subset(16..96))
}

fn settings(epochs: usize) -> TrainingConfig {
    let augment = vec![Augmentation::crop(1)];
    TrainingConfig { batch_size: 16, augment, ..config(epochs) }
}

#[test]
fn a_run_on_disk_is_the_run_in_memory_bit_for_bit_also_resumed() {
    let (dir, note) = (folder(), json!(null));
    let (memory, disk) = (images(dir.path()).read().unwrap(), images(dir.path()).open().unwrap());
    let [one, two] = [tempdir().unwrap(), tempdir().unwrap()];
    let whole = run(trainer(settings(3), one.path(), &note), &memory).unwrap();
    // Two epochs from memory, the third from disk: one run to the trainer.
    run(trainer(settings(2), two.path(), &note), &memory).unwrap();
    let resumed = trainer(settings(3), two.path(), &note).resume(true);
    let resumed = run(resumed, &disk).unwrap();
    assert_eq!(numbers(&resumed.model), numbers(&whole.model));
    assert_eq!(resumed.history, whole.history);
}

#[test]
fn a_file_that_vanishes_in_mid_run_stops_the_run_with_its_name() {
    let (dir, folder) = (folder(), tempdir().unwrap());
    let data = images(dir.path()).open().unwrap();
    // The last digit of the training set, gone after the first epoch.
    let class = fs::read_dir(dir.path().join("9")).unwrap();
    let file = class.map(|entry| entry.unwrap().path()).max().unwrap();
    let gone = file.clone();
    let trainer = trainer(settings(3), folder.path(), &json!(null)).with_watch(move |_| {
        let _ = fs::remove_file(&gone);
        [("removed".to_string(), 1.0)]
    });
    let error = run(trainer, &data).unwrap_err();
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    let TrainingError::Stopped { reason, last } = error else { panic!("{error}") };
    assert!(matches!(reason, StopReason::Burn(_)), "{reason}");
    assert_eq!(last, Some(1));
}
