//! A model, its images and its predictions.

use crate::catalog::Data;
use crate::pictures::drawn;
use crate::{CATALOG, Entry, PageError};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use cni_burn::attacks::draw_scope;
use cni_burn::data::{ImageData, Split, digits};
use cni_burn::prelude::{Classifier, FrozenModel, Key, NoiseSummary, ResNet, amplify_noise};
use cni_burn::pretrained::PretrainedModel;

/// The most draws of one call, which keeps it short.
const MOST_DRAWS: usize = 1000;

/// A model of the catalogue, loaded.
pub struct Session {
    pub(crate) entry: Entry,
    pub(crate) learned: PretrainedModel,
    /// The model with its noise at the scale that was asked for.
    pub(crate) model: ResNet,
    scale: f64,
    pub(crate) examples: ImageData,
    device: Device,
}

impl Session {
    /// The model of these weights, from the bytes of `state.json` and `model.bpk`.
    ///
    /// # Errors
    ///
    /// [`PageError`] for an unknown name, and for bytes that are not those of the weights.
    pub fn new(name: &str, state: &[u8], weights: Vec<u8>) -> Result<Self, PageError> {
        let Some(entry) = CATALOG.iter().find(|entry| entry.name == name).copied() else {
            let names: Vec<_> = CATALOG.iter().map(|entry| entry.name).collect();
            return Err(PageError::value("model", name, format!("one of {}", names.join(", "))));
        };
        let device = Device::flex();
        let learned = entry.weights.read(state, weights, &device)?;
        let model = learned.model.clone();
        let examples = match entry.data {
            Data::Digits => two_of_each_digit(),
            Data::Cifar10 => drawn(),
        };
        Ok(Self { entry, learned, model, scale: 1.0, examples, device })
    }

    /// The pixels of an embedded image, `[channels * height * width]`, in [0, 1].
    ///
    /// # Errors
    ///
    /// [`PageError::Value`] if there is no such image.
    pub fn image(&self, index: usize) -> Result<Vec<f32>, PageError> {
        if index >= self.examples.len() {
            let wanted = format!("less than {}", self.examples.len());
            return Err(PageError::value("image", index, wanted));
        }
        Ok(self.examples.item(index).expect("the image is embedded").pixels)
    }

    /// Sets the size of the noise: 0 is off, 1 as it was learned.
    ///
    /// # Errors
    ///
    /// [`PageError`] for a scale below 0, or one that is not finite.
    pub fn set_scale(&mut self, scale: f64) -> Result<(), PageError> {
        self.model = amplify_noise(self.learned.model.clone(), scale)?;
        self.scale = scale;
        Ok(())
    }

    /// The size of the noise beside that which was learned.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// True if the model has noise that is not silent.
    pub fn is_stochastic(&self) -> bool {
        self.scale > 0.0 && !NoiseSummary::of(&self.model).entries().is_empty()
    }

    /// The probabilities of the classes in each of `draws` draws from number `first` on,
    /// `[draws * classes]`.
    ///
    /// # Errors
    ///
    /// [`PageError::Value`] for pixels that are no image of the model's, and for no or too many
    /// draws.
    pub fn predict(
        &self,
        pixels: &[f32],
        key: u64,
        first: usize,
        draws: usize,
    ) -> Result<Vec<f32>, PageError> {
        let probabilities = self
            .logits(pixels, Key::new(key).named("predict"), first, draws)?
            .into_iter()
            .flat_map(|logits| read(softmax(logits, 1)))
            .collect();
        Ok(probabilities)
    }

    /// The class of each of `draws` draws from number `first` on. They are draws for judging alone:
    /// no prediction and no attack has used them. Errors as [`predict`](Self::predict).
    pub fn classes(
        &self,
        pixels: &[f32],
        key: u64,
        first: usize,
        draws: usize,
    ) -> Result<Vec<u32>, PageError> {
        let logits = self.logits(pixels, Key::new(key).named("judge"), first, draws)?;
        Ok(logits.into_iter().map(|logits| first_largest(&read(logits)) as u32).collect())
    }

    /// The logits of each draw, `[1, classes]`.
    pub(crate) fn logits(
        &self,
        pixels: &[f32],
        key: Key,
        first: usize,
        draws: usize,
    ) -> Result<Vec<Tensor<2>>, PageError> {
        if !(1..=MOST_DRAWS).contains(&draws) {
            return Err(PageError::value("draws", draws, format!("1 to {MOST_DRAWS}")));
        }
        let (image, model) = (self.tensor(pixels)?, self.frozen());
        let draw = |draw: usize| draw_scope(key, draw as u64, 0, || model.logits(image.clone()));
        Ok((first..first + draws).map(draw).collect())
    }

    /// The model, ready to be attacked.
    pub(crate) fn frozen(&self) -> impl Classifier + use<> {
        FrozenModel::new(&self.model, ResNet::forward)
    }

    /// The pixels as a batch of one image.
    pub(crate) fn tensor(&self, pixels: &[f32]) -> Result<Tensor<4>, PageError> {
        let [channels, height, width] = self.shape();
        let wanted = channels * height * width;
        if pixels.len() != wanted {
            return Err(PageError::value("pixels", pixels.len(), format!("{wanted} of them")));
        }
        if let Some(pixel) = pixels.iter().find(|pixel| !(0.0..=1.0).contains(*pixel)) {
            return Err(PageError::value("pixels", pixel, "numbers from 0 to 1"));
        }
        let data = TensorData::new(pixels.to_vec(), [1, channels, height, width]);
        Ok(Tensor::from_data(data, &self.device))
    }

    /// Refuses a label that is no class.
    pub(crate) fn check_label(&self, label: usize) -> Result<(), PageError> {
        match label < self.learned.classes.len() {
            true => Ok(()),
            false => {
                let wanted = format!("less than {}", self.learned.classes.len());
                Err(PageError::value("label", label, wanted))
            }
        }
    }

    /// Channels, rows and columns of an image.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.examples.image_shape()
    }
}

/// The pixels of all test digits.
pub(crate) fn test_digits() -> impl Iterator<Item = Vec<f32>> {
    let test = digits(Split::Test);
    (0..test.len()).map(move |i| test.item(i).expect("the image is embedded").pixels)
}

/// Two test images of each digit, which no training has seen.
fn two_of_each_digit() -> ImageData {
    let test = digits(Split::Test);
    let mut seen = [0; 10];
    test.filter(|i| {
        let label = test.label(i).expect("the image is embedded");
        seen[label] += 1;
        seen[label] <= 2
    })
}

/// The values of a tensor.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_to_vec_as().expect("the device can be read")
}

/// The place of the largest value, the first of equals, as everywhere in the library.
pub(crate) fn first_largest<T: PartialOrd>(values: &[T]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
