use super::OverSeeds;
use crate::files::hash_of;
use crate::record::spec::without_draws;
use crate::{AttackRecord, DataCard, EvaluationError, Record};
use cni_attacks::Threat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An arm: some settings, and the runs that were trained with them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Arm {
    /// The name.
    pub name: String,
    /// The settings that it does not share with the others, by their paths in the recipe.
    pub settings: Map<String, Value>,
    /// The finished runs, one for each seed.
    pub runs: Vec<ArmRun>,
    /// The runs that failed, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedRun>,
    /// Clean accuracy over the seeds; absent without a finished run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean: Option<OverSeeds>,
    /// Robust accuracy over the seeds, in the worst case of the attacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robust: Option<OverSeeds>,
    /// Robust accuracy under each attack over the seeds, in the order of the evaluation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attacks: Vec<AttackOverSeeds>,
}

/// An arm under one attack, over the seeds that met it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttackOverSeeds {
    /// The name of the attack.
    pub attack: String,
    /// Robust accuracy under it.
    pub robust: OverSeeds,
    /// Robust accuracy under it less that in the worst case of all attacks, run by run: what it
    /// would have made the arm look better than it is.
    pub above_worst_case: OverSeeds,
}

/// A run of an arm, and what judged it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmRun {
    /// The seed.
    pub seed: u64,
    /// The folder of the run, beside the record.
    pub folder: String,
    /// The fingerprint of the weights.
    pub fingerprint: String,
    /// The data that judged it.
    pub data: DataCard,
    /// The number of examples that judged it.
    pub examples: usize,
    /// Clean accuracy, in [0, 1].
    pub clean: f64,
    /// Robust accuracy in the worst case of the attacks, in [0, 1]; absent without attacks.
    pub robust: Option<f64>,
    /// Robust accuracy under each attack, by the attack's name, in the order of the evaluation.
    pub attacks: Vec<(String, f64)>,
    /// The threats of the attacks, each once; empty without attacks, and in records of earlier
    /// versions of the library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub threats: Vec<Threat>,
    /// The SHA-256 of the settings of each attack, in the order of the attacks; empty likewise.
    /// Draws are left out, since a model without noise needs none: runs of equal hashes met the
    /// same attacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// True if the worst case is evidence of robustness: if an attack averaged over the draws of
    /// the noise, or there is no noise; and if no budget ended an attack early.
    pub evidence: bool,
}

/// A run that came to no number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRun {
    /// The seed.
    pub seed: u64,
    /// The reason, such as a loss that was no number.
    pub reason: String,
}

impl ArmRun {
    /// The run of a seed from the record of its evaluation.
    pub fn new(seed: u64, folder: impl Into<String>, record: &Record) -> Self {
        let attacks = || record.attacks.iter();
        let of = |attack: &AttackRecord| attack.robust.one_shot.accuracy;
        Self {
            seed,
            folder: folder.into(),
            fingerprint: record.model.fingerprint.clone(),
            data: record.data.clone(),
            examples: record.examples,
            clean: record.clean.one_shot.accuracy,
            robust: record.worst_case.as_ref().map(|worst| worst.one_shot.accuracy),
            attacks: attacks().map(|attack| (record.heading(attack), of(attack))).collect(),
            threats: record.threat.threats.clone(),
            settings: attacks().map(|attack| hash_of(&without_draws(&attack.spec))).collect(),
            evidence: record.worst_case_is_evidence() && !attacks().any(|attack| attack.exhausted),
        }
    }
}

/// The names of the attacks that some runs met, each once, in their order.
pub(super) fn attack_names<'a>(runs: impl Iterator<Item = &'a ArmRun>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in runs.flat_map(|run| &run.attacks) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

impl Arm {
    /// True if the worst case of every run is evidence.
    pub fn is_evidence(&self) -> bool {
        self.runs.iter().all(|run| run.evidence)
    }

    /// The arm with its means over the seeds.
    pub(super) fn summarised(mut self, confidence: f64) -> Result<Self, EvaluationError> {
        self.runs.sort_by_key(|run| run.seed);
        let examples = self.examples();
        let over = |values: Vec<f64>| match values.is_empty() {
            true => Ok(None),
            false => OverSeeds::of_accuracies(values, examples, confidence).map(Some),
        };
        self.clean = over(self.runs.iter().map(|run| run.clean).collect())?;
        self.robust = over(self.runs.iter().filter_map(|run| run.robust).collect())?;
        let attacks =
            attack_names(self.runs.iter()).into_iter().map(|name| self.under(name, confidence));
        self.attacks = attacks.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The number of examples that judged each of its runs; zero without a run.
    pub(super) fn examples(&self) -> usize {
        self.runs.first().map_or(0, |run| run.examples)
    }

    /// The arm under an attack that one of its runs met.
    fn under(&self, name: &str, confidence: f64) -> Result<AttackOverSeeds, EvaluationError> {
        let of = |run: &ArmRun| {
            let (_, robust) = run.attacks.iter().find(|(attack, _)| attack == name)?;
            Some([*robust, robust - run.robust?])
        };
        let (robust, above): (Vec<f64>, Vec<f64>) =
            self.runs.iter().filter_map(of).map(|[robust, above]| (robust, above)).unzip();
        Ok(AttackOverSeeds {
            attack: name.to_string(),
            robust: OverSeeds::of_accuracies(robust, self.examples(), confidence)?,
            above_worst_case: OverSeeds::of_accuracies(above, self.examples(), confidence)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, robust: f64, attacks: &[(&str, f64)]) -> ArmRun {
        let data = DataCard {
            name: "images".into(),
            fingerprint: "none".into(),
            classes: vec!["a".into(), "b".into()],
        };
        ArmRun {
            seed,
            folder: String::new(),
            fingerprint: String::new(),
            data,
            examples: 100,
            clean: 0.9,
            robust: Some(robust),
            attacks: attacks.iter().map(|&(name, of)| (name.to_string(), of)).collect(),
            evidence: true,
            ..ArmRun::default()
        }
    }

    #[test]
    fn each_attack_is_compared_with_the_worst_case_of_its_own_run() {
        let runs = vec![
            run(2, 0.25, &[("weak", 0.75), ("strong", 0.25)]),
            run(1, 0.5, &[("weak", 0.75), ("strong", 0.5)]),
            run(3, 0.5, &[("strong", 0.5)]),
        ];
        let arm = Arm { runs, ..Arm::default() }.summarised(0.95).unwrap();
        let [weak, strong] = &arm.attacks[..] else { panic!("{:?}", arm.attacks) };
        assert_eq!((weak.attack.as_str(), weak.robust.seeds), ("weak", 2));
        assert_eq!((weak.robust.mean, weak.robust.sd), (0.75, Some(0.0)));
        assert_eq!(weak.above_worst_case.mean, 0.375);
        assert_eq!((strong.attack.as_str(), strong.robust.seeds), ("strong", 3));
        assert_eq!((strong.above_worst_case.mean, strong.above_worst_case.sd), (0.0, Some(0.0)));
    }
}
