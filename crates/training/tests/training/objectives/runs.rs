//! Runs with every objective: exact resume, and two devices as one.

use super::{every, trainer};
use crate::support::linear_net::{Net, data};
use crate::support::{distance, numbers};
use burn::tensor::Device;
use cni_training::{Devices, Objective, Parallel, Trained};
use std::ops::ControlFlow;

fn run(objective: Objective, devices: usize) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap();
    let trainer = trainer(objective, folder.path()).with_devices(devices);
    trainer.run(Net::new(), Net::forward, data().0).unwrap()
}

/// A run that is ended after its second epoch, and then goes on.
fn resumed(objective: Objective) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let first =
        trainer(objective.clone(), folder.path()).with_callback(|epoch| match epoch.row.epoch {
            2 => ControlFlow::Break("enough".into()),
            _ => ControlFlow::Continue(()),
        });
    let ended = first.run(Net::new(), Net::forward, data().0).unwrap();
    assert_eq!(ended.history.len(), 2);
    let trainer = trainer(objective, folder.path()).resume(true);
    trainer.run(Net::new(), Net::forward, data().0).unwrap()
}

/// Nine steps; all but the random draws of the attacks would be the same for any number of devices.
#[test]
fn every_objective_resumes_bit_for_bit_and_trains_on_two_devices_as_on_one() {
    for objective in every() {
        let case = objective.spec().to_string();
        let whole = run(objective.clone(), 1);
        let again = resumed(objective.clone());
        assert_eq!(numbers(&again.model), numbers(&whole.model), "{case}");
        assert_eq!(again.history, whole.history, "{case}");
        if case.contains("\"free\"") {
            continue;
        }
        let moved = distance(&whole.model, &Net::new());
        let off = distance(&run(objective, 2).model, &whole.model);
        assert!(off < 1e-5 && moved > 0.05, "{case}: {off} off after a move of {moved}");
    }
}
