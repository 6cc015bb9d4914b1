//! Folders whose images stay on disk, against the same folders in memory.

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use cni_data::{Batch, CropFlip, DataError, ImageData, ImageFolder, Loader};
use cni_noise::{Key, host_uniform};
use image::RgbImage;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const IMAGES: usize = 23;

/// A file of the folder, by its position in the set.
fn file(dir: &Path, i: usize) -> PathBuf {
    dir.join(["cat", "dog", "eel"][i / 8]).join(format!("{:02}.png", i))
}

/// Images of 5 x 4 random pixels: 8 cats, 8 dogs and 7 eels.
fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    for i in 0..IMAGES {
        let path = file(dir.path(), i);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let draws = host_uniform(Key::new(i as u64), 0..60);
        let bytes = draws.iter().map(|u| (u * 256.0) as u8).collect();
        RgbImage::from_raw(4, 5, bytes).unwrap().save(path).unwrap();
    }
    dir
}

/// The set in memory, and the one on disk.
fn both(dir: &Path) -> [ImageData; 2] {
    let folder = ImageFolder::new(dir);
    [folder.read().unwrap(), folder.open().unwrap()]
}

fn loader(data: &ImageData) -> Loader {
    let loader = Loader::new(data.clone(), 6, Key::new(1), &Device::flex()).unwrap();
    loader.with_augmentation(CropFlip { padding: 2 }).unwrap()
}

/// All that a batch holds.
type Seen = (Vec<f32>, Vec<i32>, Key, usize, u64, usize);

fn see(batch: Batch) -> Seen {
    let images = batch.images.try_to_vec_as().unwrap();
    let labels = batch.labels.try_to_vec_as().unwrap();
    (images, labels, batch.key, batch.epoch, batch.first_example, batch.whole)
}

fn seen(loader: &Loader) -> Vec<Seen> {
    loader.iter().map(|batch| see(batch.unwrap())).collect()
}

#[test]
fn training_sees_the_same_batches_from_disk_as_from_memory() {
    let dir = folder();
    let [memory, disk] = both(dir.path()).map(|data| loader(&data));
    let epochs: Vec<_> = (0..3).map(|_| seen(&memory)).collect();
    assert_ne!(epochs[0][0].0, epochs[1][0].0);
    assert_eq!((0..3).map(|_| seen(&disk)).collect::<Vec<_>>(), epochs);
    // As a run that was broken off after two epochs continues, and on three devices.
    let [_, again] = both(dir.path());
    assert_eq!(seen(&loader(&again).resume_at(2)), epochs[2]);
    for index in 0..3 {
        let share = |loader: &Loader| seen(&loader.clone().resume_at(1).share(index, 3));
        assert_eq!(share(&disk), share(&memory));
    }
}

#[test]
fn parts_and_their_validation_batches_are_the_same() {
    let dir = folder();
    let parts = both(dir.path()).map(|data| data.split_validation(7, Key::new(4)).unwrap());
    let batches = parts.map(|(training, validation)| {
        let validation =
            Loader::validation(validation, 3, Key::new(5), &Device::flex()).map(|v| seen(&v));
        (seen(&loader(&training)), validation.unwrap())
    });
    assert_eq!(batches[0], batches[1]);
}

#[test]
fn images_labels_and_fingerprints_are_the_same() {
    let dir = folder();
    let gray = ImageFolder::new(dir.path()).with_grayscale();
    for [memory, disk] in [both(dir.path()), [gray.read().unwrap(), gray.open().unwrap()]] {
        assert_eq!((memory.len(), disk.image_shape()), (IMAGES, memory.image_shape()));
        assert_eq!((memory.name(), memory.classes()), (disk.name(), disk.classes()));
        for i in 0..IMAGES {
            assert_eq!(memory.item(i).unwrap(), disk.item(i).unwrap());
            assert_eq!(memory.label(i).unwrap(), disk.label(i).unwrap());
        }
        let hash = |data: &ImageData| data.fingerprint().unwrap();
        assert_eq!(hash(&memory), hash(&disk));
        assert_eq!(hash(&memory.subset(3..9)), hash(&disk.subset(3..9)));
        assert_ne!(hash(&disk), hash(&disk.subset(3..9)));
    }
}

#[test]
fn a_test_folder_like_the_training_folder_has_its_classes_size_and_channels() {
    let (dir, test) = (folder(), tempdir().unwrap());
    fs::create_dir(test.path().join("eel")).unwrap();
    fs::copy(file(dir.path(), 20), test.path().join("eel/a.png")).unwrap();
    let train = ImageFolder::new(dir.path()).with_grayscale().open().unwrap();
    let like = ImageFolder::new(test.path()).like(&train);
    for data in [like.open().unwrap(), like.read().unwrap()] {
        train.same_classes(&data).unwrap();
        assert_eq!((data.label(0).unwrap(), data.image_shape()), (2, [1, 5, 4]));
    }
    RgbImage::new(5, 5).save(test.path().join("eel/a.png")).unwrap();
    let error = like.open().unwrap_err();
    assert!(matches!(error, DataError::ImageSize { wanted: [5, 4], .. }), "{error}");
}

/// What happens to a file in mid-run.
type Accident = fn(&Path);

#[test]
fn a_file_that_breaks_or_vanishes_in_mid_run_ends_the_epoch_with_its_name() {
    let accidents: [(Accident, &str); 4] = [
        (|path| fs::remove_file(path).unwrap(), "No such file"),
        (|path| fs::write(path, "text").unwrap(), "not a readable image"),
        (|path| RgbImage::new(4, 4).save(path).unwrap(), "wanted [5, 4]"),
        (
            |path| {
                let bytes = fs::read(path).unwrap();
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            },
            "not a readable image",
        ),
    ];
    for (accident, says) in accidents {
        let dir = folder();
        let data = ImageFolder::new(dir.path()).open().unwrap();
        data.fingerprint().unwrap();
        let batches = data.batches(4, &Device::flex());
        let loader = loader(&data);
        let whole = seen(&loader);
        accident(&file(dir.path(), 21));
        let name = file(dir.path(), 21).display().to_string();
        let named =
            |error: String| assert!(error.contains(&name) && error.contains(says), "{error}");

        // In order: five batches of four, then the one of the file, and no seventh.
        let results: Vec<_> = batches.collect();
        assert_eq!(
            results.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, true, true, true, true, false]
        );
        named(results.into_iter().next_back().unwrap().unwrap_err().to_string());
        let mut epoch = loader.epoch(0);
        let mut batches = Vec::new();
        let error = loop {
            match epoch.next().expect("an error before the end") {
                Ok(batch) => batches.push(see(batch)),
                Err(error) => break error,
            }
        };
        named(error.to_string());
        assert!(epoch.next().is_none());
        // The batches before it are those of the whole folder.
        assert!(batches.len() < whole.len());
        assert_eq!(batches, whole[..batches.len()]);
        named(data.item(21).unwrap_err().to_string());
        // What is known of the labels needs no file, and the hash is kept.
        assert_eq!(data.label(21).unwrap(), 2);
        data.fingerprint().unwrap();
        named(data.subset(20..23).fingerprint().unwrap_err().to_string());
    }
}
