//! Image sets in memory. One file, because every test asks the same type.

use super::toy::{bytes, names, toy};
use super::*;
use burn::data::dataset::Dataset;
use cni_noise::Key;
use sha2::{Digest, Sha256};

#[test]
fn examples_at_equal_distances_hold_the_classes_by_their_shares() {
    let labels: Vec<u16> = [vec![0; 20], vec![1; 10], vec![2; 30]].concat();
    let classes = ["a", "b", "c"].map(String::from).to_vec();
    let data = ImageData::new("sorted", [1, 1, 1], vec![0; 60], labels, classes).unwrap();
    for (count, wanted) in [(12, [4, 2, 6]), (60, [20, 10, 30]), (99, [20, 10, 30])] {
        let part = data.spread(count);
        let labels: Vec<usize> = (0..part.len()).map(|i| part.label(i).unwrap()).collect();
        let counts = [0, 1, 2].map(|class| labels.iter().filter(|&&l| l == class).count());
        assert_eq!(counts, wanted);
    }
    assert_eq!(data.spread(0).len(), 0);
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
    assert_eq!(data.label(0).unwrap(), 65_535);
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
    let (images, labels) = data.batch([3, 0], &device).unwrap();
    assert_eq!(images.dims(), [2, 2, 2, 3]);
    let pixels: Vec<u8> =
        images.try_to_vec_as::<f32>().unwrap().iter().map(|v| (v * 255.0).round() as u8).collect();
    assert_eq!(pixels, [bytes(&toy(5), 4), bytes(&toy(5), 1)].concat());
    let labels: Vec<i32> = labels.try_to_vec_as().unwrap();
    assert_eq!(labels, [1, 1]);
    assert_eq!([3, 1].map(|i| data.label(i).unwrap()), [1, 2]);
}

#[test]
fn black_is_zero_and_full_intensity_is_one() {
    let data = ImageData::new("two", [1, 1, 2], vec![0, 255], vec![0], names(1)).unwrap();
    let (images, _) = data.batch([0], &Device::flex()).unwrap();
    let values: Vec<f32> = images.try_to_vec_as().unwrap();
    assert_eq!(values, [0.0, 1.0]);
}

/// Pixels and labels of each batch.
fn seen(batches: Batches) -> Vec<(Vec<f32>, Vec<i32>)> {
    let see = |batch: Result<(Tensor<4>, Tensor<1, Int>), DataError>| {
        let (images, labels) = batch.unwrap();
        (images.try_to_vec_as().unwrap(), labels.try_to_vec_as().unwrap())
    };
    batches.map(see).collect()
}

#[test]
fn batches_are_the_set_in_its_order_and_the_last_is_what_remains() {
    let (data, device) = (toy(9).subset(1..8), Device::flex());
    let wanted = [0..3, 3..6, 6..7].map(|rows| data.batch(rows, &device));
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut batches = data.batches(3, &device);
    assert_eq!(batches.len(), 3);
    batches.next().unwrap().unwrap();
    assert_eq!((batches.len(), batches.count()), (2, 2));
    let pairs = seen(data.batches(3, &device));
    assert_eq!(pairs.iter().map(|pair| pair.1.len()).collect::<Vec<_>>(), [3, 3, 1]);
    for (pair, wanted) in pairs.iter().zip(wanted) {
        let (images, labels) = wanted.unwrap();
        assert_eq!(pair.0, images.try_to_vec_as::<f32>().unwrap());
        assert_eq!(pair.1, labels.try_to_vec_as::<i32>().unwrap());
    }
    assert_eq!(seen(data.batches(usize::MAX, &device)), seen(data.batches(7, &device)));
    assert!(seen(data.take(0).batches(3, &device)).is_empty());
}

#[test]
fn batches_of_no_size_are_one_error() {
    let mut batches = toy(3).batches(0, &Device::flex());
    assert_eq!(batches.len(), 1);
    let error = batches.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "batch_size: got 0, wanted at least 1");
    assert!(batches.len() == 0 && batches.next().is_none());
}

#[test]
fn a_set_is_a_dataset_of_burns() {
    let data = toy(5).subset(1..5);
    let items: Vec<ImageItem> = data.iter().map(Result::unwrap).collect();
    assert_eq!(items.len(), 4);
    assert_eq!(items[2], data.item(2).unwrap());
    assert_eq!((items[2].label, items[2].index), (0, 2));
    assert_eq!(items[2].to_bytes(), bytes(&toy(5), 3));
}

#[test]
#[should_panic(expected = "example: got 4, wanted 0..4, the examples of toy")]
fn a_dataset_panics_beyond_its_end_as_burn_asks() {
    let _ = Dataset::get(&toy(4), 4);
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
    assert_eq!(validation.fingerprint().unwrap(), again.fingerprint().unwrap());
    let other = data.split_validation(6, Key::new(2)).unwrap().1;
    assert_ne!(validation.fingerprint().unwrap(), other.fingerprint().unwrap());
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
fn numbers_of_examples_that_are_not_there_are_named() {
    let data = toy(5).take(3);
    let end = "the examples of toy";
    let error = data.label(3).unwrap_err().to_string();
    assert_eq!(error, format!("example: got 3, wanted 0..3, {end}"));
    let error = data.batch([0, 4], &Device::flex()).unwrap_err().to_string();
    assert_eq!(error, format!("example: got 4, wanted 0..3, {end}"));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| data.subset(1..4)));
    let subset = *panic.unwrap_err().downcast::<String>().unwrap();
    assert_eq!(subset, format!("subset: range: got 1..4, wanted a part of 0..3, {end}"));
}

#[test]
fn a_part_of_a_part_names_examples_of_the_part() {
    let data = toy(9);
    let part = data.subset(2..8).subset(1..4).take(99);
    assert_eq!((part.len(), bytes(&part, 0)), (3, bytes(&data, 3)));
    assert!(data.take(0).is_empty());
}

#[test]
fn a_joined_set_is_one_part_and_then_the_other() {
    let (first, second) = (toy(5).subset(1..4), toy(9).subset(5..9));
    let joined = ImageData::join(&first, &second).unwrap();
    assert_eq!((joined.name(), joined.len()), ("toy + toy", 7));
    let examples = |data: &ImageData| -> Vec<(Vec<u8>, usize)> {
        (0..data.len()).map(|i| (bytes(data, i), data.label(i).unwrap())).collect()
    };
    assert_eq!(examples(&joined), [examples(&first), examples(&second)].concat());
    let whole = ImageData::join(&toy(5).take(2), &toy(5).subset(2..5)).unwrap();
    assert_eq!(whole.fingerprint().unwrap(), toy(5).fingerprint().unwrap());
    let one = ImageData::join(&first, &second.take(0)).unwrap();
    assert_eq!(examples(&one), examples(&first));
}

#[test]
fn sets_of_other_shapes_or_classes_do_not_join() {
    let set = |name: &str, shape: [usize; 3], classes: usize| {
        let pixels = vec![0; shape.iter().product()];
        ImageData::new(name, shape, pixels, vec![0], names(classes)).unwrap()
    };
    let train = set("train", [3, 2, 2], 3);
    for (extra, says) in [
        (set("extra", [3, 2, 3], 3), "extra: shape: got [3, 2, 3], wanted [3, 2, 2] as in train"),
        (set("extra", [3, 2, 2], 2), "extra: class 2: got none, wanted \"2\" as in train"),
    ] {
        assert_eq!(ImageData::join(&train, &extra).unwrap_err().to_string(), says);
    }
    let nothing = ImageData::join(&train.take(0), &train.take(0)).unwrap_err().to_string();
    assert_eq!(nothing, "train + train: got no images, wanted at least one");
}

#[test]
fn other_labels_leave_the_images_as_they_are() {
    let data = toy(6).subset(1..5);
    let other = data.with_labels([2, 2, 0, 1]).unwrap();
    for (i, label) in [2, 2, 0, 1].into_iter().enumerate() {
        assert_eq!((bytes(&other, i), other.label(i).unwrap()), (bytes(&data, i), label));
        assert_eq!(other.item(i).unwrap().label, label);
    }
    let same = data.with_labels([1, 2, 0, 1]).unwrap();
    assert_eq!(same.fingerprint().unwrap(), data.fingerprint().unwrap());
    assert_ne!(other.fingerprint().unwrap(), data.fingerprint().unwrap());
    for (labels, says) in [
        (vec![0; 3], "toy: labels: got 3, wanted 4, one for each example"),
        (vec![0, 1, 3, 0], "toy: label of example 2: got 3, wanted 0..3"),
    ] {
        assert_eq!(data.with_labels(labels).unwrap_err().to_string(), says);
    }
}

#[test]
fn a_fingerprint_tells_examples_apart_but_not_copies() {
    let data = toy(6);
    let hash = |data: &ImageData| data.fingerprint().unwrap();
    assert_eq!(hash(&data), hash(&data.subset(0..6)));
    let pixels: Vec<u8> = (0..6).flat_map(|i| bytes(&data, i)).collect();
    let labels = [0, 1, 2, 0, 1, 2];
    let set = |shape, labels: [u16; 6]| {
        ImageData::new("again", shape, pixels.clone(), labels, names(3)).unwrap()
    };
    assert_eq!(hash(&data), hash(&set([2, 2, 3], labels)));
    let relabelled = set([2, 2, 3], [0, 1, 2, 0, 1, 0]);
    for other in [data.take(5), relabelled, set([2, 3, 2], labels)] {
        assert_ne!(hash(&data), hash(&other));
    }
}

#[test]
fn a_fingerprint_is_the_hash_of_shape_size_bytes_and_labels() {
    let data = toy(6).subset(1..5);
    let mut hash = Sha256::new();
    for size in [2_u64, 2, 3, 4] {
        hash.update(size.to_le_bytes());
    }
    (0..4).for_each(|i| hash.update(bytes(&data, i)));
    [1_u16, 2, 0, 1].iter().for_each(|label| hash.update(label.to_le_bytes()));
    assert_eq!(data.fingerprint().unwrap(), crate::hex(&hash.finalize()));
}
