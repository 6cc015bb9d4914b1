//! Learning rates by step or by epoch.

use super::custom_schedule::{By, CustomSchedule};
use crate::TrainingError;
use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The learning rate as a function of the step or the epoch.
///
/// [`cosine`](Self::cosine), [`one_cycle`](Self::one_cycle) and [`multi_step`](Self::multi_step)
/// have PyTorch's formulas and names. Cosine and one-cycle move the rate with every step, so a run
/// of any length trains at the rate asked for, in its last epoch too; multi-step counts epochs.
/// [`by`](Self::by) changes that. The configuration of a scheduler of Burn's is a schedule too, and
/// [`custom`](Self::custom) makes one of a function.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `MultiStepLR`: the rate is multiplied by `gamma` at each milestone.
    MultiStep {
        /// Rate before the first milestone.
        lr: f64,
        /// Epochs, or steps, from 1 on, at which the rate falls; 0 is the first one of the run.
        milestones: Vec<usize>,
        /// The factor that multiplies it.
        gamma: f64,
        /// True if milestones are steps or epochs.
        #[serde(default)]
        by: By,
    },
    /// `CosineAnnealingLR`: half a cosine from `lr` to `min_lr` over the run.
    Cosine {
        /// Rate at the beginning.
        lr: f64,
        /// Rate that the step or epoch after the last one would have: PyTorch's `eta_min`.
        min_lr: f64,
        /// The interval at which the rate moves.
        #[serde(default)]
        by: By,
    },
    /// `OneCycleLR` with cosine annealing: up from `max_lr / div_factor`, then down to that
    /// `/ final_div_factor`.
    ///
    /// A run of a single step, or by epoch of a single epoch, has the highest rate alone. By epoch
    /// the last epoch has the lowest rate, which trains next to nothing.
    OneCycle {
        /// The highest rate.
        max_lr: f64,
        /// Share of the run on the way up.
        pct_start: f64,
        /// Highest over first rate. PyTorch: 25.
        div_factor: f64,
        /// First over last rate. PyTorch: 1e4.
        final_div_factor: f64,
        /// The interval at which the rate moves.
        #[serde(default)]
        by: By,
    },
    /// A scheduler of Burn's: [`Schedule::burn`].
    Burn {
        /// Its configuration. Burn calls a step what may be an epoch here.
        scheduler: LrSchedulerConfig,
        /// The interval at which the rate moves.
        #[serde(default)]
        by: By,
    },
    /// A custom function: [`Schedule::custom`].
    #[serde(skip_deserializing)]
    Custom(CustomSchedule),
}

impl Schedule {
    /// The same rate throughout.
    pub fn constant(lr: f64) -> Self {
        Self::multi_step(lr, &[])
    }

    /// A tenth at each milestone, which are epochs.
    pub fn multi_step(lr: f64, milestones: &[usize]) -> Self {
        Self::MultiStep { lr, milestones: milestones.to_vec(), gamma: 0.1, by: By::Epoch }
    }

    /// From `lr` to zero, a little with every step.
    pub fn cosine(lr: f64) -> Self {
        Self::Cosine { lr, min_lr: 0.0, by: By::Step }
    }

    /// PyTorch's defaults for the rate: 30 % of the steps up to `max_lr`, from a 25th of it. Unlike
    /// PyTorch's default it does not cycle the momentum.
    pub fn one_cycle(max_lr: f64) -> Self {
        let (pct_start, div_factor, final_div_factor) = (0.3, 25.0, 1e4);
        Self::OneCycle { max_lr, pct_start, div_factor, final_div_factor, by: By::Step }
    }

    /// A scheduler of Burn's from its configuration, which moves with every step.
    pub fn burn(scheduler: impl Into<LrSchedulerConfig>) -> Self {
        Self::Burn { scheduler: scheduler.into(), by: By::Step }
    }

    /// A custom function of the step and of the number of steps of the run, both of them epochs if
    /// the schedule moves [`by`](Self::by) epoch.
    ///
    /// `spec` describes it with all its settings; it is part of what identifies a run. The schedule
    /// can be written to a configuration file, and not read back.
    ///
    /// ```
    /// use cni_training::Schedule;
    /// use serde_json::json;
    /// let spec = json!({ "name": "triangle", "lr": 0.2 });
    /// let triangle = Schedule::custom(spec, |at, of| {
    ///     let t = at as f64 / of as f64;
    ///     0.2 * (1.0 - (2.0 * t - 1.0).abs())
    /// });
    /// assert_eq!(triangle.rate(5, 10), 0.2);
    /// ```
    pub fn custom(spec: Value, rate: impl Fn(usize, usize) -> f64 + Send + Sync + 'static) -> Self {
        Self::Custom(CustomSchedule::new(spec, rate))
    }

    /// Sets how often the rate moves.
    pub fn by(mut self, new: By) -> Self {
        match &mut self {
            Self::MultiStep { by, .. }
            | Self::Cosine { by, .. }
            | Self::OneCycle { by, .. }
            | Self::Burn { by, .. }
            | Self::Custom(CustomSchedule { by, .. }) => *by = new,
        }
        self
    }

    /// The interval at which the rate moves.
    pub fn moves(&self) -> By {
        match self {
            Self::MultiStep { by, .. }
            | Self::Cosine { by, .. }
            | Self::OneCycle { by, .. }
            | Self::Burn { by, .. }
            | Self::Custom(CustomSchedule { by, .. }) => *by,
        }
    }

    /// The rate at step `at`, counted from 0, of a run of `of` steps; by epoch, the rate of epoch
    /// `at` of `of`. NaN for a scheduler of Burn's that its settings do not allow.
    pub fn rate(&self, at: usize, of: usize) -> f64 {
        // From `a` at 0 to `b` at 1 along half a cosine.
        let anneal =
            |a: f64, b: f64, t: f64| b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos());
        match self {
            Self::MultiStep { lr, milestones, gamma, .. } => {
                let passed = milestones.iter().filter(|&&milestone| at >= milestone).count();
                lr * gamma.powi(passed as i32)
            }
            Self::Cosine { lr, min_lr, .. } => anneal(*lr, *min_lr, at as f64 / of.max(1) as f64),
            // PyTorch's formula gives a single step its lowest rate.
            Self::OneCycle { max_lr, .. } if of <= 1 => *max_lr,
            Self::OneCycle { max_lr, pct_start, div_factor, final_div_factor, .. } => {
                let (first, end) = (max_lr / div_factor, of as f64 - 1.0);
                let top = pct_start * of as f64 - 1.0;
                let at = at as f64;
                if at <= top {
                    anneal(first, *max_lr, at / top.max(f64::MIN_POSITIVE))
                } else {
                    let t = (at - top) / (end - top).max(f64::MIN_POSITIVE);
                    anneal(*max_lr, first / final_div_factor, t)
                }
            }
            Self::Burn { scheduler, .. } => {
                let scheduler = ModuleLrSchedulerConfig::new(scheduler.clone()).init();
                let rates = scheduler.map(|mut burn| (0..=at).map(|_| burn.step().base()).last());
                rates.ok().flatten().unwrap_or(f64::NAN)
            }
            Self::Custom(custom) => custom.rate(at, of),
        }
    }

    /// True if the rate of a step depends on how long the run is.
    pub(crate) fn depends_on_length(&self) -> bool {
        !matches!(self, Self::MultiStep { .. } | Self::Burn { .. })
    }

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
