use super::jpeg;
use crate::DataError;
use image::error::{LimitError, LimitErrorKind};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// The largest image, decoded or as a file, in bytes.
const LARGEST: u64 = 128 << 20;

/// The image of a file, of the `[height, width]` wanted. Its content tells the format, for names
/// can be wrong.
pub(super) fn decode(path: &Path, wanted: Option<[usize; 2]>) -> Result<DynamicImage, DataError> {
    let undecodable = |reason| DataError::Image { path: path.into(), reason };
    let too_large = || LimitError::from_kind(LimitErrorKind::InsufficientMemory);
    if fs::metadata(path).map_err(DataError::io(path))?.len() > LARGEST {
        return Err(undecodable(ImageError::Limits(too_large())));
    }
    let bytes = fs::read(path).map_err(DataError::io(path))?;
    if jpeg::is_jpeg(&bytes) && !jpeg::has_end(&bytes) {
        return Err(DataError::CutJpeg { path: path.into(), got: bytes.len() });
    }
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(DataError::io(path))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(LARGEST);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(undecodable)?;
    let (width, height) = decoder.dimensions();
    let got = [height as usize, width as usize];
    if let Some(wanted) = wanted.filter(|&wanted| wanted != got) {
        return Err(DataError::ImageSize { path: path.into(), got, wanted });
    }
    if decoder.total_bytes() > LARGEST {
        return Err(undecodable(ImageError::Limits(too_large())));
    }
    DynamicImage::from_decoder(decoder).map_err(undecodable)
}

/// Writes an image row-major `[channels, height, width]`, with 3 or 1 channels, each byte as the
/// `pixel` of it.
pub(super) fn planes<T>(
    image: DynamicImage,
    channels: usize,
    pixels: &mut [T],
    pixel: impl Fn(u8) -> T,
) {
    let interleaved = image.into_rgb8().into_raw();
    let (colors, _) = interleaved.as_chunks::<3>();
    if channels == 1 {
        pixels.iter_mut().zip(colors).for_each(|(of, color)| *of = pixel(luma(*color)));
        return;
    }
    for (channel, plane) in pixels.chunks_exact_mut(colors.len()).enumerate() {
        plane.iter_mut().zip(colors).for_each(|(of, color)| *of = pixel(color[channel]));
    }
}

/// The luma of ITU-R 601-2 in steps of 2^-16, as Pillow and so torchvision computes it.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + 0x8000) >> 16) as u8
}
