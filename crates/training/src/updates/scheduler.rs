//! A schedule, as Burn's trainer asks for it: once for each optimizer step.

use super::custom_schedule::By;
use super::schedule::Schedule;
use burn::lr_scheduler::module_lr_scheduler::{ModuleLrScheduler, ModuleLrSchedulerConfig};
use burn::lr_scheduler::{LrScheduler, LrSchedulerConfig, LrSchedulerRecord};
use cni_data::reading::refuse_unknown;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// A [`Schedule`] as a scheduler of Burn's: it gives the rate of each optimizer step in turn.
#[derive(Clone)]
pub struct Scheduler {
    schedule: Schedule,
    epochs: usize,
    steps_per_epoch: usize,
    step: usize,
    /// Multiplies the rates.
    scale: f64,
    /// Burn's own scheduler, and its rate now.
    burn: Option<(ModuleLrScheduler, f64)>,
}

/// Reads the configuration of a scheduler of Burn's, which ignores unknown fields itself.
pub(super) fn read_burn<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<LrSchedulerConfig, D::Error> {
    let given = Value::deserialize(deserializer)?;
    let scheduler = LrSchedulerConfig::deserialize(&given).map_err(de::Error::custom)?;
    refuse_unknown(&given, &scheduler).map_err(de::Error::custom)?;
    Ok(scheduler)
}

impl Schedule {
    /// The scheduler of a run of `epochs` epochs of `steps_per_epoch` optimizer steps each, for
    /// Burn's `Learner` or a custom loop.
    pub fn scheduler(&self, epochs: usize, steps_per_epoch: usize) -> Scheduler {
        let burn = match self {
            // Settings that Burn refuses are refused before a run, and have no rate here.
            Schedule::Burn { scheduler, .. } => {
                ModuleLrSchedulerConfig::new(scheduler.clone()).init().ok()
            }
            _ => None,
        };
        let burn = burn.map(|scheduler| (scheduler, f64::NAN));
        let (schedule, steps_per_epoch) = (self.clone(), steps_per_epoch.max(1));
        Scheduler { schedule, epochs, steps_per_epoch, step: 0, scale: 1.0, burn }
    }
}

impl Scheduler {
    /// The same rates, multiplied by a number.
    pub(crate) fn scaled(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }
}

impl LrScheduler for Scheduler {
    fn step(&mut self) -> f64 {
        let (step, steps_per_epoch, by) = (self.step, self.steps_per_epoch, self.schedule.moves());
        self.step += 1;
        let rate = match (&mut self.burn, by) {
            (Some((burn, rate)), by) => {
                if by == By::Step || step.is_multiple_of(steps_per_epoch) {
                    *rate = burn.step().base();
                }
                *rate
            }
            (None, By::Step) => {
                self.schedule.rate(step, self.epochs.saturating_mul(steps_per_epoch))
            }
            (None, By::Epoch) => self.schedule.rate(step / steps_per_epoch, self.epochs),
        };
        match self.scale {
            1.0 => rate,
            scale => rate * scale,
        }
    }

    fn to_record(&self) -> LrSchedulerRecord {
        let record = LrSchedulerRecord::new().with_scalar("step", self.step as u64);
        match &self.burn {
            Some((burn, rate)) => {
                record.with_scalar("rate", *rate).with_record("burn", burn.to_record())
            }
            None => record,
        }
    }

    fn load_record(&mut self, record: LrSchedulerRecord) {
        if let Some(step) = record.scalar::<u64>("step") {
            self.step = step as usize;
        }
        self.burn = self.burn.take().map(|(burn, rate)| {
            let burn = burn.load_record(record.record("burn"));
            (burn, record.scalar::<f64>("rate").unwrap_or(rate))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
    use serde_json::json;

    fn rates(schedule: Schedule, epochs: usize, steps_per_epoch: usize) -> Vec<f64> {
        let mut scheduler = schedule.scheduler(epochs, steps_per_epoch);
        (0..epochs * steps_per_epoch).map(|_| scheduler.step()).collect()
    }

    #[test]
    fn a_scheduler_of_burns_moves_by_step_or_by_epoch_and_goes_on_from_its_record() {
        let schedule = || Schedule::burn(ExponentialLrSchedulerConfig::new(0.4, 0.5));
        let by_step = rates(schedule(), 2, 3);
        assert!(by_step.windows(2).all(|pair| (pair[1] / pair[0] - 0.5).abs() < 1e-12));
        let by_epoch = rates(schedule().by(By::Epoch), 2, 3);
        assert_eq!(
            by_epoch,
            [by_step[0], by_step[0], by_step[0], by_step[1], by_step[1], by_step[1]]
        );
        for by in [By::Step, By::Epoch] {
            let mut whole = schedule().by(by).scheduler(2, 3);
            for _ in 0..4 {
                whole.step();
            }
            let mut resumed = schedule().by(by).scheduler(2, 3);
            resumed.load_record(whole.to_record());
            assert_eq!(whole.step(), resumed.step());
        }
        assert_eq!(schedule().rate(3, 9), by_step[3]);
    }

    #[test]
    fn unknown_settings_are_refused_by_name_also_in_a_scheduler_of_burns() {
        let read = |value| serde_json::from_value::<Schedule>(value);
        let linear = json!({ "points": [[0.0, 0.1], [1.0, 0.0]], "moves": "step" });
        let error = read(json!({ "linear": linear })).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `moves`, expected one of `points`"), "{error}");
        let mut burn =
            serde_json::to_value(Schedule::burn(ExponentialLrSchedulerConfig::new(0.4, 0.5)))
                .unwrap();
        assert!(read(burn.clone()).is_ok());
        burn["burn"]["scheduler"]["Exponential"]["gama"] = json!(0.5);
        let error = read(burn).unwrap_err().to_string();
        let says = "Exponential.gama: got 0.5, but there is no such setting, wanted one of ";
        assert!(error.starts_with(says) && error.ends_with("the nearest is gamma"), "{error}");
    }

    #[test]
    fn a_run_of_more_steps_than_can_be_counted_has_a_rate() {
        let mut scheduler = Schedule::one_cycle(0.1).scheduler(usize::MAX, 2);
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
            let lines = [
                Schedule::triangular(0.1, 0.4),
                Schedule::linear_to_zero(0.1),
                Schedule::cyclic(0.1, 2),
            ];
            for schedule in
                [Schedule::cosine(0.1), Schedule::one_cycle(0.1)].into_iter().chain(lines)
            {
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
