//! Prediction modes: how several draws become one prediction.

use crate::predictor::input_noise::{check_sigma, noisy_input};
use crate::predictor::votes::{
    check_finite, check_shape, counts, first_largest, votes, zero_if_finite,
};
use burn::tensor::{Int, Tensor};
use cni_attacks::at_least_one;
use cni_attacks::check_images;
use cni_attacks::{AttackError, Classifier, Expectation, draw_scope};
use cni_noise::{ExampleIds, Key};
use serde::Serialize;

/// The way in which draws become one prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Aggregation {
    Vote,
    MeanLogits,
    MeanProbabilities,
}

/// A prediction mode of a stochastic classifier: from a single draw of its noise, or from several.
///
/// In a record it reads `{"aggregation": "vote", "draws": 512, "input_noise": 0.05}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    aggregation: Aggregation,
    draws: usize,
    input_noise: f64,
}

/// The result of [`Prediction::predict`]. Its lists have one entry for each image.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// The predicted class of each image.
    pub classes: Vec<usize>,
    /// The number of draws in which each class had the largest logit; absent if the mode takes no
    /// votes.
    pub votes: Option<Vec<Vec<u32>>>,
    /// The logits of the [`Predictor`](super::Predictor), `[batch, classes]`.
    pub logits: Tensor<2>,
}

impl Prediction {
    /// The mode of a single draw: the class of its largest logit.
    pub fn single() -> Self {
        Self { aggregation: Aggregation::MeanLogits, draws: 1, input_noise: 0.0 }
    }

    /// The mode of a vote: the class that has the largest logit in the most of `draws` draws, the
    /// lowest of equals (`mcpredict` in the authors' code). An error if `draws` is zero.
    pub fn vote(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::Vote, draws)
    }

    /// The mode of mean logits: the class of the largest mean logit over `draws` draws
    /// (`mcepredict` in the authors' code). An error if `draws` is zero.
    pub fn mean_logits(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::MeanLogits, draws)
    }

    /// The mode of mean probabilities: the class of the largest mean softmax over `draws` draws. An
    /// error if `draws` is zero.
    pub fn mean_probabilities(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::MeanProbabilities, draws)
    }

    fn over(aggregation: Aggregation, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { aggregation, draws: at_least_one("draws", draws)?, input_noise: 0.0 })
    }

    /// Adds Gaussian noise to the images in each draw, as [`InputNoise`](super::InputNoise) does.
    /// `sigma` is its standard deviation in units of the pixel range; an error if it is not finite
    /// or below 0.
    pub fn with_input_noise(self, sigma: f64) -> Result<Self, AttackError> {
        Ok(Self { input_noise: check_sigma(sigma)?, ..self })
    }

    /// Predicts the classes of `images`, `[batch, channels, height, width]` with pixels in [0, 1].
    ///
    /// Draw `d` of the classifier's noise and of the input noise runs in the [`draw_scope`] of
    /// `key`: equal keys give equal predictions. In a scope of `Noise::Off` all noise stays off.
    /// The noise of an example depends on its number in `examples`, not on its batch.
    ///
    /// # Errors
    ///
    /// If there is no image, a pixel is not in [0, 1], or the logits are not `[batch, classes]` or
    /// not finite.
    pub fn predict(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        key: Key,
        examples: impl Into<ExampleIds>,
    ) -> Result<Predictions, AttackError> {
        let examples = examples.into();
        let images = check_images(images, &examples)?;
        let batch = images.dims()[0];
        let (logits, votes) = self.draw(classifier, images, key, &examples);
        let logits = logits.inner();
        check_shape(&logits, batch)?;
        check_finite(&logits, &examples)?;
        let votes = votes.as_ref().map(counts);
        let classes = match &votes {
            Some(votes) => votes.iter().map(|row| first_largest(row)).collect(),
            None => {
                let values: Vec<f64> = logits.try_to_vec_as().expect("the device can be read");
                values.chunks(logits.dims()[1]).map(first_largest).collect()
            }
        };
        Ok(Predictions { classes, votes, logits })
    }

    /// The logits that stand for all draws, and the votes if the mode takes them.
    ///
    /// For a vote the logits are the logarithms of the shares, with one vote added for each class,
    /// so that a class without votes has a finite logit.
    pub(crate) fn draw(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        key: Key,
        examples: &ExampleIds,
    ) -> (Tensor<2>, Option<Tensor<2, Int>>) {
        let draws = (0..self.draws as u64).map(|draw| {
            draw_scope(key, draw, examples.clone(), || {
                classifier.logits(noisy_input(images.clone(), self.input_noise))
            })
        });
        let some = "there is at least one draw";
        let expectation = match self.aggregation {
            Aggregation::MeanLogits => Expectation::Logits,
            Aggregation::MeanProbabilities => Expectation::Probabilities,
            Aggregation::Vote => {
                let (votes, zero) = draws
                    .map(|logits| (votes(&logits), zero_if_finite(&logits)))
                    .reduce(|(votes, zero), (vote, term)| (votes + vote, zero + term))
                    .expect(some);
                let all = (self.draws + votes.dims()[1]) as f64;
                let shares = votes.clone().float().add_scalar(1.0).div_scalar(all);
                return (shares.log().cast(zero.dtype()) + zero, Some(votes));
            }
        };
        let (sum, zero) = draws
            .map(|logits| (expectation.averaged(logits.clone()), zero_if_finite(&logits)))
            .reduce(|(sum, zero), (averaged, term)| (sum + averaged, zero + term))
            .expect(some);
        (expectation.logits(sum.div_scalar(self.draws as f64)) + zero, None)
    }
}
