//! A measurement of flatness that is to be, beside the record of one that is done.

use super::{AverageFlatness, Flatness, RobustLoss, WorstFlatness};
use crate::OtherSetting;
use crate::record::flatness::FlatnessRecord;
use crate::record::flatness_settings::{FlatnessFacts, Part};
use cni_attacks::Attack;

impl Flatness {
    /// The first setting in which a finished record differs from the one that this measurement
    /// would make of `loss`; `None` if both are of one measurement, as far as the record tells. The
    /// cards of model and data have to be [set](Self::with_cards).
    ///
    /// Whoever writes to a folder that holds records can refuse to replace them by others.
    pub fn difference_from<F>(
        &self,
        record: &FlatnessRecord,
        loss: &RobustLoss<F>,
    ) -> Option<OtherSetting> {
        let average = |of: &AverageFlatness| Part {
            threat: of.threat,
            attempts: of.attempts,
            restarts: of.restarts,
            ascent: None,
        };
        let worst = |of: &WorstFlatness| Part {
            threat: of.threat,
            attempts: of.attempts,
            restarts: of.restarts,
            ascent: Some((of.steps, of.step)),
        };
        let layers = loss.layers.iter().filter(|layer| (self.layers)(layer));
        let landscape = self.landscape.as_ref();
        // The adversarial direction is that of the worst case, and is not there without one.
        let along_worst = landscape.filter(|_| self.worst.is_some());
        let facts = FlatnessFacts {
            model: &self.model,
            data: &self.data,
            examples: loss.examples(),
            attack: (loss.attack().name(), loss.attack().spec()),
            stochastic: loss.is_stochastic(),
            draws: loss.draws(),
            reference_restarts: self.reference_restarts,
            average: self.average.as_ref().map(average),
            worst: self.worst.as_ref().map(worst),
            layers: layers.map(|layer| layer.path.as_str()).collect(),
            landscape: landscape.map(|of| (of.points, of.directions)),
            lengths: [landscape.map(|of| of.random), along_worst.map(|of| of.adversarial)],
            key: self.key,
        };
        facts.told().difference(&record.told())
    }
}
