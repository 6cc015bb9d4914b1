//! Weak attacks on sound models.

use super::odd;
use super::plant::{Plant, assert_all_caught, pgd, threat};
use super::world::{EPSILON, Model, PIXELS, centred, linear, patterns};
use cni_attacks::{AttackError, Pgd, Threat};

/// A radius below half the distance between two values of an 8-bit image.
const FINE: f64 = 0.4 / 255.0;

/// [`linear`] with weights so large that changes of [`FINE`] count.
fn steep() -> Model {
    Box::new(|images| {
        centred(images).matmul(patterns().transpose()).div_scalar(PIXELS as f64 * FINE / 2.0)
    })
}

fn stepping(steps: usize, step_size: f64) -> Pgd {
    let attack = || -> Result<Pgd, AttackError> {
        Pgd::bim(threat()).with_steps(steps)?.with_step_size(step_size)
    };
    attack().unwrap()
}

pub fn plants() -> Vec<Plant> {
    vec![
        Plant {
            fails: &["step-size-sweep", "one-step", "random-noise", "black-box", "stronger-attack"],
            warns: &["active-test"],
            ..Plant::new("steps of a thousandth", linear(), stepping(20, EPSILON / 1000.0))
        },
        Plant {
            fails: &["steps-sweep", "stronger-attack", "step-size-sweep"],
            ..Plant::new("five steps of a twentieth", linear(), stepping(5, EPSILON / 20.0))
        },
        Plant {
            fails: &["step-size-sweep"],
            ..Plant::new("steps past the valley", odd::folded(), stepping(20, 10.0 * EPSILON))
        },
        Plant {
            warns: &["silent-success"],
            ..Plant::new("the last of a swing", odd::folded(), stepping(10, 0.7 * EPSILON))
        },
        Plant {
            fails: &["restarts-sweep"],
            ..Plant::new("one start of many", odd::doors(), Pgd::new(threat()))
        },
        Plant {
            epsilon: FINE,
            fails: &["eight-bit"],
            ..Plant::new(
                "below the values of a file",
                steep(),
                Pgd::new(Threat::linf(FINE).unwrap()),
            )
        },
        Plant {
            fails: &["loss-choice", "stronger-attack"],
            ..Plant::new("a loss that underflows", super::masked::saturated(), pgd())
        },
    ]
}

#[test]
fn weak_attacks_are_caught() {
    assert_all_caught(plants());
}
