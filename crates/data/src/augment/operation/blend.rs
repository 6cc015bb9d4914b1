//! Mixtures of an image and a degenerate one: `degenerate + factor · (image - degenerate)`, which
//! goes beyond the image for factors above 1.

use super::Image;

fn mix(degenerate: u8, value: u8, factor: f32) -> u8 {
    // As Pillow, in single precision. A cast cuts off, at 0 and at 255 too.
    let (degenerate, value) = (f32::from(degenerate), f32::from(value));
    (degenerate + factor * (value - degenerate)) as u8
}

fn over(image: &mut Image, degenerate: impl IntoIterator<Item = u8>, factor: f32) {
    let pairs = image.bytes.iter_mut().zip(degenerate);
    pairs.for_each(|(value, degenerate)| *value = mix(degenerate, *value, factor));
}

/// The brightness of each pixel (ITU-R 601-2), in one plane.
fn gray(image: &Image) -> Vec<u8> {
    let [channels, height, width] = image.shape;
    if channels == 1 {
        return image.bytes.clone();
    }
    let size = height * width;
    let part = |pixel: usize, channel: usize| u32::from(image.bytes[channel * size + pixel]);
    let sum =
        |pixel| 19_595 * part(pixel, 0) + 38_470 * part(pixel, 1) + 7_471 * part(pixel, 2) + 0x8000;
    (0..size).map(|pixel| (sum(pixel) >> 16) as u8).collect()
}

pub fn contrast(image: &mut Image, factor: f32) {
    let gray = gray(image);
    let sum: u64 = gray.iter().map(|&value| u64::from(value)).sum();
    let mean = (sum as f64 / gray.len() as f64 + 0.5) as u8;
    over(image, std::iter::repeat(mean), factor);
}

pub fn color(image: &mut Image, factor: f32) {
    let gray = gray(image);
    over(image, gray.into_iter().cycle(), factor);
}

pub fn brightness(image: &mut Image, factor: f32) {
    over(image, std::iter::repeat(0), factor);
}

pub fn sharpness(image: &mut Image, factor: f32) {
    let smooth = smooth(image);
    over(image, smooth, factor);
}

/// Each pixel within the border as the mean of its neighbours and of five times itself.
fn smooth(image: &Image) -> Vec<u8> {
    let [_, height, width] = image.shape;
    let mut smooth = image.bytes.clone();
    let planes = image.bytes.chunks_exact(height * width);
    for (from, to) in planes.zip(smooth.chunks_exact_mut(height * width)) {
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let row = |y: usize| from[y * width + x - 1..=y * width + x + 1].iter();
                let all = [y - 1, y, y + 1].into_iter().flat_map(row);
                let sum: u32 = all.map(|&value| u32::from(value)).sum();
                let sum = sum + 4 * u32::from(from[y * width + x]);
                to[y * width + x] = ((2 * sum + 13) / 26) as u8;
            }
        }
    }
    smooth
}
