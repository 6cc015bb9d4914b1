//! Sets of images.

mod batches;
mod dataset;
mod fingerprint;
mod host_batch;
mod in_memory;
mod item;
mod joined;
mod parts;
mod relabelled;

pub use batches::Batches;
pub(crate) use host_batch::HostBatch;
pub use item::ImageItem;

use crate::source::{check_example, check_label, check_source};
use crate::{DataError, ImageSource};
use burn::tensor::{Device, Int, Tensor};
use in_memory::InMemory;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A set of labelled images of one shape, or a part of one.
///
/// The images are in memory, or are read when they are needed: [`ImageFolder::open`], any Burn
/// `Dataset` by [`from_dataset`](Self::from_dataset), or a source of your own by
/// [`from_source`](Self::from_source). Clones and parts share the source. An example is named by
/// its position in the set at hand, from 0.
///
/// It is a Burn `Dataset` of [`ImageItem`]s itself.
///
/// [`ImageFolder::open`]: crate::ImageFolder::open
#[derive(Clone)]
pub struct ImageData {
    source: Arc<dyn ImageSource>,
    /// The examples of this part, as positions in the source.
    view: Arc<[usize]>,
    skipped: usize,
    fingerprint: Arc<OnceLock<String>>,
}

impl ImageData {
    /// A set of images in memory.
    ///
    /// `shape` is `[channels, height, width]`, `pixels` are in row-major order
    /// `[n, channels, height, width]` with 0 for black and 255 for full intensity, `labels` are
    /// positions in `classes`, one for each image.
    ///
    /// # Errors
    ///
    /// An empty set, no classes, more than 65,536 of them or two of one name, a shape with a zero,
    /// pixels that are not `n` images, a label that is no class.
    pub fn new(
        name: impl Into<String>,
        shape: [usize; 3],
        pixels: impl Into<Arc<[u8]>>,
        labels: impl Into<Arc<[u16]>>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let (pixels, labels) = (pixels.into(), labels.into());
        Self::from_source(InMemory::new(name.into(), shape, pixels, labels, classes)?)
    }

    /// A set of images that `source` reads when they are needed.
    ///
    /// Each reading is checked, and an example that breaks the contract is named by its position in
    /// the source.
    ///
    /// # Errors
    ///
    /// A source that is empty, without classes, with more than 65,536 of them or two of one name,
    /// or whose shape has a zero.
    pub fn from_source(source: impl ImageSource + 'static) -> Result<Self, DataError> {
        check_source(&source)?;
        let view = (0..source.len()).collect();
        Ok(Self { source: Arc::new(source), view, skipped: 0, fingerprint: Arc::default() })
    }

    /// Sets the number of files that were skipped.
    pub(crate) fn with_skipped(self, skipped: usize) -> Self {
        Self { skipped, ..self }
    }

    /// The name of the data set, such as `cifar10`.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// True for a part without examples; a whole set has some.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// `[channels, height, width]` of every image.
    pub fn image_shape(&self) -> [usize; 3] {
        self.source.image_shape()
    }

    /// The names of the classes; a label is a position in this list.
    pub fn classes(&self) -> &[String] {
        self.source.classes()
    }

    /// Checks that a label means the same class in both sets: equal names in equal order.
    ///
    /// Sets from directories of different classes can have equally many of them and still number
    /// them differently; [`ImageFolder::like`](crate::ImageFolder::like) reads both with one list.
    ///
    /// # Errors
    ///
    /// [`DataError::Classes`] with the first class of `other` that is not the class of `self`.
    pub fn same_classes(&self, other: &Self) -> Result<(), DataError> {
        let (ours, theirs) = (self.classes(), other.classes());
        let differs = |&i: &usize| ours.get(i) != theirs.get(i);
        let Some(position) = (0..ours.len().max(theirs.len())).find(differs) else {
            return Ok(());
        };
        Err(DataError::Classes {
            name: other.name().into(),
            reference: self.name().into(),
            position,
            got: theirs.get(position).cloned(),
            wanted: ours.get(position).cloned(),
        })
    }

    /// The number of files in the sub-directories of an image folder that were skipped because
    /// their extension is not an image's. Hidden ones do not count.
    ///
    /// 0 for sets from elsewhere. A part has the number of the whole set, and so has a
    /// [joined](Self::join) set of two parts of one; that of two sets has the sum.
    pub fn skipped_files(&self) -> usize {
        self.skipped
    }

    /// The label of example `i`.
    ///
    /// # Errors
    ///
    /// No such example, one that cannot be read, or one whose label is no class.
    pub fn label(&self, i: usize) -> Result<usize, DataError> {
        let position = self.position(i)?;
        let label = self.source.label(position)?;
        check_label(&*self.source, position, label)?;
        Ok(label)
    }

    /// Example `i`: pixels, label and number.
    ///
    /// # Errors
    ///
    /// No such example, one that cannot be read, or one that breaks the contract of
    /// [`ImageSource::read`].
    pub fn item(&self, i: usize) -> Result<ImageItem, DataError> {
        let mut pixels = vec![0.0; self.pixels_per_image()];
        let label = self.read(i, &mut pixels)?;
        Ok(ImageItem { pixels, label, index: i })
    }

    /// SHA-256 of shape, size, pixels and labels in order, as 64 hexadecimal digits, for records.
    ///
    /// Equal for equal examples, wherever they came from and however they are called: pixels that
    /// are multiples of 1/255 count as their bytes, so that a folder on disk has the fingerprint
    /// of the folder in memory. All images are read once, a few at a time; the result is kept.
    ///
    /// # Errors
    ///
    /// An image that cannot be read.
    pub fn fingerprint(&self) -> Result<String, DataError> {
        if let Some(known) = self.fingerprint.get() {
            return Ok(known.clone());
        }
        let found = fingerprint::of(self)?;
        Ok(self.fingerprint.get_or_init(|| found).clone())
    }

    /// Images `[rows, channels, height, width]` in [0, 1] and labels `[rows]` on `device`, those
    /// of the examples at `rows`.
    ///
    /// # Errors
    ///
    /// A row beyond the set, or an example that cannot be read.
    pub fn batch(
        &self,
        rows: impl IntoIterator<Item = usize>,
        device: &Device,
    ) -> Result<(Tensor<4>, Tensor<1, Int>), DataError> {
        let rows: Vec<usize> = rows.into_iter().collect();
        Ok(self.read_batch(&rows, None)?.upload(self.image_shape(), device))
    }

    /// Batches of at most `size` examples in the order of the set, on `device`: pairs of images
    /// `[batch, channels, height, width]` in [0, 1] and labels `[batch]`.
    ///
    /// The next batches are read while one is in use. An evaluation takes them as they are. A
    /// batch that cannot be read is an error, after which there is none; so is a `size` of zero.
    pub fn batches(&self, size: usize, device: &Device) -> Batches {
        Batches::new(self, size, device)
    }

    fn pixels_per_image(&self) -> usize {
        self.image_shape().iter().product()
    }

    fn position(&self, i: usize) -> Result<usize, DataError> {
        self.view.get(i).copied().ok_or_else(|| DataError::Index {
            name: self.name().into(),
            got: i,
            len: self.len(),
        })
    }

    fn read(&self, i: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        let position = self.position(i)?;
        let label = self.source.read(position, pixels)?;
        check_example(&*self.source, position, label, pixels)?;
        Ok(label)
    }
}

impl fmt::Debug for ImageData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageData")
            .field("name", &self.name())
            .field("len", &self.len())
            .field("shape", &self.image_shape())
            .field("classes", &self.classes().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
