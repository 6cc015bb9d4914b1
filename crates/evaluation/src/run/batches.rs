//! A running evaluation: batch by batch, in each state of the noise, attack by attack.

use crate::run::auditor::RunningAudit;
use crate::run::candidate::Candidate;
use crate::run::identity::Entry;
use crate::run::images::ImageFolder;
use crate::run::measure::Measure;
use crate::run::part::Run;
use crate::run::state::State;
use crate::run::totals::Candidates;
use crate::{CascadeRecord, Evaluation, EvaluationError, NoiseState, Step};
use cni_attacks::{Attack, AttackBatch, Suite, check_classes};

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
    /// Takes the next batch, which is attacked and judged if it belongs to this part.
    pub fn batch(
        &mut self,
        batch: &AttackBatch,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let own = self.part.own.contains(&self.batches);
        if own || self.data.is_some() {
            let labels = batch.goal.labels().try_to_vec_as();
            let labels: Vec<i64> = labels.expect("the device can be read");
            if let Some(data) = &mut self.data {
                data.add(batch, &labels);
            }
            if own {
                self.judged(Labelled { batch, labels: &labels }, progress)?;
            }
        }
        if let Some(auditor) = &mut self.auditor {
            auditor.take(batch);
        }
        self.batches += 1;
        self.examples += batch.len();
        Ok(())
    }

    /// Attacks and judges one batch, in every state of the noise that the settings ask for.
    fn judged(
        &mut self,
        labelled: Labelled<'_>,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let Labelled { batch, labels } = labelled;
        let mut candidates: Vec<(NoiseState, Candidates)> = Vec::new();
        for noise in self.head.noise_states.clone() {
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
            certifier.batch(self.classifier, batch, labels, self.state.as_ref(), progress)?;
        }
        self.totals.add(batch, labels, &candidates);
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
        let (stochastic, folder) = (self.head.stochastic, self.part.state);
        if let Some(audit) = self.evaluation.audit.as_ref().filter(|_| self.part.leads) {
            let auditor = RunningAudit::new(self.evaluation, audit, stochastic, classes, folder)?;
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
        let Self { evaluation, classifier, ref head, examples: first, .. } = *self;
        Measure { evaluation, classifier, stochastic: head.stochastic, done: self.done(), first }
    }
}
