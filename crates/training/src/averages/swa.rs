use super::{AverageRule, BatchStatistics, check_start};
use crate::TrainingError;
use crate::step::StepInfo;
use cni_data::slots::named_spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Stochastic weight averaging: the mean of the weights at the end of each epoch from one on
/// (Izmailov et al., arXiv 1803.05407, algorithm 1 with a cycle of one epoch).
///
/// The authors run it with a constant or a cyclic learning rate; under a rate that falls to zero
/// the weights of the last epochs are nearly the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swa {
    /// The first epoch whose end counts, counted from 0. Before that the run has no average.
    pub start_epoch: usize,
    /// The running statistics of the averaged model, by default recomputed as the authors do: no
    /// step has normalized by those of its weights.
    #[serde(default)]
    pub batch_statistics: BatchStatistics,
}

impl Swa {
    pub(super) const NAME: &str = "swa";
}

impl AverageRule for Swa {
    fn spec(&self) -> Value {
        named_spec("average", Self::NAME, self)
    }

    fn weight(&self, info: &StepInfo) -> Option<f64> {
        let counted = info.epoch.checked_sub(self.start_epoch)?;
        info.ends_epoch.then(|| 1.0 / (counted as f64 + 1.0))
    }

    fn batch_statistics(&self) -> BatchStatistics {
        self.batch_statistics
    }

    fn check(&self, epochs: usize) -> Result<(), TrainingError> {
        check_start(self.start_epoch, epochs)
    }
}
