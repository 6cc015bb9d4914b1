use super::decode::{decode, planes};
use crate::source::unit;
use crate::{DataError, ImageSource};
use std::path::PathBuf;

/// Images that stay on disk until they are needed.
pub(super) struct ImageFiles {
    pub name: String,
    pub shape: [usize; 3],
    pub files: Vec<PathBuf>,
    /// Positions in `classes`, one for each file.
    pub labels: Vec<u16>,
    pub classes: Vec<String>,
}

impl ImageSource for ImageFiles {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        let [channels, height, width] = self.shape;
        planes(decode(&self.files[index], Some([height, width]))?, channels, pixels, unit);
        self.label(index)
    }

    fn label(&self, index: usize) -> Result<usize, DataError> {
        Ok(self.labels[index].into())
    }
}
