//! Suites of attacks: each attack runs on the examples that are still robust. One file, because a
//! suite consists of its settings, and its implementation of [`Attack`] uses all of them.

mod cascade;
mod presets;
mod read;

use self::cascade::Cascade;
use crate::attack::check_classes;
use crate::error::at_least_one;
use crate::{Access, Attack, AttackBatch, AttackError, Knob, Knobs, ModelAccess, Passes, Threat};
use burn::tensor::Tensor;
use cni_noise::Key;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Attacks in a row, each on the examples that are still robust, as AutoAttack has it (Croce and
/// Hein, arXiv 2003.01690; in the L1 norm arXiv 2103.01208).
///
/// | | attacks |
/// | --- | --- |
/// | [`standard`](Self::standard) | APGD-CE, APGD-T with 9 targets, FAB-T with 9 targets, Square with 5000 queries; in L1 APGD-CE with 5 restarts and APGD-T with 5 targets, both from enlarged balls |
/// | [`plus`](Self::plus) | APGD-CE, APGD-DLR and FAB with 5 restarts each, Square, APGD-T and FAB-T with 9 targets |
/// | [`rand`](Self::rand) | APGD-CE and APGD-DLR on the mean over 20 draws |
/// | [`rand_plus`](Self::rand_plus) | those of `rand`, and EOT-Square with 1000 queries on the mean over 20 draws: what `rand`'s authors describe beside it, and did not ship |
/// | [`custom`](Self::custom) | any |
///
/// For a stochastic model an example counts as broken, and leaves, when it is misclassified in
/// every one of `draws` fresh draws, 20 unless set; the reference lets it go by a single lucky one.
/// An example that is still correct in some draws stays. Its result is the image, over all attacks,
/// that is misclassified in the most draws, and among equals the one with the larger mean margin.
/// The final verdict uses separate draws.
///
/// A suite is an [`Attack`] like any other: it runs [`on`](Attack::on) a model, so that it can be
/// used in training or within another suite. To evaluate a model, give it to `Evaluation::of` of
/// `cni-evaluation`: the record then has a row for each of its attacks, and an evaluation that was
/// killed loses one attack on one batch.
///
/// ```
/// use cni_attacks::{Attack, Pgd, RandomNoise, Suite, Threat};
/// let threat = Threat::linf(8.0 / 255.0)?;
/// assert_eq!(Suite::standard(threat)?.name(), "AutoAttack-standard");
/// let own: Vec<Box<dyn Attack>> =
///     vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::new(threat))];
/// assert_eq!(Suite::custom("quick", own)?.threat(), threat);
/// # Ok::<(), cni_attacks::AttackError>(())
/// ```
#[derive(Clone)]
pub struct Suite {
    name: String,
    threat: Threat,
    attacks: Vec<Arc<dyn Attack>>,
    draws: usize,
    /// Attacks left out because the model has too few classes.
    left_out: Vec<String>,
}

/// Draws of a stochastic model that decide whether an example is broken.
const DRAWS: usize = 20;

impl Suite {
    /// Attacks of one threat, in that order.
    ///
    /// # Errors
    ///
    /// [`AttackError::Suite`] if there are none, their threats differ, or two have the same name.
    pub fn custom(
        name: impl Into<String>,
        attacks: Vec<Box<dyn Attack>>,
    ) -> Result<Self, AttackError> {
        Self::new(name, attacks.into_iter().map(Arc::from).collect())
    }

    fn new(name: impl Into<String>, attacks: Vec<Arc<dyn Attack>>) -> Result<Self, AttackError> {
        let name = name.into();
        let refused = |reason: String| AttackError::Suite { name: name.clone(), reason };
        let Some(first) = attacks.first() else {
            return Err(refused("got no attack, wanted at least one".to_string()));
        };
        let threat = first.threat();
        if let Some(other) = attacks.iter().find(|attack| attack.threat() != threat) {
            let (got, of) = (other.threat(), other.name());
            return Err(refused(format!("got {got:?} of {of}, wanted {threat:?} as of the first")));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) =
            attacks.iter().map(|attack| attack.name()).find(|name| !names.insert(name.clone()))
        {
            let reason = format!("got two attacks of the name {twice}, wanted a name for each");
            return Err(refused(reason));
        }
        Ok(Self { name, threat, attacks, draws: DRAWS, left_out: Vec::new() })
    }

    /// The suite without the attacks that cannot run on a model of so few classes. Name and records
    /// say which attacks are missing: `AutoAttack-standard-without-APGD-T-100`.
    ///
    /// # Errors
    ///
    /// [`AttackError::Suite`] if no attack remains.
    pub fn for_classes(self, classes: usize) -> Result<Self, AttackError> {
        let runs = |attack: &Arc<dyn Attack>| attack.min_classes() <= classes;
        let (attacks, others): (Vec<_>, Vec<_>) = self.attacks.iter().cloned().partition(runs);
        let names: Vec<String> = others.iter().map(|attack| attack.name()).collect();
        if names.is_empty() {
            return Ok(self);
        }
        let name = format!("{}-without-{}", self.name, names.join("-"));
        if attacks.is_empty() {
            let reason = format!("got {classes} classes, too few for each of its attacks");
            return Err(AttackError::Suite { name: self.name, reason });
        }
        let left_out = [self.left_out, names].concat();
        Ok(Self { name, attacks, left_out, ..self })
    }

    /// The number of draws that decide on each example of a stochastic model; an error if it is
    /// zero. No attack has used these draws.
    pub fn with_judging_draws(self, draws: usize) -> Result<Self, AttackError> {
        Ok(Self { draws: at_least_one("judging_draws", draws)?, ..self })
    }

    /// Checks that a model of `got` classes has enough of them for each of a suite's attacks.
    ///
    /// # Errors
    ///
    /// [`AttackError::Classes`], which says how to leave out those that cannot.
    pub fn check_classes<'a>(
        attacks: impl IntoIterator<Item = &'a (dyn Attack + 'a)>,
        got: usize,
    ) -> Result<(), AttackError> {
        check_classes(attacks, got).map_err(|error| match error {
            AttackError::Classes { got, wanted, of } => {
                let of = format!("{of}, which `Suite::for_classes({got})` leaves out");
                AttackError::Classes { got, wanted, of }
            }
            other => other,
        })
    }

    /// The number of draws that decide on each example of a stochastic model.
    pub fn judging_draws(&self) -> usize {
        self.draws
    }

    /// The attacks, in their order.
    pub fn into_attacks(self) -> Vec<Arc<dyn Attack>> {
        self.attacks
    }

    /// The attacks, in their order.
    pub fn attacks(&self) -> impl Iterator<Item = &dyn Attack> {
        self.attacks.iter().map(AsRef::as_ref)
    }
}

impl Attack for Suite {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn threat(&self) -> Threat {
        self.threat
    }

    /// The most that any of its attacks asks.
    fn access(&self) -> Access {
        let all = [Access::Gradients, Access::Scores, Access::Decisions, Access::Transfer];
        let asked = |access: &Access| self.attacks().any(|attack| attack.access() == *access);
        all.into_iter().find(asked).unwrap_or(Access::None)
    }

    fn spec(&self) -> serde_json::Value {
        let mut spec = serde_json::json!({
            "attack": "suite",
            "name": self.name,
            "threat": self.threat,
            "judging_draws": self.draws,
            "attacks": self.attacks().map(Attack::spec).collect::<Vec<_>>(),
        });
        if !self.left_out.is_empty() {
            spec["left_out"] = self.left_out.clone().into();
        }
        spec
    }

    fn gradient_draws(&self) -> Option<usize> {
        self.attacks().filter_map(Attack::gradient_draws).max()
    }

    /// The draws of its attacks, the most that any of them has. The draws that decide on an example
    /// are a [setting of its own](Self::with_judging_draws).
    fn knobs(&self) -> Knobs {
        let draws = self.attacks().filter_map(|attack| attack.knobs().draws).max();
        Knobs { draws, ..Knobs::default() }
    }

    /// Sets the radius of all its attacks, or the draws of those that have them.
    fn with_knob(&self, knob: Knob) -> Result<Arc<dyn Attack>, AttackError> {
        let lacks = match knob {
            Knob::Epsilon(_) => false,
            Knob::Draws(_) => self.knobs().draws.is_none(),
            _ => true,
        };
        if lacks {
            return Err(knob.lacked_by(self.name()));
        }
        let draws = matches!(knob, Knob::Draws(_));
        let turned = |attack: &Arc<dyn Attack>| {
            if draws && attack.knobs().draws.is_none() {
                return Ok(attack.clone());
            }
            let turned = attack.with_knob(knob.clone())?;
            // A single point or candidate has no use for draws, and refuses them.
            Ok(if draws && turned.check().is_err() { attack.clone() } else { turned })
        };
        let attacks = self.attacks.iter().map(turned).collect::<Result<_, AttackError>>()?;
        let Self { draws, left_out, .. } = self.clone();
        Ok(Arc::new(Self { draws, left_out, ..Self::new(self.name.clone(), attacks)? }))
    }

    /// The cost of all its attacks, and of the draws that decide before the first and after each.
    fn cost(&self, classes: usize, stochastic: bool) -> Option<Passes> {
        let draws = if stochastic { self.draws } else { 1 };
        let decision = Passes { forwards: draws as u64, backwards: 0 };
        let attacks = self.attacks().map(|attack| attack.cost(classes, stochastic));
        let attacks: Option<Vec<Passes>> = attacks.collect();
        let attacks = attacks?.into_iter().map(|attack| attack + decision);
        Some(attacks.sum::<Passes>() + decision)
    }

    /// The draws that decide whether an example is broken.
    fn deciding_draws(&self, key: Key) -> Vec<(Key, usize)> {
        vec![(key.named("select"), self.draws)]
    }

    fn min_classes(&self) -> usize {
        self.attacks().map(Attack::min_classes).max().unwrap_or(2)
    }

    fn check(&self) -> Result<(), AttackError> {
        self.attacks().try_for_each(Attack::check)
    }

    fn run(
        &self,
        access: &mut ModelAccess<'_>,
        batch: &AttackBatch,
        key: Key,
    ) -> Result<Tensor<4>, AttackError> {
        let mut cascade = Cascade::new(access, batch, key, self)?;
        for (index, attack) in self.attacks.iter().enumerate() {
            cascade.step(access, index, attack.as_ref())?;
            if !access.has_budget() {
                break;
            }
        }
        Ok(cascade.images)
    }
}
