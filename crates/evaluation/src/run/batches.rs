//! An evaluation under way.

use crate::run::auditor::{Place, RunningAudit};
use crate::run::candidate::Candidate;
use crate::run::certifier::Certifier;
use crate::run::measure::Measure;
use crate::run::probe::Probe;
use crate::run::state::State;
use crate::run::state_files::CERTIFICATES;
use crate::run::totals::Totals;
use crate::{Evaluated, Evaluation, EvaluationError, NoiseState, Step};
use cni_attacks::check_classes;
use cni_attacks::{Attack, AttackBatch, AttackError, Classifier, ModelAccess};
use std::path::Path;
use std::time::Instant;

pub(crate) struct Run<'a> {
    evaluation: &'a Evaluation,
    classifier: &'a dyn Classifier,
    folder: Option<&'a Path>,
    state: Option<State>,
    auditor: Option<RunningAudit>,
    certifier: Option<Certifier>,
    stochastic: bool,
    totals: Totals,
}

impl<'a> Run<'a> {
    /// Finds out by the first batch whether the model is stochastic, and takes up what is on disk.
    pub fn new(
        evaluation: &'a Evaluation,
        classifier: &'a dyn Classifier,
        folder: Option<&'a Path>,
        problem: &AttackBatch,
    ) -> Result<Self, EvaluationError> {
        let started = Instant::now();
        let mut access = ModelAccess::unwatched(classifier, None);
        let stochastic = access.is_stochastic(problem)?;
        if let Some(audit) = &evaluation.audit {
            Place::find(&evaluation.suite, audit.attack(), stochastic)?;
        }
        let state = match folder {
            Some(folder) => {
                let model = Probe::of(classifier, stochastic, problem)?;
                Some(State::open(folder, evaluation, stochastic, problem, model)?)
            }
            None => None,
        };
        let mut totals = Totals::new(evaluation, stochastic);
        totals.scoring += access.passes();
        totals.rounding = access.rounding();
        totals.seconds += started.elapsed().as_secs_f64();
        let (auditor, certifier) = (None, Certifier::new(evaluation));
        Ok(Self { evaluation, classifier, folder, state, auditor, certifier, stochastic, totals })
    }

    /// Examples that are done with.
    pub fn done(&self) -> usize {
        self.totals.rows.len()
    }

    /// Attacks and judges one batch, in every state of the noise that is asked for.
    pub fn batch(
        &mut self,
        problem: &AttackBatch,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let labels: Vec<i64> =
            problem.goal.labels().try_to_vec_as().expect("the device can be read");
        let mut candidates = Vec::new();
        for noise in self.evaluation.states(self.stochastic) {
            let clean = self.measure().clean(problem, noise)?;
            if noise == NoiseState::Live && self.done() == 0 {
                self.begin(clean.classes)?;
            }
            candidates.push((noise, self.attacked(problem, noise, clean, &labels, progress)?));
        }
        self.certify(problem, &labels, progress)?;
        self.totals.add(problem, &labels, &candidates);
        if let Some(auditor) = &mut self.auditor {
            auditor.take(problem);
        }
        Ok(())
    }

    /// Refuses what this number of classes cannot face, and makes the audit ready.
    fn begin(&mut self, classes: usize) -> Result<(), EvaluationError> {
        let attacks: Vec<&dyn Attack> =
            self.evaluation.suite.iter().map(|entry| entry.attack.as_ref()).collect();
        check_classes(attacks, classes)?;
        let Self { evaluation, stochastic, folder, .. } = *self;
        if let Some(audit) = &evaluation.audit {
            let auditor = RunningAudit::new(evaluation, audit, stochastic, classes, folder)?;
            self.auditor = Some(auditor);
        }
        Ok(())
    }

    /// The clean images and what each attack makes of them, from disk where they are there.
    fn attacked(
        &self,
        problem: &AttackBatch,
        noise: NoiseState,
        clean: Candidate,
        labels: &[i64],
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Vec<Candidate>, EvaluationError> {
        let mut all = vec![clean];
        for (index, entry) in self.evaluation.suite.iter().enumerate() {
            let known = match &self.state {
                Some(state) => state.load(problem, &State::part(noise, index))?,
                None => None,
            };
            all.push(match known {
                Some(candidate) => candidate,
                None => {
                    let (measure, clean) = (self.measure(), (&all[0], labels));
                    let candidate = measure.attacked(problem, noise, entry, clean, progress)?;
                    if let Some(state) = &self.state {
                        state.save(problem, &State::part(noise, index), &candidate)?;
                    }
                    candidate
                }
            });
        }
        Ok(all)
    }

    /// Certifies the batch where that was asked for, from disk where it is there.
    fn certify(
        &mut self,
        problem: &AttackBatch,
        labels: &[i64],
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(), EvaluationError> {
        let Some(certifier) = &mut self.certifier else { return Ok(()) };
        let known = match &self.state {
            Some(state) => state.load(problem, CERTIFICATES)?,
            None => None,
        };
        let batch = match known {
            Some(batch) => batch,
            None => {
                let batch = certifier.batch(self.classifier, problem, progress)?;
                if let Some(state) = &self.state {
                    state.save(problem, CERTIFICATES, &batch)?;
                }
                batch
            }
        };
        certifier.add(batch, labels);
        Ok(())
    }

    fn measure(&self) -> Measure<'a> {
        let Self { evaluation, classifier, stochastic, .. } = *self;
        Measure { evaluation, classifier, stochastic, done: self.done() }
    }

    /// Audits the attack where that was asked for, and adds everything up.
    pub fn finish(self, progress: &mut dyn FnMut(&Step)) -> Result<Evaluated, EvaluationError> {
        let Self { evaluation, classifier, state, auditor, certifier, totals, .. } = self;
        let mut evaluated = totals.finish(evaluation);
        if let Some(certifier) = certifier {
            certifier.finish(&mut evaluated)?;
        }
        if let Some(auditor) = auditor {
            let mut watch = |of: &crate::audit::AuditProgress| progress(&Step::Check(of.clone()));
            let (audit, checks) = match (auditor.run(classifier, &mut watch), &state) {
                // Checks of a finished evaluation that these are not those of.
                (Err(EvaluationError::Attack(AttackError::State { .. })), Some(state))
                    if state.forgets_checks()? =>
                {
                    auditor.run(classifier, &mut watch)?
                }
                (found, _) => found?,
            };
            evaluated.record.audit = Some(audit);
            evaluated.record.checks = checks;
        }
        if let Some(state) = &state {
            state.finish()?;
        }
        Ok(evaluated)
    }
}
