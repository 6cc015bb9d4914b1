use super::{AugmentationRule, Crop, Flip};
use crate::DataError;
use crate::slots::named_spec;
use cni_noise::Key;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A random crop after zero padding, [`Crop`], and a horizontal flip of half of the images,
/// [`Flip`], both by the key of the image.
///
/// # Source
///
/// C.-Y. Lee et al., *Deeply-Supervised Nets*, 2015, as used by K. He et al., *Deep Residual
/// Learning for Image Recognition*, 2016, section 4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropFlip {
    /// Zeros on each side, in pixels: less than height and width; 0 for no crop.
    pub padding: usize,
}

impl CropFlip {
    pub(super) const NAME: &str = "crop_flip";
}

impl AugmentationRule for CropFlip {
    fn spec(&self) -> Value {
        named_spec("augmentation", Self::NAME, self)
    }

    fn check(&self, shape: [usize; 3]) -> Result<(), DataError> {
        Crop { padding: self.padding }.check(shape)
    }

    fn apply(&self, key: Key, shape: [usize; 3], image: &mut [f32]) {
        Crop { padding: self.padding }.apply(key, shape, image);
        Flip {}.apply(key, shape, image);
    }
}
