//! A classifier that predicts by a mode.

use crate::Prediction;
use burn::tensor::Tensor;
use cni_attacks::Classifier;
use cni_noise::{Key, current_examples, layer_key};

/// A predictor: a classifier together with its prediction mode. This is what is deployed, and
/// therefore what should be attacked and evaluated.
///
/// Its logits depend on the mode: those of the single draw, the mean logits, the logarithms of the
/// mean probabilities, or the logarithms of the shares of votes, `ln((votes + 1) / (draws +
/// classes))`. Votes have no gradient, and attacks that need gradients refuse them. Such an attack
/// can use the mean probabilities as a surrogate ([`Transfer`](cni_attacks::Transfer)), or attack
/// the classifier itself with the mode's number of draws
/// ([`Expectation::Probabilities`](cni_attacks::Expectation)).
///
/// Each pass takes `draws` passes through the classifier, and a backward pass keeps the graphs of
/// all of them.
///
/// The draws follow the current noise scope. In `Noise::Keyed(key)`, draw `d` of the `n`-th pass
/// has the noise of `key.named("prediction").child(n).child(d)`. In `Noise::Fresh` the keys come
/// from the device's generator. In `Noise::Off` the noise on the input is off too. Examples keep
/// their numbers.
///
/// ```
/// # use burn::tensor::{Device, Tensor};
/// use cni_evaluation::{Prediction, Predictor};
/// use cni_attacks::{Attack, Goal, Pgd, Threat};
/// use cni_noise::Key;
/// # let images = Tensor::<4>::full([2, 1, 1, 3], 0.5, &Device::flex());
/// # let goal = Goal::Misclassify(Tensor::from_ints([0, 2], &Device::flex()));
/// # let model = |x: Tensor<4>| x.flatten::<2>(1, 3);
/// let mode = Prediction::mean_probabilities(8)?.with_input_noise(0.1)?;
/// let smoothed = Predictor::new(model, mode);
/// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?);
/// let found = attack.on(&smoothed).with_key(Key::new(1)).run(images, &goal)?;
/// # assert_eq!(found.images.dims(), [2, 1, 1, 3]);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Predictor<C> {
    classifier: C,
    prediction: Prediction,
}

impl<C: Classifier> Predictor<C> {
    /// The predictor of a classifier and a mode.
    pub fn new(classifier: C, prediction: Prediction) -> Self {
        Self { classifier, prediction }
    }
}

impl<C: Classifier> Classifier for Predictor<C> {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        // Without a key the noise is off, and stays off in every draw.
        let key = layer_key("prediction", &images.device()).unwrap_or(Key::new(0));
        self.prediction.draw(&self.classifier, images, key, &current_examples()).0
    }
}
