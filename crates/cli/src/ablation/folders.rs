//! The folders of runs.

use super::PlanRun;
use std::path::{Path, PathBuf};

/// The folder of an arm: its name with a dash for what is neither letter, digit nor `.=_`.
pub fn folder_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".=_".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}

/// The folder of a run in that of the ablation.
pub fn folder_of(out: &Path, run: &PlanRun<'_>) -> PathBuf {
    out.join("runs").join(folder_name(&run.arm.name)).join(format!("seed-{}", run.seed))
}
