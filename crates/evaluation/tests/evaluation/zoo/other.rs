//! Weak attacks other than PGD on sound models, and one that is not weak.

use super::noisy::dazzling;
use super::plant::{Plant, assert_all_caught, line, threat};
use super::world::{EPSILON, linear, noisy_linear};
use cni_attacks::{Apgd, AttackError, Fab, Spsa, Square, Suite};
use cni_evaluation::Verdict;
use cni_evaluation::audit::Effort;
use cni_noise::Key;

fn made<A>(attack: impl FnOnce() -> Result<A, AttackError>) -> A {
    attack().unwrap()
}

fn plants() -> Vec<Plant> {
    let apgd = || Apgd::cross_entropy(threat());
    let square = || Square::new(threat()).with_queries(10);
    let weak = Suite::custom("weak", vec![Box::new(made(square))]).unwrap();
    vec![
        Plant {
            fails: &["stronger-attack"],
            ..Plant::new("APGD of one step", super::odd::folded(), made(|| apgd().with_steps(1)))
        },
        Plant {
            fails: &["loss-choice", "stronger-attack"],
            ..Plant::new(
                "APGD on a loss that underflows",
                super::masked::saturated(),
                made(|| apgd().with_steps(40)),
            )
        },
        Plant {
            fails: &["draw-sweep"],
            warns: &["gradient-noise"],
            ..Plant::new(
                "APGD that fits one draw",
                dazzling(noisy_linear(0.05), 4.0),
                made(|| apgd().with_steps(10)),
            )
        },
        Plant {
            fails: &["steps-sweep", "one-step", "stronger-attack", "black-box"],
            ..Plant::new("Square of ten queries", linear(), made(square))
        },
        Plant {
            fails: &["step-size-sweep", "one-step", "stronger-attack"],
            ..Plant::new(
                "SPSA that hardly moves",
                linear(),
                made(|| {
                    let spsa = Spsa::new(threat()).with_steps(5)?.with_samples(8)?;
                    spsa.with_learning_rate(EPSILON / 50.0)
                }),
            )
        },
        Plant {
            fails: &["stronger-attack", "random-noise", "black-box"],
            ..Plant::new(
                "FAB on a gradient of ripple",
                super::masked::shattered(),
                made(|| Fab::new(threat()).with_steps(10)),
            )
        },
        Plant {
            fails: &["stronger-attack"],
            ..Plant::new("a suite of one weak attack", linear(), weak)
        },
    ]
}

#[test]
fn weak_attacks_of_other_kinds_are_caught() {
    assert_all_caught(plants());
}

#[test]
fn apgd_of_enough_steps_is_sound() {
    let apgd = made(|| Apgd::cross_entropy(threat()).with_steps(40));
    let sound = Plant::new("linear", linear(), apgd);
    for (effort, key) in [(Effort::Quick, 1), (Effort::Standard, 2)] {
        let checks = sound.check(effort, Key::new(key), None);
        let raised = |verdict| matches!(verdict, Verdict::Warn | Verdict::Fail);
        let objections: Vec<String> =
            checks.values().filter(|check| raised(check.verdict)).map(line).collect();
        assert!(objections.is_empty(), "key {key}:\n{}", objections.join("\n"));
        assert!(checks.values().any(|check| check.verdict == Verdict::Pass));
    }
}
