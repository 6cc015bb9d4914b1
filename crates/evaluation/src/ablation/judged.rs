//! Conditions under which the runs of an ablation can be compared.

use super::{Arm, ArmRun};
use crate::EvaluationError;
use crate::record::comparable::other_threats;

/// Refuses runs that were judged otherwise than the first: on other data, by another number of
/// examples, within other threats or by other attacks.
///
/// Draws may differ, since a model without noise needs none. A run without attacks has no robust
/// accuracy that could be compared, and one of an earlier version of the library does not tell its
/// threats.
pub(super) fn refuse(arms: &[Arm]) -> Result<(), EvaluationError> {
    let runs = || arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let named = |arm: &Arm, run: &ArmRun| format!("{}, seed {}", arm.name, run.seed);
    let wrong = |field, got, wanted| Err(EvaluationError::Field { field, got, wanted });
    let Some((_, first)) = runs().next() else { return Ok(()) };
    let other = runs().find(|(_, run)| run.data != first.data || run.examples != first.examples);
    if let Some((arm, run)) = other {
        let judged = |run: &ArmRun| format!("{} examples of {}", run.examples, run.data.name);
        let wanted = format!("{}, as the first run", judged(first));
        return wrong(named(arm, run), judged(run), wanted);
    }
    let mut attacked = runs().filter(|(_, run)| !run.threats.is_empty());
    let Some((first_arm, first)) = attacked.next() else { return Ok(()) };
    let as_first = |wanted: String| format!("{wanted}, as of {}", named(first_arm, first));
    for (arm, run) in attacked {
        let name = named(arm, run);
        if let Some([got, wanted]) = other_threats(&run.threats, &first.threats) {
            return wrong(format!("threats of {name}"), got, as_first(wanted));
        }
        if let Some([got, wanted]) = other_attacks(run, first) {
            return wrong(format!("attacks of {name}"), got, as_first(wanted));
        }
    }
    Ok(())
}

/// The attacks that only one of two runs met, of each run, by their names and the beginnings of the
/// hashes of their settings; `None` if both met the same.
fn other_attacks(a: &ArmRun, b: &ArmRun) -> Option<[String; 2]> {
    let alone = |of: &ArmRun, other: &ArmRun| -> Vec<String> {
        let all = of.attacks.iter().zip(&of.settings);
        let own = all.filter(|(_, hash)| !other.settings.contains(hash));
        let short = |hash: &String| hash.chars().take(6).collect::<String>();
        own.map(|((name, _), hash)| format!("{name} ({})", short(hash))).collect()
    };
    let both = [alone(a, b), alone(b, a)];
    let said = |all: Vec<String>| if all.is_empty() { "none".into() } else { all.join(", ") };
    both.iter().any(|all| !all.is_empty()).then(|| both.map(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AblationRecord;
    use cni_attacks::Threat;

    /// An arm with one run within a radius, by attacks of these names and hashes of settings.
    fn arm(name: &str, epsilon: f64, attacks: &[(&str, &str)]) -> Arm {
        let run = ArmRun {
            seed: 1,
            examples: 100,
            clean: 0.9,
            robust: Some(0.5),
            attacks: attacks.iter().map(|(name, _)| (name.to_string(), 0.5)).collect(),
            threats: vec![Threat::linf(epsilon).unwrap()],
            settings: attacks.iter().map(|(_, hash)| hash.to_string()).collect(),
            ..ArmRun::default()
        };
        Arm { name: name.to_string(), runs: vec![run], ..Arm::default() }
    }

    fn said(arms: [Arm; 2]) -> Option<String> {
        let found = AblationRecord::new("", "", "plain", 0.95, arms.into());
        found.err().map(|error| error.to_string())
    }

    #[test]
    fn arms_within_other_threats_or_under_other_attacks_are_refused_by_name() {
        let pgd = || arm("plain", 0.1, &[("PGD-10", "aaaaaaaa")]);
        assert_eq!(said([pgd(), arm("noisy", 0.1, &[("EOT-PGD-10x8", "aaaaaaaa")])]), None);
        assert_eq!(
            said([pgd(), arm("noisy", 0.2, &[("PGD-10", "bbbbbbbb")])]).unwrap(),
            "threats of noisy, seed 1: got Linf 0.2, wanted Linf 0.1, as of plain, seed 1"
        );
        // Attacks of one name with other settings.
        assert_eq!(
            said([pgd(), arm("noisy", 0.1, &[("PGD-10", "bbbbbbbb")])]).unwrap(),
            "attacks of noisy, seed 1: got PGD-10 (bbbbbb), wanted PGD-10 (aaaaaa), as of plain, \
             seed 1"
        );
        let more = arm("noisy", 0.1, &[("PGD-10", "aaaaaaaa"), ("FGSM", "cccccccc")]);
        assert_eq!(
            said([pgd(), more]).unwrap(),
            "attacks of noisy, seed 1: got FGSM (cccccc), wanted none, as of plain, seed 1"
        );
    }

    /// Records of earlier versions tell neither threats nor settings.
    #[test]
    fn runs_that_do_not_tell_what_judged_them_are_compared_as_before() {
        let mut old = arm("old", 0.2, &[("PGD-10", "bbbbbbbb")]);
        old.runs[0].threats.clear();
        old.runs[0].settings.clear();
        let value = serde_json::to_value(&old.runs[0]).unwrap();
        assert!(value.get("threats").is_none() && value.get("settings").is_none());
        assert_eq!(serde_json::from_value::<ArmRun>(value).unwrap(), old.runs[0]);
        assert_eq!(said([arm("plain", 0.1, &[("PGD-10", "aaaaaaaa")]), old]), None);
    }
}
