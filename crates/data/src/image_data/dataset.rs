use super::ImageData;
use crate::DataError;
use crate::source::ImageSource;
use burn::data::dataset::Dataset;
use std::error::Error;
use std::marker::PhantomData;

impl ImageData {
    /// A set of images from any Burn `Dataset`, whose items are read when they are needed.
    ///
    /// `image` maps an item to its pixels, row-major `[channels, height, width]` in [0, 1], and
    /// its label, a position in `classes`. Each reading is checked: a wrong number of pixels, one
    /// that is not in [0, 1] or not finite, and a label that is no class are errors that name the
    /// item by its number.
    ///
    /// ```
    /// use burn::data::dataset::InMemDataset;
    /// use cni_data::ImageData;
    ///
    /// let rows = InMemDataset::new(vec![([0.0, 0.5, 1.0, 0.25], 1), ([1.0; 4], 0)]);
    /// let classes = ["dark", "bright"].map(String::from).to_vec();
    /// let data = ImageData::from_dataset("rows", rows, [1, 2, 2], classes, |(pixels, label)| {
    ///     (pixels.to_vec(), label)
    /// })?;
    /// assert_eq!((data.len(), data.label(0)?), (2, 1));
    /// # Ok::<(), cni_data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_source`](Self::from_source).
    pub fn from_dataset<I: 'static, E: Error + Send + Sync + 'static>(
        name: impl Into<String>,
        dataset: impl Dataset<I, E> + 'static,
        shape: [usize; 3],
        classes: Vec<String>,
        image: impl Fn(I) -> (Vec<f32>, usize) + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let name = name.into();
        Self::from_source(DatasetImages { name, dataset, shape, classes, image, item: PhantomData })
    }
}

/// The items of a Burn `Dataset` as images.
struct DatasetImages<D, I, E, F> {
    name: String,
    dataset: D,
    shape: [usize; 3],
    classes: Vec<String>,
    /// Pixels and label of an item.
    image: F,
    item: PhantomData<fn(I) -> E>,
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

#[cfg(test)]
mod tests {
    use crate::image_data::toy::{names, toy};
    use crate::{CropFlip, DataError, ImageData, ImageItem, Loader};
    use burn::data::dataset::{Dataset, DatasetError, InMemDataset};
    use burn::tensor::Device;
    use cni_noise::Key;
    use std::io;

    fn adapted(dataset: impl Dataset<ImageItem> + 'static) -> ImageData {
        let image = |item: ImageItem| (item.pixels, item.label);
        ImageData::from_dataset("again", dataset, [2, 2, 3], names(3), image).unwrap()
    }

    /// The toy set with one item changed.
    fn changed(change: impl Fn(&mut ImageItem)) -> ImageData {
        let mut items: Vec<ImageItem> = (0..9).map(|i| toy(9).item(i).unwrap()).collect();
        change(&mut items[5]);
        adapted(InMemDataset::new(items))
    }

    #[test]
    fn an_adapted_dataset_is_the_set_of_its_items() {
        let (data, again) = (toy(9), adapted(toy(9)));
        assert_eq!(again.fingerprint().unwrap(), data.fingerprint().unwrap());
        let [ours, theirs] = [data, again].map(|data| {
            let loader = Loader::new(data, 4, Key::new(1), &Device::flex()).unwrap();
            let loader = loader.with_augmentation(CropFlip { padding: 1 }).unwrap();
            let pixels = |batch: Result<crate::Batch, _>| {
                batch.unwrap().images.try_to_vec_as::<f32>().unwrap()
            };
            loader.epoch(3).map(pixels).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs);
    }

    #[test]
    fn items_that_break_the_contract_are_named_by_their_number() {
        let mut cases: Vec<(ImageData, &str)> = vec![
            (
                changed(|item| item.pixels.truncate(11)),
                "again: pixels of item 5: got 11, wanted 12 for an image of shape [2, 2, 3]",
            ),
            (changed(|item| item.label = 3), "again: label of example 5: got 3, wanted 0..3"),
        ];
        for (value, says) in [
            (f32::NAN, "got NaN, wanted a value in [0, 1]"),
            (f32::INFINITY, "got inf"),
            (255.0, "got 255"),
            (-0.01, "got -0.01"),
        ] {
            cases.push((changed(|item| item.pixels[7] = value), "pixel 7 of example 5"));
            cases.push((changed(|item| item.pixels[7] = value), says));
        }
        for (data, says) in cases {
            // Of a part, the number is still that of the item.
            let part = data.subset(4..9);
            assert!(part.item(0).is_ok());
            for error in [
                part.item(1).unwrap_err(),
                part.batch(0..5, &Device::flex()).unwrap_err(),
                data.fingerprint().unwrap_err(),
            ] {
                assert!(error.to_string().contains(says), "{error}");
            }
        }
        // Also of one that is asked for its label alone.
        let error = changed(|item| item.label = 3).subset(4..9).label(1).unwrap_err();
        assert_eq!(error.to_string(), "again: label of example 5: got 3, wanted 0..3");
    }

    #[test]
    fn an_item_that_cannot_be_had_is_named_with_the_reason() {
        struct Gone;
        impl Dataset<ImageItem> for Gone {
            fn get(&self, index: usize) -> Result<ImageItem, DatasetError> {
                match index {
                    2 => Err(DatasetError::new(io::Error::other("the disk is gone"))),
                    _ => Ok(toy(4).item(index).unwrap()),
                }
            }

            fn len(&self) -> usize {
                4
            }
        }
        let error = adapted(Gone).batch(0..4, &Device::flex()).unwrap_err();
        assert!(matches!(error, DataError::Item { example: 2, .. }));
        assert_eq!(error.to_string(), "again: item 2: the disk is gone");
    }
}
