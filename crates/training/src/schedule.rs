//! Learning rates by epoch.

use crate::TrainingError;
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use serde::{Deserialize, Serialize};

/// The learning rate as a function of the epoch, with PyTorch's formulas stepped once an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `MultiStepLR`: the rate is multiplied by `factor` at each milestone.
    MultiStep {
        /// Rate before the first milestone.
        rate: f64,
        /// Epochs, from 0, at which the rate falls.
        milestones: Vec<usize>,
        /// What it is multiplied by.
        factor: f64,
    },
    /// `CosineAnnealingLR`: half a cosine from `rate` to `last` over all epochs.
    Cosine {
        /// Rate of the first epoch.
        rate: f64,
        /// Rate that the epoch after the last one would have.
        last: f64,
    },
    /// `OneCycleLR` with cosine annealing: up from `peak / start_divisor`, then down to that `/ end_divisor`.
    OneCycle {
        /// The highest rate.
        peak: f64,
        /// Share of the epochs on the way up.
        rise: f64,
        /// Peak over first rate. PyTorch: 25.
        start_divisor: f64,
        /// First over last rate. PyTorch: 1e4.
        end_divisor: f64,
    },
}

impl Schedule {
    /// The same rate in every epoch.
    pub fn constant(rate: f64) -> Self {
        Self::multi_step(rate, &[])
    }

    /// A tenth at each milestone.
    pub fn multi_step(rate: f64, milestones: &[usize]) -> Self {
        Self::MultiStep { rate, milestones: milestones.to_vec(), factor: 0.1 }
    }

    /// From `rate` to zero.
    pub fn cosine(rate: f64) -> Self {
        Self::Cosine { rate, last: 0.0 }
    }

    /// PyTorch's defaults: 30 % of the epochs up to `peak`, from a 25th of it.
    pub fn one_cycle(peak: f64) -> Self {
        Self::OneCycle { peak, rise: 0.3, start_divisor: 25.0, end_divisor: 1e4 }
    }

    /// The rate of an epoch, counted from 0, of a run of `epochs`.
    pub fn rate(&self, epoch: usize, epochs: usize) -> f64 {
        // From `a` at 0 to `b` at 1 along half a cosine.
        let anneal =
            |a: f64, b: f64, t: f64| b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos());
        match self {
            Self::MultiStep { rate, milestones, factor } => {
                let passed = milestones.iter().filter(|&&milestone| epoch >= milestone).count();
                rate * factor.powi(passed as i32)
            }
            Self::Cosine { rate, last } => {
                anneal(*rate, *last, epoch as f64 / epochs.max(1) as f64)
            }
            Self::OneCycle { peak, rise, start_divisor, end_divisor } => {
                let (first, last_epoch) = (peak / start_divisor, epochs as f64 - 1.0);
                let top = rise * epochs as f64 - 1.0;
                let epoch = epoch as f64;
                if epoch <= top {
                    anneal(first, *peak, epoch / top.max(f64::MIN_POSITIVE))
                } else {
                    let t = (epoch - top) / (last_epoch - top).max(f64::MIN_POSITIVE);
                    anneal(*peak, first / end_divisor, t)
                }
            }
        }
    }

    pub(crate) fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        let wanted = "finite rates above 0 and a rise between 0 and 1";
        let rise = match self {
            Self::OneCycle { rise, .. } => (0.0..=1.0).contains(rise),
            _ => true,
        };
        let fine = |rate: f64| rate.is_finite() && rate >= 0.0;
        let rates = (0..epochs).all(|epoch| fine(self.rate(epoch, epochs)));
        if rise && rates && self.rate(0, epochs) > 0.0 {
            return Ok(());
        }
        Err(TrainingError::setting("schedule", format!("{self:?}"), wanted))
    }
}

/// A schedule as Burn's trainer asks for it: once for each optimizer step.
#[derive(Clone, Debug)]
pub(crate) struct EpochScheduler {
    pub schedule: Schedule,
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub step: usize,
}

impl LrScheduler for EpochScheduler {
    fn step(&mut self) -> f64 {
        let epoch = self.step / self.steps_per_epoch.max(1);
        self.step += 1;
        self.schedule.rate(epoch, self.epochs)
    }

    fn to_record(&self) -> LrSchedulerRecord {
        LrSchedulerRecord::new().with_scalar("step", self.step as u64)
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar::<u64>("step") {
            self.step = step as usize;
        }
    }
}
