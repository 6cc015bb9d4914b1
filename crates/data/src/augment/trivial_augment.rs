use super::AugmentationRule;
use super::operation::{self, Kind, Space, choice};
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// TrivialAugment in its wide space (Müller and Hutter, ICCV 2021, arXiv 2103.10158): one of 14
/// operations at one of 31 magnitudes, all equally likely.
///
/// Operations are those of Pillow on bytes, with the ranges of torchvision: shears to 0.99, shifts
/// to 32 pixels whatever the image's size, turns to 135 degrees, factors to 1 ± 0.99, at least 2
/// bits. Those with two directions take either equally often; the identity is one of the 14.
/// Places that come from outside of the image are black, and of others the nearest pixel counts.
/// Pixels are rounded to bytes, except by the identity. In the paper crop and flip go before,
/// [`Cutout`](super::Cutout) after it.
///
/// The first three uniform draws of the key choose operation, magnitude and direction. Images are
/// gray or of three channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrivialAugment {}

const KINDS: [Kind; 14] = [
    Kind::Identity,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Rotate,
    Kind::Brightness,
    Kind::Color,
    Kind::Contrast,
    Kind::Sharpness,
    Kind::Posterize,
    Kind::Solarize,
    Kind::AutoContrast,
    Kind::Equalize,
];

const WIDE: Space = Space {
    levels: 31,
    shear: 0.99,
    translate: [32.0, 32.0],
    rotate: 135.0,
    posterize: 6.0,
    enhance: 0.99,
};

/// The kind, level and direction that the draws choose.
fn chosen(draws: &[f32]) -> (Kind, usize, bool) {
    (KINDS[choice(draws[0], KINDS.len())], choice(draws[1], WIDE.levels), draws[2] < 0.5)
}

impl TrivialAugment {
    pub(super) const NAME: &str = "trivial_augment";
}

impl AugmentationRule for TrivialAugment {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    /// [`DataError::Setting`] for images of other than one or three channels.
    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        operation::check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        let (kind, level, negative) = chosen(&host_uniform(key, 0..3));
        operation::apply([WIDE.at(kind, level, negative)], shape, image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::operation::Operation;

    /// n = 50,000 images: each kind, level and direction within 4 standard errors.
    #[test]
    fn kinds_levels_and_directions_are_equally_likely() {
        const N: usize = 50_000;
        let (mut kinds, mut levels, mut negative) = ([0; KINDS.len()], [0; WIDE.levels], 0);
        for i in 0..N {
            let (kind, level, minus) = chosen(&host_uniform(Key::new(3).child(i as u64), 0..3));
            kinds[KINDS.iter().position(|&other| other == kind).unwrap()] += 1;
            levels[level] += 1;
            negative += usize::from(minus);
        }
        let near = |count: usize, p: f64| {
            let error = (N as f64 * p * (1.0 - p)).sqrt();
            (count as f64 - N as f64 * p).abs() < 4.0 * error
        };
        assert!(kinds.iter().all(|&count| near(count, 1.0 / 14.0)), "{kinds:?}");
        assert!(levels.iter().all(|&count| near(count, 1.0 / 31.0)), "{levels:?}");
        assert!(near(negative, 0.5), "{negative}");
    }

    #[test]
    fn levels_are_the_ranges_of_torchvision() {
        for (kind, level, wanted) in [
            (Kind::ShearY, 30, Operation::ShearY(0.99)),
            (Kind::TranslateX, 15, Operation::TranslateX(16)),
            (Kind::Rotate, 20, Operation::Rotate(90.0)),
            (Kind::Posterize, 30, Operation::Posterize(2)),
            (Kind::Posterize, 0, Operation::Posterize(8)),
            (Kind::Solarize, 0, Operation::Solarize(255.0)),
            (Kind::Contrast, 30, Operation::Contrast(1.99)),
        ] {
            assert_eq!(WIDE.at(kind, level, false), wanted);
        }
        assert_eq!(WIDE.at(Kind::Rotate, 30, true), Operation::Rotate(-135.0));
    }
}
