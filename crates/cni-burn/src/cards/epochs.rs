//! The epochs of a training in a record.

use cni_evaluation::Epoch;
use cni_training::{EpochRow, Fall, Overfitting, Scores};

/// The epochs of a training as records have them, with scores such as `validation robust`.
pub fn epochs(history: Vec<EpochRow>) -> Vec<Epoch> {
    let named = |set: &str, scores: Scores| {
        let robust = [("robust", scores.robust), ("robust loss", scores.robust_loss)];
        let all = [("loss", scores.loss), ("clean", scores.clean), robust[0], robust[1]];
        let all = all.map(|(name, value)| value.map(|value| (name.to_string(), value)));
        let all = all.into_iter().flatten().chain(scores.more);
        all.map(|(name, value)| (format!("{set} {name}"), value)).collect::<Vec<_>>()
    };
    let watched = |seen: Overfitting| ("watched images robust".to_string(), seen.robust);
    let note = |fall: Fall| {
        format!(
            "catastrophic overfitting: accuracy on the watched images fell {fall}; the training \
             went back to the end of the epoch before and on with another attack"
        )
    };
    let epoch = |row: EpochRow| Epoch {
        epoch: row.epoch,
        scores: (named("train", row.train).into_iter())
            .chain(named("validation", row.validation))
            .chain(row.overfitting.map(watched))
            .collect(),
        noise: row.watched,
        notes: row.overfitting.and_then(|seen| seen.fell).map(note).into_iter().collect(),
    };
    history.into_iter().map(epoch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_epoch_has_the_scores_that_were_measured_by_set_and_name() {
        let train = Scores { loss: Some(0.5), clean: Some(0.75), ..Scores::default() };
        let more = BTreeMap::from([("margin".to_string(), 1.5)]);
        let validation = Scores { robust: Some(0.25), draws: Some(5), more, ..Scores::default() };
        let watched = BTreeMap::from([("fc".to_string(), 0.1)]);
        let validation = Scores { robust_loss: Some(2.5), ..validation };
        let fell = Some(Fall { from: 0.5, to: 0.0 });
        let overfitting = Some(Overfitting { robust: 0.375, fell });
        let row = EpochRow { epoch: 3, train, validation, watched: watched.clone(), overfitting };
        let [epoch] = &epochs(vec![row])[..] else { panic!("one row, one epoch") };
        let scores = [
            ("train clean", 0.75),
            ("train loss", 0.5),
            ("validation margin", 1.5),
            ("validation robust", 0.25),
            ("validation robust loss", 2.5),
            ("watched images robust", 0.375),
        ];
        assert_eq!(epoch.epoch, 3);
        assert_eq!(epoch.scores, scores.map(|(name, value)| (name.to_string(), value)).into());
        assert_eq!(epoch.noise, watched);
        assert!(epoch.notes[0].contains("fell from 50.0 % to 0.0 %"), "{:?}", epoch.notes);
    }
}
