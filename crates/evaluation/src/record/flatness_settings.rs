//! The settings of a finished measurement of flatness.

use crate::files::hash_of;
use crate::record::flatness::{FlatnessRecord, PerturbedLosses};
use crate::record::settings::Told;
use crate::{DataCard, ModelCard};
use cni_attacks::weights::WeightThreat;
use cni_noise::Key;
use serde_json::Value;

/// The settings of a part of a measurement of flatness.
pub(crate) struct Part {
    pub threat: WeightThreat,
    pub attempts: usize,
    pub restarts: usize,
    /// Iterations of an ascent, and the length of its steps.
    pub ascent: Option<(usize, f64)>,
}

/// The facts of a measurement of flatness that its settings are told from.
pub(crate) struct FlatnessFacts<'a> {
    pub model: &'a ModelCard,
    pub data: &'a DataCard,
    pub examples: usize,
    pub attack: (String, Value),
    pub stochastic: bool,
    pub draws: usize,
    pub reference_restarts: usize,
    pub average: Option<Part>,
    pub worst: Option<Part>,
    /// Points and random directions of the landscape; `None` without one.
    pub landscape: Option<(usize, usize)>,
    pub key: Key,
}

impl FlatnessFacts<'_> {
    pub fn told(&self) -> Told {
        let mut told = Told::default();
        told.add("examples", self.examples);
        told.cards(self.model, self.data);
        let (name, spec) = &self.attack;
        told.compare("attack", hash_of(spec), format!("{name} ({})", &hash_of(spec)[..6]));
        told.add("noise", if self.stochastic { "live" } else { "none" });
        told.add("draws", self.draws);
        told.add("reference restarts", self.reference_restarts);
        for (name, part) in [("average", &self.average), ("worst case", &self.worst)] {
            told.add(
                name,
                match part {
                    None => "none".to_string(),
                    Some(Part { threat, attempts, restarts, ascent }) => {
                        let (radius, region) = (threat.radius(), threat.region());
                        let ascent = ascent.map_or(String::new(), |(steps, step)| {
                            format!(", {steps} steps of {step}")
                        });
                        format!(
                            "{attempts} in the {region} of {radius}, {restarts} restarts{ascent}"
                        )
                    }
                },
            );
        }
        told.add(
            "landscape",
            match self.landscape {
                None => "none".to_string(),
                Some((points, directions)) => format!("{points} points, {directions} directions"),
            },
        );
        told.add("key", self.key);
        told
    }
}

impl FlatnessRecord {
    /// The settings of the measurement.
    pub(crate) fn told(&self) -> Told {
        let part = |of: &Option<PerturbedLosses>| {
            of.as_ref().map(|losses| Part {
                threat: losses.threat,
                attempts: losses.losses.len(),
                restarts: losses.restarts,
                ascent: losses.steps.zip(losses.step),
            })
        };
        let random = self.landscape.iter().filter(|curve| !curve.adversarial);
        let facts = FlatnessFacts {
            model: &self.model,
            data: &self.data,
            examples: self.examples,
            attack: (self.attack_name.clone(), self.attack.clone()),
            stochastic: self.stochastic,
            draws: self.draws,
            reference_restarts: self.reference_restarts,
            average: part(&self.average),
            worst: part(&self.worst),
            landscape: self.landscape.first().map(|curve| (curve.points.len(), random.count())),
            key: self.key,
        };
        facts.told()
    }
}
