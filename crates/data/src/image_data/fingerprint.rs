use super::ImageData;
use crate::source::{byte, unit};
use crate::{DataError, hex};
use sha2::{Digest, Sha256};

/// Pixels read at a time, at least one image.
const PIXELS: usize = 1 << 22;

/// Precedes an image that is hashed in single precision.
const SINGLE: &[u8] = b"f32";

/// The hash that [`ImageData::fingerprint`] documents.
pub(super) fn of(data: &ImageData) -> Result<String, DataError> {
    let mut hash = Sha256::new();
    for size in data.image_shape().into_iter().chain([data.len()]) {
        hash.update((size as u64).to_le_bytes());
    }
    let size = data.pixels_per_image();
    let (mut labels, mut bytes) = (Vec::with_capacity(data.len()), vec![0; size]);
    for batch in data.read_ahead((PIXELS / size).max(1)) {
        let batch = batch?;
        labels.extend(batch.labels.iter().map(|&label| label as u16));
        for image in batch.pixels.chunks_exact(size) {
            image.iter().zip(&mut bytes).for_each(|(&pixel, of)| *of = byte(pixel));
            if image.iter().zip(&bytes).all(|(&pixel, &byte)| unit(byte) == pixel) {
                hash.update(&bytes);
            } else {
                hash.update(SINGLE);
                hash.update(image.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
    }
    labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
    Ok(hex(&hash.finalize()))
}
