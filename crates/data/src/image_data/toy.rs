//! A small set for tests.

use super::ImageData;

/// `n` images of shape [2, 2, 3], all bytes different as far as they go, with labels 0, 1, 2,
/// 0, ...
pub(crate) fn toy(n: usize) -> ImageData {
    let pixels: Vec<u8> = (0..12 * n).map(|i| (i * 7 % 256) as u8).collect();
    let labels: Vec<u16> = (0..n).map(|i| (i % 3) as u16).collect();
    ImageData::new("toy", [2, 2, 3], pixels, labels, names(3)).unwrap()
}

pub(crate) fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| i.to_string()).collect()
}

/// The pixels of example `i`, as bytes.
pub(crate) fn bytes(data: &ImageData, i: usize) -> Vec<u8> {
    data.item(i).unwrap().to_bytes()
}
