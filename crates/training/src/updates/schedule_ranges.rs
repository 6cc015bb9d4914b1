//! The ranges of a schedule's settings.

use super::linear;
use super::schedule::Schedule;
use crate::TrainingError;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;

impl Schedule {
    pub(crate) fn check(&self) -> Result<(), TrainingError> {
        let above = |name: &str, value: f64| match value.is_finite() && value > 0.0 {
            true => Ok(()),
            false => {
                let got = format!("{name} {value}");
                Err(TrainingError::setting("schedule", got, "a finite number above 0"))
            }
        };
        match self {
            Self::MultiStep { lr, milestones, gamma, .. } => {
                above("lr", *lr)?;
                above("gamma", *gamma)?;
                if milestones.contains(&0) {
                    let wanted =
                        "milestones from 1 on, so that the run begins at the rate asked for";
                    let got = format!("milestones {milestones:?}");
                    return Err(TrainingError::setting("schedule", got, wanted));
                }
            }
            Self::Cosine { lr, min_lr, .. } => {
                above("lr", *lr)?;
                if !(min_lr.is_finite() && *min_lr >= 0.0) {
                    let got = format!("min_lr {min_lr}");
                    let wanted = "a finite number of at least 0";
                    return Err(TrainingError::setting("schedule", got, wanted));
                }
            }
            Self::OneCycle { max_lr, pct_start, div_factor, final_div_factor, .. } => {
                above("max_lr", *max_lr)?;
                above("div_factor", *div_factor)?;
                above("final_div_factor", *final_div_factor)?;
                if !(0.0..=1.0).contains(pct_start) {
                    let got = format!("pct_start {pct_start}");
                    return Err(TrainingError::setting("schedule", got, "a number in [0, 1]"));
                }
            }
            Self::Linear { points, cycles, .. } => linear::check(points, *cycles)?,
            Self::Burn { scheduler, .. } => {
                let scheduler = ModuleLrSchedulerConfig::new(scheduler.clone()).init();
                if let Some(error) = scheduler.err() {
                    let wanted = "settings that Burn's scheduler allows";
                    return Err(TrainingError::setting("schedule", error, wanted));
                }
            }
            Self::Custom(custom) => {
                if !custom.spec().is_object() {
                    let wanted = "a JSON object with all its settings";
                    return Err(TrainingError::setting("schedule", custom.spec(), wanted));
                }
            }
        }
        Ok(())
    }
}
