//! A running evaluation, or a running shard of one: its beginning and its end.

use crate::checkpoint::{Probe, Settings};
use crate::run::auditor::RunningAudit;
use crate::run::certifier::Certifier;
use crate::run::head::Head;
use crate::run::identity::DataHash;
use crate::run::images::ImageFolder;
use crate::run::outcome::Outcome;
use crate::run::place::{Place, refuse_budget};
use crate::run::state::State;
use crate::run::totals::Totals;
use crate::{AuditRecord, Check, Evaluation, EvaluationError, Step};
use cni_attacks::{AttackBatch, Classifier, ModelAccess};
use cni_ops::product_bits;
use std::ops::Range;
use std::path::{Path, PathBuf};
use web_time::Instant;

/// The part of an evaluation that a run does: all of it, or a shard.
pub(crate) struct Part<'a> {
    /// The numbers of the batches that it judges, from 0.
    pub own: Range<usize>,
    /// True if it does what is done once: it counts the questions to the model that come before
    /// the first attack, and it runs the audit.
    pub leads: bool,
    /// The folder of the state.
    pub state: Option<&'a Path>,
    /// The folder of the adversarial images.
    pub images: Option<PathBuf>,
}

/// A running evaluation.
pub(crate) struct Run<'a> {
    pub(super) evaluation: &'a Evaluation,
    pub(super) classifier: &'a dyn Classifier,
    pub(super) part: Part<'a>,
    pub(super) head: Head,
    /// The settings of the state, if there is one.
    pub(super) settings: Option<Settings>,
    pub(super) state: Option<State>,
    pub(super) images: Option<ImageFolder>,
    pub(super) auditor: Option<RunningAudit>,
    pub(super) certifier: Option<Certifier>,
    /// The hash of the data, if their card has none.
    pub(super) data: Option<DataHash>,
    /// The number of batches so far, and of their examples, those of other parts too.
    pub(super) batches: usize,
    pub(super) examples: usize,
    pub(super) totals: Totals,
}

impl<'a> Run<'a> {
    /// Asks with the first batch of the evaluation whether the model is stochastic.
    pub fn new(
        evaluation: &'a Evaluation,
        classifier: &'a dyn Classifier,
        part: Part<'a>,
        batch: &AttackBatch,
    ) -> Result<Self, EvaluationError> {
        let started = Instant::now();
        let mut access = ModelAccess::new(classifier);
        let stochastic = access.is_stochastic(batch)?;
        if let Some(audit) = &evaluation.audit {
            refuse_budget(evaluation.budget)?;
            Place::find(&evaluation.suite, audit.attack().as_ref(), stochastic)?;
        }
        let settings = match part.state {
            Some(_) => {
                let model = Probe::of(classifier, stochastic, batch)?;
                Some(State::settings(evaluation, stochastic, batch, model))
            }
            None => None,
        };
        let images = part.images.clone().map(ImageFolder::new);
        let head = Head::new(evaluation, stochastic);
        let mut totals = Totals::new(&head);
        if part.leads {
            totals.scoring += access.passes();
        }
        totals.rounding = access.rounding();
        totals.product_bits = product_bits(&batch.images.device());
        totals.seconds += started.elapsed().as_secs_f64();
        Ok(Self {
            evaluation,
            classifier,
            part,
            settings,
            state: None,
            images,
            auditor: None,
            certifier: Certifier::new(evaluation),
            data: head.data.fingerprint.is_empty().then(DataHash::default),
            head,
            batches: 0,
            examples: 0,
            totals,
        })
    }

    /// Takes up the state on disk, if there is to be one.
    pub fn open(&mut self) -> Result<(), EvaluationError> {
        if let (Some(folder), Some(settings)) = (self.part.state, &self.settings) {
            self.state = Some(State::open(folder, settings.clone())?);
        }
        Ok(())
    }

    /// Leaves all batches out that have not come yet.
    pub fn skip(&mut self) {
        self.part.own = 0..0;
    }

    /// The settings of the state, if there is one.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// The head of the record. The data may still lack their fingerprint.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// True if it keeps the adversarial images.
    pub fn keeps_images(&self) -> bool {
        self.images.is_some()
    }

    /// The number of batches so far, those of other parts too.
    pub fn batches(&self) -> usize {
        self.batches
    }

    /// The number of their examples.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// The fingerprint of all data so far, or that of their card.
    pub fn fingerprint(&self) -> String {
        let hash = self.data.clone().map(DataHash::finish);
        hash.unwrap_or_else(|| self.head.data.fingerprint.clone())
    }

    /// The number of examples that are finished.
    pub(super) fn done(&self) -> usize {
        self.totals.rows.len()
    }

    /// Audits the attack if the settings ask for it. Returns the head of the record, with the
    /// fingerprint of the data, and the results.
    pub fn finish(
        mut self,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<(Head, Outcome), EvaluationError> {
        self.head.data.fingerprint = self.fingerprint();
        let audit = self.audited(progress)?;
        let images = self.images.map(ImageFolder::finish).transpose()?;
        if let Some(state) = &self.state {
            state.finish()?;
        }
        let (totals, certified) = (self.totals, self.certifier.map(Certifier::finish));
        Ok((self.head, Outcome { totals, certified, audit, images }))
    }

    fn audited(
        &self,
        progress: &mut dyn FnMut(&Step),
    ) -> Result<Option<(AuditRecord, Vec<Check>)>, EvaluationError> {
        let Some(auditor) = &self.auditor else { return Ok(None) };
        let mut watch = |of: &crate::audit::AuditProgress| progress(&Step::Check(of.clone()));
        Ok(Some(match (auditor.run(self.classifier, &mut watch), &self.state) {
            // A finished evaluation with other checks was in this folder.
            (Err(EvaluationError::State { .. }), Some(state)) if state.forgets_checks()? => {
                auditor.run(self.classifier, &mut watch)?
            }
            (found, _) => found?,
        }))
    }
}
