//! The model under a checkup, and what all checks know of it.

use super::compare::Fared;
use super::setup::Setup;
use crate::{Attack, AttackError, Classifier, Goal, Oracle, Passes, Problem, Rows, Runner};
use burn::tensor::{Int, Tensor};
use cni_noise::{Key, Noise, scope};
use std::cell::Cell;
use std::sync::Arc;

/// Images that an attack has found, and how they fared.
#[derive(Clone)]
pub(super) struct Found {
    pub images: Tensor<4>,
    pub fared: Fared,
}

/// A noise-free model whose adversarial images are tried on the subject.
#[derive(Clone)]
pub(super) struct Surrogate {
    pub name: String,
    pub classifier: Arc<dyn Classifier + Send + Sync>,
}

/// A model to attack or to judge: the subject, or what was made of it.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub classifier: &'a dyn Classifier,
    pub stochastic: bool,
}

/// The model, its data, and the results that several checks use.
pub(super) struct Subject<'a> {
    pub setup: Setup,
    pub target: Target<'a>,
    /// As many examples as any check takes.
    pub problem: Problem,
    pub key: Key,
    pub chunk: usize,
    pub surrogate: Option<Surrogate>,
    /// The images as they are.
    pub clean: Fared,
    pub audit: Option<Result<Found, AttackError>>,
    pub strong: Option<Result<Found, AttackError>>,
    pub spent: Cell<Passes>,
}

impl<'a> Subject<'a> {
    /// The problem in pieces that the memory holds.
    pub fn chunks(&self, problem: &Problem) -> impl Iterator<Item = Problem> {
        let (batch, size, problem) = (problem.len(), self.chunk, problem.clone());
        (0..batch).step_by(size).map(move |first| {
            let rows = (first..batch.min(first + size)).collect();
            problem.select(&Rows::new(rows, &problem.images))
        })
    }

    /// Asks a model without watching it; what that costs is counted.
    pub fn ask<R>(&self, target: Target<'_>, f: impl FnOnce(&mut Oracle<'_>) -> R) -> R {
        let mut oracle = Oracle::unwatched(target.classifier, Some(target.stochastic));
        let result = f(&mut oracle);
        self.spend(oracle.passes());
        result
    }

    /// The key of the audited attack, and of all that is compared with it.
    pub fn attack_key(&self) -> Key {
        self.key.named("attack")
    }

    pub fn spend(&self, passes: Passes) {
        self.spent.set(self.spent.get() + passes);
    }

    /// What an attack finds for a problem.
    pub fn attack(
        &self,
        target: Target<'_>,
        attack: &dyn Attack,
        problem: &Problem,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let Problem { images, goal, examples } = problem.clone();
        let runner = Runner::default().with_chunk(self.chunk)?.with_stochastic(target.stochastic);
        let found = runner.run(attack, target.classifier, images, &goal, key, examples)?;
        self.spend(found.passes);
        Ok(found.images)
    }

    /// How images fare in draws of a key.
    pub fn judge(
        &self,
        target: Target<'_>,
        problem: &Problem,
        images: &Tensor<4>,
        key: Key,
        draws: usize,
    ) -> Result<Fared, AttackError> {
        let draws = if target.stochastic { draws } else { 1 };
        let mut all: Option<Fared> = None;
        let mut first = 0;
        for part in self.chunks(problem) {
            let rows = (first..first + part.len()).collect();
            first += part.len();
            let images = Rows::new(rows, images).of(images);
            let judged = self.ask(target, |oracle| oracle.judge(&part, &images, key, draws))?;
            let fared = Fared::new(judged, &host(part.goal.labels()));
            match &mut all {
                None => all = Some(fared),
                Some(all) => all.extend(fared),
            }
        }
        Ok(all.expect("a problem is not empty"))
    }

    /// Attacks and judges by draws that no attack has used, the same for all.
    pub fn find(
        &self,
        target: Target<'_>,
        attack: &dyn Attack,
        problem: &Problem,
    ) -> Result<Found, AttackError> {
        let images = self.attack(target, attack, problem, self.attack_key())?;
        let (key, draws) = (self.key.named("judge"), self.setup.draws);
        let fared = self.judge(target, problem, &images, key, draws)?;
        Ok(Found { images, fared })
    }

    /// The result of the audited attack for the first examples.
    pub fn run_audit(&mut self, examples: usize) {
        self.audit = Some(self.find(self.target, &self.setup.attack, &self.first(examples)));
    }

    /// The worst that the stronger attacks find for each of the first examples, chosen by draws of their own.
    pub fn run_strong(&mut self, examples: usize) {
        self.strong = Some(self.strongest(&self.first(examples)));
    }

    fn strongest(&self, problem: &Problem) -> Result<Found, AttackError> {
        let mut best: Option<(Found, Vec<f64>)> = None;
        for attack in self.setup.strong() {
            let found = self.find(self.target, &attack, problem)?;
            let margin = match self.target.stochastic {
                true => {
                    let (key, draws) = (self.key.named("select"), self.setup.draws);
                    self.judge(self.target, problem, &found.images, key, draws)?.margin
                }
                false => found.fared.margin.clone(),
            };
            best = Some(match best {
                None => (found, margin),
                Some((old, record)) => {
                    let better: Vec<bool> =
                        margin.iter().zip(&record).map(|(a, b)| a > b).collect();
                    let record = margin.iter().zip(&record).map(|(a, b)| a.max(*b)).collect();
                    let images = crate::problem::where_rows(&better, old.images, &found.images);
                    (Found { images, fared: old.fared.or(&better, &found.fared) }, record)
                }
            });
        }
        Ok(best.expect("there are strong attacks").0)
    }

    /// The first examples.
    pub fn first(&self, examples: usize) -> Problem {
        let rows = (0..examples).collect();
        self.problem.select(&Rows::new(rows, &self.problem.images))
    }

    /// What a check of the first examples works on.
    pub fn case(&self, examples: usize) -> Case<'_> {
        let clean = self.clean.first(examples);
        Case { subject: self, problem: self.first(examples), clean }
    }
}

/// The first examples of a subject.
pub(super) struct Case<'a> {
    pub subject: &'a Subject<'a>,
    pub problem: Problem,
    /// The images as they are.
    pub clean: Fared,
}

impl Case<'_> {
    pub fn setup(&self) -> &Setup {
        &self.subject.setup
    }

    /// The key of a check's own random numbers.
    pub fn key(&self, name: &str) -> Key {
        self.subject.key.named("check").named(name)
    }

    /// The result of the audited attack.
    pub fn audited(&self) -> Result<Found, AttackError> {
        self.shared(&self.subject.audit)
    }

    /// The result of the stronger attacks.
    pub fn strong(&self) -> Result<Found, AttackError> {
        self.shared(&self.subject.strong)
    }

    fn shared(&self, result: &Option<Result<Found, AttackError>>) -> Result<Found, AttackError> {
        let found = result.as_ref().expect("it was run before the checks that need it").clone()?;
        let examples = self.problem.len();
        let rows = Rows::new((0..examples).collect(), &found.images);
        Ok(Found { images: rows.of(&found.images), fared: found.fared.first(examples) })
    }

    /// What an attack on the subject finds, and how that fares.
    pub fn find(&self, attack: &dyn Attack) -> Result<Found, AttackError> {
        self.subject.find(self.subject.target, attack, &self.problem)
    }

    /// How images in the place of the examples fare.
    pub fn judge(&self, images: &Tensor<4>) -> Result<Fared, AttackError> {
        let (subject, key) = (self.subject, self.subject.key.named("judge"));
        subject.judge(subject.target, &self.problem, images, key, subject.setup.draws)
    }

    /// As `f` has it with the noise off.
    pub fn without_noise<R>(&self, f: impl FnOnce(Target<'_>) -> R) -> R {
        let target = Target { stochastic: false, ..self.subject.target };
        scope(Noise::Off, || f(target))
    }

    /// A problem of the same images with other labels.
    pub fn relabelled(&self, problem: &Problem, labels: &[i64]) -> Problem {
        let labels = Tensor::<1, Int>::from_data(labels, &problem.images.device());
        let labels = labels.cast(burn::tensor::IntDType::I32);
        Problem { goal: Goal::Misclassify(labels), ..problem.clone() }
    }
}

/// Labels on the host.
pub(super) fn host(labels: &Tensor<1, Int>) -> Vec<i64> {
    labels.try_to_vec_as().expect("the device can be read")
}
