use super::AugmentationRule;
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A random crop to the image's own size, after `padding` zeros were added on each side.
///
/// Every offset is equally likely; the first two uniform draws of the key are the offsets down and
/// right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Zeros on each side, in pixels: less than height and width; 0 for no crop.
    pub padding: usize,
}

impl Crop {
    pub(super) const NAME: &str = "crop";
}

impl AugmentationRule for Crop {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    /// [`DataError::Setting`] for a padding that is not smaller than the images: crops would be
    /// empty.
    fn check(&self, [_, height, width]: [usize; 3]) -> Result<(), DataError> {
        let side = height.min(width);
        match self.padding > 0 && self.padding >= side {
            true => {
                let wanted = format!("0..{side}, the image's smaller side");
                Err(DataError::setting("padding", self.padding, wanted))
            }
            false => Ok(()),
        }
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        if self.padding > 0 {
            let draws = host_uniform(key, 0..2);
            // In double precision: in single, the largest draw times the number of offsets rounds
            // up to that number.
            let offset = |u: f32| (f64::from(u) * (2 * self.padding + 1) as f64) as usize;
            window(image, shape, self.padding, [offset(draws[0]), offset(draws[1])]);
        }
    }
}

/// Row `y`, column `x` becomes row `y + down`, column `x + right` of the padded image.
fn window<T: Copy + Default>(
    image: &mut [T],
    [_, height, width]: [usize; 3],
    padding: usize,
    [down, right]: [usize; 2],
) {
    if (down, right) == (padding, padding) {
        return;
    }
    let source = image.to_vec();
    // The columns whose source is inside the image.
    let start = padding.saturating_sub(right);
    let end = (width + padding).saturating_sub(right).min(width);
    for (line, row) in image.chunks_exact_mut(width).enumerate() {
        let (channel, y) = (line / height, line % height);
        row.fill(T::default());
        let inside = (y + down).checked_sub(padding).filter(|&y| y < height);
        if let Some(y) = inside.filter(|_| start < end) {
            let from = &source[(channel * height + y) * width..][..width];
            row[start..end].copy_from_slice(&from[start + right - padding..end + right - padding]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_a_window_of_the_padded_image() {
        const SHAPE: [usize; 3] = [2, 3, 5];
        let [channels, height, width] = SHAPE;
        let image: Vec<u8> = (1..=30).collect();
        for padding in 0..8 {
            let padded = |c: usize, y: usize, x: usize| {
                let inside = (padding..height + padding).contains(&y)
                    && (padding..width + padding).contains(&x);
                if inside { image[(c * height + y - padding) * width + x - padding] } else { 0 }
            };
            for (down, right) in
                (0..=2 * padding).flat_map(|d| (0..=2 * padding).map(move |r| (d, r)))
            {
                let mut cropped = image.clone();
                window(&mut cropped, SHAPE, padding, [down, right]);
                let wanted: Vec<u8> = (0..channels * height * width)
                    .map(|i| {
                        padded(i / (height * width), i / width % height + down, i % width + right)
                    })
                    .collect();
                assert_eq!(cropped, wanted, "padding {padding}, offset {down}, {right}");
            }
        }
    }
}
