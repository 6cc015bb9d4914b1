//! A zoo of planted failures. The checks for a failure catch it, and no check objects to a sound
//! model.
//!
//! The models read four faint patterns in small images. Their robust accuracy is known, or follows
//! from how they are built, so it is known what an attack must report. Each plant reports a wrong
//! number for a reason of its own.

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
