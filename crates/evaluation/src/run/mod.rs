//! Clean and robust accuracy that a stochastic model cannot flatter.
//!
//! A model with noise is never judged by one pass. Whether it classifies an image correctly is a probability, estimated
//! over `draws` draws of its noise that no attack has used; draw `d` is the same for every image and every attack, so
//! that differences between attacks are not differences of luck.
//!
//! Of each example a [`Record`] knows the [probability](Record::probability) of being right with its exact interval; of
//! the set an [`Estimate`] over examples and draws. An [`Accuracy`] is several of them side by side: against an
//! attacker with one try, of a vote, against one with several tries, and of the model with its noise off and held. The
//! worst case is taken for each example, by draws that neither attack nor judgement used: the attack that fools the
//! model in the most of them. [`compare`] tests the difference of two models, and a [`audit`](crate::audit), as part
//! of the evaluation ([`Evaluation::with_audit`]), whether one of the attacks could have won at all.
//!
//! What is on disk: `record.json` and `rows.jsonl` ([`Evaluated::save`], [`Evaluated::read`]; their JSON schemas are in
//! the crate's folder `schema`), `gallery.safetensors` with the first examples as images, and `manifest.json` with the
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
mod flags;
pub(crate) mod identity;
mod measure;
pub(crate) mod probe;
pub(crate) mod state;
mod state_files;
mod step;
mod totals;
mod warnings;

pub use self::step::Step;

use self::batches::Run;
use self::identity::Entry;
use crate::audit::Audit;
use crate::{DataCard, Evaluated, EvaluationError, ModelCard, NoiseState, Smoothing};
use burn::tensor::{Int, Tensor};
use cni_attacks::at_least_one;
use cni_attacks::{Attack, AttackBatch, Classifier, Goal};
use cni_noise::Key;
use std::path::Path;

/// Judges classifiers by a suite of attacks.
///
/// A stochastic model is attacked and judged three times: as it is, with its noise off, and with one draw of it held.
/// The last two show what the noise is worth, and an attack that is no match for them is no match for the first either;
/// [each](Self::with_noise_off) [can be](Self::with_fixed_noise) left out. Where there is no noise, an image that the
/// model gets wrong as it is counts as broken and is not attacked.
pub struct Evaluation {
    suite: Vec<Entry>,
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
    /// An evaluation by the given attacks, with 20 draws, votes of 5, 5 tries, key `Key::new(0)`, confidence 0.95 and a
    /// gallery of 8 images.
    ///
    /// # Errors
    ///
    /// Where two attacks have equal settings. Attacks of the same name are told apart by what differs, such as
    /// `PGD-10 4/255` and `PGD-10 8/255`.
    pub fn new(suite: Vec<Box<dyn Attack>>) -> Result<Self, EvaluationError> {
        Ok(Self {
            suite: Entry::all(suite)?,
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

    /// Sets the draws that judge each image. A model without noise is judged by one all the same.
    ///
    /// Votes and tries that are more than the draws become as many as these.
    ///
    /// # Errors
    ///
    /// Where it is zero.
    pub fn with_draws(mut self, draws: usize) -> Result<Self, EvaluationError> {
        self.draws = at_least_one("draws", draws)?;
        (self.votes, self.tries) = (self.votes.min(draws), self.tries.min(draws));
        Ok(self)
    }

    /// Sets how many draws form one [vote](Accuracy::vote); `draws / votes` votes are taken, the
    /// draws that are left over are not used for it. Call it after
    /// [`with_draws`](Self::with_draws).
    ///
    /// # Errors
    ///
    /// Where it is zero, or above the draws.
    pub fn with_votes(mut self, votes: usize) -> Result<Self, EvaluationError> {
        self.votes = self.among_draws("votes", votes)?;
        Ok(self)
    }

    /// Sets how many tries the attacker has in [best of several](Accuracy::best_of). Call it after
    /// [`with_draws`](Self::with_draws).
    ///
    /// # Errors
    ///
    /// Where it is zero, or above the draws.
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

    /// Audits a PGD attack of the suite, or of a suite within it, once all are done, and puts the
    /// checks into the record.
    ///
    /// The evaluation owns the audit: the examples are the first of its data, the key derives from its own, and its
    /// draws judge. Effort, choice of checks and surrogate are those of the audit. Of a model without noise the
    /// attack is audited with one draw.
    ///
    /// # Errors
    ///
    /// Where the suite lacks the attack, whose number would then not be the one that is audited, or its radius is zero.
    /// For a model with noise [`run`](Self::run) asks for equal draws too.
    pub fn with_audit(mut self, audit: Audit) -> Result<Self, EvaluationError> {
        auditor::check(&self.suite, &audit)?;
        self.audit = Some(audit);
        Ok(self)
    }

    /// Certifies each example by randomized smoothing too, after its attacks, and puts the
    /// certificates into rows and record.
    ///
    /// They are about the smoothed classifier, and not about the model that the suite attacks, unless
    /// that is smoothed itself. See [`Smoothing`] for what is certified of a model with noise of its
    /// own.
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

    /// Whether a stochastic model is also attacked and judged with one draw of its noise held. It is unless set.
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

    /// Runs the suite over batches of images `[batch, channels, height, width]`, pixels in [0, 1], and labels
    /// `[batch]`.
    ///
    /// Draws have keys of their own, whatever the caller's scope; but inside a scope of `Noise::Off`
    /// the model is attacked and judged without its noise, and the record has it as one without.
    /// Precision is the caller's: inside `autocast` all passes are of that precision, judging ones
    /// too, which [`ModelCard::precision`] is there to say.
    ///
    /// # Errors
    ///
    /// Where there are no batches, those of the attacks and of the audit.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
    ) -> Result<Evaluated, EvaluationError> {
        self.run_with(classifier, batches, None, &mut |_| {})
    }

    /// As [`run`](Self::run), calling `progress` after each iteration of each attack, and before and after each check.
    ///
    /// With a `state` folder, what each attack makes of each batch is written there, with the batch's
    /// certificates, and each check. A run that was
    /// killed continues from there when it is started again with the same settings, model and batches, and gives the
    /// same record but for the seconds. The state of a finished evaluation stands in nobody's way: the next one of
    /// other settings replaces it, and [`Evaluated::save`] removes it from the folder `state` beside the record.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and where the state cannot be read or written, or is of an unfinished evaluation with
    /// other settings, another model or other data: the error names the difference.
    pub fn run_with(
        &self,
        classifier: &dyn Classifier,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<1, Int>)>,
        state: Option<&Path>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Evaluated, EvaluationError> {
        let mut run: Option<Run> = None;
        for (images, labels) in batches {
            let first = run.as_ref().map_or(0, Run::done);
            let problem = AttackBatch::new(images, &Goal::Misclassify(labels), first as u64)?;
            let run = match &mut run {
                Some(run) => run,
                None => run.insert(Run::new(self, classifier, state, &problem)?),
            };
            run.batch(&problem, progress)?;
        }
        run.ok_or(EvaluationError::NoData)?.finish(progress)
    }
}
