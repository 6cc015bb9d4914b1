//! Products of signs, 64 at a time.
//!
//! A bit says that a value is negative. The product of two rows of signs is then their number less
//! twice that of the bits in which they differ: an exclusive or and a count of bits.

mod conv2d;
mod stage;
#[cfg(test)]
mod tests;

pub use conv2d::{PackedKernel, SignGeometry, sign_conv2d};
pub use stage::{SignUnit, sign_stage};

use crate::arch::arch;
use rayon::prelude::*;

/// Signs of a word.
const WORD: usize = 64;

/// The signs of an activation or a weight `[outer, channels, height, width]`, 64 channels a word:
/// the words of a pixel lie side by side, `[outer, height, width, words]`. Bits behind the last
/// channel are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedSigns {
    words: Vec<u64>,
    shape: [usize; 4],
}

impl PackedSigns {
    /// The signs of values in row-major order: negative below zero, positive from zero on, as that
    /// of NaN.
    ///
    /// # Panics
    ///
    /// If there are not as many values as the shape has.
    pub fn pack(values: &[f32], shape: [usize; 4]) -> Self {
        let [outer, channels, height, width] = shape;
        let pixels = height * width;
        assert_eq!(values.len(), outer * channels * pixels, "values of {shape:?}");
        let mut words = vec![0; outer * pixels * channels.div_ceil(WORD)];
        let values = values.par_chunks_exact((channels * pixels).max(1));
        let images = words.par_chunks_exact_mut((pixels * channels.div_ceil(WORD)).max(1));
        images.zip(values).for_each(|(words, values)| {
            pack_image(values, pixels, words, |_| |value| value < 0.0);
        });
        Self { words, shape }
    }

    /// Signs from words, such as those of a file: `None` if there are not as many as the shape has,
    /// or if a bit behind the last channel is set.
    pub fn from_words(words: Vec<u64>, shape: [usize; 4]) -> Option<Self> {
        let [outer, channels, height, width] = shape;
        let per_pixel = channels.div_ceil(WORD);
        let unused = match channels % WORD {
            0 => 0,
            used => u64::MAX << used,
        };
        let fits = words.len() == outer * height * width * per_pixel;
        let last = words.iter().skip(per_pixel.saturating_sub(1)).step_by(per_pixel.max(1));
        (fits && last.into_iter().all(|word| word & unused == 0)).then_some(Self { words, shape })
    }

    /// The words, `[outer, height, width, words]`.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// `[outer, channels, height, width]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// The values, −1 and +1, in row-major order.
    pub fn values(&self) -> Vec<f32> {
        let [outer, channels, height, width] = self.shape;
        let per_pixel = channels.div_ceil(WORD);
        let mut values = Vec::with_capacity(outer * channels * height * width);
        for image in self.words.chunks_exact((height * width * per_pixel).max(1)) {
            for channel in 0..channels {
                let (word, bit) = (channel / WORD, channel % WORD);
                let pixels = image.chunks_exact(per_pixel.max(1));
                values.extend(pixels.map(|words| match words[word] >> bit & 1 {
                    0 => 1.0,
                    _ => -1.0,
                }));
            }
        }
        values
    }
}

/// Pixels whose words are filled together.
const PIXELS: usize = 64;

/// Packs an image `[channels, pixels]` into its words, `[pixels, words]`. `negative` gives each
/// channel the function that says which of its values are negative.
fn pack_image<F: Fn(f32) -> bool>(
    values: &[f32],
    pixels: usize,
    words: &mut [u64],
    negative: impl Fn(usize) -> F,
) {
    let per_pixel = words.len() / pixels.max(1);
    arch().dispatch(|| {
        for (word, planes) in values.chunks((WORD * pixels).max(1)).enumerate() {
            for first in (0..pixels).step_by(PIXELS) {
                let range = first..pixels.min(first + PIXELS);
                let mut block = [0; PIXELS];
                for (bit, plane) in planes.chunks_exact(pixels).enumerate() {
                    let negative = negative(word * WORD + bit);
                    for (to, &value) in block.iter_mut().zip(&plane[range.clone()]) {
                        *to |= u64::from(negative(value)) << bit;
                    }
                }
                for (pixel, bits) in range.zip(block) {
                    words[pixel * per_pixel + word] = bits;
                }
            }
        }
    });
}
