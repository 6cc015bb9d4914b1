//! The estimated time of an audit.

use super::settings::Audit;
use crate::EvaluationError;
use burn::tensor::{Int, Tensor};
use cni_attacks::rows::read;
use cni_attacks::{Classifier, Eot, Norm, Objective};
use web_time::{Duration, Instant};

impl Audit {
    /// The longest time that [`run`](Self::run) will take. It is estimated from the time of a
    /// forward and a backward pass on a batch of these images, for which the model must first judge
    /// them.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); an error also if the model has no gradient.
    pub fn estimate(
        &self,
        classifier: &dyn Classifier,
        images: Tensor<4>,
        labels: Tensor<1, Int>,
    ) -> Result<Duration, EvaluationError> {
        let (mut context, entries) = self.context(classifier, images, labels, 0.into())?;
        let passes = self.plan_of(&mut context, &entries)?.passes();
        let some = context.first(context.batch.len().min(self.chunk));
        let objective = Objective::new(context.setup.loss(), &some.goal);
        let key = self.key.named("estimate");
        let mut seconds = [0.0, 0.0];
        // The first round warms caches up and is not counted.
        for _ in 0..2 {
            let started = Instant::now();
            context.ask(context.model, |access| {
                access.score(&some.images, &objective, &some.examples, Eot::ONE, key)
            })?;
            let forward = started.elapsed().as_secs_f64();
            let started = Instant::now();
            let found = context.ask(context.model, |access| {
                access.gradient(&some.images, &objective, &some.examples, Eot::ONE, key)
            })?;
            read(&Norm::Linf.length(found.gradient));
            seconds = [forward, (started.elapsed().as_secs_f64() - forward).max(0.0)];
        }
        let each = seconds.map(|seconds| seconds / some.len() as f64);
        let total = passes.forwards as f64 * each[0] + passes.backwards as f64 * each[1];
        Ok(Duration::from_secs_f64(total))
    }
}
