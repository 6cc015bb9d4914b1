//! The run of an attack: the batch in chunks, the results put together, and success judged over
//! fresh draws.

use crate::access::Observers;
use crate::rows::where_rows;
use crate::runner::Runner;
use crate::{
    Adversarial, Attack, AttackBatch, AttackError, Goal, ModelAccess, Passes, Perturbed, Rows,
};
use burn::tensor::Tensor;
use std::collections::BTreeSet;
use web_time::Instant;

impl<'a> Runner<'a, dyn Attack + 'a> {
    /// Perturbs `images`, `[batch, channels, height, width]` with pixels in [0, 1], towards a goal,
    /// and judges the result. A goal that is given as true classes, `[batch]`, is
    /// misclassification.
    ///
    /// The result is a function of the model, the images and the key. Noise stays off if the
    /// caller's scope has switched it off. Success is judged over fresh draws of a stochastic
    /// model, which the attack has not used; the passes for this are not counted. Without noise an
    /// original that reaches the goal is the result where the attack's image does not: an attack
    /// that begins at a random point may lose what the attacker had.
    ///
    /// # Errors
    ///
    /// Those of [`AttackBatch::new`] and [`ModelAccess::run`].
    pub fn run(
        mut self,
        images: Tensor<4>,
        goal: impl Into<Goal>,
    ) -> Result<Adversarial, AttackError> {
        let batch = AttackBatch::new(images, &goal.into(), self.examples.clone())?;
        let (found, stochastic) = self.carry_out(self.attack, &batch)?;
        self.judge(&batch, found, stochastic)
    }

    /// As [`run`](Self::run), without judging: for training, and for programs that judge success
    /// themselves.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn perturb(
        mut self,
        images: Tensor<4>,
        goal: impl Into<Goal>,
    ) -> Result<Perturbed, AttackError> {
        let batch = AttackBatch::new(images, &goal.into(), self.examples.clone())?;
        Ok(self.carry_out(self.attack, &batch)?.0)
    }

    /// The chunks of a batch.
    fn chunks(&self, batch: &AttackBatch) -> Vec<AttackBatch> {
        let (len, chunk) = (batch.len(), self.chunk.unwrap_or(batch.len()));
        if chunk >= len {
            return vec![batch.clone()];
        }
        let part = |first: usize| {
            let rows = (first..len.min(first + chunk)).collect();
            batch.select(&Rows::new(rows, &batch.images))
        };
        (0..len).step_by(chunk).map(part).collect()
    }

    /// The access to the model, with this run's limits and observers.
    fn access<'b>(&self, observers: Observers<'b>, started: Instant) -> ModelAccess<'b>
    where
        'a: 'b,
    {
        let access = ModelAccess::new(self.model)
            .with_budget(self.budget, started)
            .with_early_stop(self.early_stop)
            .with_observers(observers);
        self.with_word(access)
    }

    /// The access, told whether the model is stochastic if the caller has said so.
    fn with_word<'b>(&self, mut access: ModelAccess<'b>) -> ModelAccess<'b> {
        match self.stochastic {
            None => access,
            Some(true) => access.with_stochastic(true),
            Some(false) => {
                access.assume_noise_free();
                access
            }
        }
    }

    /// Runs an attack on a batch; also returns whether the model proved stochastic, if the attack
    /// tested it.
    pub(crate) fn carry_out(
        &mut self,
        attack: &dyn Attack,
        batch: &AttackBatch,
    ) -> Result<(Perturbed, Option<bool>), AttackError> {
        let (key, started) = (self.key, Instant::now());
        let (mut images, mut distance, mut queries) = (Vec::new(), Vec::new(), Vec::new());
        let (mut passes, mut zero, mut exhausted) = (Passes::default(), BTreeSet::new(), false);
        let mut stochastic = None;
        let mut observers = std::mem::take(&mut self.observers);
        for part in self.chunks(batch) {
            let mut access = self.access(observers.reborrow(), started);
            let (found, distances) = access.run_measured(attack, &part, key)?;
            images.push(found);
            distance.extend(distances);
            queries.extend((0..part.len()).map(|row| access.queries(part.examples.id(row))));
            passes += access.passes();
            zero.extend(access.zero_gradients());
            exhausted |= access.is_exhausted();
            // If the noise acts on some images only, all images are judged over several draws.
            stochastic = match (stochastic, access.known_stochastic()) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (known, None) | (None, known) | (Some(false), known) => known,
            };
        }
        self.observers = observers;
        let images = if images.len() == 1 { images.remove(0) } else { Tensor::cat(images, 0) };
        let zero_gradients = zero.into_iter().collect();
        let found = Perturbed { images, distance, queries, passes, zero_gradients, exhausted };
        Ok((found, stochastic))
    }

    /// The result of an attack, judged.
    pub(crate) fn judge(
        &self,
        batch: &AttackBatch,
        mut found: Perturbed,
        stochastic: Option<bool>,
    ) -> Result<Adversarial, AttackError> {
        let stochastic = self.is_stochastic(batch, stochastic)?;
        let (mut rates, draws) = self.success_rates(batch, &found.images, stochastic)?;
        let failed: Vec<usize> = (0..rates.len()).filter(|&row| rates[row] == 0.0).collect();
        if !stochastic && !failed.is_empty() {
            let rows = Rows::new(failed, &batch.images);
            let originals = batch.select(&rows);
            let (clean, _) = self.success_rates(&originals, &originals.images, false)?;
            let mut keep = vec![true; batch.len()];
            for (&row, rate) in rows.as_slice().iter().zip(clean).filter(|(_, rate)| *rate > 0.0) {
                (keep[row], rates[row], found.distance[row]) = (false, rate, 0.0);
            }
            found.images = where_rows(&keep, batch.images.clone(), &found.images);
        }
        Ok(Adversarial::new(found, rates, draws))
    }

    /// True if the model is stochastic, tested if no attack did.
    pub(crate) fn is_stochastic(
        &self,
        batch: &AttackBatch,
        known: Option<bool>,
    ) -> Result<bool, AttackError> {
        known.map_or_else(|| ModelAccess::new(self.model).is_stochastic(batch), Ok)
    }

    /// For each image, the share of fresh draws in which it reaches the goal; and the number of
    /// draws.
    pub(crate) fn success_rates(
        &self,
        batch: &AttackBatch,
        images: &Tensor<4>,
        stochastic: bool,
    ) -> Result<(Vec<f64>, usize), AttackError> {
        // No attack derives this key.
        let key = self.key.named("success");
        let draws = if stochastic { self.judging_draws } else { 1 };
        let mut access = ModelAccess::new(self.model).with_stochastic(stochastic);
        let (mut rates, mut first) = (Vec::new(), 0);
        for part in self.chunks(batch) {
            let rows = Rows::new((first..first + part.len()).collect(), images);
            first += part.len();
            let predictions = access.predict_draws(&part, &rows.of(images), key, draws)?;
            let reached = predictions.reached(&part.goal).into_iter();
            rates.extend(reached.map(|reached| reached as f64 / draws as f64));
        }
        Ok((rates, draws))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::reads;
    use crate::{Apgd, HopSkipJump, Pgd, Square, Threat};
    use burn::tensor::{Device, Int};
    use cni_noise::Key;

    fn logits(x: Tensor<4>) -> Tensor<2> {
        x.flatten::<2>(1, 3)
    }

    /// The reads of an attack on images that it cannot break.
    fn reads_of(attack: &dyn Attack, stochastic: Option<bool>) -> usize {
        let device = Device::flex();
        let image = Tensor::<1>::from_data([0.9, 0.1, 0.1, 0.1], &device);
        let images = image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2]);
        let labels = Tensor::<1, Int>::from_ints([0, 0, 0], &device);
        let runner = attack.on(&logits).with_key(Key::new(1));
        let runner = Runner { stochastic, ..runner };
        let before = reads();
        runner.perturb(images, labels).unwrap();
        reads() - before
    }

    #[test]
    fn attacks_read_from_the_device_once_and_not_at_every_pass() {
        let threat = Threat::linf(0.1).unwrap();
        // One read of the images, and one of the checks of all gradients and of the result.
        assert_eq!(reads_of(&Pgd::training(threat), None), 2);
        assert_eq!(reads_of(&Pgd::new(threat).with_steps(100).unwrap(), None), 2 + 100 / 32);
        // Each step of APGD and each query of Square reads its scores, and the checks with them.
        let apgd = Apgd::cross_entropy(threat).with_steps(20).unwrap();
        assert_eq!(reads_of(&apgd, Some(false)), 2 + 21);
        let square = Square::new(threat).with_queries(50).unwrap();
        // The originals are read once, as the search is on the host.
        assert_eq!(reads_of(&square, Some(false)), 3 + 50);
        let walk = HopSkipJump::new(threat).unwrap().with_steps(1).unwrap().with_tries(5).unwrap();
        let three = walk.clone().with_draws(3).unwrap();
        assert_eq!(reads_of(&walk, Some(false)), reads_of(&three, Some(false)));
    }

    #[test]
    fn judging_costs_a_pass_of_a_model_without_noise_and_two_reads() {
        let device = Device::flex();
        let calls = std::cell::Cell::new(0);
        let counted = |x: Tensor<4>| {
            calls.set(calls.get() + 1);
            logits(x)
        };
        let images = Tensor::<4>::full([3, 1, 2, 2], 0.5, &device);
        let labels = Tensor::<1, Int>::from_ints([0, 1, 2], &device);
        let pgd = Pgd::training(Threat::linf(0.1).unwrap());
        let before = reads();
        let found = pgd.on(&counted).with_stochastic(false).run(images, labels).unwrap();
        // The judging pass is checked at once, and its answers are read for all draws together.
        assert_eq!((calls.get(), reads() - before), (7 + 1, 2 + 3));
        assert_eq!((found.passes.forwards, found.queries), (3 * 7, vec![7; 3]));
        assert_eq!((found.success_rate, found.judging_draws), (vec![1.0; 3], 1));
    }

    #[test]
    fn the_example_of_a_late_check_is_named() {
        let broken = |x: Tensor<4>| {
            let logits = logits(x);
            // The logits of the second image become NaN once its first pixel has moved.
            let [batch, classes] = logits.dims();
            let moved = logits.clone().slice([0..batch, 0..1]).lower_elem(0.85);
            let second = Tensor::<1, burn::tensor::Int>::arange(0..batch as i64, &logits.device());
            let second = second.equal_elem(1).unsqueeze_dim::<2>(1);
            let bad = moved.bool_and(second).expand([batch, classes]);
            logits.mask_fill(bad, f64::NAN)
        };
        let device = Device::flex();
        let image = Tensor::<1>::from_data([0.9, 0.1, 0.1, 0.1], &device);
        let images = image.reshape([1, 1, 2, 2]).expand([3, 1, 2, 2]);
        let labels = Tensor::<1, Int>::from_ints([0, 0, 0], &device);
        let attack = Pgd::bim(Threat::linf(0.1).unwrap());
        let error = attack.on(&broken).with_examples(40).run(images, labels).unwrap_err();
        assert_eq!(error, AttackError::NonFinite { field: "logits", got: 1, example: 41 });
    }
}
