use super::AugmentationRule;
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A square set to zero in all channels (DeVries and Taylor, arXiv 1708.04552, section 3.2). In the
/// paper zero is that of normalized images, the mean; here it is that of pixels, black.
///
/// Its centre is equally likely to be each pixel of the image, and what lies outside of the image
/// is cut off; the first two uniform draws of the key are the centre's row and column. A square of
/// an even side has its centre below and right of its middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutout {
    /// The side of the square in pixels: at least 1, at most the image's smaller side.
    pub size: usize,
}

impl Cutout {
    pub(super) const NAME: &str = "cutout";
}

impl AugmentationRule for Cutout {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    /// [`DataError::Setting`] for a square without a pixel, or larger than the images.
    fn check(&self, [_, height, width]: [usize; 3]) -> Result<(), DataError> {
        let side = height.min(width);
        match (1..=side).contains(&self.size) {
            true => Ok(()),
            false => {
                let wanted = format!("1 to {side}, the image's smaller side");
                Err(DataError::setting("size", self.size, wanted))
            }
        }
    }

    fn apply(&self, key: Key, [_, height, width]: [usize; 3], image: &mut [f32]) {
        let draws = host_uniform(key, 0..2);
        let side = |draw: f32, of: usize| {
            // In double precision: in single, the largest draw times the side can round up to it.
            let centre = (f64::from(draw) * of as f64) as usize;
            let start = centre.saturating_sub(self.size / 2);
            start..(centre + self.size - self.size / 2).min(of)
        };
        let (rows, columns) = (side(draws[0], height), side(draws[1], width));
        for (line, row) in image.chunks_exact_mut(width).enumerate() {
            if rows.contains(&(line % height)) {
                row[columns.clone()].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Augmentation, augment};
    use super::*;

    const SHAPE: [usize; 3] = [2, 6, 8];

    /// An image of ones, cut.
    fn cut(size: usize, example: usize) -> Vec<f32> {
        let mut image = vec![1.0; SHAPE.iter().product()];
        let cutout = [Augmentation::cutout(size)];
        augment(&cutout, Key::new(1), example, SHAPE, &mut image).unwrap();
        image
    }

    #[test]
    fn what_is_cut_is_one_rectangle_of_all_channels_within_the_square() {
        for (size, example) in (1..=6).flat_map(|size| (0..200).map(move |i| (size, i))) {
            let image = cut(size, example);
            assert_eq!(image[..48], image[48..]);
            let cut = (0..48).filter(|&i| image[i] == 0.0);
            let (rows, columns): (Vec<_>, Vec<_>) = cut.map(|i| (i / 8, i % 8)).unzip();
            let side = |of: &[usize]| of.iter().max().unwrap() - of.iter().min().unwrap() + 1;
            let (height, width) = (side(&rows), side(&columns));
            assert!(height <= size && width <= size && height.min(width) >= size / 2);
            assert_eq!(rows.len(), height * width);
        }
    }

    /// Each side of the square is clipped as often as its centre is near the border, n = 20,000
    /// images, within 4 standard errors.
    #[test]
    fn the_share_of_zeros_is_that_of_uniform_centres() {
        const N: usize = 20_000;
        for size in [1, 3, 4, 6] {
            // The mean length of a clipped side, over all centres.
            let side = |of: usize| {
                let inside = |centre: usize| {
                    let square = (0..size)
                        .filter(|i| (0..of).contains(&(centre + i).wrapping_sub(size / 2)));
                    square.count() as f64
                };
                (0..of).map(inside).sum::<f64>() / of as f64
            };
            let wanted = side(6) * side(8) / 48.0;
            let shares: Vec<f64> = (0..N)
                .map(|i| cut(size, i)[..48].iter().filter(|&&p| p == 0.0).count() as f64 / 48.0)
                .collect();
            let mean = shares.iter().sum::<f64>() / N as f64;
            let variance = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / N as f64;
            let error = (variance / N as f64).sqrt();
            assert!((mean - wanted).abs() <= 4.0 * error + 1e-12, "{size}: {mean} ≠ {wanted}");
        }
    }

    #[test]
    fn an_image_is_cut_by_its_number_alone() {
        let alone: Vec<_> = (0..64).map(|i| cut(3, i)).collect();
        let backwards: Vec<_> = (0..64).rev().map(|i| cut(3, i)).collect();
        assert!(alone.iter().eq(backwards.iter().rev()));
        assert!(alone.iter().any(|image| *image != alone[0]));
    }

    #[test]
    fn a_size_that_does_not_suit_the_image_is_refused() {
        for size in [1, 6] {
            Augmentation::cutout(size).check(SHAPE).unwrap();
        }
        for size in [0, 7] {
            let error = Augmentation::cutout(size).check(SHAPE).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "augmentation cutout: size: got {size}, wanted 1 to 6, the image's smaller side"
                )
            );
        }
    }

    #[test]
    fn it_is_read_back_from_json() {
        let text = serde_json::to_string(&Augmentation::cutout(4)).unwrap();
        assert_eq!(text, r#"{"augmentation":"cutout","size":4}"#);
        let again: Augmentation = serde_json::from_str(&text).unwrap();
        assert_eq!(again.spec(), Augmentation::cutout(4).spec());
    }
}
