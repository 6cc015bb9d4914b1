use crate::DataError;
use crate::source::ImageSource;
use burn::data::dataset::Dataset;
use std::error::Error;
use std::marker::PhantomData;

/// The items of a Burn `Dataset` as images.
pub(crate) struct DatasetImages<D, I, E, F> {
    pub name: String,
    pub dataset: D,
    pub shape: [usize; 3],
    pub classes: Vec<String>,
    /// Pixels and label of an item.
    pub image: F,
    pub item: PhantomData<fn(I) -> E>,
}

impl<D, I, E, F> ImageSource for DatasetImages<D, I, E, F>
where
    D: Dataset<I, E>,
    E: Error + Send + Sync + 'static,
    F: Fn(I) -> (Vec<f32>, usize) + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        let item = self.dataset.get(index).map_err(|reason| DataError::Item {
            name: self.name.clone(),
            example: index,
            reason: Box::new(reason),
        })?;
        let (image, label) = (self.image)(item);
        if image.len() != pixels.len() {
            return Err(DataError::ItemSize {
                name: self.name.clone(),
                example: index,
                got: image.len(),
                shape: self.shape,
            });
        }
        pixels.copy_from_slice(&image);
        Ok(label)
    }
}
