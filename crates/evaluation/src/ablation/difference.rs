use super::{Arm, ArmRun, OverSeeds};
use crate::EvaluationError;
use crate::statistics::laws::student_two_sided;
use crate::statistics::multiple::holm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The difference of an arm from the baseline, over the seeds that both have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmComparison {
    /// The arm.
    pub arm: String,
    /// The difference in clean accuracy.
    pub clean: SeedDifference,
    /// The difference in robust accuracy; absent if one of them has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robust: Option<SeedDifference>,
    /// True if the difference in robust accuracy is evidence: if the attacks averaged over the draws
    /// of every noisy model among the two arms.
    pub evidence: bool,
}

/// A difference of accuracies, the arm minus the baseline, paired by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedDifference {
    /// The mean difference with its interval, not corrected.
    #[serde(flatten)]
    pub over: OverSeeds,
    /// The two-sided p-value of Student's paired test.
    pub p: f64,
    /// The p-value corrected for the number of arms (Holm, Scandinavian Journal of Statistics
    /// 1979): below a level for any arm with at most that probability if no arm differs.
    pub adjusted_p: f64,
}

/// The differences of all other arms from the baseline.
pub(super) fn all(
    base: &Arm,
    arms: &[Arm],
    confidence: f64,
) -> Result<Vec<ArmComparison>, EvaluationError> {
    let paired = |arm: &Arm, value: fn(&ArmRun) -> Option<f64>| {
        let differences = arm.runs.iter().filter_map(|run| {
            let other = base.runs.iter().find(|other| other.seed == run.seed)?;
            Some(value(run)? - value(other)?)
        });
        let differences: Vec<f64> = differences.collect();
        match differences.len() {
            0 | 1 => Ok(None),
            _ => SeedDifference::new(differences, confidence).map(Some),
        }
    };
    let mut found = Vec::new();
    for arm in arms.iter().filter(|arm| arm.name != base.name) {
        let Some(clean) = paired(arm, |run| Some(run.clean))? else { continue };
        let evidence = arm.is_evidence() && base.is_evidence();
        let robust = paired(arm, |run| run.robust)?;
        found.push(ArmComparison { arm: arm.name.clone(), clean, robust, evidence });
    }
    adjust(found.iter_mut().map(|comparison| &mut comparison.clean).collect());
    adjust(found.iter_mut().filter_map(|comparison| comparison.robust.as_mut()).collect());
    Ok(found)
}

/// Corrects the p-values of one family.
fn adjust(family: Vec<&mut SeedDifference>) {
    let adjusted = holm(&family.iter().map(|difference| difference.p).collect::<Vec<_>>());
    family.into_iter().zip(adjusted).for_each(|(difference, p)| difference.adjusted_p = p);
}

impl SeedDifference {
    fn new(differences: Vec<f64>, confidence: f64) -> Result<Self, EvaluationError> {
        let over = OverSeeds::new(differences, confidence)?;
        let error = over.sd.unwrap_or_default() / (over.seeds as f64).sqrt();
        let p = match (over.mean, error) {
            (0.0, _) => 1.0,
            (mean, error) => student_two_sided(mean / error, over.seeds as f64 - 1.0),
        };
        Ok(Self { over, p, adjusted_p: p })
    }
}
