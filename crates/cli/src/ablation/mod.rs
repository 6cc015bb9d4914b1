//! Ablations: many trainings by a plan, each judged, and what they say together.
//!
//! Every run is two commands of this program, `train` and `evaluate`, in processes of their own: a
//! run that fails, or is killed, leaves the others alone. They end with the ablation, and an
//! ablation that is begun once more goes on where they were.

mod claim;
mod folders;
mod plan;
mod process;
mod radius;
mod run;
mod state;
mod tie;

pub use folders::folder_of;
pub use plan::{Plan, PlanRun};
pub use run::{Done, Runner};
pub use state::{Phase, State};
pub use tie::tie;

use cni_burn::evaluation::{AblationRecord, Arm, ArmRun, FailedRun};
use cni_burn::prelude::Record;
use std::error::Error;
use std::path::Path;

/// The record of the runs that are done, and the names of those that are not.
///
/// # Errors
///
/// A sentence about a run whose files cannot be read or do not fit the others.
pub fn record(
    plan: &Plan,
    out: &Path,
    command: &str,
    confidence: f64,
) -> Result<(Option<AblationRecord>, Vec<String>), Box<dyn Error>> {
    let (mut arms, mut missing) = (Vec::new(), Vec::new());
    for arm in &plan.arms {
        let mut found = Arm { name: arm.name.clone(), settings: arm.set.clone(), ..Arm::default() };
        for run in plan.runs().filter(|run| run.arm == arm) {
            let folder = folder_of(out, &run);
            match State::read(&folder)?.map(|state| state.phase) {
                Some(Phase::Done) => {
                    let record = Record::read(folder.join("evaluation/record.json"))?;
                    let within = folder.strip_prefix(out).unwrap_or(&folder);
                    let within = within.to_string_lossy().into_owned();
                    found.runs.push(ArmRun::new(run.seed, within, &record));
                }
                Some(Phase::Failed { reason }) => {
                    found.failed.push(FailedRun { seed: run.seed, reason });
                }
                Some(Phase::Begun) | None => missing.push(run.name()),
            }
        }
        arms.push(found);
    }
    if arms.iter().all(|arm| arm.runs.is_empty()) {
        return Ok((None, missing));
    }
    let record = AblationRecord::new(&plan.name, command, &plan.baseline, confidence, arms)?;
    Ok((Some(record), missing))
}
