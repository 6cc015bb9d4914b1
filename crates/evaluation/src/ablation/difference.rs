use super::over_seeds::resolution;
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
    /// of every noisy model among the two arms, and no budget ended one early.
    pub evidence: bool,
}

/// A difference of accuracies, the arm minus the baseline, paired by seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeedDifference {
    /// The mean difference with its interval, not corrected.
    #[serde(flatten)]
    pub over: OverSeeds,
    /// The two-sided p-value of Student's paired test. The deviation over the seeds counts as one
    /// example at least, as in the interval: a few seeds whose differences agree to the last
    /// example would otherwise give a p-value of zero, which they are no evidence for.
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
    let examples = base.examples();
    let paired = |arm: &Arm, value: fn(&ArmRun) -> Option<f64>| {
        let differences = arm.runs.iter().filter_map(|run| {
            let other = base.runs.iter().find(|other| other.seed == run.seed)?;
            Some(value(run)? - value(other)?)
        });
        let differences: Vec<f64> = differences.collect();
        match differences.len() {
            0 | 1 => Ok(None),
            _ => SeedDifference::new(differences, examples, confidence).map(Some),
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
    /// The mean of differences of accuracies of so many examples each, one for each seed.
    fn new(
        differences: Vec<f64>,
        examples: usize,
        confidence: f64,
    ) -> Result<Self, EvaluationError> {
        let over = OverSeeds::of_accuracies(differences, examples, confidence)?;
        let sd = over.sd.unwrap_or_default().max(resolution(examples));
        let t = over.mean * (over.seeds as f64).sqrt() / sd;
        let p = student_two_sided(t, over.seeds as f64 - 1.0);
        Ok(Self { over, p, adjusted_p: p })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(differences: [f64; 3]) -> SeedDifference {
        SeedDifference::new(differences.into(), 100, 0.95).unwrap()
    }

    /// Three seeds differ by exactly four of 100 examples: t = 4 √3, whose p-value with two degrees
    /// of freedom is 1 − t / √(t² + 2) = 1 − √(48 / 50).
    #[test]
    fn differences_that_agree_to_the_last_example_are_no_certainty() {
        // 0.54 − 0.5 and 0.44 − 0.4 differ in their last digits.
        let found = of([0.54 - 0.5, 0.44 - 0.4, 0.04]);
        assert!(found.over.sd.unwrap() < 1e-15, "{found:?}");
        assert!((found.p - (1.0 - (48.0_f64 / 50.0).sqrt())).abs() < 1e-6, "{found:?}");
        assert!(found.over.low.unwrap() < 0.03 && found.over.high.unwrap() > 0.05, "{found:?}");
        let mut all = [of([0.04; 3]), of([0.0; 3])];
        adjust(all.iter_mut().collect());
        assert!((all[1].p - 1.0).abs() < 1e-9 && all[1].adjusted_p <= 1.0, "{all:?}");
        assert!((all[0].adjusted_p - 2.0 * all[0].p).abs() < 1e-12, "{all:?}");
    }

    /// Of 0.1, 0.2, 0.3 the deviation is 0.1: t = 2 √3, as without a resolution.
    #[test]
    fn a_deviation_of_more_than_an_example_is_taken_as_it_is() {
        let found = of([0.1, 0.2, 0.3]);
        assert!((found.p - student_two_sided(2.0 * 3.0_f64.sqrt(), 2.0)).abs() < 1e-9);
    }
}
