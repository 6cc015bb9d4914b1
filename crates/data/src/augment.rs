use crate::DataError;
use cni_noise::{Key, host_uniform};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Random changes to training images that keep their label: a crop after zero padding, and a
/// horizontal flip.
///
/// What happens to an image is a function of the key and of the image's index, so that it does not
/// depend on the other images of its batch. The default changes nothing.
///
/// # Source
///
/// C.-Y. Lee et al., *Deeply-Supervised Nets*, 2015, as used by K. He et al., *Deep Residual
/// Learning for Image Recognition*, 2016, section 4.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augment {
    /// Zeros added on each side before a crop to the first size, in pixels; 0 for no crop.
    pub crop_padding: usize,
    /// Whether half of the images are mirrored.
    pub flip: bool,
}

impl Augment {
    /// The usual augmentation of CIFAR: padding of 4 pixels, and flips.
    pub fn cifar() -> Self {
        Self { crop_padding: 4, flip: true }
    }

    /// Refuses what images of shape `[channels, height, width]` are too small for.
    ///
    /// # Errors
    ///
    /// [`DataError::CropPadding`] for a padding that is not smaller than the images: crops would be
    /// empty.
    pub fn check(&self, [_, height, width]: [usize; 3]) -> Result<(), DataError> {
        let side = height.min(width);
        match self.crop_padding > 0 && self.crop_padding >= side {
            true => Err(DataError::CropPadding { got: self.crop_padding, side }),
            false => Ok(()),
        }
    }

    /// Changes `pixels`, the bytes of `indices.len()` images of shape `[channels, height, width]`,
    /// in place.
    ///
    /// `indices` are the indices of the images in their data set.
    ///
    /// # Panics
    ///
    /// If `pixels` are not as many images of that shape, or the padding is so large that a size
    /// overflows.
    pub fn apply(&self, key: Key, indices: &[usize], shape: [usize; 3], pixels: &mut [u8]) {
        let size = shape.iter().product::<usize>();
        assert_eq!(pixels.len(), indices.len() * size, "augment: bytes of pixels");
        if *self == Self::default() || pixels.is_empty() {
            return;
        }
        pixels.par_chunks_exact_mut(size).zip(indices).for_each(|(image, &index)| {
            let draws = host_uniform(key.child(index as u64), 0..3);
            // In double precision: in single, the largest draw times the number of offsets rounds
            // up to that number.
            let offset = |u: f32| (f64::from(u) * (2 * self.crop_padding + 1) as f64) as usize;
            self.crop(image, shape, offset(draws[0]), offset(draws[1]));
            if self.flip && draws[2] < 0.5 {
                image.chunks_exact_mut(shape[2]).for_each(<[u8]>::reverse);
            }
        });
    }

    /// Row `y`, column `x` becomes row `y + down`, column `x + right` of the padded image.
    fn crop(&self, image: &mut [u8], [_, height, width]: [usize; 3], down: usize, right: usize) {
        let padding = self.crop_padding;
        if (down, right) == (padding, padding) {
            return;
        }
        let source = image.to_vec();
        // The columns whose source is inside the image.
        let start = padding.saturating_sub(right);
        let end = (width + padding).saturating_sub(right).min(width);
        for (line, row) in image.chunks_exact_mut(width).enumerate() {
            let (channel, y) = (line / height, line % height);
            row.fill(0);
            let inside = (y + down).checked_sub(padding).filter(|&y| y < height);
            if let Some(y) = inside.filter(|_| start < end) {
                let from = &source[(channel * height + y) * width..][..width];
                row[start..end]
                    .copy_from_slice(&from[start + right - padding..end + right - padding]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [2, 3, 5];

    /// `n` images without a zero byte.
    fn images(n: usize) -> Vec<u8> {
        (0..n * 30).map(|i| (1 + i % 255) as u8).collect()
    }

    fn augmented(augment: Augment, key: Key, indices: &[usize]) -> Vec<u8> {
        let all = images(64);
        let mut pixels: Vec<u8> =
            indices.iter().flat_map(|&i| all[30 * i..30 * (i + 1)].to_vec()).collect();
        augment.apply(key, indices, SHAPE, &mut pixels);
        pixels
    }

    #[test]
    fn the_default_changes_nothing() {
        let all: Vec<usize> = (0..64).collect();
        assert_eq!(augmented(Augment::default(), Key::new(1), &all), images(64));
    }

    #[test]
    fn equal_keys_give_equal_pixels_and_others_do_not() {
        let all: Vec<usize> = (0..64).collect();
        let augment = |seed| augmented(Augment::cifar(), Key::new(seed), &all);
        assert_eq!(augment(1), augment(1));
        assert_ne!(augment(1), augment(2));
    }

    #[test]
    fn an_image_does_not_depend_on_its_batch() {
        let all: Vec<usize> = (0..64).collect();
        let together = augmented(Augment::cifar(), Key::new(1), &all);
        for batch in [&[17][..], &[40, 17, 3], &[17, 18]] {
            let alone = augmented(Augment::cifar(), Key::new(1), batch);
            for (image, &i) in alone.chunks_exact(30).zip(batch) {
                assert_eq!(image, &together[30 * i..30 * (i + 1)]);
            }
        }
    }

    #[test]
    fn a_flip_mirrors_each_row_and_twice_is_the_image() {
        let flip = Augment { crop_padding: 0, flip: true };
        // The first index under this key whose image is flipped.
        let flipped =
            (0..64).find(|&i| augmented(flip, Key::new(1), &[i])[0] == images(64)[30 * i + 4]);
        let i = flipped.expect("half of 64 images");
        let mut pixels = images(64)[30 * i..30 * (i + 1)].to_vec();
        let image = pixels.clone();
        flip.apply(Key::new(1), &[i], SHAPE, &mut pixels);
        let mirrored: Vec<u8> = image.chunks(5).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(pixels, mirrored);
        flip.apply(Key::new(1), &[i], SHAPE, &mut pixels);
        assert_eq!(pixels, image);
    }

    /// n = 4,000 images: the share of flips and of each of 9 offsets within 4 standard errors.
    #[test]
    fn flips_and_offsets_are_equally_likely() {
        let n = 4_000;
        let augment = Augment { crop_padding: 1, flip: true };
        let indices: Vec<usize> = (0..n).collect();
        let image: Vec<u8> = (1..=9).collect();
        let mut pixels = image.repeat(n);
        augment.apply(Key::new(5), &indices, [1, 3, 3], &mut pixels);
        let (mut flips, mut offsets) = (0, [0; 9]);
        for image in pixels.chunks_exact(9) {
            // The middle pixel is never padding, nor are both of its neighbours in the row.
            let mirrored = if image[3] != 0 { image[3] > image[4] } else { image[4] > image[5] };
            flips += usize::from(mirrored);
            offsets[usize::from(image[4]) - 1] += 1;
        }
        let near = |count: usize, p: f64| {
            let error = (n as f64 * p * (1.0 - p)).sqrt();
            (count as f64 - n as f64 * p).abs() < 4.0 * error
        };
        assert!(near(flips, 0.5), "{flips}");
        assert!(offsets.iter().all(|&count| near(count, 1.0 / 9.0)), "{offsets:?}");
    }

    #[test]
    fn a_crop_is_a_window_of_the_padded_image() {
        let [channels, height, width] = SHAPE;
        let image = images(1);
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
                Augment { crop_padding: padding, flip: false }.crop(
                    &mut cropped,
                    SHAPE,
                    down,
                    right,
                );
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
