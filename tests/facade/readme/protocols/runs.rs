//! The runs of the ablation, with their accuracies and what they say over the seeds.

use super::super::chapters::{percent, record};
use cni_burn::evaluation::OverSeeds;
use cni_burn::prelude::Record;

pub(super) const RUNS: &str = "results/ablations/white-and-colored";
pub(super) const ARMS: [&str; 5] =
    ["plain", "plain, half and half", "PNI-W", "CNI-W", "CNI-W and on activations"];
pub(in super::super) const ATTACKS: [&str; 6] = [
    "PGD-20-from-itself-held",
    "PGD-7",
    "PGD-20",
    "EOT-PGD-20x10",
    "EOT-APGD-CE-20x10",
    "EOT-APGD-DLR-20x10",
];

// Columns of a run.
pub(super) const CLEAN: usize = 0;
pub(super) const FROZEN: usize = 1;
pub(super) const PGD_7: usize = 2;
pub(super) const PGD_20: usize = 3;
pub(super) const EOT: usize = 4;
pub(super) const AWARE: usize = 5;
pub(super) const WORST: usize = 7;

/// The file of the record of a run.
pub(super) fn record_of(arm: &str, seed: usize) -> String {
    let folder = arm.replace(", ", "--").replace(' ', "-");
    format!("{RUNS}/runs/{folder}/seed-{seed}/evaluation/record.json")
}

/// The accuracies of the runs of an arm, one row a seed: clean, under each attack, and in the worst
/// case.
pub(super) fn runs(arm: &str) -> Vec<Vec<f64>> {
    let row = |seed: usize| {
        let record: Record = record(&record_of(arm, seed));
        let names: Vec<_> = record.attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ATTACKS, "{arm}");
        let attacks = record.attacks.iter().map(|attack| attack.robust.one_shot.accuracy);
        let worst = record.worst_case.as_ref().unwrap().one_shot.accuracy;
        [record.clean.one_shot.accuracy].into_iter().chain(attacks).chain([worst]).collect()
    };
    (1..=3).map(row).collect()
}

/// A number over the seeds.
pub(super) fn over_seeds(values: impl IntoIterator<Item = f64>) -> OverSeeds {
    let found = OverSeeds::new(values.into_iter().collect(), 0.95).unwrap();
    assert_eq!(found.seeds, 3);
    found
}

pub(super) fn spread(values: impl IntoIterator<Item = f64>) -> String {
    let found = over_seeds(values);
    format!("{} ± {}", percent(found.mean), percent(found.sd.unwrap()))
}

/// A mean of differences with its interval, in points.
pub(super) fn signed(of: &OverSeeds) -> String {
    let [mean, low, high] = [Some(of.mean), of.low, of.high].map(|value| 100.0 * value.unwrap());
    format!("{mean:+.1} [{low:+.1}, {high:+.1}]")
}

pub(super) fn has_zero(of: &OverSeeds) -> bool {
    of.low.unwrap() < 0.0 && 0.0 < of.high.unwrap()
}

/// The difference of two arms in a column, paired by seed.
pub(super) fn difference(arm: &[Vec<f64>], baseline: &[Vec<f64>], column: usize) -> OverSeeds {
    over_seeds(arm.iter().zip(baseline).map(|(arm, plain)| arm[column] - plain[column]))
}
