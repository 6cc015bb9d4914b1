//! The summary of an ablation, in plain words.

use crate::format;
use cni_evaluation::{AblationRecord, Arm};

/// The summary in plain words: the arm with the highest mean robust accuracy of those whose
/// attacks are evidence, and which differences from the baseline are beyond chance.
pub(super) fn text(record: &AblationRecord) -> String {
    format!("{}{}", lead(record), against(record))
}

/// The best arm. One whose attacks are no evidence has no rank: the accuracy under them shows how
/// far its noise misled them.
fn lead(record: &AblationRecord) -> String {
    let robust = |arm: &Arm| arm.robust.as_ref().map(|over| over.mean);
    let attacked = record.arms.iter().filter_map(|arm| Some((arm, robust(arm)?)));
    let attacked: Vec<_> = attacked.collect();
    let ranked: Vec<_> = attacked.iter().filter(|(arm, _)| arm.is_evidence()).collect();
    let among = match ranked.len() == attacked.len() {
        true => "",
        false => " among the arms whose attacks are evidence",
    };
    match ranked.iter().max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        Some((arm, mean)) => {
            let mean = format::percent(*mean);
            format!("{} has the highest mean robust accuracy{among}, {mean} %. ", arm.name)
        }
        None if attacked.is_empty() => "No arm was attacked. ".to_string(),
        None => "The robust accuracy of no arm is evidence. ".to_string(),
    }
}

/// The differences from the baseline. That nothing was compared, or by attacks that are no
/// evidence, is not said as if no arm differed.
fn against(record: &AblationRecord) -> String {
    if record.comparisons.is_empty() {
        return "No two arms share two seeds, so that nothing is compared.".to_string();
    }
    let (baseline, level) = (&record.baseline, 1.0 - record.confidence);
    let robust = record.comparisons.iter().filter_map(|of| Some((of, of.robust.as_ref()?)));
    let (told, untold): (Vec<_>, Vec<_>) = robust.partition(|(of, _)| of.evidence);
    let beyond = told.iter().filter(|(_, robust)| robust.adjusted_p < level);
    let beyond = beyond.map(|(of, robust)| {
        let points = format::percent(robust.over.mean.abs());
        let way = if robust.over.mean > 0.0 { "above" } else { "below" };
        format!("{} is {points} points {way} it", of.arm)
    });
    let beyond: Vec<String> = beyond.collect();
    let mut said = match (beyond.as_slice(), told.as_slice(), untold.as_slice()) {
        ([], [], []) => "No two arms that share two seeds were attacked, so that no robust \
                         accuracies are compared."
            .to_string(),
        ([], [], _) => String::new(),
        ([], ..) => format!(
            "No arm's robust accuracy differs from that of the baseline, {baseline}, beyond what \
             seeds and the number of comparisons explain."
        ),
        (some, ..) => format!("Against the baseline, {baseline}: {}.", some.join("; ")),
    };
    if !untold.is_empty() {
        let names: Vec<String> = untold.iter().map(|(of, _)| of.arm.clone()).collect();
        let gap = if said.is_empty() { "" } else { " " };
        said += &format!(
            "{gap}Nothing is shown about {} against the baseline, {baseline}: the attacks on one \
             of the two are no evidence.",
            format::list(&names)
        );
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use cni_evaluation::ArmRun;

    /// An arm whose runs of two seeds have these robust accuracies.
    fn arm(name: &str, robust: [Option<f64>; 2], evidence: bool) -> Arm {
        let run = |(seed, robust)| ArmRun {
            seed,
            examples: 100,
            clean: 0.9,
            robust,
            evidence,
            ..ArmRun::default()
        };
        let runs = (1..).zip(robust).map(run).collect();
        Arm { name: name.to_string(), runs, ..Arm::default() }
    }

    fn said(arms: [Arm; 2]) -> String {
        text(&AblationRecord::new("", "", "plain", 0.95, arms.into()).unwrap())
    }

    #[test]
    fn an_arm_whose_attacks_are_no_evidence_is_not_the_best() {
        let plain = || arm("plain", [Some(0.4), Some(0.41)], true);
        let arms = [plain(), arm("noisy", [Some(0.8), Some(0.83)], false)];
        assert_eq!(
            said(arms),
            "plain has the highest mean robust accuracy among the arms whose attacks are evidence, \
             40.5 %. Nothing is shown about noisy against the baseline, plain: the attacks on one \
             of the two are no evidence."
        );
        let unclear = |name| arm(name, [Some(0.8), Some(0.83)], false);
        let none = said([unclear("plain"), unclear("noisy")]);
        assert!(none.starts_with("The robust accuracy of no arm is evidence. Nothing"), "{none}");
    }

    /// Four reasons for a page without a difference are said in four ways.
    #[test]
    fn no_difference_is_not_said_where_nothing_was_compared() {
        let plain = || arm("plain", [Some(0.4), Some(0.41)], true);
        let equal = said([plain(), arm("other", [Some(0.41), Some(0.4)], true)]);
        assert!(equal.contains("No arm's robust accuracy differs from that"), "{equal}");
        // Of equal means the last arm's is named.
        assert!(equal.starts_with("other has the highest"), "{equal}");
        let unattacked = |name| arm(name, [None; 2], true);
        assert_eq!(
            said([unattacked("plain"), unattacked("other")]),
            "No arm was attacked. No two arms that share two seeds were attacked, so that no \
             robust accuracies are compared."
        );
        let mut alone = arm("other", [Some(0.5), Some(0.6)], true);
        alone.runs.pop();
        assert!(said([plain(), alone]).ends_with("so that nothing is compared."));
        let better = said([plain(), arm("other", [Some(0.7), Some(0.71)], true)]);
        assert!(better.ends_with("Against the baseline, plain: other is 30.0 points above it."));
    }
}
