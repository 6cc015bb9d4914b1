//! Prediction modes: what is made of several draws.

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

/// What is made of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Aggregation {
    Vote,
    MeanLogits,
    MeanProbabilities,
}

/// How a stochastic classifier predicts: from a single draw of its noise, or from several.
///
/// In a record it is `{"aggregation": "vote", "draws": 512, "input_noise": 0.05}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    aggregation: Aggregation,
    draws: usize,
    input_noise: f64,
}

/// What [`Prediction::predict`] finds. Its lists have an entry for each image.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// The predicted classes.
    pub classes: Vec<usize>,
    /// The draws in which each class had the largest logit, where they are put to the vote.
    pub votes: Option<Vec<Vec<u32>>>,
    /// The logits of the [`Predictor`](super::Predictor), `[batch, classes]`.
    pub logits: Tensor<2>,
}

impl Prediction {
    /// The class of the largest logit in one draw.
    pub fn single() -> Self {
        Self { aggregation: Aggregation::MeanLogits, draws: 1, input_noise: 0.0 }
    }

    /// The class that has the largest logit in the most of `draws` draws, of equal ones the lowest
    /// (`mcpredict` in the authors' code); an error where there are no draws.
    pub fn vote(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::Vote, draws)
    }

    /// The class of the largest mean logit over `draws` draws (`mcepredict` in the authors' code);
    /// an error where there are no draws.
    pub fn mean_logits(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::MeanLogits, draws)
    }

    /// The class of the largest mean probability, that is softmax, over `draws` draws; an error
    /// where there are none.
    pub fn mean_probabilities(draws: usize) -> Result<Self, AttackError> {
        Self::over(Aggregation::MeanProbabilities, draws)
    }

    fn over(aggregation: Aggregation, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { aggregation, draws: at_least_one("draws", draws)?, input_noise: 0.0 })
    }

    /// Adds Gaussian noise to the images in each draw, of standard deviation `sigma` in units of
    /// the pixel range, as [`InputNoise`](super::InputNoise); an error unless finite and at least
    /// 0.
    pub fn with_input_noise(self, sigma: f64) -> Result<Self, AttackError> {
        Ok(Self { input_noise: check_sigma(sigma)?, ..self })
    }

    /// Predicts the classes of `images`, `[batch, channels, height, width]` with pixels in [0, 1].
    ///
    /// Draw `d` of the classifier's noise and of the input's runs in the [`draw_scope`] of `key`:
    /// equal keys give equal predictions, and noise stays off where the caller's scope has switched
    /// it off. An example's own noise goes by its number in `examples`, not by the batch that it is
    /// in.
    ///
    /// # Errors
    ///
    /// Where there is no image, a pixel is not in [0, 1], or the logits are not `[batch, classes]`
    /// or not finite.
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

    /// The logits that stand for all draws, and the votes where there are any.
    ///
    /// Those of votes are the logarithms of the shares with one vote more for each class, lest a
    /// class without votes had none.
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
