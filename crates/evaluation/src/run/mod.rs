//! Clean and robust accuracy that a stochastic model cannot flatter.
//!
//! A model with noise is never judged by one pass. Whether it classifies an image correctly is a
//! probability, estimated over `draws` draws of its noise that no attack has used; draw `d` is the
//! same for every image and every attack, so that differences between attacks are not differences
//! of luck.
//!
//! Of each example a [`Record`](crate::Record) knows the [probability](crate::Record::probability)
//! of being right with its exact interval; of the set an [`Estimate`](crate::Estimate) over
//! examples and draws. An [`Accuracy`](crate::Accuracy) is several of them side by side: against an
//! attacker with one try, of a vote, against one with several tries, and of the model with its
//! noise off and held. The worst case is taken for each example, by draws that neither attack nor
//! judgement used: the attack that fools the model in the most of them.
//!
//! # What flows where
//!
//! ```text
//! batches ── Measure ──► Candidate for each attack ── Totals ──► Record, rows, gallery
//!            attack,       │           │                           ▲
//!            judge       State     ImageFolder      RunningAudit ──┘ checks
//! ```
//!
//! For each batch and state of the noise every attack becomes a `Candidate`: the class of each
//! image in each draw, how far it misleads the model, and what it cost. By themselves attacks start
//! from the images as they are; in a [cascade](Evaluation::cascade) each gets the images that those
//! before it have left, and its candidate is the batch as it stands after it. Candidates go to the
//! state on disk at once, and their images to a folder if that is wanted. `Totals` adds them up,
//! and `RunningAudit` keeps the first examples for the audit at the end.
//!
//! What is on disk: `record.json` and `rows.jsonl` ([`Evaluated::save`](crate::Evaluated::save),
//! [`Evaluated::read`](crate::Evaluated::read); their JSON schemas are in the crate's folder
//! `schema`), `gallery.safetensors` with the first examples as images, and `manifest.json` with the
//! checksums of these, by which a changed bit is an error when they are read.
//!
//! ```
//! # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
//! use cni_evaluation::{table, Evaluation};
//! use cni_attacks::{Attack, Pgd, Threat, FrozenModel};
//! # let device = Device::flex();
//! # let model = LinearConfig::new(12, 2).init(&device);
//! # let frozen = FrozenModel::new(&model, |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3)));
//! # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
//! # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
//! let threat = Threat::linf(8.0 / 255.0)?;
//! let suite: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(threat)), Box::new(Pgd::new(threat))];
//! let evaluated = Evaluation::new(suite)?.run(&frozen, [(images, labels)])?;
//! println!("{}", table(&[&evaluated.record]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// One file for all settings of an evaluation: each says what it goes with.

mod auditor;
mod batches;
mod candidate;
mod certifier;
mod evaluate;
mod identity;
mod images;
mod into_batch;
mod measure;
mod place;
mod state;
mod step;
mod totals;
mod warnings;

pub use self::into_batch::IntoBatch;
pub use self::step::Step;

use self::identity::{AtRadius, Entry};
use crate::audit::Audit;
use crate::{CascadeRecord, DataCard, EvaluationError, ModelCard, NoiseState, Smoothing};
use cni_attacks::{Attack, Budget, Suite, at_least_one};
use cni_noise::Key;
use std::path::PathBuf;
use std::sync::Arc;

/// Judges classifiers by a suite of attacks.
///
/// A stochastic model is attacked and judged three times: as it is, with its noise off, and with
/// one draw of it held. The last two show what the noise is worth, and an attack that is no match
/// for them is no match for the first either; [each](Self::with_noise_off) [can
/// be](Self::with_fixed_noise) left out. Where there is no noise, an image that the model gets
/// wrong as it is counts as broken and is not attacked.
pub struct Evaluation {
    suite: Vec<Entry>,
    /// Set if each attack gets what those before it have left.
    cascade: Option<CascadeRecord>,
    budget: Budget,
    /// The same attacks at the radii of the curves, by rising radius.
    radii: Vec<AtRadius>,
    /// Where adversarial images go.
    adversarial: Option<PathBuf>,
    audit: Option<Audit>,
    certificates: Option<Smoothing>,
    noise_off: bool,
    fixed_noise: bool,
    draws: usize,
    votes: usize,
    tries: usize,
    key: Key,
    confidence: f64,
    gallery: usize,
    data: DataCard,
    model: ModelCard,
    command: String,
}

impl Evaluation {
    /// An evaluation by the given attacks, with 20 draws, votes of 5, 5 tries, key `Key::new(0)`,
    /// confidence 0.95 and a gallery of 8 images.
    ///
    /// # Errors
    ///
    /// If two attacks have equal settings. Attacks of the same name are told apart by what differs,
    /// such as `PGD-10 4/255` and `PGD-10 8/255`.
    pub fn new(suite: Vec<Box<dyn Attack>>) -> Result<Self, EvaluationError> {
        Self::by(suite.into_iter().map(Arc::from).collect())
    }

    /// An evaluation by the attacks of a suite in a [cascade](Self::cascade), such as AutoAttack,
    /// whose record names the suite. As many draws judge as [decide](Suite::judging_draws) in the
    /// suite; the rest is as in [`new`](Self::new).
    ///
    /// ```
    /// use cni_attacks::{Suite, Threat};
    /// use cni_evaluation::Evaluation;
    /// let evaluation = Evaluation::of(Suite::standard(Threat::linf(8.0 / 255.0)?)?)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of(suite: Suite) -> Result<Self, EvaluationError> {
        let (name, draws) = (suite.name(), suite.judging_draws());
        let mut evaluation = Self::by(suite.into_attacks())?.with_draws(draws)?;
        evaluation.cascade = Some(CascadeRecord { suite: Some(name) });
        Ok(evaluation)
    }

    fn by(suite: Vec<Arc<dyn Attack>>) -> Result<Self, EvaluationError> {
        Ok(Self {
            suite: Entry::all(suite)?,
            cascade: None,
            budget: Budget::default(),
            radii: Vec::new(),
            adversarial: None,
            audit: None,
            certificates: None,
            noise_off: true,
            fixed_noise: true,
            draws: 20,
            votes: 5,
            tries: 5,
            key: Key::new(0),
            confidence: 0.95,
            gallery: 8,
            data: DataCard::default(),
            model: ModelCard::default(),
            command: String::new(),
        })
    }

    /// Runs the attacks in a cascade, as AutoAttack does: each gets the images that those before it
    /// have left, and its numbers are those of all attacks so far.
    ///
    /// An image leaves when the model is wrong on it in every one of the draws that select, as many
    /// as judge; a model without noise has one. The image that counts is the one that is wrong in
    /// the most of them, and of equals the one with the larger mean margin. The worst case is the
    /// robust accuracy of the suite.
    pub fn cascade(mut self) -> Self {
        self.cascade.get_or_insert_default();
        self
    }

    /// Limits what each attack may spend: passes for each image, time for each batch, as in a
    /// [`Runner`](cni_attacks::Runner). An attack that was cut off is a warning of the record.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Runs every attack at these radii too, in units of the pixel range, and puts a
    /// [curve](crate::EpsilonCurve) for each into the record. The model is attacked so with live
    /// noise. All attacks have the same norm: a radius in one is none in another.
    ///
    /// # Errors
    ///
    /// [`AttackError::NoKnob`](cni_attacks::AttackError::NoKnob) for an attack whose radius cannot
    /// be set, that of the threat for a radius that is none, [`EvaluationError::Field`] for an
    /// attack that takes another radius than it was told or has another norm than the first, and
    /// [`EvaluationError::RepeatedEpsilon`].
    pub fn with_epsilons(
        mut self,
        epsilons: impl IntoIterator<Item = f64>,
    ) -> Result<Self, EvaluationError> {
        let mut epsilons: Vec<f64> = epsilons.into_iter().collect();
        epsilons.sort_by(f64::total_cmp);
        if let Some(twice) = epsilons.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EvaluationError::RepeatedEpsilon(twice[0]));
        }
        let norm = |entry: &Entry| entry.attack.threat().norm();
        if let Some(other) = self.suite.iter().find(|entry| norm(entry) != norm(&self.suite[0])) {
            return Err(EvaluationError::Field {
                field: format!("norm of {}", other.label),
                got: format!("{:?}", norm(other)),
                wanted: format!("{:?} as of {}", norm(&self.suite[0]), self.suite[0].label),
            });
        }
        let at = |epsilon: f64| {
            let suite = self.suite.iter().map(|entry| entry.at(epsilon));
            Ok::<_, EvaluationError>(AtRadius { epsilon, suite: suite.collect::<Result<_, _>>()? })
        };
        self.radii = epsilons.into_iter().map(at).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Keeps the images that each attack makes, with live noise, in a folder: for each attack and
    /// batch one file, written when the attack has ended, such as
    /// `00-PGD-10/from-000128.safetensors` for the first attack and the batch that begins with
    /// example 128. [`AdversarialImages`](crate::AdversarialImages) says what a file holds, and
    /// reads it.
    ///
    /// A file has all images of the batch: those that were not attacked are as they were, and in a
    /// cascade they are the worst so far, so that the files of the last attack are the adversarial
    /// images of the suite. Like the record's, the folder holds one evaluation: at its end files of
    /// these names that are not its own are removed. Together with a state the images go on after a
    /// kill; files that are missing or have changed are made again.
    pub fn with_adversarial(mut self, folder: impl Into<PathBuf>) -> Self {
        self.adversarial = Some(folder.into());
        self
    }

    /// Sets the draws that judge each image. A model without noise is judged by one all the same.
    ///
    /// Votes and tries that are more than the draws become as many as these.
    ///
    /// # Errors
    ///
    /// If it is zero.
    pub fn with_draws(mut self, draws: usize) -> Result<Self, EvaluationError> {
        self.draws = at_least_one("draws", draws)?;
        (self.votes, self.tries) = (self.votes.min(draws), self.tries.min(draws));
        Ok(self)
    }

    /// Sets how many draws form one [vote](crate::Accuracy::vote); `draws / votes` votes are taken,
    /// and draws beyond them are not used for it. Call it after [`with_draws`](Self::with_draws).
    ///
    /// # Errors
    ///
    /// If it is zero, or above the draws.
    pub fn with_votes(mut self, votes: usize) -> Result<Self, EvaluationError> {
        self.votes = self.among_draws("votes", votes)?;
        Ok(self)
    }

    /// Sets how many tries the attacker has in [best of several](crate::Accuracy::best_of). Call it
    /// after [`with_draws`](Self::with_draws).
    ///
    /// # Errors
    ///
    /// If it is zero, or above the draws.
    pub fn with_tries(mut self, tries: usize) -> Result<Self, EvaluationError> {
        self.tries = self.among_draws("tries", tries)?;
        Ok(self)
    }

    fn among_draws(&self, field: &'static str, got: usize) -> Result<usize, EvaluationError> {
        match at_least_one(field, got)? <= self.draws {
            true => Ok(got),
            false => Err(EvaluationError::Draws { field, got, draws: self.draws }),
        }
    }

    /// Sets the key from which attacks and draws derive theirs.
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Sets the confidence of the intervals.
    ///
    /// # Errors
    ///
    /// Where it is not between 0 and 1.
    pub fn with_confidence(mut self, confidence: f64) -> Result<Self, EvaluationError> {
        self.confidence = crate::statistics::error::confidence(confidence)?;
        Ok(self)
    }

    /// Sets how many of the first examples are kept as images.
    pub fn with_gallery(mut self, gallery: usize) -> Self {
        self.gallery = gallery;
        self
    }

    /// Says what is evaluated on what, for the record.
    pub fn with_cards(mut self, model: ModelCard, data: DataCard) -> Self {
        (self.model, self.data) = (model, data);
        self
    }

    /// Says what command runs the evaluation, for the record.
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Audits an attack of the suite, or of a suite within it, once all are done, and puts the
    /// checks into the record.
    ///
    /// The evaluation owns the audit: the examples are the first of its data, the key derives from
    /// its own, and its draws judge. Effort, choice of checks and surrogate are those of the audit.
    /// Of a model without noise the attack is audited with one draw. Also in a
    /// [cascade](Self::cascade) it is audited by itself: it attacks the images as they are, and is
    /// compared with variants of itself on the same images, not with what the attacks before it
    /// have left.
    ///
    /// # Errors
    ///
    /// Where the suite lacks the attack, whose number would then not be the one that is audited, or
    /// its radius is zero. For a model with noise [`run`](Self::run) asks for equal draws too.
    pub fn with_audit(mut self, audit: Audit) -> Result<Self, EvaluationError> {
        place::check(&self.suite, &audit)?;
        self.audit = Some(audit);
        Ok(self)
    }

    /// Certifies each example by randomized smoothing too, after its attacks, and puts the
    /// certificates into rows and record.
    ///
    /// They are about the smoothed classifier, and not about the model that the suite attacks,
    /// unless that is smoothed itself. See [`Smoothing`] for what is certified of a model with
    /// noise of its own.
    ///
    /// # Errors
    ///
    /// If the samples are too few to certify any image.
    pub fn with_certificates(mut self, smoothing: Smoothing) -> Result<Self, EvaluationError> {
        smoothing.check_certifies()?;
        self.certificates = Some(smoothing);
        Ok(self)
    }

    /// Whether a stochastic model is also attacked and judged with its noise off. It is unless set.
    pub fn with_noise_off(mut self, noise_off: bool) -> Self {
        self.noise_off = noise_off;
        self
    }

    /// Whether a stochastic model is also attacked and judged with one draw of its noise held. It
    /// is unless set.
    pub fn with_fixed_noise(mut self, fixed_noise: bool) -> Self {
        self.fixed_noise = fixed_noise;
        self
    }

    /// The states of the noise to attack and judge in.
    fn states(&self, stochastic: bool) -> Vec<NoiseState> {
        let states = [
            (NoiseState::Live, true),
            (NoiseState::Off, stochastic && self.noise_off),
            (NoiseState::Fixed, stochastic && self.fixed_noise),
        ];
        states.into_iter().filter(|(_, asked)| *asked).map(|(state, _)| state).collect()
    }
}
