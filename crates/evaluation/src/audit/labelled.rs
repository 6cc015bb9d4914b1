//! Predictions of examples in draws of the model's noise, with the labels.

use crate::clopper_pearson;
use crate::record::accuracy::plurality;
use crate::{Estimate, Hits};
use cni_attacks::{DrawPredictions, Severity};

/// The chance of error of a one-sided limit: that of two standard errors of a normal law.
pub(super) const CHANCE: f64 = 0.022_75;

/// Predictions of examples in several draws, with their labels.
#[derive(Clone, Debug)]
pub(super) struct LabelledPredictions {
    /// The predicted class of each example, for each draw.
    pub predicted: Vec<Vec<i64>>,
    /// True if the class is the label, for each draw and example.
    pub correct: Vec<Vec<bool>>,
    /// The mean margin of each example over the draws; positive in the attacker's favour.
    pub margin: Vec<f64>,
    /// The number of further examples, which count as misclassified in every draw.
    pub wrong: usize,
}

impl LabelledPredictions {
    pub fn new(judged: DrawPredictions, labels: &[i64]) -> Self {
        let of_draw = |draw: &Vec<i64>| draw.iter().zip(labels).map(|(a, b)| a == b).collect();
        let correct = judged.predicted.iter().map(of_draw).collect();
        Self { predicted: judged.predicted, correct, margin: judged.margin, wrong: 0 }
    }

    /// Adds further examples, judged by the same draws.
    pub fn extend(&mut self, more: Self) {
        let lists = self.predicted.iter_mut().zip(more.predicted);
        lists.for_each(|(all, more)| all.extend(more));
        let lists = self.correct.iter_mut().zip(more.correct);
        lists.for_each(|(all, more)| all.extend(more));
        self.margin.extend(more.margin);
        self.wrong += more.wrong;
    }

    /// Adds further draws of the same examples.
    pub fn add_draws(&mut self, more: Self) {
        let [old, new] = [self.correct.len(), more.correct.len()].map(|draws| draws as f64);
        let margins = self.margin.iter_mut().zip(&more.margin);
        margins.for_each(|(all, more)| *all = (*all * old + more * new) / (old + new));
        self.predicted.extend(more.predicted);
        self.correct.extend(more.correct);
    }

    /// The predictions of some of the examples, with `wrong` further misclassified ones.
    pub fn rows(&self, rows: &[usize], wrong: usize) -> Self {
        let predicted = |draw: &Vec<i64>| rows.iter().map(|&row| draw[row]).collect();
        let correct = |draw: &Vec<bool>| rows.iter().map(|&row| draw[row]).collect();
        Self {
            predicted: self.predicted.iter().map(predicted).collect(),
            correct: self.correct.iter().map(correct).collect(),
            margin: rows.iter().map(|&row| self.margin[row]).collect(),
            wrong,
        }
    }

    /// The rows of `other` for which `take` is true, else these.
    pub fn or(mut self, take: &[bool], other: &Self) -> Self {
        for (row, _) in take.iter().enumerate().filter(|(_, take)| **take) {
            for draw in 0..self.correct.len() {
                self.correct[draw][row] = other.correct[draw][row];
                self.predicted[draw][row] = other.predicted[draw][row];
            }
            self.margin[row] = other.margin[row];
        }
        self
    }

    /// The number of examples, with the further misclassified ones.
    pub fn examples(&self) -> usize {
        self.margin.len() + self.wrong
    }

    /// A table of draws by examples: one if the example is classified correctly, else zero.
    pub fn table(&self) -> Vec<Vec<f64>> {
        let of_draw = |draw: &Vec<bool>| {
            let hits = draw.iter().map(|&hit| f64::from(u8::from(hit)));
            hits.chain(std::iter::repeat_n(0.0, self.wrong)).collect()
        };
        self.correct.iter().map(of_draw).collect()
    }

    /// The estimate of the accuracy at 95 % confidence.
    pub fn estimate(&self) -> Estimate {
        let mut hits = Hits::new(self.correct.len());
        let padded = |draw: &Vec<bool>| -> Vec<bool> {
            draw.iter().copied().chain(std::iter::repeat_n(false, self.wrong)).collect()
        };
        hits.extend(&self.correct.iter().map(padded).collect::<Vec<_>>());
        hits.estimate(0.95).expect("there are examples")
    }

    pub fn accuracy(&self) -> f64 {
        let right: f64 = self.shares().iter().sum();
        right / self.examples().max(1) as f64
    }

    /// The upper confidence limit of the accuracy, which is the most that any attack could win.
    ///
    /// It is Clopper and Pearson's, for the number of whole examples that the shares of draws add
    /// up to. With few examples it is high, even if none of them is classified correctly.
    pub fn at_most(&self) -> f64 {
        let right = self.shares().iter().sum::<f64>().ceil() as u64;
        let limits = clopper_pearson(right, self.examples() as u64, 1.0 - 2.0 * CHANCE);
        limits.map_or(1.0, |(_, high)| high)
    }

    /// The share of draws in which each example is classified correctly, without the further ones.
    pub fn shares(&self) -> Vec<f64> {
        let draws = self.correct.len().max(1) as f64;
        let hits = |row: usize| self.correct.iter().filter(|draw| draw[row]).count() as f64;
        (0..self.margin.len()).map(|row| hits(row) / draws).collect()
    }

    /// The severity of each example: the number of draws that misclassify it, and its mean margin.
    pub fn severity(&self) -> Vec<Severity> {
        let wrong = |row: usize| self.correct.iter().filter(|draw| !draw[row]).count();
        let margins = self.margin.iter().enumerate();
        margins
            .map(|(row, &mean_margin)| Severity { wrong_draws: wrong(row), mean_margin })
            .collect()
    }

    /// The class that most draws give each example, the lowest of equals.
    pub fn votes(&self) -> Vec<i64> {
        plurality(&self.predicted)
    }

    /// The rows that most draws misclassify here and most draws classify correctly in `other`, with
    /// shares of draws that differ by at least two standard errors.
    pub fn broken_only_here(&self, other: &Self) -> Vec<usize> {
        let draws = self.correct.len() as f64;
        let clear = if draws > 1.0 { (2.0 / draws).sqrt() } else { 0.0 };
        let pairs = self.shares().into_iter().zip(other.shares()).enumerate();
        pairs
            .filter(|(_, (here, there))| *here < 0.5 && *there >= 0.5 && there - here > clear)
            .map(|(row, _)| row)
            .collect()
    }
}

/// The median; zero if there are no values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => 0.5 * (values[middle - 1] + values[middle]),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Predictions of a list of examples in one draw.
    pub fn predictions(correct: &[bool]) -> LabelledPredictions {
        let predicted = correct.iter().map(|&hit| i64::from(!hit)).collect();
        LabelledPredictions {
            predicted: vec![predicted],
            correct: vec![correct.to_vec()],
            margin: vec![0.0; correct.len()],
            wrong: 0,
        }
    }

    #[test]
    fn the_vote_is_the_class_of_most_draws_and_the_lowest_of_equals() {
        let predicted = vec![vec![2, 1], vec![2, 0], vec![0, 2]];
        let correct = vec![vec![true; 2]; 3];
        assert_eq!(
            LabelledPredictions { predicted, correct, margin: vec![0.0; 2], wrong: 0 }.votes(),
            [2, 0]
        );
        assert_eq!(median(vec![3.0, 1.0, 2.0, 10.0]), 2.5);
    }

    /// With n examples and none classified correctly, the limit is 1 − 0.02275^(1/n).
    #[test]
    fn little_is_left_to_win_only_where_many_examples_say_so() {
        let none = |examples| predictions(&vec![false; examples]).at_most();
        assert!((none(16) - (1.0 - CHANCE.powf(1.0 / 16.0))).abs() < 1e-9, "{}", none(16));
        assert!(none(16) > 0.2 && none(256) < 0.015);
        // Examples that were left out because they are always misclassified count.
        let some = LabelledPredictions { wrong: 240, ..predictions(&[false; 16]) };
        assert_eq!(some.at_most(), none(256));
        assert_eq!(LabelledPredictions { wrong: 3, ..predictions(&[true]) }.accuracy(), 0.25);
        assert_eq!(
            LabelledPredictions { wrong: 3, ..predictions(&[true]) }.estimate().accuracy,
            0.25
        );
    }
}
