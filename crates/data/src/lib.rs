//! Labelled images: where they come from, how they are augmented, and the batches a training run
//! sees. One file for [`ImageData`], because its views share pixels, labels and order.
//!
//! ```
//! use burn::data::dataloader::DataLoader;
//! use burn::tensor::Device;
//! use cni_noise::Key;
//! use cni_data::{Augment, Loader, Split, digits};
//!
//! let (train, validation) = digits(Split::Train).split_validation(200, Key::new(1))?;
//! let loader = Loader::training(train, 64, Augment::default(), Key::new(2), &Device::flex())?;
//! for batch in loader.iter() {
//!     assert_eq!(batch?.images.dims()[1..], [1, 8, 8]);
//! }
//! assert_eq!(validation.len(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`ImageData`]: a set of images in memory, and views of it;
//! - [`cifar10`], [`cifar100`], [`digits`], [`image_folder`], [`ImageFolder`]: where sets come
//!   from;
//! - [`Augment`]: keyed random crops and flips;
//! - [`Loader`]: keyed, resumable batches for Burn's trainer.
//!
//! With the feature `download`, `download_cifar10` and `download_cifar100` fetch the CIFAR
//! archives.

mod augment;
mod cifar;
mod digits;
#[cfg(feature = "download")]
mod download;
mod error;
mod folder;
mod jpeg;
mod loader;
mod memory;
mod shares;

pub use augment::Augment;
pub use cifar::{cifar10, cifar100};
pub use digits::digits;
#[cfg(feature = "download")]
pub use download::{download_cifar10, download_cifar100};
pub use error::DataError;
pub use folder::{ImageFolder, image_folder};
pub use loader::{Batch, Epoch, Loader};
pub use shares::Shares;

use burn::tensor::{Device, Int, Tensor, TensorData};
use cni_noise::{Key, permutation};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A part of a data set, as its publishers cut it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The examples to train on.
    Train,
    /// The examples to report numbers on.
    Test,
}

/// A set of labelled images of one shape, held in memory as bytes.
///
/// Clones and parts share the pixels. An example is named by its position in the set at hand, from
/// 0.
#[derive(Clone)]
pub struct ImageData {
    name: Arc<str>,
    shape: [usize; 3],
    pixels: Arc<[u8]>,
    labels: Arc<[u16]>,
    classes: Arc<[String]>,
    /// The examples of this view, as positions in `pixels` and `labels`.
    view: Arc<[usize]>,
    skipped: usize,
}

impl ImageData {
    /// A set of images.
    ///
    /// `shape` is `[channels, height, width]`, `pixels` are in row-major order
    /// `[n, channels, height, width]` with 0 for black and 255 for full intensity, `labels` are
    /// positions in `classes`, one for each image.
    ///
    /// # Errors
    ///
    /// An empty set, no classes, more than 65,536 of them or two of one name, a shape with a zero,
    /// pixels that are not `n` images, a label that is no class.
    pub fn new(
        name: impl Into<String>,
        shape: [usize; 3],
        pixels: impl Into<Arc<[u8]>>,
        labels: impl Into<Arc<[u16]>>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let (name, pixels, labels) = (name.into(), pixels.into(), labels.into());
        if shape.contains(&0) {
            return Err(DataError::Shape { name, shape });
        }
        check_classes(&name, &classes)?;
        if labels.is_empty() {
            return Err(DataError::Empty { place: name });
        }
        let wanted = shape.iter().fold(labels.len(), |bytes, &size| bytes.saturating_mul(size));
        if pixels.len() != wanted {
            return Err(DataError::Pixels { name, got: pixels.len(), wanted });
        }
        if let Some(example) = labels.iter().position(|&label| usize::from(label) >= classes.len())
        {
            let label = labels[example].into();
            return Err(DataError::Label { name, example, label, classes: classes.len() });
        }
        let view = (0..labels.len()).collect();
        let (name, classes) = (name.into(), classes.into());
        Ok(Self { name, shape, pixels, labels, classes, view, skipped: 0 })
    }

    /// The name of the data set, such as `cifar10`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// Whether there is no example, which only a part of a set can be.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// `[channels, height, width]` of every image.
    pub fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The names of the classes; a label is a position in this list.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Checks that a label means the same class in both sets: equal names in equal order.
    ///
    /// Sets from directories of different classes can have equally many of them and still number
    /// them differently; [`ImageFolder::with_classes`] reads both with one list.
    ///
    /// # Errors
    ///
    /// [`DataError::Classes`] with the first class of `other` that is not the class of `self`.
    pub fn same_classes(&self, other: &Self) -> Result<(), DataError> {
        let longest = self.classes.len().max(other.classes.len());
        let differs = |&i: &usize| self.classes.get(i) != other.classes.get(i);
        let Some(position) = (0..longest).find(differs) else {
            return Ok(());
        };
        Err(DataError::Classes {
            name: other.name().into(),
            reference: self.name().into(),
            position,
            got: other.classes.get(position).cloned(),
            wanted: self.classes.get(position).cloned(),
        })
    }

    /// The files of an image folder that were skipped because their extension is not an image's.
    ///
    /// 0 for sets from elsewhere. A part has the number of the whole set.
    pub fn skipped_files(&self) -> usize {
        self.skipped
    }

    /// The label of example `i`.
    ///
    /// # Panics
    ///
    /// If there is no such example.
    pub fn label(&self, i: usize) -> usize {
        self.labels[self.position("label", i)].into()
    }

    /// The bytes of example `i`, row-major `[channels, height, width]`.
    ///
    /// # Panics
    ///
    /// If there is no such example.
    pub fn pixels(&self, i: usize) -> &[u8] {
        let size = self.shape.iter().product::<usize>();
        &self.pixels[self.position("pixels", i) * size..][..size]
    }

    fn position(&self, of: &str, i: usize) -> usize {
        let len = self.len();
        assert!(i < len, "{of}: example: got {i}, wanted 0..{len}, the examples of {}", self.name);
        self.view[i]
    }

    /// The examples at the positions in `range`.
    ///
    /// # Panics
    ///
    /// If `range` reaches beyond the set or ends before it begins.
    pub fn subset(&self, range: Range<usize>) -> Self {
        let (len, name) = (self.len(), &self.name);
        assert!(
            range.start <= range.end && range.end <= len,
            "subset: range: got {range:?}, wanted a part of 0..{len}, the examples of {name}"
        );
        self.part(&self.view[range])
    }

    /// The first `count` examples, or all where there are fewer.
    pub fn take(&self, count: usize) -> Self {
        self.subset(0..count.min(self.len()))
    }

    /// The set cut in two at random: all but `count` examples to train on, and `count` to validate
    /// with.
    ///
    /// A function of the key and the size of the set alone. Both parts keep the order of the set.
    ///
    /// # Errors
    ///
    /// A `count` above the size of the set.
    pub fn split_validation(&self, count: usize, key: Key) -> Result<(Self, Self), DataError> {
        let len = self.len();
        if count > len {
            let (field, name) = ("split_validation: count", self.name().into());
            return Err(DataError::Count { field, got: count, len, name });
        }
        let mut order = permutation(key, len);
        let (validation, training) = order.split_at_mut(count);
        let sorted = |part: &mut [usize]| {
            part.sort_unstable();
            self.part(&part.iter().map(|&i| self.view[i]).collect::<Vec<_>>())
        };
        Ok((sorted(training), sorted(validation)))
    }

    fn part(&self, view: &[usize]) -> Self {
        Self { view: view.into(), ..self.clone() }
    }

    /// SHA-256 of shape, size, pixels and labels in order, as 64 hexadecimal digits: what a record
    /// keeps of its data.
    ///
    /// Equal for equal examples, wherever they came from and however they are called.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for size in self.shape.into_iter().chain([self.len()]) {
            hash.update((size as u64).to_le_bytes());
        }
        (0..self.len()).for_each(|i| hash.update(self.pixels(i)));
        self.view.iter().for_each(|&i| hash.update(self.labels[i].to_le_bytes()));
        hex(&hash.finalize())
    }

    /// Images `[indices.len(), channels, height, width]` in [0, 1] on `device`, those of the
    /// examples at `indices`.
    ///
    /// # Panics
    ///
    /// If an index is beyond the set.
    pub fn images(&self, indices: &[usize], device: &Device) -> Tensor<4> {
        upload(&self.gather(indices), self.shape, device)
    }

    /// Labels `[indices.len()]` on `device`, those of the examples at `indices`.
    ///
    /// # Panics
    ///
    /// If an index is beyond the set.
    pub fn labels(&self, indices: &[usize], device: &Device) -> Tensor<1, Int> {
        let labels: Vec<i32> = indices.iter().map(|&i| self.label(i) as i32).collect();
        Tensor::from_data(TensorData::new(labels, [indices.len()]), device)
    }

    fn gather(&self, indices: &[usize]) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(indices.len() * self.shape.iter().product::<usize>());
        indices.iter().for_each(|&i| pixels.extend_from_slice(self.pixels(i)));
        pixels
    }
}

/// Checks that labels can tell the classes apart, and users their names.
fn check_classes(name: &str, classes: &[String]) -> Result<(), DataError> {
    if classes.is_empty() {
        return Err(DataError::NoClasses { name: name.into() });
    }
    if classes.len() > usize::from(u16::MAX) + 1 {
        return Err(DataError::TooManyClasses { name: name.into(), got: classes.len() });
    }
    let mut seen = HashMap::new();
    for (second, class) in classes.iter().enumerate() {
        if let Some(first) = seen.insert(class, second) {
            let (name, class) = (name.into(), class.clone());
            return Err(DataError::SameClass { name, class, first, second });
        }
    }
    Ok(())
}

impl fmt::Debug for ImageData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageData")
            .field("name", &self.name)
            .field("len", &self.len())
            .field("shape", &self.shape)
            .field("classes", &self.classes.len())
            .finish_non_exhaustive()
    }
}

/// Bytes to a tensor `[n, channels, height, width]` in [0, 1].
///
/// Divided on the host: WebGPU has no tensors of bytes, and all backends get the same values.
fn upload(pixels: &[u8], [channels, height, width]: [usize; 3], device: &Device) -> Tensor<4> {
    let shape = [pixels.len() / (channels * height * width), channels, height, width];
    let values: Vec<f32> = pixels.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` images of shape [2, 2, 3], all bytes different as far as they go, with labels 0, 1, 2,
    /// 0, ...
    pub(super) fn toy(n: usize) -> ImageData {
        let pixels: Vec<u8> = (0..12 * n).map(|i| (i * 7 % 256) as u8).collect();
        let labels: Vec<u16> = (0..n).map(|i| (i % 3) as u16).collect();
        ImageData::new("toy", [2, 2, 3], pixels, labels, names(3)).unwrap()
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| i.to_string()).collect()
    }

    #[test]
    fn wrong_sets_are_refused_with_what_was_got_and_wanted() {
        let refused = |shape, pixels: usize, labels: &[u16], classes, says: &str| {
            let error = ImageData::new("toy", shape, vec![0; pixels], labels, names(classes));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("toy") && error.contains(says), "{error}");
        };
        refused([1, 0, 2], 0, &[0], 1, "got [1, 0, 2]");
        refused([1, 2, 2], 4, &[0], 0, "no classes");
        refused([1, 2, 2], 0, &[], 1, "no images");
        refused([1, 2, 2], 7, &[0, 0], 1, "got 7 bytes, wanted 8");
        refused([1, 2, 2], 8, &[1, 2], 2, "label of example 1: got 2, wanted 0..2");
        refused([usize::MAX; 3], 8, &[0, 0], 1, "wanted 18446744073709551615");
        refused([1, 1, 1], 1, &[0], 65_537, "got 65537 classes, wanted at most 65536");
        let twice = ["cat", "dog", "cat"].map(String::from).to_vec();
        let error = ImageData::new("toy", [1, 1, 1], vec![0], vec![0], twice).unwrap_err();
        assert_eq!(error.to_string(), "toy: classes 0 and 2 are both called \"cat\"");
    }

    #[test]
    fn labels_reach_to_the_last_of_65536_classes() {
        let data = ImageData::new("many", [1, 1, 1], vec![0], vec![65_535], names(65_536)).unwrap();
        assert_eq!(data.label(0), 65_535);
    }

    #[test]
    fn sets_whose_classes_differ_are_told_apart_by_the_first_difference() {
        let set = |name: &str, classes: &str| {
            let classes = classes.split_whitespace().map(String::from).collect();
            ImageData::new(name, [1, 1, 1], vec![0], vec![0], classes).unwrap()
        };
        let train = set("train", "cat dog eel");
        assert!(train.same_classes(&set("test", "cat dog eel")).is_ok());
        for (classes, says) in [
            ("cat eel", "test: class 1: got \"eel\", wanted \"dog\" as in train"),
            ("cat dog", "test: class 2: got none, wanted \"eel\" as in train"),
            ("cat dog eel fox", "test: class 3: got \"fox\", wanted none as in train"),
            ("dog cat eel", "test: class 0: got \"dog\", wanted \"cat\" as in train"),
        ] {
            let error = train.same_classes(&set("test", classes)).unwrap_err();
            assert_eq!(error.to_string(), says);
        }
    }

    #[test]
    fn tensors_hold_the_bytes_and_labels_of_the_examples_asked_for() {
        let (data, device) = (toy(5).subset(1..5), Device::flex());
        let images = data.images(&[3, 0], &device);
        assert_eq!(images.dims(), [2, 2, 2, 3]);
        let bytes: Vec<u8> = images
            .try_to_vec_as::<f32>()
            .unwrap()
            .iter()
            .map(|v| (v * 255.0).round() as u8)
            .collect();
        assert_eq!(bytes, [toy(5).pixels(4), toy(5).pixels(1)].concat());
        let labels: Vec<i32> = data.labels(&[3, 0], &device).try_to_vec_as().unwrap();
        assert_eq!(labels, [1, 1]);
        assert_eq!((data.label(3), data.label(1)), (1, 2));
    }

    #[test]
    fn black_is_zero_and_full_intensity_is_one() {
        let data = ImageData::new("two", [1, 1, 2], vec![0, 255], vec![0], names(1)).unwrap();
        let values: Vec<f32> = data.images(&[0], &Device::flex()).try_to_vec_as().unwrap();
        assert_eq!(values, [0.0, 1.0]);
    }

    #[test]
    fn training_and_validation_share_no_example_and_lose_none() {
        let data = toy(20);
        let (training, validation) = data.split_validation(6, Key::new(1)).unwrap();
        assert_eq!((training.len(), validation.len()), (14, 6));
        let mut all: Vec<usize> = training.view.iter().chain(&*validation.view).copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..20).collect::<Vec<_>>());
        let again = data.split_validation(6, Key::new(1)).unwrap().1;
        assert_eq!(validation.fingerprint(), again.fingerprint());
        let other = data.split_validation(6, Key::new(2)).unwrap().1;
        assert_ne!(validation.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_validation_part_larger_than_the_set_is_an_error() {
        let error = toy(20).split_validation(21, Key::new(1)).unwrap_err().to_string();
        let says = "split_validation: count: got 21, wanted 0..=20, the examples of toy";
        assert_eq!(error, says);
        let (training, validation) = toy(20).split_validation(20, Key::new(1)).unwrap();
        assert_eq!((training.len(), validation.len()), (0, 20));
    }

    #[test]
    fn numbers_of_examples_that_are_not_there_are_named_by_the_panic() {
        let says = |call: fn(&ImageData)| {
            let data = toy(5).take(3);
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call(&data)));
            *panic.unwrap_err().downcast::<String>().unwrap()
        };
        let end = "the examples of toy";
        let label = says(|data| _ = data.label(3));
        assert_eq!(label, format!("label: example: got 3, wanted 0..3, {end}"));
        let pixels = says(|data| _ = data.images(&[0, 4], &Device::flex()));
        assert_eq!(pixels, format!("pixels: example: got 4, wanted 0..3, {end}"));
        let subset = says(|data| _ = data.subset(1..4));
        assert_eq!(subset, format!("subset: range: got 1..4, wanted a part of 0..3, {end}"));
    }

    #[test]
    fn a_part_of_a_part_names_examples_of_the_part() {
        let data = toy(9);
        let part = data.subset(2..8).subset(1..4).take(99);
        assert_eq!((part.len(), part.pixels(0)), (3, data.pixels(3)));
        assert!(data.take(0).is_empty());
    }

    #[test]
    fn a_fingerprint_tells_examples_apart_but_not_copies() {
        let data = toy(6);
        assert_eq!(data.fingerprint(), data.subset(0..6).fingerprint());
        assert_eq!(data.fingerprint().len(), 64);
        let mut labels: Vec<u16> = data.labels.to_vec();
        labels[5] = 0;
        let relabelled =
            ImageData::new("toy", [2, 2, 3], data.gather(&[0, 1, 2, 3, 4, 5]), labels, names(3));
        let reshaped = ImageData { shape: [2, 3, 2], ..data.clone() };
        for other in [data.take(5), relabelled.unwrap(), reshaped] {
            assert_ne!(data.fingerprint(), other.fingerprint());
        }
    }
}
