use crate::DataError;
use crate::source::{ImageSource, check_source, unit};
use std::sync::Arc;

/// Images held in memory as bytes.
pub(super) struct InMemory {
    name: String,
    shape: [usize; 3],
    pixels: Arc<[u8]>,
    labels: Arc<[u16]>,
    classes: Vec<String>,
}

impl InMemory {
    /// Images whose pixels and labels fit together.
    ///
    /// # Errors
    ///
    /// Those of [`ImageData::new`](crate::ImageData::new).
    pub fn new(
        name: String,
        shape: [usize; 3],
        pixels: Arc<[u8]>,
        labels: Arc<[u16]>,
        classes: Vec<String>,
    ) -> Result<Self, DataError> {
        let images = Self { name, shape, pixels, labels, classes };
        check_source(&images)?;
        let Self { name, pixels, labels, classes, .. } = &images;
        let wanted = shape.iter().fold(labels.len(), |bytes, &size| bytes.saturating_mul(size));
        if pixels.len() != wanted {
            return Err(DataError::Pixels { name: name.clone(), got: pixels.len(), wanted });
        }
        let classes = classes.len();
        if let Some(example) = labels.iter().position(|&label| usize::from(label) >= classes) {
            let (name, label) = (name.clone(), labels[example].into());
            return Err(DataError::Label { name, example, label, classes });
        }
        Ok(images)
    }
}

impl ImageSource for InMemory {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        let bytes = &self.pixels[index * pixels.len()..][..pixels.len()];
        pixels.iter_mut().zip(bytes).for_each(|(pixel, &byte)| *pixel = unit(byte));
        self.label(index)
    }

    fn label(&self, index: usize) -> Result<usize, DataError> {
        Ok(self.labels[index].into())
    }
}
