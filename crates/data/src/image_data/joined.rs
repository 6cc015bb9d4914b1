use super::ImageData;
use crate::{DataError, ImageSource};
use std::sync::Arc;

impl ImageData {
    /// A set of all examples of `first`, then all of `second`: labelled examples and extra ones
    /// behind them, as [`Mixture`](crate::Mixture) takes them.
    ///
    /// Its name is that of both, joined by a plus sign. Images are read from where they are.
    ///
    /// # Errors
    ///
    /// [`DataError::Shapes`] for images of different shapes, [`DataError::Classes`] for different
    /// classes or the same in another order, and [`DataError::Empty`] if both parts are.
    pub fn join(first: &Self, second: &Self) -> Result<Self, DataError> {
        first.same_classes(second)?;
        let (wanted, got) = (first.image_shape(), second.image_shape());
        if got != wanted {
            let [name, reference] = [second, first].map(|part| part.name().to_string());
            return Err(DataError::Shapes { name, reference, got, wanted });
        }
        let name = format!("{} + {}", first.name(), second.name());
        // The files of a set count once, also if both are parts of it.
        let same = Arc::ptr_eq(&first.source, &second.source);
        let skipped = first.skipped + if same { 0 } else { second.skipped };
        let joined = Joined { name, parts: [first.clone(), second.clone()] };
        Ok(Self::from_source(joined)?.with_skipped(skipped))
    }
}

/// Two sets, one after the other.
struct Joined {
    name: String,
    parts: [ImageData; 2],
}

impl Joined {
    /// The part of an example, and its position there.
    fn part(&self, index: usize) -> (&ImageData, usize) {
        let [first, second] = &self.parts;
        match index.checked_sub(first.len()) {
            None => (first, index),
            Some(index) => (second, index),
        }
    }
}

impl ImageSource for Joined {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.parts.iter().map(ImageData::len).sum()
    }

    fn image_shape(&self) -> [usize; 3] {
        self.parts[0].image_shape()
    }

    fn classes(&self) -> &[String] {
        self.parts[0].classes()
    }

    fn read(&self, index: usize, pixels: &mut [f32]) -> Result<usize, DataError> {
        let (part, index) = self.part(index);
        part.read(index, pixels)
    }

    fn label(&self, index: usize) -> Result<usize, DataError> {
        let (part, index) = self.part(index);
        part.label(index)
    }
}
