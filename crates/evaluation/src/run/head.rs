//! The head of a record.

use crate::certify::SmoothingSettings;
use crate::run::identity::Entry;
use crate::{CascadeRecord, DataCard, Evaluation, ModelCard, NoiseState, ThreatCard};
use cni_attacks::{Access, Attack, Budget};
use cni_noise::Key;
use cni_ops::Precision;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The head of a record: everything in it that is known before the first attack.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub data: DataCard,
    pub model: ModelCard,
    pub threat: ThreatCard,
    pub command: String,
    pub draws: usize,
    pub votes: usize,
    pub tries: usize,
    pub stochastic: bool,
    pub noise_states: Vec<NoiseState>,
    pub key: Key,
    pub confidence: f64,
    pub cascade: Option<CascadeRecord>,
    pub budget: Option<Budget>,
    pub attacks: Vec<AttackHead>,
    /// The radii of the curves.
    pub epsilons: Vec<f64>,
    /// The settings of the certificates, if there are any.
    pub certificates: Option<SmoothingSettings>,
}

/// The head of an attack's part of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AttackHead {
    /// The name of the attack, which tells it apart from the others.
    pub name: String,
    pub spec: Value,
    pub hash: String,
    pub key: Key,
    pub access: Access,
    pub gradient_draws: Option<usize>,
}

impl Head {
    /// The head of an evaluation's record, for a model with noise or without.
    pub fn new(evaluation: &Evaluation, stochastic: bool) -> Self {
        let Evaluation { suite, attack_precision, judging_precision, .. } = evaluation;
        let mut model = evaluation.model.clone();
        if *judging_precision != Precision::Full {
            model.precision.get_or_insert_with(|| judging_precision.to_string());
        }
        let threat = ThreatCard {
            precision: (attack_precision != judging_precision)
                .then(|| attack_precision.to_string()),
            ..ThreatCard::of(suite.iter().map(|entry| entry.attack.as_ref()), stochastic)
        };
        let of = |several: usize| if stochastic { several } else { 1 };
        let attack = |entry: &Entry| AttackHead {
            name: entry.label.clone(),
            spec: entry.spec.clone(),
            hash: entry.hash.clone(),
            key: entry.key(evaluation.key),
            access: entry.attack.access(),
            gradient_draws: entry.attack.gradient_draws().map(of),
        };
        Self {
            data: evaluation.data.clone(),
            model,
            threat,
            command: evaluation.command.clone(),
            draws: of(evaluation.draws),
            votes: of(evaluation.votes),
            tries: of(evaluation.tries),
            stochastic,
            noise_states: evaluation.states(stochastic),
            key: evaluation.key,
            confidence: evaluation.confidence,
            cascade: evaluation.cascade.clone(),
            budget: (evaluation.budget != Budget::default()).then_some(evaluation.budget),
            attacks: suite.iter().map(attack).collect(),
            epsilons: evaluation.radii.iter().map(|radius| radius.epsilon).collect(),
            certificates: evaluation.certificates.as_ref().map(SmoothingSettings::from),
        }
    }
}
