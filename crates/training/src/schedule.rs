//! Learning rates by step or by epoch.

use crate::TrainingError;
use burn::lr_scheduler::{LrScheduler, LrSchedulerRecord};
use serde::{Deserialize, Serialize};

/// How often a schedule moves the rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// After every optimizer step: PyTorch's scheduler stepped once a batch.
    Step,
    /// After every epoch: PyTorch's scheduler stepped once an epoch.
    #[default]
    Epoch,
}

/// The learning rate as a function of the step or the epoch, by PyTorch's formulas.
///
/// [`cosine`](Self::cosine) and [`one_cycle`](Self::one_cycle) move the rate with every step, so a
/// run of any length trains at the rate asked for, in its last epoch too.
/// [`multi_step`](Self::multi_step) counts epochs. [`by`](Self::by) changes that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `MultiStepLR`: the rate is multiplied by `factor` at each milestone.
    MultiStep {
        /// Rate before the first milestone.
        rate: f64,
        /// Epochs, or steps, from 1 on, at which the rate falls; 0 is the first one of the run.
        milestones: Vec<usize>,
        /// What it is multiplied by.
        factor: f64,
        /// Whether milestones are steps or epochs.
        #[serde(default)]
        by: By,
    },
    /// `CosineAnnealingLR`: half a cosine from `rate` to `last` over the run.
    Cosine {
        /// Rate at the beginning.
        rate: f64,
        /// Rate that the step or epoch after the last one would have.
        last: f64,
        /// How often the rate moves.
        #[serde(default)]
        by: By,
    },
    /// `OneCycleLR` with cosine annealing: up from `peak / start_divisor`, then down to that `/
    /// end_divisor`.
    ///
    /// A run of a single step, or by epoch of a single epoch, has the peak alone. By epoch the last
    /// epoch has the lowest rate, which trains next to nothing.
    OneCycle {
        /// The highest rate.
        peak: f64,
        /// Share of the run on the way up.
        rise: f64,
        /// Peak over first rate. PyTorch: 25.
        start_divisor: f64,
        /// First over last rate. PyTorch: 1e4.
        end_divisor: f64,
        /// How often the rate moves.
        #[serde(default)]
        by: By,
    },
}

impl Schedule {
    /// The same rate throughout.
    pub fn constant(rate: f64) -> Self {
        Self::multi_step(rate, &[])
    }

    /// A tenth at each milestone, which are epochs.
    pub fn multi_step(rate: f64, milestones: &[usize]) -> Self {
        Self::MultiStep { rate, milestones: milestones.to_vec(), factor: 0.1, by: By::Epoch }
    }

    /// From `rate` to zero, a little with every step.
    pub fn cosine(rate: f64) -> Self {
        Self::Cosine { rate, last: 0.0, by: By::Step }
    }

    /// PyTorch's defaults for the rate: 30 % of the steps up to `peak`, from a 25th of it. Unlike
    /// PyTorch's default it does not cycle the momentum.
    pub fn one_cycle(peak: f64) -> Self {
        let (rise, start_divisor, end_divisor) = (0.3, 25.0, 1e4);
        Self::OneCycle { peak, rise, start_divisor, end_divisor, by: By::Step }
    }

    /// Sets how often the rate moves.
    pub fn by(mut self, new: By) -> Self {
        match &mut self {
            Self::MultiStep { by, .. } | Self::Cosine { by, .. } | Self::OneCycle { by, .. } => {
                *by = new;
            }
        }
        self
    }

    /// How often the rate moves.
    pub fn moves(&self) -> By {
        match self {
            Self::MultiStep { by, .. } | Self::Cosine { by, .. } | Self::OneCycle { by, .. } => *by,
        }
    }

    /// The rate at step `at`, counted from 0, of a run of `of` steps; by epoch, the rate of epoch
    /// `at` of `of`.
    pub fn rate(&self, at: usize, of: usize) -> f64 {
        // From `a` at 0 to `b` at 1 along half a cosine.
        let anneal =
            |a: f64, b: f64, t: f64| b + (a - b) * 0.5 * (1.0 + (std::f64::consts::PI * t).cos());
        match self {
            Self::MultiStep { rate, milestones, factor, .. } => {
                let passed = milestones.iter().filter(|&&milestone| at >= milestone).count();
                rate * factor.powi(passed as i32)
            }
            Self::Cosine { rate, last, .. } => anneal(*rate, *last, at as f64 / of.max(1) as f64),
            // PyTorch's formula gives a single step its lowest rate.
            Self::OneCycle { peak, .. } if of <= 1 => *peak,
            Self::OneCycle { peak, rise, start_divisor, end_divisor, .. } => {
                let (first, end) = (peak / start_divisor, of as f64 - 1.0);
                let top = rise * of as f64 - 1.0;
                let at = at as f64;
                if at <= top {
                    anneal(first, *peak, at / top.max(f64::MIN_POSITIVE))
                } else {
                    let t = (at - top) / (end - top).max(f64::MIN_POSITIVE);
                    anneal(*peak, first / end_divisor, t)
                }
            }
        }
    }

    /// Whether the rate of a step depends on how long the run is.
    pub(crate) fn depends_on_length(&self) -> bool {
        !matches!(self, Self::MultiStep { .. })
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
            Self::MultiStep { rate, milestones, factor, .. } => {
                above("rate", *rate)?;
                above("factor", *factor)?;
                if milestones.contains(&0) {
                    let wanted =
                        "milestones from 1 on, so that the run begins at the rate asked for";
                    let got = format!("milestones {milestones:?}");
                    return Err(TrainingError::setting("schedule", got, wanted));
                }
            }
            Self::Cosine { rate, last, .. } => {
                above("rate", *rate)?;
                if !(last.is_finite() && *last >= 0.0) {
                    let got = format!("last {last}");
                    let wanted = "a finite number of at least 0";
                    return Err(TrainingError::setting("schedule", got, wanted));
                }
            }
            Self::OneCycle { peak, rise, start_divisor, end_divisor, .. } => {
                above("peak", *peak)?;
                above("start_divisor", *start_divisor)?;
                above("end_divisor", *end_divisor)?;
                if !(0.0..=1.0).contains(rise) {
                    let got = format!("rise {rise}");
                    return Err(TrainingError::setting("schedule", got, "a number in [0, 1]"));
                }
            }
        }
        Ok(())
    }
}

/// A schedule as Burn's trainer asks for it: once for each optimizer step.
#[derive(Clone, Debug)]
pub(crate) struct RateScheduler {
    pub schedule: Schedule,
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub step: usize,
}

impl LrScheduler for RateScheduler {
    fn step(&mut self) -> f64 {
        let (step, steps_per_epoch) = (self.step, self.steps_per_epoch.max(1));
        self.step += 1;
        match self.schedule.moves() {
            By::Step => self.schedule.rate(step, self.epochs.saturating_mul(steps_per_epoch)),
            By::Epoch => self.schedule.rate(step / steps_per_epoch, self.epochs),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, epochs: usize, steps_per_epoch: usize) -> Vec<f64> {
        let mut scheduler = RateScheduler { schedule, epochs, steps_per_epoch, step: 0 };
        (0..epochs * steps_per_epoch).map(|_| scheduler.step()).collect()
    }

    #[test]
    fn a_run_of_more_steps_than_can_be_counted_has_a_rate() {
        let schedule = Schedule::one_cycle(0.1);
        let mut scheduler =
            RateScheduler { schedule, epochs: usize::MAX, steps_per_epoch: 2, step: 0 };
        assert!((scheduler.step() - 0.1 / 25.0).abs() < 1e-12);
    }

    #[test]
    fn rates_move_with_every_step_and_by_epoch_where_asked() {
        for schedule in [Schedule::cosine(0.1), Schedule::one_cycle(0.1)] {
            let by_step = rates(schedule.clone(), 3, 4);
            assert!(by_step.windows(2).all(|pair| pair[0] != pair[1]), "{by_step:?}");
            let by_epoch = rates(schedule.by(By::Epoch), 3, 4);
            assert!(by_epoch.chunks(4).all(|epoch| epoch.iter().all(|rate| *rate == epoch[0])));
        }
        let milestones = Schedule::multi_step(1.0, &[1]).by(By::Step);
        assert_eq!(rates(milestones, 2, 2), [1.0, 0.1, 0.1, 0.1]);
        assert_eq!(rates(Schedule::multi_step(1.0, &[1]), 2, 2), [1.0, 1.0, 0.1, 0.1]);
    }

    /// Runs of 1 to 8 epochs of 1 to 40 steps.
    #[test]
    fn a_run_of_any_length_trains_at_the_rate_asked_for_and_in_its_last_epoch() {
        for (epochs, steps) in [(1, 1), (1, 2), (1, 40), (2, 1), (2, 40), (8, 40)] {
            for schedule in [Schedule::cosine(0.1), Schedule::one_cycle(0.1)] {
                let rates = rates(schedule, epochs, steps);
                let highest = rates.iter().copied().fold(0.0, f64::max);
                assert!((0.08..=0.1).contains(&highest), "{epochs}x{steps}: {highest}");
                // With 8 epochs the last has a thirtieth of the mean rate, with fewer more.
                let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
                let last = mean(&rates[rates.len() - steps..]);
                let trains = steps == 1 || last > mean(&rates) / 40.0;
                assert!(trains, "{epochs}x{steps}: {last}");
            }
        }
    }
}
