//! Learning rates by step or by epoch.

use super::custom_schedule::{By, CustomSchedule};
use super::scheduler::read_burn;
use super::{linear, schedule_defaults as defaults};
use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The learning rate as a function of the step or the epoch.
///
/// [`cosine`](Self::cosine), [`one_cycle`](Self::one_cycle) and [`multi_step`](Self::multi_step)
/// have PyTorch's formulas and names. [`linear`](Self::linear) follows straight lines: warm-up,
/// triangles, cycles, down to zero. The configuration of a scheduler of Burn's is a schedule too,
/// and [`custom`](Self::custom) makes one of a function.
///
/// Multi-step counts epochs. All others move the rate with every step, so that a run of any length
/// trains at the rate asked for, in its last epoch too. [`by`](Self::by) changes that, and in a
/// file the field `by`, which may be left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// `MultiStepLR`: the rate is multiplied by `gamma` at each milestone.
    MultiStep {
        /// Rate before the first milestone.
        lr: f64,
        /// Epochs, or steps, at which the rate falls, counted from 0 as PyTorch counts them: 75 is
        /// the 76th. Code that counts from 1 and tests `epoch >= 75` has 74 here.
        milestones: Vec<usize>,
        /// The factor that multiplies it. PyTorch: 0.1.
        #[serde(default = "defaults::gamma")]
        gamma: f64,
        /// True if milestones are steps or epochs.
        #[serde(default = "By::epoch")]
        by: By,
    },
    /// `CosineAnnealingLR`: half a cosine from `lr` to `min_lr` over the run.
    Cosine {
        /// Rate at the beginning.
        lr: f64,
        /// Rate that the step or epoch after the last one would have: PyTorch's `eta_min`, 0.
        #[serde(default)]
        min_lr: f64,
        /// The interval at which the rate moves.
        #[serde(default = "By::step")]
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
        /// Share of the run on the way up. PyTorch: 0.3.
        #[serde(default = "defaults::pct_start")]
        pct_start: f64,
        /// Highest over first rate. PyTorch: 25.
        #[serde(default = "defaults::div_factor")]
        div_factor: f64,
        /// First over last rate. PyTorch: 1e4.
        #[serde(default = "defaults::final_div_factor")]
        final_div_factor: f64,
        /// The interval at which the rate moves.
        #[serde(default = "By::step")]
        by: By,
    },
    /// Straight lines between points: [`Schedule::linear`].
    Linear {
        /// A share of the cycle and the rate there, at least two of them. The first share is 0, the
        /// last 1, and each is above the one before.
        points: Vec<(f64, f64)>,
        /// The times that the lines are followed in a run.
        #[serde(default = "defaults::cycles")]
        cycles: usize,
        /// The interval at which the rate moves.
        #[serde(default = "By::step")]
        by: By,
    },
    /// A scheduler of Burn's: [`Schedule::burn`].
    Burn {
        /// Its configuration. Burn calls a step what may be an epoch here.
        #[serde(deserialize_with = "read_burn")]
        scheduler: LrSchedulerConfig,
        /// The interval at which the rate moves.
        #[serde(default = "By::step")]
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
        let (milestones, gamma) = (milestones.to_vec(), defaults::gamma());
        Self::MultiStep { lr, milestones, gamma, by: By::Epoch }
    }

    /// From `lr` to zero, a little with every step.
    pub fn cosine(lr: f64) -> Self {
        Self::Cosine { lr, min_lr: 0.0, by: By::Step }
    }

    /// PyTorch's defaults for the rate: 30 % of the steps up to `max_lr`, from a 25th of it. Unlike
    /// PyTorch's default it does not cycle the momentum.
    pub fn one_cycle(max_lr: f64) -> Self {
        Self::OneCycle {
            max_lr,
            pct_start: defaults::pct_start(),
            div_factor: defaults::div_factor(),
            final_div_factor: defaults::final_div_factor(),
            by: By::Step,
        }
    }

    /// Straight lines between points, each a share of the run and the rate there.
    ///
    /// A step, or by epoch an epoch, has the highest rate of the lines within it: a run of any
    /// length reaches the peak, and no step on the way from or to zero trains at zero.
    ///
    /// ```
    /// use cni_training::Schedule;
    /// let warm_up = Schedule::linear(&[(0.0, 0.0), (0.1, 0.2), (1.0, 0.0)]);
    /// assert_eq!([9, 10].map(|step| warm_up.rate(step, 100)), [0.2, 0.2]);
    /// assert!((warm_up.rate(55, 100) - 0.1).abs() < 1e-12);
    /// ```
    pub fn linear(points: &[(f64, f64)]) -> Self {
        Self::Linear { points: points.to_vec(), cycles: 1, by: By::Step }
    }

    /// From zero up to `lr` at the share `peak` of the run, in (0, 1), and down to zero, as in fast
    /// adversarial training (Wong et al., arXiv 2001.03994), where the peak is at 0.4.
    pub fn triangular(lr: f64, peak: f64) -> Self {
        Self::linear(&[(0.0, 0.0), (peak, lr), (1.0, 0.0)])
    }

    /// From `lr` straight to zero: PyTorch's `LinearLR` with an `end_factor` of 0.
    pub fn linear_to_zero(lr: f64) -> Self {
        Self::linear(&[(0.0, lr), (1.0, 0.0)])
    }

    /// Up to `lr` and down to zero so many times in a run, with the peak in the middle of each
    /// cycle.
    pub fn cyclic(lr: f64, cycles: usize) -> Self {
        Self::Linear { points: vec![(0.0, 0.0), (0.5, lr), (1.0, 0.0)], cycles, by: By::Step }
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
            | Self::Linear { by, .. }
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
            | Self::Linear { by, .. }
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
            Self::Linear { points, cycles, .. } => linear::rate(points, *cycles, at, of),
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
}
