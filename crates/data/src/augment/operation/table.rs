//! Tables: what becomes of each of the 256 values.

use super::Image;

type Table = [u8; 256];

/// Replaces the values of each channel by a table that is made of its histogram.
pub fn by_channel(image: &mut Image, table: impl Fn(&[usize; 256]) -> Table) {
    let [_, height, width] = image.shape;
    for channel in image.bytes.chunks_exact_mut(height * width) {
        let mut histogram = [0; 256];
        channel.iter().for_each(|&value| histogram[usize::from(value)] += 1);
        let table = table(&histogram);
        channel.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    }
}

/// The table of a function.
pub fn of(function: impl Fn(u8) -> u8) -> Table {
    std::array::from_fn(|value| function(value as u8))
}

/// The darkest value becomes 0 and the brightest 255; a channel of one value stays.
pub fn auto_contrast(histogram: &[usize; 256]) -> Table {
    let seen = |&value: &usize| histogram[value] > 0;
    let low = (0..256).find(seen).unwrap_or(0);
    let high = (0..256).rfind(seen).unwrap_or(0);
    if high <= low {
        return of(|value| value);
    }
    let scale = 255.0 / (high - low) as f64;
    let offset = -(low as f64) * scale;
    // A cast cuts off, at 0 and at 255 too.
    of(|value| (f64::from(value) * scale + offset) as u8)
}

/// Each value becomes the share of values below it, in whole steps; a channel that has too few
/// pixels for steps stays.
pub fn equalize(histogram: &[usize; 256]) -> Table {
    let last = histogram.iter().rfind(|&&count| count > 0).copied().unwrap_or(0);
    let step = (histogram.iter().sum::<usize>() - last) / 255;
    if step == 0 {
        return of(|value| value);
    }
    let mut below = step / 2;
    histogram.map(|count| {
        let value = (below / step).min(255) as u8;
        below += count;
        value
    })
}

pub fn solarize(threshold: f64) -> Table {
    of(|value| if f64::from(value) < threshold { value } else { 255 - value })
}

pub fn posterize(bits: u32) -> Table {
    let lost = 8_u32.saturating_sub(bits);
    of(|value| (u32::from(value) >> lost << lost) as u8)
}
