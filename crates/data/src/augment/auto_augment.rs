use super::AugmentationRule;
use super::operation::{self, Kind, Space, choice};
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The policy that AutoAugment found for CIFAR-10 (Cubuk et al., CVPR 2019, arXiv 1805.09501,
/// table 7): one of 25 pairs of operations, each of which applies with a probability and at a
/// magnitude of its own.
///
/// Operations are those of Pillow on bytes, with the ranges of torchvision: shears to 0.3, shifts
/// to 150/331 of the image's side, turns to 30 degrees, factors to 1 ± 0.9, at least 4 bits. Those
/// with two directions take either equally often. Places that come from outside of the image are
/// black, and of others the nearest pixel counts. Pixels are rounded to bytes, unless no
/// operation applies. In the paper crop and flip go before, [`Cutout`](super::Cutout) after it.
///
/// The first uniform draw of the key chooses the pair, the next two decide whether its operations
/// apply, the last two their directions. Images are gray or of three channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoAugment {}

/// An operation, the tenths of its probability, and its level.
type Part = (Kind, u8, usize);

/// Table 7. Operations without a magnitude have level 0.
const PAIRS: [[Part; 2]; 25] = {
    use Kind::*;
    [
        [(Invert, 1, 0), (Contrast, 2, 6)],
        [(Rotate, 7, 2), (TranslateX, 3, 9)],
        [(Sharpness, 8, 1), (Sharpness, 9, 3)],
        [(ShearY, 5, 8), (TranslateY, 7, 9)],
        [(AutoContrast, 5, 0), (Equalize, 9, 0)],
        [(ShearY, 2, 7), (Posterize, 3, 7)],
        [(Color, 4, 3), (Brightness, 6, 7)],
        [(Sharpness, 3, 9), (Brightness, 7, 9)],
        [(Equalize, 6, 0), (Equalize, 5, 0)],
        [(Contrast, 6, 7), (Sharpness, 6, 5)],
        [(Color, 7, 7), (TranslateX, 5, 8)],
        [(Equalize, 3, 0), (AutoContrast, 4, 0)],
        [(TranslateY, 4, 3), (Sharpness, 2, 6)],
        [(Brightness, 9, 6), (Color, 2, 8)],
        [(Solarize, 5, 2), (Invert, 0, 0)],
        [(Equalize, 2, 0), (AutoContrast, 6, 0)],
        [(Equalize, 2, 0), (Equalize, 6, 0)],
        [(Color, 9, 9), (Equalize, 6, 0)],
        [(AutoContrast, 8, 0), (Solarize, 2, 8)],
        [(Brightness, 1, 3), (Color, 7, 0)],
        [(Solarize, 4, 5), (AutoContrast, 9, 0)],
        [(TranslateY, 9, 9), (TranslateY, 7, 9)],
        [(AutoContrast, 9, 0), (Solarize, 8, 3)],
        [(Equalize, 8, 0), (Invert, 1, 0)],
        [(TranslateY, 7, 9), (AutoContrast, 9, 0)],
    ]
};

/// The ranges for images of this height and width.
fn space([_, height, width]: [usize; 3]) -> Space {
    let share = |side: usize| 150.0 / 331.0 * side as f64;
    Space {
        levels: 10,
        shear: 0.3,
        translate: [share(height), share(width)],
        rotate: 30.0,
        posterize: 4.0,
        enhance: 0.9,
    }
}

/// The kinds and levels that the draws choose, each with its direction.
fn chosen(draws: &[f32]) -> impl Iterator<Item = (Kind, usize, bool)> + '_ {
    let pair = PAIRS[choice(draws[0], PAIRS.len())];
    let parts = pair.into_iter().zip(&draws[1..3]).zip(&draws[3..5]);
    let applies = |draw: f32, tenths: u8| f64::from(draw) < f64::from(tenths) / 10.0;
    parts.filter_map(move |(((kind, tenths, level), &draw), &direction)| {
        applies(draw, tenths).then_some((kind, level, direction < 0.5))
    })
}

impl AutoAugment {
    pub(super) const NAME: &str = "auto_augment";
}

impl AugmentationRule for AutoAugment {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    /// [`DataError::Setting`] for images of other than one or three channels.
    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        operation::check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        let (draws, space) = (host_uniform(key, 0..5), space(shape));
        let operations =
            chosen(&draws).map(|(kind, level, negative)| space.at(kind, level, negative));
        operation::apply(operations, shape, image);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::operation::Operation;
    use std::collections::HashMap;

    /// n = 50,000 images: how often each kind applies, from each of the two places of a pair, and
    /// how often in the negative direction, within 4 standard errors.
    #[test]
    fn operations_apply_as_often_as_the_table_says() {
        const N: usize = 50_000;
        let mut wanted: HashMap<Kind, (f64, f64)> = HashMap::new();
        for (kind, tenths, _) in PAIRS.as_flattened() {
            let p = f64::from(*tenths) / 10.0 / PAIRS.len() as f64;
            let (mean, square) = wanted.entry(*kind).or_default();
            *mean += p;
            *square += p;
        }
        // Both parts of a pair may be of one kind.
        for [(first, p, _), (second, q, _)] in PAIRS {
            if first == second {
                wanted.get_mut(&first).unwrap().1 +=
                    2.0 * f64::from(p) * f64::from(q) / 100.0 / PAIRS.len() as f64;
            }
        }
        let (mut counts, mut negative, mut all) = (HashMap::<Kind, usize>::new(), 0, 0);
        for i in 0..N {
            let draws = host_uniform(Key::new(3).child(i as u64), 0..5);
            for (kind, _, minus) in chosen(&draws) {
                *counts.entry(kind).or_default() += 1;
                negative += usize::from(minus);
                all += 1;
            }
        }
        let n = N as f64;
        for (kind, (mean, square)) in wanted {
            let error = ((square - mean * mean) * n).sqrt();
            let count = counts.get(&kind).copied().unwrap_or(0) as f64;
            assert!((count - mean * n).abs() <= 4.0 * error, "{kind:?}: {count} ≠ {}", mean * n);
        }
        let half = all as f64 / 2.0;
        assert!((f64::from(negative as u32) - half).abs() < 4.0 * (half / 2.0).sqrt());
    }

    #[test]
    fn levels_are_the_ranges_of_torchvision() {
        let space = space([3, 32, 32]);
        for (kind, level, wanted) in [
            (Kind::ShearX, 9, Operation::ShearX(0.3)),
            (Kind::TranslateX, 9, Operation::TranslateX(14)),
            (Kind::TranslateY, 3, Operation::TranslateY(4)),
            (Kind::Rotate, 3, Operation::Rotate(10.0)),
            (Kind::Posterize, 7, Operation::Posterize(5)),
            (Kind::Solarize, 3, Operation::Solarize(170.0)),
            (Kind::Color, 0, Operation::Color(1.0)),
            (Kind::Brightness, 9, Operation::Brightness(1.9)),
        ] {
            assert_eq!(space.at(kind, level, false), wanted);
        }
        assert_eq!(space.at(Kind::TranslateX, 9, true), Operation::TranslateX(-14));
        assert_eq!(space.at(Kind::Sharpness, 9, true), Operation::Sharpness(0.1));
    }
}
