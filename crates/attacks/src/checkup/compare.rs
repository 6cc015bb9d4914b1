//! How examples fare, and by how much one attack beats another.

use crate::evaluation::{Estimate, Hits, Verdict};
use crate::judge::Judged;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// How examples fared in a number of draws.
#[derive(Clone, Debug)]
pub(super) struct Fared {
    /// For each draw the class of each example.
    pub predicted: Vec<Vec<i64>>,
    /// For each draw whether that is its label.
    pub correct: Vec<Vec<bool>>,
    /// The mean over draws of each example's margin in the attacker's favour.
    pub margin: Vec<f64>,
}

impl Fared {
    pub fn new(judged: Judged, labels: &[i64]) -> Self {
        let of_draw = |draw: &Vec<i64>| draw.iter().zip(labels).map(|(a, b)| a == b).collect();
        let correct = judged.predicted.iter().map(of_draw).collect();
        Self { predicted: judged.predicted, correct, margin: judged.margin }
    }

    /// Adds further examples, judged by the same draws.
    pub fn extend(&mut self, more: Self) {
        let lists = self.predicted.iter_mut().zip(more.predicted);
        lists.for_each(|(all, more)| all.extend(more));
        let lists = self.correct.iter_mut().zip(more.correct);
        lists.for_each(|(all, more)| all.extend(more));
        self.margin.extend(more.margin);
    }

    /// Adds further draws of the same examples.
    pub fn add_draws(&mut self, more: Self) {
        let [old, new] = [self.correct.len(), more.correct.len()].map(|draws| draws as f64);
        let margins = self.margin.iter_mut().zip(&more.margin);
        margins.for_each(|(all, more)| *all = (*all * old + more * new) / (old + new));
        self.predicted.extend(more.predicted);
        self.correct.extend(more.correct);
    }

    /// The first examples.
    pub fn first(&self, examples: usize) -> Self {
        Self {
            predicted: self.predicted.iter().map(|draw| draw[..examples].to_vec()).collect(),
            correct: self.correct.iter().map(|draw| draw[..examples].to_vec()).collect(),
            margin: self.margin[..examples].to_vec(),
        }
    }

    /// The rows of `other` where `take` holds, else these.
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

    /// The accuracy at 95 % confidence.
    pub fn estimate(&self) -> Estimate {
        let mut hits = Hits::new(self.correct.len());
        hits.extend(&self.correct);
        hits.estimate(0.95)
    }

    pub fn accuracy(&self) -> f64 {
        mean(&self.per_example())
    }

    /// The share of draws in which each example is correct.
    pub fn per_example(&self) -> Vec<f64> {
        let share = |row: usize| mean_of(self.correct.iter().map(|draw| f64::from(draw[row])));
        (0..self.margin.len()).map(share).collect()
    }

    /// The accuracy in each draw.
    fn per_draw(&self) -> Vec<f64> {
        self.correct.iter().map(|draw| mean_of(draw.iter().map(|&hit| f64::from(hit)))).collect()
    }

    /// The class that most draws give each example, the lowest of equals.
    pub fn votes(&self) -> Vec<i64> {
        let vote = |row: usize| {
            let mut classes: Vec<i64> = self.predicted.iter().map(|draw| draw[row]).collect();
            classes.sort_unstable();
            let count = |class: &i64| classes.iter().filter(|other| *other == class).count();
            let most = classes.iter().map(count).max();
            classes.iter().copied().find(|class| Some(count(class)) == most).unwrap_or(-1)
        };
        (0..self.margin.len()).map(vote).collect()
    }

    /// The rows that most draws get wrong here and most get right in `other`, the clearer the fewer draws there are:
    /// the shares differ by two standard errors.
    pub fn broken_only_here(&self, other: &Self) -> Vec<usize> {
        let draws = self.correct.len() as f64;
        let clear = if draws > 1.0 { (2.0 / draws).sqrt() } else { 0.0 };
        let pairs = self.per_example().into_iter().zip(other.per_example()).enumerate();
        pairs
            .filter(|(_, (here, there))| *here < 0.5 && *there >= 0.5 && there - here > clear)
            .map(|(row, _)| row)
            .collect()
    }
}

/// By how much accuracies differ, and how sure that is. Both are fractions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    pub mean: f64,
    /// The standard error of the mean.
    pub error: f64,
    /// Examples behind it.
    pub examples: usize,
}

impl Difference {
    /// The first accuracy less the second, of the same examples under the same draws.
    pub fn paired(first: &Fared, second: &Fared) -> Self {
        let each = subtract(&first.per_example(), &second.per_example());
        let draws = subtract(&first.per_draw(), &second.per_draw());
        Self::new(&each, variance(&draws) / draws.len() as f64)
    }

    /// The first accuracy less the second, of the same examples under different draws.
    pub fn apart(first: &Fared, second: &Fared) -> Self {
        let each = subtract(&first.per_example(), &second.per_example());
        let [a, b] = [first, second].map(Fared::per_draw);
        // What few draws cannot tell of their spread, the other side's must.
        let spread = variance(&a).max(variance(&b));
        Self::new(&each, spread / a.len() as f64 + spread / b.len() as f64)
    }

    /// The mean of a value of each example, of which `from_draws` is the variance by the choice of draws.
    pub fn new(each: &[f64], from_draws: f64) -> Self {
        let (n, spread) = (each.len() as f64, variance(each));
        let error = match (spread / n + from_draws).sqrt() {
            // Few examples that all agree are no certainty.
            error if error < 1e-9 => 1.0 / (n + 1.0),
            error => error,
        };
        Self { mean: mean(each), error, examples: each.len() }
    }

    /// Whether it exceeds a bound and what chance makes of it: two standard errors, or as many as are equally rare with
    /// few examples (Student's t), and for the largest of `of` differences (Bonferroni).
    pub fn exceeds(&self, bound: f64, of: usize) -> bool {
        let freedom = self.examples.saturating_sub(1).max(1) as f64;
        let law = StudentsT::new(0.0, 1.0, freedom).expect("there is freedom");
        let chance = law.inverse_cdf(1.0 - 0.02275 / of.max(1) as f64) * self.error;
        self.mean > bound && self.mean > chance
    }

    /// A verdict on the largest of `of` differences.
    pub fn verdict(&self, warn: f64, fail: f64, of: usize) -> Verdict {
        match (self.exceeds(fail, of), self.exceeds(warn, of)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Warn,
            (false, false) => Verdict::Pass,
        }
    }
}

pub(super) fn subtract(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    mean_of(values.iter().copied())
}

fn mean_of(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// The unbiased variance; zero for a single value.
fn variance(values: &[f64]) -> f64 {
    let (mean, freedom) = (mean(values), values.len().saturating_sub(1).max(1) as f64);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom
}

/// The middle value; zero of none.
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
mod tests {
    use super::*;

    fn fared(correct: &[bool]) -> Fared {
        let predicted = correct.iter().map(|&hit| i64::from(!hit)).collect();
        Fared {
            predicted: vec![predicted],
            correct: vec![correct.to_vec()],
            margin: vec![0.0; correct.len()],
        }
    }

    /// Of 32 examples two that differ may be chance, eight cannot.
    #[test]
    fn a_difference_counts_beyond_two_standard_errors() {
        let all = fared(&[true; 32]);
        let without = |broken: usize| fared(&std::array::from_fn::<_, 32, _>(|i| i >= broken));
        let verdict = |broken| Difference::paired(&all, &without(broken)).verdict(0.01, 0.1, 1);
        assert_eq!(verdict(0), Verdict::Pass);
        assert_eq!(verdict(2), Verdict::Pass);
        assert_eq!(verdict(8), Verdict::Fail);
        assert_eq!(verdict(32), Verdict::Fail);
        assert_eq!(Difference::paired(&all, &all).verdict(0.0, 0.1, 1), Verdict::Pass);
        assert_eq!(without(3).broken_only_here(&all), [0, 1, 2]);
    }

    #[test]
    fn the_vote_is_the_class_of_most_draws_and_the_lowest_of_equals() {
        let predicted = vec![vec![2, 1], vec![2, 0], vec![0, 2]];
        let correct = vec![vec![true; 2]; 3];
        assert_eq!(Fared { predicted, correct, margin: vec![0.0; 2] }.votes(), [2, 0]);
        assert_eq!(median(vec![3.0, 1.0, 2.0, 10.0]), 2.5);
    }
}
