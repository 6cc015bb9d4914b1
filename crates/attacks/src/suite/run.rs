//! A suite over a data set: a builder and its one loop, and so one file.

use super::cascade::Cascade;
use super::flags::HELP;
use super::report::{Outcome, Stage, SuiteReport};
use super::state::State;
use super::{Flag, Suite};
use crate::device::{read, read_labels};
use crate::probe::Probe;
use crate::watch::Observers;
use crate::{
    Access, Attack, AttackError, Budget, Classifier, Goal, Oracle, Problem, Progress, TracePoint,
};
use burn::tensor::{Int, Tensor};
use cni_noise::Key;
use std::path::PathBuf;
use std::time::Instant;

/// A suite about to run on a model. Made by [`Suite::on`].
///
/// ```
/// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use cni_attacks::{Attack, Pgd, RandomNoise, Victim};
/// use cni_attacks::{Suite, Threat};
/// use cni_noise::Key;
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 4).init(&device);
/// # let victim = Victim::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
/// # let batches = [(Tensor::full([5, 3, 2, 2], 0.5, &device), Tensor::from_ints([0, 1, 0, 1, 0], &device))];
/// # let folder = tempfile::tempdir().unwrap();
/// # let threat = Threat::linf(0.3)?;
/// # let attacks: Vec<Box<dyn Attack>> = vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::new(threat))];
/// # let suite = Suite::custom("quick", attacks)?;
/// // let suite = Suite::standard(Threat::linf(8.0 / 255.0)?)?;
/// let run = suite.on(&victim).with_key(Key::new(1)).with_state(folder.path());
/// let report = run.run(batches)?;
/// println!("{report}");
/// assert!(report.robust_accuracy() <= report.clean_accuracy());
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
pub struct SuiteRun<'a> {
    suite: &'a Suite,
    classifier: &'a dyn Classifier,
    key: Key,
    budget: Budget,
    state: Option<PathBuf>,
    observers: Observers<'a>,
}

impl<'a> SuiteRun<'a> {
    pub(super) fn new(suite: &'a Suite, classifier: &'a dyn Classifier) -> Self {
        Self {
            suite,
            classifier,
            key: Key::new(0),
            budget: Budget::default(),
            state: None,
            observers: Observers::default(),
        }
    }

    /// Sets the key from which all random numbers and draws derive. `Key::new(0)` unless set.
    pub fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// What each attack may spend on each batch.
    pub fn with_budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Keeps the state in this folder, written after each attack on each batch. A run that was killed continues from
    /// there when it is started again with the same suite, key, model and batches, and gives the same result to the
    /// bit, but for the seconds.
    pub fn with_state(self, folder: impl Into<PathBuf>) -> Self {
        Self { state: Some(folder.into()), ..self }
    }

    /// Calls `progress` after each iteration of each attack.
    pub fn with_progress(mut self, progress: &'a mut dyn FnMut(&Progress)) -> Self {
        self.observers.progress = Some(progress);
        self
    }

    /// Adds score and distance of each example in each iteration to `trace`.
    pub fn with_trace(mut self, trace: &'a mut Vec<TracePoint>) -> Self {
        self.observers.trace = Some(trace);
        self
    }

    /// Runs the suite over batches of images `[batch, channels, height, width]`, pixels in [0, 1], and labels
    /// `[batch]`.
    ///
    /// # Errors
    ///
    /// Where there are no images, those of the attacks, and [`AttackError::State`] where the state cannot be read or
    /// written, or is of another run.
    pub fn run(
        self,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
    ) -> Result<SuiteReport, AttackError> {
        let Self { suite, classifier, key, budget, state, mut observers } = self;
        let spec = suite.spec();
        let mut whole = Whole::default();
        for (batch, (images, labels)) in batches.into_iter().enumerate() {
            let first = whole.outcomes.len() as u64;
            let problem = Problem::new(images, &Goal::Misclassify(labels), first)?;
            let stochastic = whole.stochastic;
            let mut judge = oracle(classifier, Budget::default(), Observers::default());
            judge.assume_stochastic(stochastic);
            whole.stochastic = Some(judge.is_stochastic(&problem)?);
            whole.rounding = whole.rounding.or(judge.rounding());
            let mut cascade = Cascade::new(&mut judge, &problem, key, suite)?;
            let (draws, score) = (cascade.draws, key.named("score"));
            let clean = judge.judge(&problem, &problem.images, score, draws)?;
            let state = match &state {
                Some(folder) => {
                    let model = Probe::of(classifier, whole.stochastic == Some(true), &problem)?;
                    Some(State::new(folder, batch, &spec, &budget, &cascade, model))
                }
                None => None,
            };
            let mut stages = match &state {
                Some(state) => state.load(&mut cascade)?,
                None => Vec::new(),
            };
            for (index, attack) in suite.attacks().enumerate().skip(stages.len()) {
                let started = Instant::now();
                let mut oracle = oracle(classifier, budget, observers.reborrow());
                oracle.assume_stochastic(whole.stochastic);
                let step = cascade.step(&mut oracle, index, attack)?;
                stages.push(Stage {
                    attack: attack.name(),
                    access: attack.access(),
                    attacked: step.attacked,
                    broken: step.broken,
                    passes: oracle.passes(),
                    seconds: started.elapsed().as_secs_f64(),
                    zero_gradients: oracle.zero_gradients().iter().copied().collect(),
                    exhausted: oracle.is_exhausted(),
                });
                if let Some(state) = &state {
                    state.save(&cascade, &stages)?;
                }
            }
            let robust = judge.judge(&problem, &cascade.images, score, draws)?;
            let [held, broken] = [&clean, &robust].map(|judged| judged.reached(&problem.goal));
            let distance = read(&suite.threat().norm().distance(&cascade.images, &problem.images));
            let labels = read_labels(problem.goal.labels());
            let attacks: Vec<String> = suite.attacks().map(|attack| attack.name()).collect();
            whole.outcomes.extend((0..problem.len()).map(|row| Outcome {
                example: first + row as u64,
                label: labels[row],
                clean: draws - held[row],
                robust: draws - broken[row],
                broken_by: cascade.broken_by[row].map(|index| attacks[index].clone()),
                distance: distance[row],
            }));
            whole.draws = draws;
            whole.probabilities |= clean.probabilities;
            whole.add(stages);
        }
        if whole.outcomes.is_empty() {
            return Err(AttackError::EmptyBatch { got: [0; 4] });
        }
        Ok(whole.report(suite, spec, key))
    }
}

fn oracle<'a>(
    classifier: &'a dyn Classifier,
    budget: Budget,
    observers: Observers<'a>,
) -> Oracle<'a> {
    Oracle::new(classifier, budget, None, Instant::now(), observers)
}

/// What is known of the data set so far.
#[derive(Default)]
struct Whole {
    stochastic: Option<bool>,
    rounding: Option<f64>,
    draws: usize,
    probabilities: bool,
    stages: Vec<Stage>,
    outcomes: Vec<Outcome>,
}

impl Whole {
    /// Adds what the attacks did to a batch.
    fn add(&mut self, stages: Vec<Stage>) {
        if self.stages.is_empty() {
            self.stages = stages;
            return;
        }
        for (all, of_batch) in self.stages.iter_mut().zip(stages) {
            all.attacked += of_batch.attacked;
            all.broken += of_batch.broken;
            all.passes += of_batch.passes;
            all.seconds += of_batch.seconds;
            all.zero_gradients.extend(of_batch.zero_gradients);
            all.exhausted |= of_batch.exhausted;
        }
    }

    fn flags(&self, suite: &Suite) -> Vec<Flag> {
        let mut flags = Vec::new();
        if self.stochastic == Some(true) && suite.gradient_draws().is_none_or(|draws| draws < 2) {
            flags.push(Flag::Randomized);
        }
        if let Some(share) = self.rounding {
            flags.push(Flag::Rounding { share });
        }
        if self.probabilities {
            flags.push(Flag::Probabilities);
        }
        let mut gradients = false;
        for stage in &self.stages {
            let attack = stage.attack.clone();
            if !stage.zero_gradients.is_empty() {
                let examples = stage.zero_gradients.clone();
                flags.push(Flag::ZeroGradients { attack: attack.clone(), examples });
            }
            let by = |outcome: &&Outcome| outcome.broken_by.as_ref() == Some(&stage.attack);
            let broken = self.outcomes.iter().filter(by).map(|outcome| outcome.example);
            let examples: Vec<u64> = broken.collect();
            let helps = examples.len() as f64 > HELP * self.outcomes.len() as f64;
            if gradients && stage.access != Access::Gradients && helps {
                flags.push(Flag::BlackBoxHelps { attack: attack.clone(), examples });
            }
            if stage.exhausted {
                flags.push(Flag::Exhausted { attack });
            }
            gradients |= stage.access == Access::Gradients;
        }
        flags
    }

    fn report(self, suite: &Suite, spec: serde_json::Value, key: Key) -> SuiteReport {
        SuiteReport {
            suite: suite.name(),
            spec,
            key,
            stochastic: self.stochastic == Some(true),
            draws: self.draws,
            flags: self.flags(suite),
            stages: self.stages,
            outcomes: self.outcomes,
        }
    }
}
