use super::ImageData;
use crate::source::byte;
use burn::data::dataset::{Dataset, DatasetError};

/// An image of a set with its label and its number.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageItem {
    /// Pixels in [0, 1], row-major `[channels, height, width]`.
    pub pixels: Vec<f32>,
    /// The label, a position in the list of classes.
    pub label: usize,
    /// The position in the set.
    pub index: usize,
}

impl ImageItem {
    /// The pixels as bytes: exact for images from files, rounded for others.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.pixels.iter().map(|&pixel| byte(pixel)).collect()
    }
}

impl Dataset<ImageItem> for ImageData {
    /// Example `index`, as [`item`](ImageData::item) gives it. Panics at an index beyond the set,
    /// as Burn asks for.
    fn get(&self, index: usize) -> Result<ImageItem, DatasetError> {
        let (len, name) = (self.len(), self.name());
        assert!(index < len, "example: got {index}, wanted 0..{len}, the examples of {name}");
        self.item(index).map_err(DatasetError::new)
    }

    fn len(&self) -> usize {
        self.view.len()
    }
}
