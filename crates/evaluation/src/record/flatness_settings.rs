//! The settings of a finished measurement of flatness.

use crate::files::hash_of;
use crate::record::flatness::{FlatnessRecord, PerturbedLosses};
use crate::record::settings::Told;
use crate::record::spec::without_draws;
use crate::{DataCard, ModelCard, OtherSetting};
use cni_attacks::weights::WeightThreat;
use cni_noise::Key;
use serde_json::Value;
use std::fmt;

/// The settings of a part of a measurement of flatness.
pub(crate) struct Part {
    pub threat: WeightThreat,
    pub attempts: usize,
    pub restarts: usize,
    /// Iterations of an ascent, and the length of its steps.
    pub ascent: Option<(usize, f64)>,
}

/// All but the number of attempts: `sphere of 0.5, 1 restarts`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (radius, region) = (self.threat.radius(), self.threat.region());
        write!(f, "{region} of {radius}, {} restarts", self.restarts)?;
        match self.ascent {
            Some((steps, step)) => write!(f, ", {steps} steps of {step}"),
            None => Ok(()),
        }
    }
}

impl Part {
    fn of(losses: &PerturbedLosses) -> Self {
        Self {
            threat: losses.threat,
            attempts: losses.losses.len(),
            restarts: losses.restarts,
            ascent: losses.steps.zip(losses.step),
        }
    }

    fn with_attempts(&self) -> String {
        format!("{} in the {self}", self.attempts)
    }
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
    /// The paths of the perturbed layers.
    pub layers: Vec<&'a str>,
    /// Points and random directions of the landscape; `None` without one.
    pub landscape: Option<(usize, usize)>,
    /// The lengths of its random directions and of its adversarial one.
    pub lengths: [Option<f64>; 2],
    pub key: Key,
}

impl FlatnessFacts<'_> {
    pub fn told(&self) -> Told {
        let mut told = Told::default();
        told.add("examples", self.examples);
        told.cards(self.model, self.data);
        let (name, spec) = &self.attack;
        told.compare("attack", hash_of(spec), short(name, spec));
        told.add("noise", if self.stochastic { "live" } else { "none" });
        told.add("draws", self.draws);
        told.add("reference restarts", self.reference_restarts);
        for (name, part) in [("average", &self.average), ("worst case", &self.worst)] {
            told.add(name, part.as_ref().map_or("none".to_string(), Part::with_attempts));
        }
        self.tell_layers(&mut told);
        told.add(
            "landscape",
            match self.landscape {
                None => "none".to_string(),
                Some((points, directions)) => format!("{points} points, {directions} directions"),
            },
        );
        self.tell_lengths(&mut told);
        told.add("key", self.key);
        told
    }

    /// The settings that two measurements share if their flatnesses can be compared. A part that
    /// one of them lacks is no difference.
    ///
    /// The model may be another, of course, and its noise with it: draws and key are left out. So
    /// is the number of perturbations of an average, which only makes it more exact; the largest
    /// loss of the worst case grows with its attempts.
    fn kind(&self) -> Told {
        let mut told = Told::default();
        told.add("examples", self.examples);
        // A model without a fingerprint is left out.
        told.cards(&ModelCard::default(), self.data);
        let (name, spec) = (&self.attack.0, without_draws(&self.attack.1));
        told.compare("attack", hash_of(&spec), short(name, &spec));
        told.add("reference restarts", self.reference_restarts);
        self.average.iter().for_each(|part| told.add("average", part));
        self.worst.iter().for_each(|part| told.add("worst case", part.with_attempts()));
        self.tell_layers(&mut told);
        self.tell_lengths(&mut told);
        told
    }

    fn tell_layers(&self, told: &mut Told) {
        let paths = Value::from(self.layers.clone());
        let tensors = format!("{} tensors", self.layers.len());
        told.compare("layers", hash_of(&paths), short(&tensors, &paths));
    }

    fn tell_lengths(&self, told: &mut Told) {
        let names = ["length of random directions", "length of the adversarial direction"];
        for (name, length) in names.into_iter().zip(self.lengths) {
            length.into_iter().for_each(|length| told.add(name, length));
        }
    }
}

/// A name with the first digits of the hash of what it stands for.
fn short(name: &str, of: &Value) -> String {
    format!("{name} ({})", &hash_of(of)[..6])
}

impl FlatnessRecord {
    fn facts(&self) -> FlatnessFacts<'_> {
        let along = |adversarial: bool| {
            self.landscape.iter().filter(move |curve| curve.adversarial == adversarial)
        };
        let length = |adversarial: bool| along(adversarial).next().map(|curve| curve.length);
        FlatnessFacts {
            model: &self.model,
            data: &self.data,
            examples: self.examples,
            attack: (self.attack_name.clone(), self.attack.clone()),
            stochastic: self.stochastic,
            draws: self.draws,
            reference_restarts: self.reference_restarts,
            average: self.average.as_ref().map(Part::of),
            worst: self.worst.as_ref().map(Part::of),
            layers: self.layers.iter().map(String::as_str).collect(),
            landscape: self
                .landscape
                .first()
                .map(|curve| (curve.points.len(), along(false).count())),
            lengths: [length(false), length(true)],
            key: self.key,
        }
    }

    /// The settings of the measurement.
    pub(crate) fn told(&self) -> Told {
        self.facts().told()
    }

    /// The first setting by which two measurements are of other kinds, so that their flatnesses
    /// cannot be compared: other examples, another attack, perturbations of another size or of
    /// other layers. `None` if they can be compared, as far as the records tell.
    ///
    /// The number of draws is no such setting, since a model with noise needs more of them than one
    /// without; neither is a part that only one of the two measured.
    pub fn other_kind(&self, other: &Self) -> Option<OtherSetting> {
        self.facts().kind().difference(&other.facts().kind())
    }
}

/// The kinds of some measurements: the places of the records whose flatnesses can be compared with
/// one another, in their order.
///
/// Only such records belong in one table, as [`flatness_table`](super::flatness::flatness_table)
/// and the pages show them.
pub fn flatness_kinds(records: &[FlatnessRecord]) -> Vec<Vec<usize>> {
    let mut kinds: Vec<Vec<usize>> = Vec::new();
    for (place, record) in records.iter().enumerate() {
        // All of a kind are asked, since each may have parts that another lacks.
        let alike = |kind: &Vec<usize>| {
            kind.iter().all(|other| record.other_kind(&records[*other]).is_none())
        };
        let known = kinds.iter().position(alike);
        match known {
            Some(kind) => kinds[kind].push(place),
            None => kinds.push(vec![place]),
        }
    }
    kinds
}
