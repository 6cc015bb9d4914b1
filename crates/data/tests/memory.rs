//! The memory of an epoch over a folder on disk. One test, for it counts the bytes of the process.

use burn::tensor::Device;
use cni_data::{Augmentation, ImageFolder, Loader};
use cni_noise::{Key, host_uniform};
use image::RgbImage;
use peak_alloc::PeakAlloc;
use std::fs;
use tempfile::tempdir;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes of a decoded image of 64 x 64 pixels.
const IMAGE: usize = 3 * 64 * 64;

/// What an epoch and a fingerprint add to the memory in use, at most.
fn peak(images: usize) -> [usize; 2] {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("cat")).unwrap();
    for i in 0..images {
        let bytes = host_uniform(Key::new(i as u64), 0..IMAGE as u64);
        let bytes = bytes.iter().map(|u| (u * 256.0) as u8).collect();
        let path = dir.path().join(format!("cat/{i:04}.bmp"));
        RgbImage::from_raw(64, 64, bytes).unwrap().save(path).unwrap();
    }
    let before = MEMORY.current_usage();
    let data = ImageFolder::new(dir.path()).open().unwrap();
    let device = Device::flex();
    let loader = Loader::new(data.clone(), 4, Key::new(1), &device).unwrap();
    let loader = loader.with_augmentation(Augmentation::cifar()).unwrap();
    MEMORY.reset_peak_usage();
    assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().whole).sum::<usize>(), images);
    let epoch = MEMORY.peak_usage() - before;
    MEMORY.reset_peak_usage();
    data.fingerprint().unwrap();
    [epoch, MEMORY.peak_usage() - before]
}

/// An epoch holds the batch in use, the two ahead of it, and a decoded image a thread; a
/// fingerprint holds pieces of 16 MiB in place of batches. The bounds leave room for paths, the
/// plan and the decoders.
#[test]
fn memory_does_not_grow_with_the_folder() {
    let batch = 4 * IMAGE * size_of::<f32>();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let epoch = 4 * batch + threads * 4 * IMAGE + (1 << 19);
    for images in [200, 1_600] {
        let [of_epoch, of_fingerprint] = peak(images);
        assert!(of_epoch < epoch, "{images} images: {of_epoch} bytes, wanted at most {epoch}");
        let pieces = (4 << 24) + (1 << 20);
        assert!(of_fingerprint < pieces, "{images} images: {of_fingerprint} bytes");
    }
    // A bound that the images in memory would break.
    assert!(1_600 * IMAGE > 10 * epoch);
}
