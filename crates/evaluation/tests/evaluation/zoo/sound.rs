//! Sound models: what their attacks report is true, so no check may object.

use super::plant::{Plant, eot_pgd, line, pgd};
use super::world::{linear, network, noisy_linear};
use cni_attacks::Loss;
use cni_evaluation::Verdict;
use cni_evaluation::audit::Effort;
use cni_noise::Key;

fn assert_no_objection(sound: Plant) {
    let runs =
        [(Effort::Quick, 1), (Effort::Quick, 2), (Effort::Standard, 3), (Effort::Standard, 4)];
    for (effort, key) in runs {
        let checks = sound.check(effort, Key::new(key), None);
        let objections: Vec<String> = checks
            .values()
            .filter(|check| matches!(check.verdict, Verdict::Warn | Verdict::Fail))
            .map(line)
            .collect();
        assert!(objections.is_empty(), "{}, key {key}:\n{}", sound.what, objections.join("\n"));
        // The task is not trivial either: the attack breaks many images, but not all.
        let robust = checks["stronger-attack"].values["robust_audited"];
        assert!((0.35..0.75).contains(&robust), "{}, key {key}: {robust}", sound.what);
    }
}

#[test]
fn a_linear_model_is_sound() {
    assert_no_objection(Plant::new("linear", linear(), pgd()));
}

#[test]
fn a_trained_network_is_sound() {
    assert_no_objection(Plant::new("network", network(0.0), pgd().with_loss(Loss::Margin)));
}

#[test]
fn a_linear_model_with_noisy_weights_is_sound() {
    assert_no_objection(Plant::new("noisy linear", noisy_linear(0.5), eot_pgd()));
}

#[test]
fn a_trained_network_with_noisy_activations_is_sound() {
    assert_no_objection(Plant::new("noisy network", network(0.3), eot_pgd()));
}
