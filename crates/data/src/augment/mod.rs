//! Random changes to training images that keep their label, one file each.

mod crop;
mod flip;

pub use crop::Crop;
pub use flip::Flip;

use crate::DataError;
use crate::source::outside;
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A random change to a training image that keeps its label.
///
/// A [`Loader`](crate::Loader) applies it ahead of the step, on several threads. Several make one:
/// `(Augment::cifar(), Darker)` is the first, then the second.
///
/// ```
/// use cni_data::Augmentation;
/// use cni_noise::{Key, host_uniform};
///
/// /// Scales all pixels of an image by one random factor in [0.5, 1).
/// #[derive(Debug)]
/// struct Darker;
///
/// impl Augmentation for Darker {
///     fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
///         let factor = 0.5 + host_uniform(key, 0..1)[0] / 2.0;
///         image.iter_mut().for_each(|pixel| *pixel *= factor);
///     }
/// }
/// # let mut image = [0.0, 1.0];
/// # Darker.apply(Key::new(1), [1, 1, 2], &mut image);
/// # assert!(image[0] == 0.0 && (0.5..1.0).contains(&image[1]));
/// ```
pub trait Augmentation: fmt::Debug + Send + Sync {
    /// Refuses images of shape `[channels, height, width]` that cannot be changed like this, such
    /// as those that are too small.
    ///
    /// # Errors
    ///
    /// The setting or the side of the images that does not fit.
    fn check(&self, _shape: [usize; 3]) -> Result<(), DataError> {
        Ok(())
    }

    /// Changes one image of shape `[channels, height, width]`, row-major with pixels in [0, 1], in
    /// place. It must be a pure function of its arguments and leave the pixels in [0, 1].
    ///
    /// `key` is the key of the image in this epoch: the child of the epoch's key whose number is
    /// that of the image in its set. So an image does not depend on the others of its batch.
    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]);
}

/// The first, then the second under the key's child `"then"`.
impl<A: Augmentation, B: Augmentation> Augmentation for (A, B) {
    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        self.0.check(shape)?;
        self.1.check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        self.0.apply(key, shape, image);
        self.1.apply(key.named("then"), shape, image);
    }
}

impl<A: Augmentation + ?Sized> Augmentation for Arc<A> {
    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        (**self).check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        (**self).apply(key, shape, image);
    }
}

/// Refuses pixels that an augmentation left outside [0, 1].
pub(crate) fn check_augmented(
    augment: &dyn Augmentation,
    example: usize,
    image: &[f32],
) -> Result<(), DataError> {
    match outside(image) {
        None => Ok(()),
        Some(index) => Err(DataError::Augmented {
            augmentation: format!("{augment:?}"),
            example,
            index,
            got: image[index],
        }),
    }
}

/// The augmentations of this crate by their settings: a crop after zero padding, and a horizontal
/// flip. The default changes nothing.
///
/// # Source
///
/// C.-Y. Lee et al., *Deeply-Supervised Nets*, 2015, as used by K. He et al., *Deep Residual
/// Learning for Image Recognition*, 2016, section 4.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Augment {
    /// Zeros added on each side before a crop to the first size, in pixels; 0 for no crop.
    pub crop_padding: usize,
    /// Mirrors half of the images.
    pub flip: bool,
}

impl Augment {
    /// The usual augmentation of CIFAR: padding of 4 pixels, and flips.
    pub fn cifar() -> Self {
        Self { crop_padding: 4, flip: true }
    }
}

impl Augmentation for Augment {
    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        Crop { padding: self.crop_padding }.check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        Crop { padding: self.crop_padding }.apply(key, shape, image);
        if self.flip {
            Flip.apply(key, shape, image);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{byte, unit};

    const SHAPE: [usize; 3] = [2, 3, 5];

    /// `n` images without a zero byte.
    fn images(n: usize) -> Vec<u8> {
        (0..n * 30).map(|i| (1 + i % 255) as u8).collect()
    }

    /// Changes the images at `indices` of a set, given as bytes.
    fn apply(augment: Augment, key: Key, indices: &[usize], shape: [usize; 3], pixels: &mut [u8]) {
        let images = pixels.chunks_exact_mut(shape.iter().product());
        for (image, &index) in images.zip(indices) {
            let mut values: Vec<f32> = image.iter().map(|&byte| unit(byte)).collect();
            augment.apply(key.child(index as u64), shape, &mut values);
            image.iter_mut().zip(values).for_each(|(of, value)| *of = byte(value));
        }
    }

    fn augmented(augment: Augment, key: Key, indices: &[usize]) -> Vec<u8> {
        let all = images(64);
        let mut pixels: Vec<u8> =
            indices.iter().flat_map(|&i| all[30 * i..30 * (i + 1)].to_vec()).collect();
        apply(augment, key, indices, SHAPE, &mut pixels);
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
        apply(flip, Key::new(1), &[i], SHAPE, &mut pixels);
        let mirrored: Vec<u8> = image.chunks(5).flat_map(|row| row.iter().rev().copied()).collect();
        assert_eq!(pixels, mirrored);
        apply(flip, Key::new(1), &[i], SHAPE, &mut pixels);
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
        apply(augment, Key::new(5), &indices, [1, 3, 3], &mut pixels);
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

    #[derive(Debug)]
    struct Negative;

    impl Augmentation for Negative {
        fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
            assert_eq!(key, Key::new(1).named("then"));
            image.iter_mut().for_each(|pixel| *pixel = 1.0 - *pixel);
        }
    }

    #[test]
    fn two_augmentations_follow_each_other_under_keys_of_their_own() {
        let cifar = Augment::cifar();
        let (mut one, mut both) = ([0.25; 12], [0.25; 12]);
        cifar.apply(Key::new(1), [1, 3, 4], &mut one);
        (cifar, Negative).apply(Key::new(1), [1, 3, 4], &mut both);
        assert_eq!(both, one.map(|pixel| 1.0 - pixel));
        assert!((Negative, cifar).check([1, 3, 4]).is_err());
    }
}
