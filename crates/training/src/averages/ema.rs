use super::{AverageRule, BatchStatistics, check_start};
use crate::TrainingError;
use crate::step::StepInfo;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The exponential moving average of the weights after every step (Polyak and Juditsky, 1992), as
/// in robust training by Rebuffi et al., arXiv 2103.01946, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// The weight of the average before a step, in [0, 1), such as 0.999.
    pub decay: f64,
    /// The first epoch that is averaged, counted from 0: its first step copies the model.
    #[serde(default)]
    pub start_epoch: usize,
    /// The running statistics of the averaged model. `None` is [`BatchStatistics::Averaged`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_statistics: Option<BatchStatistics>,
}

impl Ema {
    pub(super) const NAME: &str = "ema";
}

impl AverageRule for Ema {
    fn spec(&self) -> Value {
        named_spec("average", Self::NAME, self)
    }

    fn weight(&self, info: &StepInfo) -> Option<f64> {
        (info.epoch >= self.start_epoch).then_some(1.0 - self.decay)
    }

    fn batch_statistics(&self) -> BatchStatistics {
        self.batch_statistics.unwrap_or(BatchStatistics::Averaged)
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        if !(0.0..1.0).contains(&self.decay) {
            return Err(TrainingError::setting("decay", self.decay, "a number in [0, 1)"));
        }
        check_start(self.start_epoch, epochs)
    }
}
