use super::AugmentationRule;
use crate::slots::named_spec;
use cni_noise::{Key, host_uniform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A horizontal flip of half of the images.
///
/// The third uniform draw of the key decides, for the first two are those of [`Crop`]: so
/// [`CropFlip`] needs one key for both.
///
/// [`Crop`]: super::Crop
/// [`CropFlip`]: super::CropFlip
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {}

impl Flip {
    pub(super) const NAME: &str = "flip";
}

impl AugmentationRule for Flip {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    fn apply(&self, key: Key, [_, _, width]: [usize; 3], image: &mut [f32]) {
        if host_uniform(key, 2..3)[0] < 0.5 {
            image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
    }
}
