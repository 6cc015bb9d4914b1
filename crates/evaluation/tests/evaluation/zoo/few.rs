//! Audits of too few images: no check may pass that could not have failed.

use super::plant::{Plant, line, pgd, threat};
use super::world::{EPSILON, linear};
use cni_attacks::{AttackError, Pgd};
use cni_evaluation::audit::Effort;
use cni_evaluation::{Check, Verdict};
use cni_noise::Key;

const COMPARING: [&str; 4] = ["steps-sweep", "restarts-sweep", "stronger-attack", "eight-bit"];

fn check(plant: &Plant, key: u64, only: &[&str]) -> Vec<Check> {
    plant.check(Effort::Quick, Key::new(key), Some(only)).into_values().collect()
}

/// The attack is sound, but 64 images are too few to show it.
#[test]
fn a_quick_audit_of_few_images_is_inconclusive() {
    let few = Plant::new("linear", linear(), pgd());
    for found in check(&few, 1, &COMPARING) {
        assert_eq!(found.verdict, Verdict::Inconclusive, "{}", line(&found));
        assert!(found.detectable.unwrap() > found.bound.unwrap(), "{}", line(&found));
        assert!(found.needed.unwrap() > 64, "{}", line(&found));
        assert!(found.measured.contains("64 examples could show no less than"), "{}", line(&found));
    }
}

/// The number of images that the checks ask for is enough.
#[test]
fn as_many_images_as_are_asked_for_are_conclusive() {
    let few = Plant::new("linear", linear(), pgd());
    let needed = check(&few, 1, &COMPARING).iter().filter_map(|check| check.needed).max();
    let enough = Plant { examples: needed.unwrap() + 10, ..few };
    for found in check(&enough, 1, &COMPARING) {
        assert_eq!(found.verdict, Verdict::Pass, "{}", line(&found));
        assert!(found.detectable.unwrap() <= found.bound.unwrap(), "{}", line(&found));
    }
}

/// PGD within 0.85 ε leaves twice as many of these images unbroken as APGD within ε.
#[test]
fn an_attack_that_leaves_twice_what_apgd_leaves_does_not_pass() {
    let short = || -> Result<Pgd, AttackError> {
        Pgd::bim(threat()).with_steps(17)?.with_step_size(EPSILON / 20.0)
    };
    for examples in [16, 32, 64, 160] {
        let plant = Plant {
            epsilon: 0.5 * EPSILON,
            examples,
            ..Plant::new("a short way", linear(), short().unwrap())
        };
        for key in [1, 2] {
            let found = &check(&plant, key, &["stronger-attack"])[0];
            let [audited, strong] =
                ["robust_audited", "robust_stronger"].map(|name| found.values[name]);
            assert!(audited >= 1.8 * strong && strong > 0.0, "{}", line(found));
            assert_ne!(found.verdict, Verdict::Pass, "{}", line(found));
            // With enough images the check is no longer inconclusive.
            let open = found.verdict == Verdict::Inconclusive;
            assert!(open || examples > 16, "{}", line(found));
            assert!(!open || examples < 160, "{}", line(found));
        }
    }
}
