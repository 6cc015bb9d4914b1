//! Samples of a classifier under Gaussian noise on its input.

use crate::predictor::input_noise::add_gaussian;
use crate::predictor::votes::{check_finite, check_shape, counts, votes, zero_if_finite};
use burn::tensor::{Int, Tensor};
use cni_attacks::{AttackError, Classifier, Passes, draw_scope};
use cni_attacks::{ROUNDING, differing_share};
use cni_noise::{ExampleIds, Key};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// A source of samples.
pub(crate) struct Samples<'a> {
    pub classifier: &'a dyn Classifier,
    /// The standard deviation of the noise on the input.
    pub sigma: f64,
    /// The number of images that a pass may take.
    pub batch: usize,
    /// The cost of the samples so far, in passes of single images.
    pub passes: Cell<Passes>,
    /// A callback that gets the cost so far after each pass.
    pub progress: RefCell<&'a mut dyn FnMut(Passes)>,
}

impl Samples<'_> {
    /// The number of samples that each class won, for each image.
    pub fn votes(
        &self,
        images: &Tensor<4>,
        examples: &ExampleIds,
        key: Key,
        samples: usize,
    ) -> Result<Vec<Vec<u32>>, AttackError> {
        let all = images.dims()[0];
        let mut votes = Vec::with_capacity(all);
        for first in (0..all).step_by(self.batch) {
            let rows = first..all.min(first + self.batch);
            let part = match examples {
                ExampleIds::From(number) => ExampleIds::From(number + first as u64),
                each => each.select(&rows.clone().collect::<Vec<_>>()),
            };
            votes.extend(self.votes_of(&images.clone().slice([rows]), &part, key, samples)?);
        }
        Ok(votes)
    }

    /// The same for the images of one pass. The device is read once at the end.
    fn votes_of(
        &self,
        images: &Tensor<4>,
        examples: &ExampleIds,
        key: Key,
        samples: usize,
    ) -> Result<Vec<Vec<u32>>, AttackError> {
        let rows = images.dims()[0];
        // Noise on the weights is drawn once in a pass. Samples of one image that shared it would
        // not be independent.
        let room = (self.batch / rows).min(samples);
        let abreast = if room > 1 && !self.is_stochastic(images, examples)? { room } else { 1 };
        let mut sums: Option<(Tensor<2, Int>, Tensor<2>)> = None;
        for first in (0..samples).step_by(abreast) {
            let these = first..samples.min(first + abreast);
            let logits = self.logits(images, examples, key, these.clone())?;
            let shape = [these.len(), rows, logits.dims()[1]];
            let votes = votes(&logits).reshape(shape).sum_dim(0).squeeze_dim(0);
            let zero = zero_if_finite(&logits).reshape(shape).sum_dim(0).squeeze_dim(0);
            sums = Some(match sums {
                None => (votes, zero),
                Some((all, zeros)) => (all + votes, zeros + zero),
            });
        }
        let (votes, zero) = sums.expect("there is at least one sample");
        check_finite(&zero, examples)?;
        Ok(counts(&votes))
    }

    /// The logits of some samples, `[samples · rows, classes]`, in one pass and one draw of the
    /// model's noise.
    fn logits(
        &self,
        images: &Tensor<4>,
        examples: &ExampleIds,
        key: Key,
        samples: Range<usize>,
    ) -> Result<Tensor<2>, AttackError> {
        let (rows, draw) = (images.dims()[0], samples.start as u64);
        let mut noisy: Vec<_> = samples
            .map(|sample| {
                let key = key.child(sample as u64).named("input_noise");
                add_gaussian(images.clone(), self.sigma, key, examples)
            })
            .collect();
        let (noisy, examples) = match noisy.len() {
            1 => (noisy.remove(0), examples.clone()),
            n => {
                let each: Vec<usize> = (0..n).flat_map(|_| 0..rows).collect();
                (Tensor::cat(noisy, 0), examples.select(&each))
            }
        };
        let batch = noisy.dims()[0];
        let logits = self.pass(noisy, key, draw, examples);
        check_shape(&logits, batch)?;
        Ok(logits)
    }

    /// One pass in one draw of the model's noise.
    fn pass(&self, images: Tensor<4>, key: Key, draw: u64, examples: ExampleIds) -> Tensor<2> {
        let mut passes = self.passes.get();
        passes.forwards += images.dims()[0] as u64;
        self.passes.set(passes);
        let logits = draw_scope(key, draw, examples, || self.classifier.logits(images)).inner();
        (self.progress.borrow_mut())(passes);
        logits
    }

    /// True if two draws of the model's noise give different logits for the same noisy images, by
    /// more than rounding.
    fn is_stochastic(
        &self,
        images: &Tensor<4>,
        examples: &ExampleIds,
    ) -> Result<bool, AttackError> {
        let key = Key::new(0).named("probe");
        let noisy = add_gaussian(images.clone(), self.sigma, key.named("input_noise"), examples);
        let draw = |draw| {
            let logits = self.pass(noisy.clone(), key, draw, examples.clone());
            check_shape(&logits, images.dims()[0]).map(|()| logits)
        };
        Ok(differing_share(draw(0)?, draw(1)?).max().into_scalar::<f64>() > ROUNDING)
    }
}
