//! The contract of a source of images.

use crate::DataError;
use std::collections::HashMap;

/// A source of labelled images of one shape, in a fixed order.
///
/// [`ImageData::from_source`](crate::ImageData::from_source) makes a set of it, which checks what
/// the source gives. Images are read by several threads at once, so `read` takes `&self`; an image
/// must be the same whenever it is read, or a run does not resume exactly.
pub trait ImageSource: Send + Sync {
    /// The name of the data set, such as `cifar10`.
    fn name(&self) -> &str;

    /// The number of examples.
    fn len(&self) -> usize;

    /// True for a source without examples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[channels, height, width]` of every image.
    fn image_shape(&self) -> [usize; 3];

    /// The names of the classes; a label is a position in this list.
    fn classes(&self) -> &[String];

    /// Writes the pixels of an example, row-major `[channels, height, width]` in [0, 1], and
    /// returns its label.
    ///
    /// `index` is below [`len`](Self::len), and `pixels` has the length of an image.
    ///
    /// # Errors
    ///
    /// An image that cannot be read. The error must name it, by its file or its number.
    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError>;

    /// The label of an example. Reads the image too, unless the source knows its labels.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn label(&self, index: usize) -> Result<usize, DataError> {
        self.read(index, &mut vec![0.0; self.image_shape().iter().product()])
    }
}

/// Checks what a source says of itself.
pub(crate) fn check_source(source: &dyn ImageSource) -> Result<(), DataError> {
    let (name, shape) = (source.name(), source.image_shape());
    if shape.contains(&0) {
        return Err(DataError::Shape { name: name.into(), shape });
    }
    check_classes(name, source.classes())?;
    if source.is_empty() {
        return Err(DataError::Empty { place: name.into() });
    }
    Ok(())
}

/// Checks that labels can tell the classes apart, and users their names.
pub(crate) fn check_classes(name: &str, classes: &[String]) -> Result<(), DataError> {
    if classes.is_empty() {
        return Err(DataError::NoClasses { name: name.into() });
    }
    if classes.len() > usize::from(u16::MAX) + 1 {
        return Err(DataError::TooManyClasses { name: name.into(), got: classes.len() });
    }
    let mut seen = HashMap::new();
    for (second, class) in classes.iter().enumerate() {
        if let Some(first) = seen.insert(class, second) {
            let (name, class) = (name.into(), class.clone());
            return Err(DataError::SameClass { name, class, first, second });
        }
    }
    Ok(())
}

/// Checks the label that a source gave for an example.
pub(crate) fn check_label(
    source: &dyn ImageSource,
    example: usize,
    label: usize,
) -> Result<(), DataError> {
    let classes = source.classes().len();
    match label < classes {
        true => Ok(()),
        false => Err(DataError::Label { name: source.name().into(), example, label, classes }),
    }
}

/// Checks the label and the pixels that a source gave for an example.
pub(crate) fn check_example(
    source: &dyn ImageSource,
    example: usize,
    label: usize,
    pixels: &[f32],
) -> Result<(), DataError> {
    check_label(source, example, label)?;
    match outside(pixels) {
        None => Ok(()),
        Some(index) => {
            Err(DataError::Pixel { name: source.name().into(), example, index, got: pixels[index] })
        }
    }
}

/// The first pixel that is not in [0, 1]; NaN is not.
pub(crate) fn outside(pixels: &[f32]) -> Option<usize> {
    // Without a branch for each pixel, so that the compiler makes vector instructions of it.
    let inside = pixels.iter().fold(true, |all, v| all & (0.0..=1.0).contains(v));
    match inside {
        true => None,
        false => pixels.iter().position(|v| !(0.0..=1.0).contains(v)),
    }
}

/// The pixel of a byte: 0 is black, 255 is full intensity.
///
/// Divided on the host: WebGPU has no tensors of bytes, and all backends get the same values.
pub(crate) fn unit(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// The byte nearest to a pixel in [0, 1].
pub(crate) fn byte(pixel: f32) -> u8 {
    // Cut off after a half is added: `round` is a call of a function on the least of CPUs.
    (pixel * 255.0 + 0.5) as u8
}
