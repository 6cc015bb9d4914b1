//! Randomized smoothing: predictions with a proof.

use crate::certify::samples::Samples;
use crate::predictor::votes::first_largest;
use crate::statistics::{binomial, laws::normal_quantile};
use crate::{Certificate, Certificates, EvaluationError, Smoothed, SmoothedPredictions};
use burn::tensor::Tensor;
use cni_attacks::{Classifier, Passes, at_least_one, check_images, within};
use cni_noise::{ExampleIds, Key};
use serde::Serialize;
use std::cell::{Cell, RefCell};

/// Randomized smoothing (Cohen, Rosenfeld and Kolter, arXiv 1902.02918).
///
/// The smoothed classifier predicts the class that the base classifier is most likely to give for
/// the image under Gaussian noise of standard deviation σ on each pixel: `g(x) = argmax_c P(f(x +
/// δ) = c)`, `δ ~ N(0, σ²I)`. Where that class has a probability of at least `p > 1/2`, `g`
/// predicts it for every image at an L2 distance below `σ·Φ⁻¹(p)` (theorem 1, with the runner-up's
/// bound 1 − p). σ and distance are in units of the pixel range [0, 1]; noisy pixels are not
/// clipped, and neither is the ball.
///
/// # What is certified of a classifier with noise of its own
///
/// The certificate rests on the noise on the input alone. Noise on weights and activations adds
/// nothing to it and does not break it: theorem 1 holds for a random base classifier `f(z, ω)`,
/// since all it needs is that `h_c(z) = P(f(z, ω) = c)` is a function of the noisy image `z = x +
/// δ` with values in [0, 1]. So it needs ω independent of δ and its law the same for every x, as it
/// is for the keys of `cni-noise`; the noise's scale may depend on z, as that of activation noise
/// does. What is certified then is the class most likely under both noises together, a prediction
/// that takes many draws: no single pass, and no vote without noise on the input, is.
///
/// - Without noise on the input there is no certificate, however noisy the weights: `h_c` may jump
///   from one pixel value to the next. σ = 0 is refused.
/// - Samples must be independent. Each has a key of its own for the input and for the model, and
///   those of one image share a pass only where the model is found to draw nothing.
/// - The logits of an image must not depend on the others of its batch. Where they do, as under
///   activation noise whose scale is taken over the batch, the certificate is for a change of this
///   image in this company.
/// - In the scope `Noise::Off` the model's own noise is silent, and the noise-free model is
///   smoothed. The noise on the input is the method, and stays.
///
/// # How many samples
///
/// Samples that all agree must be enough to decide: a certificate wants more than log2(1 / α) of
/// them, so that `α^(1/n) > 1/2`, and a prediction 1 + log2(1 / α) or more, since its test is
/// two-sided. With α = 0.001 that is 10 samples and 11; fewer are refused. So few decide only where
/// all agree: a radius worth having takes thousands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Smoothing {
    sigma: f64,
    selection: usize,
    samples: usize,
    alpha: f64,
    #[serde(skip)]
    batch: usize,
}

impl Smoothing {
    /// Smoothing with noise of standard deviation `sigma` in units of the pixel range; 100 samples
    /// select a class, 100,000 estimate its probability, α is 0.001 and a pass takes 256 images.
    ///
    /// # Errors
    ///
    /// Where `sigma` is not finite and above 0.
    pub fn new(sigma: f64) -> Result<Self, EvaluationError> {
        let wanted = "a finite number above 0: without noise on the input there is no certificate";
        let sigma = within("sigma", sigma, |sigma| sigma > 0.0, wanted)?;
        Ok(Self { sigma, selection: 100, samples: 100_000, alpha: 0.001, batch: 256 })
    }

    /// The number of samples n₀ that select the class to certify; an error where it is zero.
    pub fn with_selection(self, selection: usize) -> Result<Self, EvaluationError> {
        Ok(Self { selection: at_least_one("selection", selection)?, ..self })
    }

    /// The number of samples n that predict, or estimate the selected class's probability; an error
    /// where it is zero.
    pub fn with_samples(self, samples: usize) -> Result<Self, EvaluationError> {
        Ok(Self { samples: at_least_one("samples", samples)?, ..self })
    }

    /// The probability α that a prediction or a certificate is wrong; an error unless between 0 and
    /// 1.
    pub fn with_alpha(self, alpha: f64) -> Result<Self, EvaluationError> {
        let inside = |alpha: f64| alpha > 0.0 && alpha < 1.0;
        Ok(Self { alpha: within("alpha", alpha, inside, "a number between 0 and 1")?, ..self })
    }

    /// The number of images in a pass, which bounds the memory; an error where it is zero. Results
    /// do not depend on it.
    pub fn with_batch(self, batch: usize) -> Result<Self, EvaluationError> {
        Ok(Self { batch: at_least_one("batch", batch)?, ..self })
    }

    /// Predicts the classes of `images`, `[batch, channels, height, width]` with pixels in [0, 1]
    /// (algorithm PREDICT).
    ///
    /// Of `samples` samples the class with the most votes, of equal ones the lowest, unless the
    /// exact two-sided binomial test does not tell it from the next at level α. The result is a
    /// function of the classifier, the image, `key` and the image's number in `examples`.
    ///
    /// # Errors
    ///
    /// Where the samples are too few to decide, there is no image, a pixel is not in [0, 1], or the
    /// logits are not `[batch, classes]` or not finite.
    pub fn predict(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        key: Key,
        examples: impl Into<ExampleIds>,
    ) -> Result<SmoothedPredictions, EvaluationError> {
        self.check_samples(|samples| binomial::p_value(samples, samples) <= self.alpha)?;
        let examples = examples.into();
        let images = check_images(images, &examples)?;
        let mut silent = |_| {};
        let source = self.samples_of(classifier, &mut silent);
        let votes = source.votes(&images, &examples, key.named("prediction"), self.samples)?;
        let predictions = votes.iter().map(|votes| self.decide(votes)).collect();
        Ok(SmoothedPredictions { predictions, votes })
    }

    /// Certifies `images`, `[batch, channels, height, width]` with pixels in [0, 1] (algorithm
    /// CERTIFY).
    ///
    /// The class with the most votes of `selection` samples is certified by `samples` others: they
    /// bound its probability from below, by Clopper and Pearson at confidence 1 − α. Otherwise as
    /// [`predict`](Self::predict).
    ///
    /// # Errors
    ///
    /// Those of [`predict`](Self::predict).
    pub fn certify(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        key: Key,
        examples: impl Into<ExampleIds>,
    ) -> Result<Certificates, EvaluationError> {
        self.certify_with(classifier, images, key, examples.into(), &mut |_| {})
    }

    /// As [`certify`](Self::certify), calling `progress` with the passes so far after each.
    pub(crate) fn certify_with(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        key: Key,
        examples: ExampleIds,
        progress: &mut dyn FnMut(Passes),
    ) -> Result<Certificates, EvaluationError> {
        self.check_certifies()?;
        let images = check_images(images, &examples)?;
        let source = self.samples_of(classifier, progress);
        let votes = |name, samples| source.votes(&images, &examples, key.named(name), samples);
        let selection = votes("selection", self.selection)?;
        let estimation = votes("estimation", self.samples)?;
        let selected: Vec<usize> = selection.iter().map(|few| first_largest(few)).collect();
        let pairs = selected.iter().zip(&estimation);
        let certificates = pairs.map(|(&class, many)| self.bound(class, many)).collect();
        let passes = source.passes.get();
        Ok(Certificates { certificates, selected, selection, estimation, passes })
    }

    /// That as many samples can decide to certify at all.
    pub(crate) fn check_certifies(&self) -> Result<(), EvaluationError> {
        self.check_samples(|samples| binomial::lower(samples, samples, self.alpha) > 0.5)
    }

    fn samples_of<'a>(
        &self,
        classifier: &'a dyn Classifier,
        progress: &'a mut dyn FnMut(Passes),
    ) -> Samples<'a> {
        let (passes, progress) = (Cell::new(Passes::default()), RefCell::new(progress));
        Samples { classifier, sigma: self.sigma, batch: self.batch, passes, progress }
    }

    /// The standard deviation of the noise, in units of the pixel range.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// The samples n₀ that select a class.
    pub fn selection(&self) -> usize {
        self.selection
    }

    /// The samples n that estimate its probability.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The probability α with which a certificate may be wrong.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The most images in a pass.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The largest L2 radius that so many samples can certify, σ·Φ⁻¹(α^(1/n)): that of an image on
    /// which all of them agree. Zero if they are too few to certify any.
    pub fn largest_radius(&self) -> f64 {
        let n = self.samples as u64;
        self.sigma * normal_quantile(binomial::lower(n, n, self.alpha)).max(0.0)
    }

    /// That the samples can decide at all: whether as many do that all agree.
    fn check_samples(&self, decides: impl Fn(u64) -> bool) -> Result<(), EvaluationError> {
        if decides(self.samples as u64) {
            return Ok(());
        }
        let wanted = (self.samples + 1..).find(|&samples| decides(samples as u64));
        let wanted = wanted.expect("enough of them decide at any alpha above 0");
        Err(EvaluationError::Samples { got: self.samples, wanted, alpha: self.alpha })
    }

    fn decide(&self, votes: &[u32]) -> Smoothed {
        let class = first_largest(votes);
        let others = votes.iter().enumerate().filter(|(other, _)| *other != class);
        let next = others.map(|(_, &votes)| votes).max().unwrap_or(0);
        let [first, both] = [votes[class], votes[class] + next].map(u64::from);
        match binomial::p_value(first, both) <= self.alpha {
            true => Smoothed::Class(class),
            false => Smoothed::Abstain,
        }
    }

    fn bound(&self, class: usize, votes: &[u32]) -> Certificate {
        let lower = binomial::lower(u64::from(votes[class]), self.samples as u64, self.alpha);
        match lower > 0.5 {
            true => {
                let radius = self.sigma * normal_quantile(lower);
                Certificate::Certified { class, radius, lower }
            }
            false => Certificate::Abstain,
        }
    }
}
