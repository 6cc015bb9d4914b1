//! Checks of an evaluation's honesty: is the attack on whose numbers one relies any good against
//! this model?
//!
//! Most robust accuracies that were ever withdrawn had been measured by attacks that could not win:
//! their gradients were masked, their noise was averaged too little, their steps too few (Athalye
//! et al., arXiv 1802.00420; Carlini et al., arXiv 1902.06705; Tramèr et al., arXiv 2002.08347;
//! Zimmermann et al., arXiv 2206.13991). A [`Audit`] runs what these authors ask for, and what a
//! stochastic model needs besides, against the attack under audit. Each check is a [`Check`]: a
//! verdict, what was measured, the rule, and what to do.
//!
//! ```
//! # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! # use cni_attacks::{Pgd, Threat, FrozenModel};
//! use cni_evaluation::audit::Audit;
//! # let device = Device::flex();
//! # let model = LinearConfig::new(12, 2).init(&device);
//! # let frozen = FrozenModel::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
//! # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let audit = Audit::new(Pgd::new(Threat::linf(8.0 / 255.0)?));
//! println!("{} passes", audit.plan(2, false).passes().forwards);
//! for check in audit.run(&frozen, images, labels, 0, &mut |_| {})? {
//!     println!("{:8} {:18} {}", check.verdict, check.name, check.measured);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The checks
//!
//! Accuracies are compared on the same examples under the same draws, which no attack has used;
//! images that the model gets wrong in every draw count as wrong and are not attacked. A difference
//! is raised only if it exceeds the rule's bound, which is *b* points, and two of its standard
//! errors as well, so that a audit does not cry wolf.
//!
//! A check that found nothing has [passed](crate::evaluation::Verdict::Pass) only if it would have
//! seen what its rule names. Each says what was the smallest difference that it could have told
//! from chance, and where that is larger than the bound the check is
//! [inconclusive](crate::evaluation::Verdict::Inconclusive), and says how many examples it would
//! need. Where the audited attack leaves less than the bound, by the upper limit of what the
//! examples leave open, no attack can win it, and that is a pass.
//!
//! | effort | *b* | sees that from |
//! | --- | --- | --- |
//! | quick | 3 points | 133 examples |
//! | standard | 2 points | 200 examples |
//! | thorough | 1 point | 400 examples |
//!
//! These numbers hold where all examples but those fare alike on both sides; where they do not it
//! takes more.
//!
//! | check | raised if |
//! | --- | --- |
//! | `determinism` | equal keys give unequal logits, or noise is silent at the images (fails); under 10 draws judge |
//! | `logits` | outputs are not negative and sum to one: probabilities (fails) |
//! | `gradient-health` | an image still right has no gradient, or 20 % are saturated; NaN, infinite or 5 % zero fail |
//! | `finite-difference` | gradients and differences of the loss differ by over 1 % (fails over 10 %) |
//! | `gradient-noise` | the mean gradient over the audited draws is shorter than its error |
//! | `draw-sweep` | draws past the audited number cost over *b* points of accuracy (fails over 5) |
//! | `fixed-noise` | with one draw held, a random point does as much (fails), or over *b* points more survive (fails over 10) |
//! | `noise-off` | with the noise off, a random point does as much (fails), or over *b* points more survive (fails over 10) |
//! | `epsilon-sweep` | accuracy rises with ε by over *b* points (fails over 5), or ends above 1 / classes (fails) |
//! | `steps-sweep` | doubling the steps costs over *b* points of accuracy (fails over 5) |
//! | `restarts-sweep` | doubling the restarts costs over *b* points of accuracy (fails over 5) |
//! | `step-size-sweep` | another step size costs over *b* points of accuracy (fails over 5) |
//! | `one-step` | FGSM beats the audited attack by over *b* points (fails over 5) |
//! | `random-noise` | random points break two images or more that the audited attack leaves (fails over 5 %) |
//! | `black-box` | Square breaks over 0.2 % and two images the audited attack leaves (fails over 5 %, or APGD too) |
//! | `transfer` | examples of a surrogate beat the audited attack by over *b* points (fails over 5) |
//! | `draw-transfer` | accuracy is over *b* points higher in other draws than in the attack's own (fails over 10) |
//! | `loss-choice` | another loss or expectation costs over *b* points of accuracy (fails over 10) |
//! | `stronger-attack` | APGD costs over *b* points of accuracy beyond the audited attack (fails over 10) |
//! | `silent-success` | over 1 % and two images are broken on the way, but not at the end |
//! | `eight-bit` | rounding to 8 bits gives back over *b* points of accuracy (fails over half of the damage) |
//! | `label-leakage` | attacks by true labels leave over *b* points more than by predicted ones, or than no attack (fails) |
//! | `loss-surface` | the loss rises less along the gradient than along a random direction |
//! | `active-test` | the attack misses over 5 % of planted adversarial images (fails over 20 %) |
//!
//! [`case_study`] works through a defence that they expose.
//!
//! The rest of what the authors ask for needs training, or a person: seeds of training, selection
//! of the model on data held out, attacks adapted to the defence.

mod active;
mod baselines;
mod sample;
#[doc = include_str!("case.md")]
pub mod case_study {}
mod context;
mod continued;
mod difference;
mod differences;
mod draws;
mod effort;
mod gradients;
mod judgement;
mod model;
mod noise;
mod pictures;
mod plan;
mod predictions;
mod radii;
mod result;
mod run;
mod setup;
mod state;
mod strength;
mod surface;
mod sweeps;
mod table;

pub use effort::{Effort, ParseEffortError};
pub use plan::{Plan, PlannedCheck};

use self::context::Surrogate;
use self::table::CHECKS;
use crate::{Check, EvaluationError};
use cni_attacks::at_least_one;
use cni_attacks::{Attack, AttackError, Classifier, Passes};
use cni_noise::Key;
use std::path::PathBuf;
use std::sync::Arc;

/// Checks the attack on whose numbers one relies, against the model it was used on.
#[derive(Clone)]
pub struct Audit {
    attack: Arc<dyn Attack>,
    effort: Effort,
    key: Key,
    judging_draws: usize,
    chunk: usize,
    surrogate: Option<Surrogate>,
    only: Option<Vec<String>>,
    state: Option<PathBuf>,
}

/// Where a audit is.
#[derive(Clone, Debug)]
pub struct AuditProgress<'a> {
    /// The check, or what several of them share.
    pub check: &'a str,
    /// Its number, from 1; zero for what is shared.
    pub position: usize,
    /// How many checks there are.
    pub of: usize,
    /// Passes of single images so far.
    pub passes: Passes,
    /// Those of the whole audit, as planned.
    pub planned: Passes,
    /// The result, where the check has ended.
    pub done: Option<&'a Check>,
}

impl Audit {
    /// A audit of `attack`: quick, of all checks, with key `Key::new(0)`, 20 judging draws, and
    /// chunks of 128 images.
    pub fn new(attack: impl Attack + 'static) -> Self {
        Self {
            attack: Arc::new(attack),
            effort: Effort::default(),
            key: Key::new(0),
            judging_draws: 20,
            chunk: 128,
            surrogate: None,
            only: None,
            state: None,
        }
    }

    /// The names of all checks, in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CHECKS.iter().map(|entry| entry.name)
    }

    /// How much to spend.
    pub fn with_effort(self, effort: Effort) -> Self {
        Self { effort, ..self }
    }

    /// The key from which all random numbers and draws derive.
    pub fn with_key(self, key: Key) -> Self {
        Self { key, ..self }
    }

    /// The draws of the model's noise by which images are judged; an error where they are zero.
    /// Those of the evaluation that is checked.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { judging_draws: at_least_one("judging_draws", draws)?, ..self })
    }

    /// The number of images at once, which bounds the memory; an error where it is zero.
    pub fn with_chunk(self, chunk: usize) -> Result<Self, AttackError> {
        Ok(Self { chunk: at_least_one("chunk", chunk)?, ..self })
    }

    /// A model without noise, for the same images and classes, whose adversarial images are tried
    /// on the checked one.
    ///
    /// Otherwise a model with noise is its own surrogate, with the noise off, and one without goes
    /// without that check.
    pub fn with_surrogate(
        self,
        name: impl Into<String>,
        classifier: Arc<dyn Classifier + Send + Sync>,
    ) -> Self {
        Self { surrogate: Some(Surrogate { name: name.into(), classifier }), ..self }
    }

    /// Only the checks of these names, in the order of the table; an error where there is no such
    /// check.
    pub fn with_checks(self, names: &[&str]) -> Result<Self, EvaluationError> {
        if let Some(unknown) = names.iter().find(|name| !Self::names().any(|known| known == **name))
        {
            let known = Self::names().collect::<Vec<_>>().join(", ");
            return Err(EvaluationError::UnknownCheck { got: unknown.to_string(), known });
        }
        Ok(Self { only: Some(names.iter().map(|name| name.to_string()).collect()), ..self })
    }

    /// Keeps each result in this folder once its check has ended. A audit that was killed
    /// continues from there when it is started again with the same attack, effort, key, model and
    /// data.
    pub fn with_state(self, folder: impl Into<PathBuf>) -> Self {
        Self { state: Some(folder.into()), ..self }
    }

    /// The attack under audit.
    pub fn attack(&self) -> &Arc<dyn Attack> {
        &self.attack
    }

    /// How much is spent.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// The key from which all random numbers and draws derive.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The same checks of another attack.
    pub(crate) fn with_attack(self, attack: Arc<dyn Attack>) -> Self {
        Self { attack, ..self }
    }

    /// The names of the checks that are asked for, in their order.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &'static str> {
        self.entries().into_iter().map(|entry| entry.name)
    }
}
