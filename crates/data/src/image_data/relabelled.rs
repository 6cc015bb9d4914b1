use super::ImageData;
use crate::{DataError, ImageSource};
use std::sync::Arc;

impl ImageData {
    /// The same images with other labels, such as those that a model gives to images without any.
    ///
    /// `labels` are positions in the list of classes, one for each example in the order of this
    /// set. The files are left alone.
    ///
    /// # Errors
    ///
    /// [`DataError::Labels`] for another number of labels than of examples, [`DataError::Label`]
    /// for one that is no class, and [`DataError::Empty`] for a set without examples.
    pub fn with_labels(&self, labels: impl Into<Arc<[u16]>>) -> Result<Self, DataError> {
        let (labels, name) = (labels.into(), self.name().to_string());
        if labels.len() != self.len() {
            return Err(DataError::Labels { name, got: labels.len(), wanted: self.len() });
        }
        let classes = self.classes().len();
        if let Some(example) = labels.iter().position(|&label| usize::from(label) >= classes) {
            let label = labels[example].into();
            return Err(DataError::Label { name, example, label, classes });
        }
        let relabelled = Relabelled { images: self.clone(), labels };
        Ok(Self::from_source(relabelled)?.with_skipped(self.skipped))
    }
}

/// The images of a set with labels of their own.
struct Relabelled {
    images: ImageData,
    labels: Arc<[u16]>,
}

impl ImageSource for Relabelled {
    fn name(&self) -> &str {
        self.images.name()
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.images.image_shape()
    }

    fn classes(&self) -> &[String] {
        self.images.classes()
    }

    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        self.images.read(index, pixels)?;
        self.label(index)
    }

    fn label(&self, index: usize) -> Result<usize, DataError> {
        Ok(self.labels[index].into())
    }
}
