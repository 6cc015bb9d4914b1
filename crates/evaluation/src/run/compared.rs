//! An evaluation that is to be, beside the record of one that is done.

use crate::record::settings::Facts;
use crate::run::head::Head;
use crate::run::into_batch::IntoBatch;
use crate::run::place::{Place, refuse_budget};
use crate::{Evaluation, EvaluationError, OtherSetting, Record};
use cni_attacks::{AttackBatch, Classifier, Goal, ModelAccess};
use cni_ops::autocast;

impl Evaluation {
    /// The first setting in which a finished record differs from the one that this evaluation would
    /// make of `examples` examples, whose first batch is `batch`; `None` if both are of one
    /// evaluation, as far as the record tells. The model is asked whether it has noise.
    ///
    /// Whoever writes to a folder that holds a record can refuse to replace it by another.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), before the first attack.
    pub fn difference_from<B: IntoBatch>(
        &self,
        record: &Record,
        classifier: &dyn Classifier,
        batch: B,
        examples: usize,
    ) -> Result<Option<OtherSetting>, EvaluationError> {
        let (images, labels) =
            batch.into_batch().map_err(|source| EvaluationError::Batch { first: 0, source })?;
        let batch = AttackBatch::new(images, &Goal::Misclassify(labels), 0)?;
        let stochastic = autocast(self.judging_precision, || {
            ModelAccess::new(classifier).is_stochastic(&batch)
        })?;
        let head = Head::new(self, stochastic);
        let audit = self.audit.as_ref();
        if audit.is_some() {
            refuse_budget(self.budget)?;
        }
        let place =
            audit.map(|audit| Place::find(&self.suite, audit.attack().as_ref(), stochastic));
        let place = place.transpose()?;
        let effort = audit.map(|audit| audit.effort().to_string());
        let checks = effort.zip(place.as_ref().map(|place| place.hash.as_str()));
        let attacks = head.attacks.iter();
        let facts = Facts {
            model: &head.model,
            data: &head.data,
            examples,
            threat: &head.threat,
            attacks: attacks.map(|attack| (attack.name.as_str(), attack.hash.as_str())).collect(),
            cascade: head.cascade.as_ref(),
            noise_states: &head.noise_states,
            draws: head.draws,
            votes: head.votes,
            tries: head.tries,
            epsilons: head.epsilons.clone(),
            certificates: self.certificates.as_ref().map(|smoothing| {
                let (selection, samples) = (smoothing.selection(), smoothing.samples());
                (smoothing.sigma(), selection, samples, smoothing.alpha())
            }),
            checks: Some(checks),
            budget: head.budget,
            key: head.key,
            confidence: head.confidence,
        };
        Ok(facts.told().difference(&record.told()))
    }
}
