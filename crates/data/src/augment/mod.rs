//! The augmentations: random changes to training images that keep their label.
//!
//! A new built-in augmentation is one file here, and one row in [`BUILT_IN`].

mod auto_augment;
mod crop;
mod crop_flip;
mod cutout;
mod flip;
mod operation;
mod trivial_augment;

pub use auto_augment::AutoAugment;
pub use crop::Crop;
pub use crop_flip::CropFlip;
pub use cutout::Cutout;
pub use flip::Flip;
pub use trivial_augment::TrivialAugment;

use crate::DataError;
use crate::slots::{Load, check_spec, custom_or_built_in, load, rule_name};
use crate::source::outside;
use cni_noise::Key;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A rule that changes a training image at random and keeps its label.
///
/// Built-in augmentations and custom ones implement it alike. A [`Loader`](crate::Loader) applies
/// it ahead of the step, on several threads.
///
/// ```
/// use cni_data::AugmentationRule;
/// use cni_noise::{Key, host_uniform};
/// use serde_json::{Value, json};
///
/// /// Scales all pixels of an image by one random factor in [0.5, 1).
/// struct Darker;
///
/// impl AugmentationRule for Darker {
///     fn spec(&self) -> Value {
///         json!({ "augmentation": "darker" })
///     }
///
///     fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
///         let factor = 0.5 + host_uniform(key, 0..1)[0] / 2.0;
///         image.iter_mut().for_each(|pixel| *pixel *= factor);
///     }
/// }
/// # let mut image = [0.0, 1.0];
/// # Darker.apply(Key::new(1), [1, 1, 2], &mut image);
/// # assert!(image[0] == 0.0 && (0.5..1.0).contains(&image[1]));
/// ```
pub trait AugmentationRule: Send + Sync {
    /// All settings, as a JSON object whose entry `augmentation` names the rule. It is part of what
    /// identifies a run.
    fn spec(&self) -> Value;

    /// Checks the settings for images of shape `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// [`DataError::Setting`] for a setting out of its range, or images that it does not suit, such
    /// as those that are too small.
    fn check(&self, _shape: [usize; 3]) -> Result<(), DataError> {
        Ok(())
    }

    /// Changes one image of shape `[channels, height, width]`, row-major with pixels in [0, 1], in
    /// place. It must be a pure function of its arguments and leave the pixels in [0, 1].
    ///
    /// `key` is the key of the image in this epoch: the child of the epoch's key whose number is
    /// that of the image in its set. So an image does not depend on the others of its batch. If
    /// there are several augmentations, the key of each but the first is the child `"then"` of that
    /// of the one before.
    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]);
}

/// A random change of training images: a built-in augmentation, or a custom [`AugmentationRule`].
///
/// As JSON it is the rule's `spec`. A custom rule can be written and not read back.
#[derive(Clone)]
pub struct Augmentation(Arc<dyn AugmentationRule>);

/// The built-in augmentations by name, and how they are read.
const BUILT_IN: &[(&str, Load<Augmentation>)] = &[
    (AutoAugment::NAME, load::<AutoAugment, _>),
    (Crop::NAME, load::<Crop, _>),
    (CropFlip::NAME, load::<CropFlip, _>),
    (Cutout::NAME, load::<Cutout, _>),
    (Flip::NAME, load::<Flip, _>),
    (TrivialAugment::NAME, load::<TrivialAugment, _>),
];

impl Augmentation {
    /// The policy that AutoAugment found for CIFAR-10: [`AutoAugment`].
    pub fn auto_augment() -> Self {
        AutoAugment {}.into()
    }

    /// The usual augmentation of CIFAR: [`CropFlip`] with a padding of 4 pixels.
    pub fn cifar() -> Self {
        CropFlip { padding: 4 }.into()
    }

    /// Crops after zero padding: [`Crop`].
    pub fn crop(padding: usize) -> Self {
        Crop { padding }.into()
    }

    /// A square of `size` pixels set to zero: [`Cutout`].
    pub fn cutout(size: usize) -> Self {
        Cutout { size }.into()
    }

    /// Horizontal flips: [`Flip`].
    pub fn flip() -> Self {
        Flip {}.into()
    }

    /// One random operation at a random magnitude: [`TrivialAugment`].
    pub fn trivial_augment() -> Self {
        TrivialAugment {}.into()
    }

    /// All settings, for records.
    pub fn spec(&self) -> Value {
        self.0.spec()
    }

    /// Checks the settings for images of shape `[channels, height, width]`.
    ///
    /// # Errors
    ///
    /// Those of the rule, and [`DataError::Setting`] for a rule without a name.
    pub fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        check_spec("augmentation", &self.spec())?;
        self.0.check(shape).map_err(|error| error.of(|| self.label()))
    }

    fn label(&self) -> String {
        format!("augmentation {}", rule_name("augmentation", &self.spec()))
    }

    /// Changes one image: see [`AugmentationRule::apply`].
    pub fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        self.0.apply(key, shape, image);
    }
}

/// Changes an image of the set by one augmentation after the other.
pub(crate) fn augment(
    augmentations: &[Augmentation],
    key: Key,
    example: usize,
    shape: [usize; 3],
    image: &mut [f32],
) -> Result<(), DataError> {
    let mut key = key.child(example as u64);
    for augmentation in augmentations {
        augmentation.apply(key, shape, image);
        if let Some(index) = outside(image) {
            return Err(DataError::Augmented {
                augmentation: augmentation.label(),
                example,
                index,
                got: image[index],
            });
        }
        key = key.named("then");
    }
    Ok(())
}

impl<R: AugmentationRule + 'static> From<R> for Augmentation {
    fn from(rule: R) -> Self {
        Self(Arc::new(rule))
    }
}

impl Serialize for Augmentation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.spec().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Augmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spec = Value::deserialize(deserializer)?;
        custom_or_built_in("augmentation", BUILT_IN, Augmentation::spec, spec)
            .map_err(de::Error::custom)
    }
}

impl fmt::Debug for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Augmentation({})", self.spec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{byte, unit};
    use serde_json::json;

    const SHAPE: [usize; 3] = [2, 3, 5];

    /// `n` images without a zero byte.
    fn images(n: usize) -> Vec<u8> {
        (0..n * 30).map(|i| (1 + i % 255) as u8).collect()
    }

    /// Changes the images at `indices` of a set, given as bytes.
    fn apply(
        augment: &Augmentation,
        key: Key,
        indices: &[usize],
        shape: [usize; 3],
        pixels: &mut [u8],
    ) {
        let images = pixels.chunks_exact_mut(shape.iter().product());
        for (image, &index) in images.zip(indices) {
            let mut values: Vec<f32> = image.iter().map(|&byte| unit(byte)).collect();
            augment.apply(key.child(index as u64), shape, &mut values);
            image.iter_mut().zip(values).for_each(|(of, value)| *of = byte(value));
        }
    }

    fn augmented(augment: &Augmentation, key: Key, indices: &[usize]) -> Vec<u8> {
        let all = images(64);
        let mut pixels: Vec<u8> =
            indices.iter().flat_map(|&i| all[30 * i..30 * (i + 1)].to_vec()).collect();
        apply(augment, key, indices, SHAPE, &mut pixels);
        pixels
    }

    #[test]
    fn no_padding_changes_nothing() {
        let all: Vec<usize> = (0..64).collect();
        assert_eq!(augmented(&Augmentation::crop(0), Key::new(1), &all), images(64));
    }

    #[test]
    fn equal_keys_give_equal_pixels_and_others_do_not() {
        let all: Vec<usize> = (0..64).collect();
        let augment = |seed| augmented(&Augmentation::cifar(), Key::new(seed), &all);
        assert_eq!(augment(1), augment(1));
        assert_ne!(augment(1), augment(2));
    }

    #[test]
    fn an_image_does_not_depend_on_its_batch() {
        let all: Vec<usize> = (0..64).collect();
        let together = augmented(&Augmentation::cifar(), Key::new(1), &all);
        for batch in [&[17][..], &[40, 17, 3], &[17, 18]] {
            let alone = augmented(&Augmentation::cifar(), Key::new(1), batch);
            for (image, &i) in alone.chunks_exact(30).zip(batch) {
                assert_eq!(image, &together[30 * i..30 * (i + 1)]);
            }
        }
    }

    #[test]
    fn a_flip_mirrors_each_row_and_twice_is_the_image() {
        let flip = &Augmentation::flip();
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
        let augment = &CropFlip { padding: 1 }.into();
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

    struct Negative;

    impl AugmentationRule for Negative {
        fn spec(&self) -> Value {
            json!({ "augmentation": "negative" })
        }

        fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
            assert_eq!(key, Key::new(1).child(3).named("then"));
            image.iter_mut().for_each(|pixel| *pixel = 1.0 - *pixel);
        }
    }

    #[test]
    fn augmentations_follow_each_other_under_keys_of_their_own() {
        let cifar = Augmentation::cifar();
        let (mut one, mut both) = ([0.25; 12], [0.25; 12]);
        cifar.apply(Key::new(1).child(3), [1, 3, 4], &mut one);
        augment(&[cifar, Negative.into()], Key::new(1), 3, [1, 3, 4], &mut both).unwrap();
        assert_eq!(both, one.map(|pixel| 1.0 - pixel));
    }

    #[test]
    fn a_crop_and_a_flip_under_one_key_are_both_in_one() {
        for example in 0..32 {
            let (key, mut one, mut two) = (Key::new(example), [0.0; 12], [0.0; 12]);
            let pixels = (0..12).map(|i| i as f32 / 11.0);
            one.iter_mut().zip(&mut two).zip(pixels).for_each(|((a, b), p)| (*a, *b) = (p, p));
            CropFlip { padding: 2 }.apply(key, [1, 3, 4], &mut one);
            Crop { padding: 2 }.apply(key, [1, 3, 4], &mut two);
            Flip {}.apply(key, [1, 3, 4], &mut two);
            assert_eq!(one, two);
        }
    }

    #[test]
    fn built_in_rules_are_read_back_and_others_are_refused_by_name() {
        for rule in [Augmentation::cifar(), Augmentation::crop(2), Augmentation::flip()] {
            let text = serde_json::to_string(&rule).unwrap();
            let again: Augmentation = serde_json::from_str(&text).unwrap();
            assert_eq!(again.spec(), rule.spec());
        }
        for (text, says) in [
            (
                r#"{"augmentation": "negative"}"#,
                "augmentation: got negative, wanted one of auto_augment, crop",
            ),
            (r#"{"augmentation": "crop"}"#, "missing field `padding`"),
            (r#"{"augmentation": "flip", "often": 1}"#, "often"),
        ] {
            let error = serde_json::from_str::<Augmentation>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
