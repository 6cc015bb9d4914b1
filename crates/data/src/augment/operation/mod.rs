//! The operations of learned and random augmentation policies, as Pillow does them on bytes.

mod blend;
mod geometry;
mod table;
#[cfg(test)]
mod tests;

use crate::DataError;
use crate::source::{byte, unit};

/// An image of bytes, row-major `[channels, height, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub shape: [usize; 3],
    pub bytes: Vec<u8>,
}

/// An operation with its magnitude. What comes into an image from outside of it is black.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    Identity,
    /// Row `y` moves by `shear · y` pixels to the left.
    ShearX(f64),
    /// Column `x` moves by `shear · x` pixels up.
    ShearY(f64),
    /// Moves to the right by so many pixels.
    TranslateX(i64),
    /// Moves down by so many pixels.
    TranslateY(i64),
    /// Turns about the centre, against the clock, by so many degrees.
    Rotate(f64),
    /// Stretches each channel to the whole range.
    AutoContrast,
    /// The negative.
    Invert,
    /// Spreads the histogram of each channel.
    Equalize,
    /// The negative of what is at least this bright, in 0 to 255.
    Solarize(f64),
    /// The first so many bits of each byte.
    Posterize(u32),
    /// A mix, by this factor, of the image over its mean brightness.
    Contrast(f32),
    /// A mix of the image over its gray version.
    Color(f32),
    /// A mix of the image over black.
    Brightness(f32),
    /// A mix of the image over a smoothed one.
    Sharpness(f32),
}

impl Operation {
    pub fn apply(self, image: &mut Image) {
        match self {
            Self::Identity => {}
            Self::ShearX(shear) => geometry::affine(image, [1.0, shear, 0.0, 0.0, 1.0, 0.0]),
            Self::ShearY(shear) => geometry::affine(image, [1.0, 0.0, 0.0, shear, 1.0, 0.0]),
            Self::TranslateX(right) => {
                geometry::affine(image, [1.0, 0.0, -right as f64, 0.0, 1.0, 0.0]);
            }
            Self::TranslateY(down) => {
                geometry::affine(image, [1.0, 0.0, 0.0, 0.0, 1.0, -down as f64]);
            }
            Self::Rotate(degrees) => geometry::rotate(image, degrees),
            Self::AutoContrast => table::by_channel(image, table::auto_contrast),
            Self::Invert => table::by_channel(image, |_| table::of(|value| 255 - value)),
            Self::Equalize => table::by_channel(image, table::equalize),
            Self::Solarize(threshold) => table::by_channel(image, |_| table::solarize(threshold)),
            Self::Posterize(bits) => table::by_channel(image, |_| table::posterize(bits)),
            Self::Contrast(factor) => blend::contrast(image, factor),
            Self::Color(factor) => blend::color(image, factor),
            Self::Brightness(factor) => blend::brightness(image, factor),
            Self::Sharpness(factor) => blend::sharpness(image, factor),
        }
    }
}

/// A kind of operation, whose magnitude is one of several levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    AutoContrast,
    Invert,
    Equalize,
    Solarize,
    Posterize,
    Contrast,
    Color,
    Brightness,
    Sharpness,
}

/// The magnitudes at the highest level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Space {
    /// The number of levels: from 0, where the image stays as it is, in equal steps.
    pub levels: usize,
    pub shear: f64,
    /// Pixels down and to the right.
    pub translate: [f64; 2],
    /// Degrees.
    pub rotate: f64,
    /// Bits that are lost.
    pub posterize: f64,
    /// The distance of a factor from 1.
    pub enhance: f64,
}

impl Space {
    /// The operation of a kind at a level, in the negative direction if it has two.
    pub fn at(&self, kind: Kind, level: usize, negative: bool) -> Operation {
        let last = (self.levels - 1) as f64;
        let of = |most: f64| most * level as f64 / last;
        let signed = |most: f64| if negative { -of(most) } else { of(most) };
        let factor = || (1.0 + signed(self.enhance)) as f32;
        let [down, right] = self.translate;
        match kind {
            Kind::Identity => Operation::Identity,
            Kind::ShearX => Operation::ShearX(signed(self.shear)),
            Kind::ShearY => Operation::ShearY(signed(self.shear)),
            // Whole pixels, towards zero.
            Kind::TranslateX => Operation::TranslateX(signed(right) as i64),
            Kind::TranslateY => Operation::TranslateY(signed(down) as i64),
            Kind::Rotate => Operation::Rotate(signed(self.rotate)),
            Kind::AutoContrast => Operation::AutoContrast,
            Kind::Invert => Operation::Invert,
            Kind::Equalize => Operation::Equalize,
            Kind::Solarize => Operation::Solarize(255.0 * (last - level as f64) / last),
            Kind::Posterize => {
                Operation::Posterize(8 - of(self.posterize).round_ties_even() as u32)
            }
            Kind::Contrast => Operation::Contrast(factor()),
            Kind::Color => Operation::Color(factor()),
            Kind::Brightness => Operation::Brightness(factor()),
            Kind::Sharpness => Operation::Sharpness(factor()),
        }
    }
}

/// Changes an image of pixels in [0, 1] by one operation after the other. Pixels become bytes
/// before the first that does something.
pub fn apply(
    operations: impl IntoIterator<Item = Operation>,
    shape: [usize; 3],
    pixels: &mut [f32],
) {
    let mut operations =
        operations.into_iter().filter(|operation| *operation != Operation::Identity).peekable();
    if operations.peek().is_none() {
        return;
    }
    let mut image = Image { shape, bytes: pixels.iter().map(|&pixel| byte(pixel)).collect() };
    operations.for_each(|operation| operation.apply(&mut image));
    pixels.iter_mut().zip(image.bytes).for_each(|(pixel, byte)| *pixel = unit(byte));
}

/// Refuses images that are neither gray nor in color.
pub fn check([channels, ..]: [usize; 3]) -> Result<(), DataError> {
    match channels {
        1 | 3 => Ok(()),
        _ => Err(DataError::setting("channels", channels, "1, gray, or 3, red, green and blue")),
    }
}

/// A uniform draw in [0, 1) as one of so many choices.
pub fn choice(draw: f32, of: usize) -> usize {
    // In double precision: in single, the largest draw times the number can round up to it.
    (f64::from(draw) * of as f64) as usize
}
