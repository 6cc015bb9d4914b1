use crate::StepError;
use burn::tensor::Tensor;
use burn::train::metric::{Adaptor, ItemLazy, LossInput};
use std::borrow::Cow;

/// The loss of each example of a step, and named scores of them.
///
/// As the output of a `TrainStep` of Burn's it gives the mean loss to Burn's `LossMetric`.
#[derive(Clone, Debug)]
pub struct Losses {
    loss: Tensor<1>,
    scores: Vec<(Cow<'static, str>, Tensor<1>)>,
}

impl Losses {
    /// The loss of each example, `[batch]`, on the tape.
    pub fn new(loss: Tensor<1>) -> Self {
        Self { loss, scores: Vec::new() }
    }

    /// Adds a score of each example, `[batch]`, whose mean over the epoch the run reports.
    ///
    /// `clean` and `robust` are accuracies: 1 for an example that was classified correctly, else 0.
    /// `robust_loss` is the cross-entropy on the images that `robust` is of. Another name must be
    /// one of
    /// [`ObjectiveRule::scores`](crate::ObjectiveRule::scores).
    pub fn with_score(mut self, name: impl Into<Cow<'static, str>>, values: Tensor<1>) -> Self {
        self.scores.push((name.into(), values));
        self
    }

    /// The same scores, with another term of the loss of each example, `[batch]`.
    pub fn plus(self, term: Tensor<1>) -> Self {
        Self { loss: self.loss + term, ..self }
    }

    /// The loss of each example, `[batch]`.
    pub fn loss(&self) -> &Tensor<1> {
        &self.loss
    }

    /// The score of each example by a name, `[batch]`.
    pub fn score(&self, name: &str) -> Option<&Tensor<1>> {
        self.scores.iter().find_map(|(of, values)| (of == name).then_some(values))
    }

    /// The names of the scores.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.scores.iter().map(|(name, _)| name.as_ref())
    }

    /// The same values without the graph.
    pub fn inner(self) -> Self {
        let inner = |values: Tensor<1>| match values.is_autodiff() {
            true => values.inner(),
            false => values,
        };
        let scores = self.scores.into_iter().map(|(name, values)| (name, inner(values)));
        Self { loss: inner(self.loss), scores: scores.collect() }
    }

    /// The losses of a batch from those of its parts, in their order.
    pub(crate) fn joined(parts: Vec<Self>) -> Option<Self> {
        let all = |values: Vec<Tensor<1>>| Tensor::cat(values, 0);
        let first = parts.first()?;
        let names: Vec<_> = first.scores.iter().map(|(name, _)| name.clone()).collect();
        let of = |name: &Cow<'static, str>| {
            let values = parts.iter().map(|part| part.score(name).cloned());
            values.collect::<Option<Vec<_>>>()
        };
        let scores = names.into_iter().filter_map(|name| Some((name.clone(), all(of(&name)?))));
        let scores = scores.collect();
        Some(Self { loss: all(parts.into_iter().map(|part| part.loss).collect()), scores })
    }

    /// Refuses values that are not one for each of `examples` examples, and scores that were not
    /// declared.
    pub(crate) fn check(
        self,
        of: &str,
        examples: usize,
        declared: &[String],
    ) -> Result<Self, StepError> {
        let check = |what: &str, values: &Tensor<1>| match values.dims() {
            [got] if got == examples => Ok(()),
            [got] => {
                let wanted = format!("one for each of {examples} examples");
                Err(StepError::contract(of, what, format!("{got} values"), wanted))
            }
        };
        check("loss", &self.loss)?;
        for (name, values) in &self.scores {
            check(&format!("score {name}"), values)?;
            if !declared.iter().any(|known| known == name.as_ref()) {
                let wanted = format!("one of those that it declares: {}", declared.join(", "));
                return Err(StepError::contract(of, "score", name, wanted));
            }
        }
        Ok(self)
    }
}

impl ItemLazy for Losses {
    fn sync(self) -> Result<Self, burn_std::ExecutionError> {
        self.loss.device().flush()?;
        Ok(self)
    }
}

impl Adaptor<LossInput> for Losses {
    fn adapt(&self) -> LossInput {
        LossInput::new(self.loss.clone().mean())
    }
}
