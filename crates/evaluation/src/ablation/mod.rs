//! Ablations: arms that differ in their settings, each trained from several seeds.

mod arm;
mod difference;
mod judged;
mod over_seeds;
mod table;

pub use arm::{Arm, ArmRun, AttackOverSeeds, FailedRun};
pub use difference::{ArmComparison, SeedDifference};
pub use over_seeds::OverSeeds;
pub use table::ablation_table;

use crate::files::read_text;
use crate::{DataCard, EvaluationError, write_json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the layout of an ablation's record.
const SCHEMA: u32 = 1;

/// The record of an ablation: what each arm reached over its seeds, and how it differs from the
/// baseline.
///
/// A training run is one draw from a method, so that the unit of all intervals is the seed. Arms
/// are compared on the seeds that they share, which have the same order of data and the same first
/// weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AblationRecord {
    /// The version of the record's layout.
    pub schema: u32,
    /// The version of this library.
    pub version: String,
    /// The name of the plan.
    pub name: String,
    /// The command that made the record.
    pub command: String,
    /// The data that judged the runs.
    pub data: DataCard,
    /// The number of examples that judged each run.
    pub examples: usize,
    /// The confidence of the intervals, between 0 and 1.
    pub confidence: f64,
    /// The arm that the others are compared with.
    pub baseline: String,
    /// The arms, in the order of the plan.
    pub arms: Vec<Arm>,
    /// The differences from the baseline, an entry for each other arm that shares two seeds with it.
    pub comparisons: Vec<ArmComparison>,
    /// The names of the arms on the frontier of clean and robust accuracy: of those that no other
    /// exceeds in one mean without falling behind in the other. An arm whose attacks are no
    /// evidence neither is there nor exceeds another.
    pub frontier: Vec<String>,
}

impl AblationRecord {
    /// The record of these arms, of which `baseline` names one.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Field`] if there is no finished run, no arm of the baseline's name, or a
    /// run that was judged on other data, by another number of examples, within other threats or by
    /// other attacks than the first; and [`EvaluationError::Statistics`] for a confidence that is
    /// not between 0 and 1.
    pub fn new(
        name: &str,
        command: &str,
        baseline: &str,
        confidence: f64,
        arms: Vec<Arm>,
    ) -> Result<Self, EvaluationError> {
        let wrong = |field: String, got: String, wanted: String| {
            Err(EvaluationError::Field { field, got, wanted })
        };
        let runs = || arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
        let Some((_, first)) = runs().next() else {
            return wrong("runs".into(), "none".into(), "a finished run".into());
        };
        let (data, examples) = (first.data.clone(), first.examples);
        judged::refuse(&arms)?;
        let Some(base) = arms.iter().find(|arm| arm.name == baseline) else {
            let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
            return wrong(
                "baseline".into(),
                baseline.into(),
                format!("one of {}", names.join(", ")),
            );
        };
        let arms: Vec<Arm> =
            arms.iter().map(|arm| arm.clone().summarised(confidence)).collect::<Result<_, _>>()?;
        Ok(Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_string(),
            name: name.to_string(),
            command: command.to_string(),
            data,
            examples,
            confidence,
            baseline: baseline.to_string(),
            comparisons: difference::all(base, &arms, confidence)?,
            frontier: frontier(&arms),
            arms,
        })
    }

    /// The names of the attacks that its runs met, each once, in their order.
    pub fn attack_names(&self) -> Vec<&str> {
        arm::attack_names(self.arms.iter().flat_map(|arm| &arm.runs))
    }

    /// Writes the record as JSON: whole, or not at all.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EvaluationError> {
        write_json(path.as_ref(), self)
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Io`] if the file cannot be read, and [`EvaluationError::Damaged`] if it
    /// holds no record of an ablation.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        serde_json::from_str(&read_text(path)?).map_err(|error| EvaluationError::Damaged {
            path: path.to_path_buf(),
            line: Some(error.line()),
            reason: error.to_string(),
        })
    }
}

/// The names of the arms that no other dominates, of those whose robust accuracy is evidence.
fn frontier(arms: &[Arm]) -> Vec<String> {
    let means = |arm: &Arm| Some([arm.clean.as_ref()?.mean, arm.robust.as_ref()?.mean]);
    let tell = arms.iter().filter(|arm| arm.is_evidence());
    let points: Vec<(&Arm, [f64; 2])> =
        tell.filter_map(|arm| means(arm).map(|point| (arm, point))).collect();
    let dominated = |[clean, robust]: [f64; 2]| {
        let better = |&(_, [c, r]): &(&Arm, [f64; 2])| {
            c >= clean && r >= robust && (c > clean || r > robust)
        };
        points.iter().any(better)
    };
    let all = points.iter().filter(|(_, point)| !dominated(*point));
    all.map(|(arm, _)| arm.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_whose_attacks_are_no_evidence_is_not_on_the_frontier() {
        let arm = |name: &str, robust, evidence| {
            let run = ArmRun { examples: 100, clean: 0.9, robust, evidence, ..ArmRun::default() };
            Arm { name: name.to_string(), runs: vec![run], ..Arm::default() }
        };
        let arms = vec![
            arm("plain", Some(0.4), true),
            arm("weak", Some(0.3), true),
            arm("noisy", Some(0.8), false),
        ];
        let record = AblationRecord::new("", "", "plain", 0.95, arms).unwrap();
        assert_eq!(record.frontier, ["plain"]);
    }
}
