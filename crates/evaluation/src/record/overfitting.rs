use super::Epoch;
use std::fmt;

/// Robust overfitting of a training: how much robustness on new images was lost between the best
/// epoch and the last one, while that on the training images may have gone on rising (Rice et al.,
/// arXiv 2002.11569).
///
/// It is read off the scores that the trainer records: `validation robust`, `train robust` and, in
/// histories that have them, `validation robust loss` and `train robust loss`.
///
/// ```
/// use cni_evaluation::{Epoch, RobustOverfitting};
/// let epoch = |(epoch, robust): (usize, f64)| Epoch {
///     epoch,
///     scores: [("validation robust".to_string(), robust)].into(),
///     ..Epoch::default()
/// };
/// let history: Vec<Epoch> = [(1, 0.30), (2, 0.45), (3, 0.41)].map(epoch).into();
/// let overfitting = RobustOverfitting::of(&history).unwrap();
/// assert_eq!((overfitting.best.epoch, overfitting.last.epoch), (2, 3));
/// assert!((overfitting.lost() - 0.04).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RobustOverfitting {
    /// The epoch of the highest robust validation accuracy; of equals the first, as the trainer
    /// chooses its best checkpoint.
    pub best: RobustEpoch,
    /// The last epoch that was validated under attack.
    pub last: RobustEpoch,
}

/// The robustness after an epoch. Accuracies are fractions, losses are mean cross-entropies; those
/// of training are means over the epoch's batches, while the weights moved.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustEpoch {
    /// The number of the epoch, from 1.
    pub epoch: usize,
    /// Robust accuracy on the validation set.
    pub accuracy: f64,
    /// Robust loss on the validation set.
    pub loss: Option<f64>,
    /// Robust accuracy on training batches.
    pub train_accuracy: Option<f64>,
    /// Robust loss on training batches.
    pub train_loss: Option<f64>,
}

impl RobustEpoch {
    fn of(epoch: &Epoch) -> Option<Self> {
        let score = |name: &str| epoch.scores.get(name).copied();
        Some(Self {
            epoch: epoch.epoch,
            accuracy: score("validation robust")?,
            loss: score("validation robust loss"),
            train_accuracy: score("train robust"),
            train_loss: score("train robust loss"),
        })
    }

    /// The gap of accuracies, training minus validation. The attacks of the two may differ.
    pub fn gap(&self) -> Option<f64> {
        Some(self.train_accuracy? - self.accuracy)
    }

    /// The gap of losses, validation minus training.
    pub fn loss_gap(&self) -> Option<f64> {
        Some(self.loss? - self.train_loss?)
    }
}

impl RobustOverfitting {
    /// The overfitting of a history, in the order of its epochs. `None` if no epoch was validated
    /// under attack.
    pub fn of(history: &[Epoch]) -> Option<Self> {
        let epochs: Vec<RobustEpoch> = history.iter().filter_map(RobustEpoch::of).collect();
        let last = epochs.last()?.clone();
        let better = |best: RobustEpoch, epoch: RobustEpoch| match epoch.accuracy > best.accuracy {
            true => epoch,
            false => best,
        };
        Some(Self { best: epochs.into_iter().reduce(better)?, last })
    }

    /// The validation accuracy that was lost from the best epoch to the last, at least 0.
    pub fn lost(&self) -> f64 {
        self.best.accuracy - self.last.accuracy
    }
}

/// The finding in a sentence or two.
impl fmt::Display for RobustOverfitting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let points = |share: f64| format!("{:.1} points", 100.0 * share.abs());
        let Self { best, last } = self;
        let accuracy = percent(best.accuracy);
        write!(f, "Robust validation accuracy is best after epoch {}, {accuracy}", best.epoch)?;
        if best.epoch == last.epoch {
            write!(f, ", the last one")?;
        } else {
            let (accuracy, lost) = (percent(last.accuracy), points(self.lost()));
            write!(f, ", and {accuracy} after epoch {}, the last: {lost} are lost", last.epoch)?;
            if let (Some(best), Some(last)) = (best.loss, last.loss) {
                let went = if last < best { "falls" } else { "rises" };
                write!(f, ", and the robust loss {went} from {best:.3} to {last:.3}")?;
            }
        }
        write!(f, ".")?;
        let Some(gap) = last.gap() else { return Ok(()) };
        let side = if gap < 0.0 { "below" } else { "above" };
        write!(f, " On training batches it is {} {side} that in the last epoch", points(gap))?;
        if let Some(gap) = last.loss_gap() {
            let side = if gap < 0.0 { "above" } else { "below" };
            write!(f, ", the loss {:.3} {side}", gap.abs())?;
        }
        write!(f, ".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(rows: &[[f64; 4]]) -> Vec<Epoch> {
        let names = ["validation robust", "validation robust loss", "train robust"];
        let names = [names[0], names[1], names[2], "train robust loss"];
        let epoch = |(i, row): (usize, &[f64; 4])| Epoch {
            epoch: i + 1,
            scores: names.iter().map(|name| name.to_string()).zip(*row).collect(),
            ..Epoch::default()
        };
        rows.iter().enumerate().map(epoch).collect()
    }

    #[test]
    fn what_was_lost_and_the_gaps_are_told_from_the_best_epoch_to_the_last() {
        let rows = [
            [0.3, 2.0, 0.3, 2.1],
            [0.45, 1.5, 0.5, 1.4],
            [0.45, 1.6, 0.6, 1.1],
            [0.4, 1.9, 0.8, 0.6],
        ];
        let found = RobustOverfitting::of(&history(&rows)).unwrap();
        assert_eq!((found.best.epoch, found.last.epoch), (2, 4));
        assert!((found.lost() - 0.05).abs() < 1e-12);
        assert!((found.last.gap().unwrap() - 0.4).abs() < 1e-12);
        assert!((found.last.loss_gap().unwrap() - 1.3).abs() < 1e-12);
        assert_eq!(
            found.to_string(),
            "Robust validation accuracy is best after epoch 2, 45.0 %, and 40.0 % after epoch 4, \
             the last: 5.0 points are lost, and the robust loss rises from 1.500 to 1.900. On \
             training batches it is 40.0 points above that in the last epoch, the loss 1.300 below."
        );
        let best = RobustOverfitting::of(&history(&rows[..2])).unwrap();
        assert_eq!((best.lost(), best.best.epoch), (0.0, 2));
        assert!(best.to_string().contains("after epoch 2, 45.0 %, the last one. On"), "{best}");
    }

    #[test]
    fn a_history_from_before_robust_losses_tells_the_accuracies() {
        let mut old = history(&[[0.5, 1.0, 0.4, 1.0], [0.3, 1.0, 0.2, 1.0]]);
        old.iter_mut().for_each(|epoch| epoch.scores.retain(|name, _| !name.ends_with("loss")));
        let found = RobustOverfitting::of(&old).unwrap();
        assert_eq!((found.last.loss, found.last.loss_gap()), (None, None));
        assert_eq!(
            found.to_string(),
            "Robust validation accuracy is best after epoch 1, 50.0 %, and 30.0 % after epoch 2, \
             the last: 20.0 points are lost. On training batches it is 10.0 points below that in \
             the last epoch."
        );
        old.iter_mut().for_each(|epoch| epoch.scores.clear());
        assert_eq!(RobustOverfitting::of(&old), None);
    }
}
