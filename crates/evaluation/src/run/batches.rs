//! A running evaluation: batch by batch, in each state of the noise, attack by attack.

use crate::checkpoint::Probe;
use crate::run::auditor::RunningAudit;
use crate::run::candidate::Candidate;
use crate::run::certifier::Certifier;
use crate::run::identity::Entry;
use crate::run::images::ImageFolder;
use crate::run::measure::Measure;
use crate::run::place::Place;
use crate::run::state::State;
use crate::run::totals::{Candidates, Totals};
use crate::{CascadeRecord, Evaluated, Evaluation, EvaluationError, NoiseState, Step};
use cni_attacks::{Attack, AttackBatch, Classifier, ModelAccess, Suite, check_classes};
use cni_ops::product_bits;
use std::path::Path;
use std::time::Instant;

pub(crate) struct Run<'a> {
    evaluation: &'a Evaluation,
    classifier: &'a dyn Classifier,
    folder: Option<&'a Path>,
    state: Option<State>,
    images: Option<ImageFolder>,
    auditor: Option<RunningAudit>,
    certifier: Option<Certifier>,
    stochastic: bool,
    totals: Totals,
}

/// A batch with its labels on the host.
#[derive(Clone, Copy)]
struct Labelled<'a> {
    batch: &'a AttackBatch,
    labels: &'a [i64],
}

/// Attacks to run, one after the other.
#[derive(Clone, Copy)]
struct Attacks<'a> {
    suite: &'a [Entry],
    /// The number of the first attack among all entries of the state.
    first: usize,
    /// The folder for the adversarial images.
    images: Option<&'a ImageFolder>,
}

impl<'a> Run<'a> {
    /// Takes up the state on disk, and asks with the first batch whether the model is stochastic.
    pub fn new(
        evaluation: &'a Evaluation,
        classifier: &'a dyn Classifier,
        folder: Option<&'a Path>,
        batch: &AttackBatch,
    ) -> Result<Self, EvaluationError> {
        let started = Instant::now();
        let mut access = ModelAccess::new(classifier);
        let stochastic = access.is_stochastic(batch)?;
        if let Some(audit) = &evaluation.audit {
            Place::find(&evaluation.suite, audit.attack().as_ref(), stochastic)?;
        }
        let state = match folder {
            Some(folder) => {
                let model = Probe::of(classifier, stochastic, batch)?;
                Some(State::open(folder, evaluation, stochastic, batch, model)?)
            }
            None => None,
        };
        let images = evaluation.adversarial.clone().map(ImageFolder::new);
        let mut totals = Totals::new(evaluation, stochastic);
        totals.scoring += access.passes();
        totals.rounding = access.rounding();
        totals.product_bits = product_bits(&batch.images.device());
        totals.seconds += started.elapsed().as_secs_f64();
        let (auditor, certifier) = (None, Certifier::new(evaluation));
        Ok(Self {
            evaluation,
            classifier,
            folder,
            state,
            images,
            auditor,
            certifier,
            stochastic,
            totals,
        })
    }

    /// The number of examples that are finished.
    pub fn done(&self) -> usize {
        self.totals.rows.len()
    }

    /// Attacks and judges one batch, in every state of the noise that the settings ask for.
    pub fn batch(
        &mut self,
        batch: &AttackBatch,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let labels: Vec<i64> = batch.goal.labels().try_to_vec_as().expect("the device can be read");
        let labelled = Labelled { batch, labels: &labels };
        let mut candidates: Vec<(NoiseState, Candidates)> = Vec::new();
        for noise in self.evaluation.states(self.stochastic) {
            let clean = self.measure().clean(batch, noise)?;
            if noise == NoiseState::Live && self.done() == 0 {
                self.begin(clean.classes)?;
            }
            let images = self.images.as_ref().filter(|_| noise == NoiseState::Live);
            let attacks = Attacks { suite: &self.evaluation.suite, first: 0, images };
            candidates.push((noise, self.attacked(labelled, noise, clean, attacks, progress)?));
        }
        self.curves(labelled, &candidates[0].1, progress)?;
        if let Some(certifier) = &mut self.certifier {
            certifier.batch(self.classifier, batch, &labels, self.state.as_ref(), progress)?;
        }
        self.totals.add(batch, &labels, &candidates);
        if let Some(auditor) = &mut self.auditor {
            auditor.take(batch);
        }
        Ok(())
    }

    /// Refuses attacks that need more classes than the model has, and prepares the audit.
    fn begin(&mut self, classes: usize) -> Result<(), EvaluationError> {
        let attacks: Vec<&dyn Attack> =
            self.evaluation.suite.iter().map(|entry| entry.attack.as_ref()).collect();
        match &self.evaluation.cascade {
            Some(CascadeRecord { suite: Some(_) }) => Suite::check_classes(attacks, classes)?,
            _ => check_classes(attacks, classes)?,
        }
        let Self { evaluation, stochastic, folder, .. } = *self;
        if let Some(audit) = &evaluation.audit {
            let auditor = RunningAudit::new(evaluation, audit, stochastic, classes, folder)?;
            self.auditor = Some(auditor);
        }
        Ok(())
    }

    /// The clean batch and the batch after each attack, from disk if they are there.
    fn attacked(
        &self,
        labelled: Labelled<'_>,
        noise: NoiseState,
        clean: Candidate,
        attacks: Attacks<'_>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Candidates, EvaluationError> {
        let batch = labelled.batch;
        let mut all = vec![clean];
        // The images as they stand after the attacks so far, for the folder of images.
        let mut images = batch.images.clone();
        for (index, entry) in attacks.suite.iter().enumerate() {
            let (place, part) = ((index, entry), State::part(noise, attacks.first + index));
            let mut known: Option<Candidate> = match &self.state {
                Some(state) => state.load(batch, &part)?,
                None => None,
            };
            if let (Some(candidate), Some(folder)) = (&known, attacks.images) {
                match folder.load(batch, place, candidate) {
                    Some(kept) => images = kept,
                    None => known = None,
                }
            }
            if let Some(candidate) = known {
                all.push(candidate);
                continue;
            }
            let cascade = self.evaluation.cascade.is_some();
            let standing = if cascade { &all[index] } else { &all[0] };
            let (mut candidate, changed) =
                self.measure().attacked(batch, noise, entry, standing, progress)?;
            if let Some(folder) = attacks.images {
                let before = if cascade { &images } else { &batch.images };
                images = match changed {
                    Some((rows, part)) => rows.replace(before, &part),
                    None => before.clone(),
                };
                candidate.images = Some(folder.save(batch, place, &candidate, &images)?);
            }
            if let Some(state) = &self.state {
                state.save(batch, &part, &candidate)?;
            }
            all.push(candidate);
        }
        Ok(all)
    }

    /// Adds the batch to the curves over radii. `own` are the results of the suite at its own
    /// radius.
    fn curves(
        &mut self,
        labelled: Labelled<'_>,
        own: &Candidates,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let Evaluation { suite, radii, .. } = self.evaluation;
        for (index, radius) in radii.iter().enumerate() {
            let same = |(a, b): (&Entry, &Entry)| a.hash == b.hash;
            if radius.suite.iter().zip(suite).all(same) {
                self.totals.add_to_curve(index, labelled.labels, own, false);
                continue;
            }
            let first = suite.len() * (index + 1);
            let attacks = Attacks { suite: &radius.suite, first, images: None };
            let clean = own[0].clone();
            let all = self.attacked(labelled, NoiseState::Live, clean, attacks, progress)?;
            self.totals.add_to_curve(index, labelled.labels, &all, true);
        }
        Ok(())
    }

    fn measure(&self) -> Measure<'a> {
        let Self { evaluation, classifier, stochastic, .. } = *self;
        Measure { evaluation, classifier, stochastic, done: self.done() }
    }

    /// Audits the attack if the settings ask for it, and makes the record.
    pub fn finish(self, progress: &mut dyn FnMut(&Step)) -> Result<Evaluated, EvaluationError> {
        let Self { evaluation, classifier, state, images, auditor, certifier, totals, .. } = self;
        let mut evaluated = totals.finish(evaluation);
        if let Some(certifier) = certifier {
            certifier.finish(&mut evaluated)?;
        }
        if let Some(auditor) = auditor {
            let mut watch = |of: &crate::audit::AuditProgress| progress(&Step::Check(of.clone()));
            let (audit, checks) = match (auditor.run(classifier, &mut watch), &state) {
                // A finished evaluation with other checks was in this folder.
                (Err(EvaluationError::State { .. }), Some(state)) if state.forgets_checks()? => {
                    auditor.run(classifier, &mut watch)?
                }
                (found, _) => found?,
            };
            evaluated.record.audit = Some(audit);
            evaluated.record.checks = checks;
        }
        if let Some(images) = &images {
            images.finish()?;
        }
        if let Some(state) = &state {
            state.finish()?;
        }
        Ok(evaluated)
    }
}
