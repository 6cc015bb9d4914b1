//! Options of a run: chunks, limits and observers. None of them is part of the attack.

use crate::access::Observers;
use crate::{AttackError, Budget, Classifier, Progress, TracePoint, error::at_least_one};
use cni_noise::{ExampleIds, Key};

/// An attack on a model, ready to run: see [`Attack::on`](crate::Attack::on).
///
/// ```
/// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use cni_attacks::FrozenModel;
/// use cni_attacks::{Apgd, Attack, Budget, Threat};
/// use cni_noise::Key;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 4).init(&device);
/// # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
/// # let frozen = FrozenModel::new(&model, forward);
/// # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
/// # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
/// let attack = Apgd::cross_entropy(Threat::linf(8.0 / 255.0)?);
/// let budget = Budget { backwards: Some(50), ..Budget::default() };
/// let mut trace = Vec::new();
/// let mut progress = |p: &cni_attacks::Progress| eprintln!("{} {}", p.attack, p.iteration);
/// let found = attack
///     .on(&frozen)
///     .with_key(Key::new(1))
///     .with_chunk(256)?
///     .with_budget(budget)
///     .with_progress(&mut progress)
///     .with_trace(&mut trace)
///     .run(images, labels)?;
/// assert_eq!(found.images.dims(), [5, 3, 2, 2]);
/// assert!(trace.iter().all(|point| point.distance < 8.1 / 255.0));
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[must_use = "an attack does nothing until it is run"]
pub struct Runner<'a, A: ?Sized> {
    pub(crate) attack: &'a A,
    pub(crate) model: &'a dyn Classifier,
    pub(crate) key: Key,
    pub(crate) examples: ExampleIds,
    pub(crate) chunk: Option<usize>,
    pub(crate) budget: Budget,
    pub(crate) early_stop: Option<bool>,
    pub(crate) stochastic: Option<bool>,
    pub(crate) judging_draws: usize,
    pub(crate) observers: Observers<'a>,
}

impl<'a, A: ?Sized> Runner<'a, A> {
    /// The defaults: key 0, examples numbered from 0, one chunk, no limit, 20 judging draws.
    pub(crate) fn new(attack: &'a A, model: &'a dyn Classifier) -> Self {
        Self {
            attack,
            model,
            key: Key::new(0),
            examples: ExampleIds::from(0),
            chunk: None,
            budget: Budget::default(),
            early_stop: None,
            stochastic: None,
            judging_draws: 20,
            observers: Observers::default(),
        }
    }

    /// The key from which all random numbers of the attack and of the model's noise derive.
    /// Default: `Key::new(0)`.
    pub fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The numbers of the images in the data set: one for each, or that of the first. All draws for
    /// an example are a function of its number. Default: from 0 on.
    pub fn with_examples(self, examples: impl Into<ExampleIds>) -> Self {
        Self { examples: examples.into(), ..self }
    }

    /// The number of images attacked at once, which bounds the memory; an error if it is zero.
    /// Default: all at once.
    ///
    /// Results do not depend on it, provided that the model treats each image independently.
    pub fn with_chunk(self, chunk: usize) -> Result<Self, AttackError> {
        Ok(Self { chunk: Some(at_least_one("chunk", chunk)?), ..self })
    }

    /// The limits of passes and time.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Sets whether an example leaves the attack as soon as it reaches the goal, for attacks that
    /// test this after every iteration. By default each attack decides. No example leaves early if
    /// the model is stochastic.
    pub fn with_early_stop(self, early_stop: bool) -> Self {
        Self { early_stop: Some(early_stop), ..self }
    }

    /// Tells the attack whether the model is stochastic, instead of letting it test that. With
    /// `false`, one draw stands for any number of draws: right for a model without noise, or with
    /// fixed noise.
    pub fn with_stochastic(self, stochastic: bool) -> Self {
        Self { stochastic: Some(stochastic), ..self }
    }

    /// The number of fresh draws of a stochastic model over which success is judged; an error if it
    /// is zero. Default: 20. A model without noise needs one pass.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { judging_draws: at_least_one("judging_draws", draws)?, ..self })
    }

    /// Calls `progress` after each iteration.
    pub fn with_progress(mut self, progress: &'a mut dyn FnMut(&Progress)) -> Self {
        self.observers.progress = Some(progress);
        self
    }

    /// Adds score and distance of each example in each iteration to `trace`.
    pub fn with_trace(mut self, trace: &'a mut Vec<TracePoint>) -> Self {
        self.observers.trace = Some(trace);
        self
    }
}
