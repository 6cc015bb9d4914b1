use super::Augmentation;
use cni_noise::{Key, host_uniform};

/// A horizontal flip of half of the images.
///
/// The third uniform draw of the key decides, for the first two are those of [`Crop`]: the key of
/// an image serves both.
///
/// [`Crop`]: super::Crop
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip;

impl Augmentation for Flip {
    fn apply(&self, key: Key, [_, _, width]: [usize; 3], image: &mut [f32]) {
        if host_uniform(key, 2..3)[0] < 0.5 {
            image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
        }
    }
}
