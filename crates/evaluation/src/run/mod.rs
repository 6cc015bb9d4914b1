//! The evaluation: clean and robust accuracy, also of models with noise. One file for all of its
//! settings, because each says how it works with others.
//!
//! A model with noise is never judged by one pass. Whether it classifies an image correctly is a
//! probability, which is estimated over `draws` draws of its noise that no attack has used. Draw
//! `d` is the same for every image and every attack, so that two attacks do not differ by luck.
//!
//! For each example a [`Record`](crate::Record) gives the [probability](crate::Record::probability)
//! of being right, with its exact interval; for the whole set it gives an
//! [`Estimate`](crate::Estimate) over examples and draws. An [`Accuracy`](crate::Accuracy) holds
//! several estimates: against an attacker with one try, of a vote, against an attacker with several
//! tries, and of the model with its noise off and held. The worst case is chosen for each example:
//! the attack whose image the model gets wrong in the most draws. The draws of this choice are used
//! neither by attacks nor for judging.
//!
//! # The flow of data
//!
//! ```text
//! batches ── Measure ──► Candidate for each attack ── Totals ──► Record, rows, gallery
//!            attack,       │           │                           ▲
//!            judge       State     ImageFolder      RunningAudit ──┘ checks
//! ```
//!
//! The totals, the certificates and the checks of a run are its `Outcome`. A [shard](crate::Shard)
//! writes that to disk, and a merge appends several before they become a record.
//!
//! For each batch and state of the noise every attack becomes a `Candidate`: the class of each
//! image in each draw, how far it misleads the model, and its cost. Attacks by themselves start
//! from the clean images. In a [cascade](Evaluation::cascade) each attack gets the images that
//! those before it did not break, and its candidate is the whole batch after it. Candidates go to
//! the state on disk at once, and their images to a folder if one is set. `Totals` adds the
//! candidates up, and `RunningAudit` keeps the first examples for the audit at the end.
//!
//! The files: `record.json` and `rows.jsonl` ([`Evaluated::save`](crate::Evaluated::save),
//! [`Evaluated::read`](crate::Evaluated::read); their JSON schemas are in the crate's folder
//! `schema`), `gallery.safetensors` with the first examples as images, and `manifest.json` with the
//! checksums of these files. Reading a file whose content has changed is an error.

mod auditor;
mod batches;
mod candidate;
mod certifier;
mod compared;
mod evaluate;
mod head;
mod identity;
mod images;
mod into_batch;
mod measure;
mod outcome;
mod part;
mod place;
mod state;
mod step;
mod totals;
mod warnings;

pub(crate) use self::head::Head;
pub use self::into_batch::IntoBatch;
pub(crate) use self::outcome::Outcome;
pub(crate) use self::part::{Part, Run};
pub use self::step::Step;

use self::identity::{AtRadius, Entry};
use crate::audit::Audit;
use crate::{CascadeRecord, DataCard, EvaluationError, ModelCard, NoiseState, Smoothing};
use cni_attacks::{Attack, AttackError, Budget, Suite, at_least_one};
use cni_noise::Key;
use cni_ops::Precision;
use std::path::PathBuf;
use std::sync::Arc;

/// An evaluation: it runs attacks on a classifier, judges their images, and makes a
/// [`Record`](crate::Record) of clean and robust accuracy.
///
/// ```
/// # use burn::{nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// # use cni_attacks::{FrozenModel, Pgd, Threat};
/// # use cni_evaluation::{Evaluation, table};
/// # let device = Device::flex();
/// # let model = LinearConfig::new(12, 2).init(&device);
/// # let forward = |m: &Linear, x: Tensor<4>| m.forward(x.flatten::<2>(1, 3));
/// # let images = Tensor::full([5, 3, 2, 2], 0.5, &device);
/// # let labels = Tensor::from_ints([0, 1, 0, 1, 0], &device);
/// # let folder = tempfile::tempdir()?;
/// let frozen = FrozenModel::new(&model, forward); // pixels in [0, 1] to logits
/// let attack = Pgd::new(Threat::linf(8.0 / 255.0)?);
/// let evaluation = Evaluation::new(vec![Box::new(attack)])?;
/// let evaluated = evaluation.run(&frozen, [(images, labels)])?;
/// println!("{}", table(&[&evaluated.record]));
/// evaluated.save(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it judges
///
/// An evaluation judges misclassification: an attack succeeds on an image if the model gives the
/// image another class than its label. Every attack gets this goal. To attack with a targeted or a
/// custom [`Goal`](cni_attacks::Goal), run the attack by itself with
/// [`Attack::on`](cni_attacks::Attack::on).
///
/// A model with noise is attacked and judged three times: as it is deployed, with its noise off,
/// and with one draw of its noise held. The last two states show how much of the robustness is due
/// to the noise. An attack that fails on them is too weak for the model as it is deployed, too.
/// Without noise, a misclassified image counts as broken and is not attacked.
///
/// # Defaults
///
/// | setting | default | set by |
/// | --- | --- | --- |
/// | draws that judge each image | 20; without noise 1 | [`with_draws`](Self::with_draws) |
/// | draws of a vote | 5 | [`with_votes`](Self::with_votes) |
/// | tries in best of several | 5 | [`with_tries`](Self::with_tries) |
/// | key of all random numbers | `Key::new(0)` | [`with_key`](Self::with_key) |
/// | confidence of the intervals | 0.95 | [`with_confidence`](Self::with_confidence) |
/// | images in the gallery | 8 | [`with_gallery`](Self::with_gallery) |
/// | noise off as well | yes | [`with_noise_off`](Self::with_noise_off) |
/// | noise held as well | yes | [`with_fixed_noise`](Self::with_fixed_noise) |
/// | precision of the attacks | full | [`with_attack_precision`](Self::with_attack_precision) |
/// | precision of other passes | full | [`with_judging_precision`](Self::with_judging_precision) |
///
/// Unless they are set, there is no cascade, no budget, no curve over radii, no audit, no
/// certificate, and no folder for adversarial images.
///
/// # What lands on disk
///
/// Nothing is written unless it is asked for. [`Evaluated::save`](crate::Evaluated::save) writes
/// `record.json`, `rows.jsonl` with a line for each example, `gallery.safetensors` with the first
/// examples as images, and `manifest.json` with the checksums. [`run_with`](Self::run_with) keeps
/// unfinished work in a state folder, from which a killed evaluation continues.
/// [`with_adversarial`](Self::with_adversarial) keeps all adversarial images in a folder.
///
/// # Several processes
///
/// [`run_shard`](Self::run_shard) runs a part of the evaluation into a folder, on whatever machine.
/// [`Shards`](crate::Shards) merges all parts to what [`run`](Self::run) gives; their number is
/// not part of the record.
pub struct Evaluation {
    suite: Vec<Entry>,
    /// The name of the suite, if the attacks run in a cascade.
    cascade: Option<CascadeRecord>,
    budget: Budget,
    /// The same attacks at the radii of the curves, by rising radius.
    radii: Vec<AtRadius>,
    /// The folder for adversarial images.
    pub(crate) adversarial: Option<PathBuf>,
    audit: Option<Audit>,
    certificates: Option<Smoothing>,
    noise_off: bool,
    fixed_noise: bool,
    draws: usize,
    votes: usize,
    tries: usize,
    key: Key,
    confidence: f64,
    attack_precision: Precision,
    pub(crate) judging_precision: Precision,
    gallery: usize,
    /// True if no finished shard of other settings is replaced.
    pub(crate) keeps_finished: bool,
    data: DataCard,
    model: ModelCard,
    command: String,
}

impl Evaluation {
    /// An evaluation by attacks that each attack all images by themselves. The defaults are in
    /// the table [above](Self#defaults).
    ///
    /// Attacks of equal names get labels that tell them apart, such as `PGD-10 4/255` and `PGD-10
    /// 8/255`. Without any attack it measures the accuracy on clean images, and certificates.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::DuplicateAttack`] if two attacks have equal settings.
    pub fn new(suite: Vec<Box<dyn Attack>>) -> Result<Self, EvaluationError> {
        Self::by(suite.into_iter().map(Arc::from).collect())
    }

    /// An evaluation by the attacks of a suite, such as AutoAttack, in a [cascade](Self::cascade).
    /// The record names the suite. The number of judging draws is [that of the
    /// suite](Suite::judging_draws); the other defaults are those of [`new`](Self::new).
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

    /// As [`new`](Self::new), by attacks that others hold too, such as an [`Audit`] of one of them.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn by(suite: Vec<Arc<dyn Attack>>) -> Result<Self, EvaluationError> {
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
            attack_precision: Precision::Full,
            judging_precision: Precision::Full,
            gallery: 8,
            keeps_finished: false,
            data: DataCard::default(),
            model: ModelCard::default(),
            command: String::new(),
        })
    }

    /// Runs the attacks in a cascade, as AutoAttack does: each attacks only the images that those
    /// before it did not break, and its numbers are those of all attacks so far.
    ///
    /// An image is broken if the model is wrong on it in every draw that selects between attacks.
    /// As many draws select as judge, and they are not the same; a model without noise has one
    /// draw. Of all attacks the image counts that is wrong in the most of these draws; of equals,
    /// the one with the larger mean margin. The worst case of the record is the robust accuracy of
    /// the suite.
    pub fn cascade(mut self) -> Self {
        self.cascade.get_or_insert_default();
        self
    }

    /// Limits the cost of each attack: passes for each image and time for each batch, as in a
    /// [`Runner`](cni_attacks::Runner). The record warns of an attack that a budget ended early,
    /// and comparisons mark the accuracy under it as no evidence. An evaluation with a budget and
    /// an [audit](Self::with_audit) is refused.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Runs every attack also at these radii, in units of the pixel range, and puts a
    /// [curve](crate::EpsilonCurve) for each attack into the record. For the curves the model is
    /// attacked with live noise only. All attacks must have the same norm, because a radius has no
    /// meaning in another norm.
    ///
    /// # Errors
    ///
    /// [`AttackError::NoKnob`] for an attack whose radius cannot be set; [`AttackError::Epsilon`]
    /// for a radius that is negative or not finite; [`EvaluationError::Field`] for an attack that
    /// does not take the radius, or that has another norm than the first; and
    /// [`EvaluationError::RepeatedEpsilon`] for a radius that is given twice.
    pub fn with_epsilons(
        mut self,
        epsilons: impl IntoIterator<Item = f64>,
    ) -> Result<Self, EvaluationError> {
        let mut epsilons: Vec<f64> = epsilons.into_iter().collect();
        epsilons.sort_by(f64::total_cmp);
        // No axis has a place for a ball without a bound, and no file a number.
        if let Some(&got) = epsilons.iter().find(|epsilon| !epsilon.is_finite()) {
            return Err(AttackError::Epsilon { got }.into());
        }
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

    /// Keeps all adversarial images, made with live noise, in a folder: one file for each attack
    /// and batch. `00-PGD-10/from-000128.safetensors`, for example, holds the images of the first
    /// attack on the batch that begins with example 128.
    /// [`AdversarialImages`](crate::AdversarialImages) documents the files and reads them.
    ///
    /// A file holds all images of the batch; those that were not attacked are the clean ones. In a
    /// cascade the images are the worst so far, so that the files of the last attack are the
    /// adversarial images of the suite. The folder holds one evaluation: files of these names that
    /// another evaluation wrote are removed at the end. If a killed evaluation continues, files
    /// that are missing or have changed are made again.
    pub fn with_adversarial(mut self, folder: impl Into<PathBuf>) -> Self {
        self.adversarial = Some(folder.into());
        self
    }

    /// Sets the number of draws that judge each image. A model without noise is always judged by
    /// one.
    ///
    /// Votes and tries above this number become equal to it.
    ///
    /// # Errors
    ///
    /// If `draws` is zero.
    pub fn with_draws(mut self, draws: usize) -> Result<Self, EvaluationError> {
        self.draws = at_least_one("draws", draws)?;
        (self.votes, self.tries) = (self.votes.min(draws), self.tries.min(draws));
        Ok(self)
    }

    /// Sets the number of draws that form one [vote](crate::Accuracy::vote). The draws give `draws
    /// / votes` votes; the remaining draws are not used for votes. Call it after
    /// [`with_draws`](Self::with_draws).
    ///
    /// Below `2 · votes` draws there is a single vote, which tells nothing of how far another one
    /// would differ: its interval is over examples alone, and the record warns of it.
    ///
    /// # Errors
    ///
    /// If `votes` is zero, or above the number of draws.
    pub fn with_votes(mut self, votes: usize) -> Result<Self, EvaluationError> {
        self.votes = self.among_draws("votes", votes)?;
        Ok(self)
    }

    /// Sets the number of tries of the attacker in [best of several](crate::Accuracy::best_of).
    /// Call it after [`with_draws`](Self::with_draws). Below `2 · tries` draws there is a single
    /// series, for whose interval holds what holds for that of a [single vote](Self::with_votes).
    ///
    /// # Errors
    ///
    /// If `tries` is zero, or above the number of draws.
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

    /// Sets the confidence of the intervals, between 0 and 1.
    ///
    /// # Errors
    ///
    /// If `confidence` is not between 0 and 1.
    pub fn with_confidence(mut self, confidence: f64) -> Result<Self, EvaluationError> {
        self.confidence = crate::statistics::error::confidence(confidence)?;
        Ok(self)
    }

    /// Sets the precision in which convolutions and linear layers multiply while an attack runs, as
    /// in [`autocast`](cni_ops::autocast); also in the attacks of the audit. What the attacks find
    /// is judged in the precision of [`with_judging_precision`](Self::with_judging_precision), so
    /// that bf16 here saves time, and costs at most some success of the attacks. The record states
    /// it in [`ThreatCard::precision`](crate::ThreatCard::precision).
    pub fn with_attack_precision(mut self, precision: Precision) -> Self {
        self.attack_precision = precision;
        self
    }

    /// Sets the precision of all other passes: of those that judge and certify, and of the audit's
    /// questions about gradients and logits. Set it for a model that is deployed in that precision.
    /// The record states it in [`ModelCard::precision`].
    pub fn with_judging_precision(mut self, precision: Precision) -> Self {
        self.judging_precision = precision;
        self
    }

    /// Sets the number of examples, from the first, that are kept as images in the gallery.
    pub fn with_gallery(mut self, gallery: usize) -> Self {
        self.gallery = gallery;
        self
    }

    /// Lets a [shard](Self::run_shard) refuse to replace one that has finished with other settings.
    pub fn keep_finished(mut self) -> Self {
        self.keeps_finished = true;
        self
    }

    /// Sets the cards for the record: what model is evaluated, and on what data.
    pub fn with_cards(mut self, model: ModelCard, data: DataCard) -> Self {
        (self.model, self.data) = (model, data);
        self
    }

    /// Sets the command line for the record, with which the evaluation can be repeated.
    pub fn with_command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// Audits an attack of the suite, or of a suite within it, after all attacks, and puts the
    /// checks into the record.
    ///
    /// The evaluation sets parts of the audit: its examples are the first of the data, its key
    /// derives from that of the evaluation, and the same number of draws judges. Effort, checks and
    /// surrogate are those of `audit`. For a model without noise the attack is audited with one
    /// draw. In a [cascade](Self::cascade) the attack is audited by itself, too: it attacks the
    /// clean images, and is compared with variants of itself on the same images.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Audit`] if the suite lacks the attack, because the audit would then be
    /// about a number that is not reported; [`EvaluationError::Field`] beside a
    /// [budget](Self::with_budget), which the checks do not have; and an error if its radius is
    /// zero or without a bound. For a model with noise [`run`](Self::run) also refuses an attack
    /// whose draws differ.
    pub fn with_audit(mut self, audit: Audit) -> Result<Self, EvaluationError> {
        place::check(&self.suite, &audit)?;
        place::refuse_budget(self.budget)?;
        self.audit = Some(audit);
        Ok(self)
    }

    /// Certifies each example by randomized smoothing too, after the attacks, and puts the
    /// certificates into rows and record.
    ///
    /// The certificates are about the smoothed classifier. The suite attacks the classifier itself,
    /// so the two differ unless that is smoothed as well. [`Smoothing`] says what is certified of a
    /// model with noise of its own.
    ///
    /// # Errors
    ///
    /// If the samples are too few to certify any image.
    pub fn with_certificates(mut self, smoothing: Smoothing) -> Result<Self, EvaluationError> {
        smoothing.check_certifies()?;
        self.certificates = Some(smoothing);
        Ok(self)
    }

    /// Sets whether a model with noise is also attacked and judged with its noise off. The default
    /// is yes.
    pub fn with_noise_off(mut self, noise_off: bool) -> Self {
        self.noise_off = noise_off;
        self
    }

    /// Sets whether a model with noise is also attacked and judged with one draw of its noise held.
    /// The default is yes.
    pub fn with_fixed_noise(mut self, fixed_noise: bool) -> Self {
        self.fixed_noise = fixed_noise;
        self
    }

    /// The states of the noise in which the model is attacked and judged.
    fn states(&self, stochastic: bool) -> Vec<NoiseState> {
        let states = [
            (NoiseState::Live, true),
            (NoiseState::Off, stochastic && self.noise_off),
            (NoiseState::Fixed, stochastic && self.fixed_noise),
        ];
        states.into_iter().filter(|(_, asked)| *asked).map(|(state, _)| state).collect()
    }
}
