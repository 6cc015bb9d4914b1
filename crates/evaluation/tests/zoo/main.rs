//! A zoo of planted failures: each is caught by the checks that claim it, and no check objects to a
//! sound model.
//!
//! The models read four faint patterns in small images. Their robust accuracy is known, or plain
//! from how they are built, and so is what an attack must report; what it does report is wrong in a
//! way of the plant's own.

mod few;
mod masked;
mod noisy;
mod odd;
mod other;
mod plant;
mod sound;
mod weak;
mod world;

use cni_evaluation::audit::Audit;
use std::collections::BTreeSet;

#[test]
fn every_check_has_a_failure_to_catch() {
    let groups = [masked::plants(), noisy::plants(), odd::plants(), weak::plants()];
    let caught: BTreeSet<&str> =
        groups.iter().flatten().flat_map(|plant| [plant.fails, plant.warns].concat()).collect();
    assert_eq!(caught, Audit::names().collect());
}
