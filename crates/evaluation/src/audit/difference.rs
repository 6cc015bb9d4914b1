//! The difference of two accuracies, its standard error, and the smallest difference that could
//! have been seen.

use super::judgement::{Judgement, smallest};
use super::labelled::{CHANCE, LabelledPredictions};
use crate::Verdict;
use crate::statistics::laws::student_quantile;
pub(super) use crate::statistics::shares::mean;
use crate::statistics::shares::variance;

/// The difference of two accuracies, as a fraction, with its variance.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccuracyDifference {
    pub mean: f64,
    /// The variance of one example's difference.
    pub of_one: f64,
    /// The variance of the mean that is due to the choice of draws. More examples do not lower it.
    pub from_draws: f64,
    /// The number of examples behind the mean.
    pub examples: usize,
}

impl AccuracyDifference {
    /// The first accuracy minus the second, of the same examples under the same draws.
    pub fn paired(first: &LabelledPredictions, second: &LabelledPredictions) -> Self {
        let tables = first.table().into_iter().zip(second.table());
        let table: Vec<Vec<f64>> = tables.map(|(a, b)| subtract(&a, &b)).collect();
        let each = columns(&table);
        let draws = variance_over_draws(&table) / table.len().max(1) as f64;
        Self::new(&each, draws)
    }

    /// The first accuracy minus the second, of the same examples under different draws. If the
    /// first has a single draw, its model has no choice of draws, and adds no variance.
    pub fn apart(first: &LabelledPredictions, second: &LabelledPredictions) -> Self {
        Self::of_tables([first, second].map(LabelledPredictions::table))
    }

    /// The accuracy lost under the second attack minus that lost under the first: `(first −
    /// before_first) − (second − before_second)`, of the same examples. Accuracies before and after
    /// one attack are judged by the same draws, those of the two attacks by different draws.
    pub fn of_losses(
        [first, before_first]: [&LabelledPredictions; 2],
        [second, before_second]: [&LabelledPredictions; 2],
    ) -> Self {
        let lost = |after: &LabelledPredictions, before: &LabelledPredictions| -> Vec<Vec<f64>> {
            let draws = after.table().into_iter().zip(before.table());
            draws.map(|(after, before)| subtract(&after, &before)).collect()
        };
        Self::of_tables([lost(first, before_first), lost(second, before_second)])
    }

    /// The mean of the first table minus that of the second. A table has a row for each draw.
    fn of_tables(tables: [Vec<Vec<f64>>; 2]) -> Self {
        let each = subtract(&columns(&tables[0]), &columns(&tables[1]));
        let [a, b] = [0, 1].map(|side| variance_over_draws(&tables[side]));
        // The first side has few draws, so the spread of the second is the better estimate.
        let draws = match tables[0].len() {
            0 | 1 => 0.0,
            held => a.max(b) / held as f64,
        };
        Self::new(&each, draws + b / tables[1].len().max(1) as f64)
    }

    /// The mean of one value for each example. `from_draws` is the variance of the mean that is due
    /// to the choice of draws.
    pub fn new(each: &[f64], from_draws: f64) -> Self {
        Self { mean: mean(each), of_one: variance(each), from_draws, examples: each.len() }
    }

    /// The standard error of the mean.
    pub fn error(&self) -> f64 {
        self.error_of(self.examples)
    }

    /// The standard error with this number of examples of the same kind.
    fn error_of(&self, examples: usize) -> f64 {
        match (self.of_one / examples.max(1) as f64 + self.from_draws).sqrt() {
            // A few examples that all agree prove nothing.
            error if error < 1e-9 => 1.0 / (examples as f64 + 1.0),
            error => error,
        }
    }

    /// True if the difference exceeds a bound and also two standard errors. The second limit is
    /// higher with few examples (Student's t) and for the largest of `of` differences (Bonferroni).
    pub fn exceeds(&self, bound: f64, of: usize) -> bool {
        self.mean > bound && self.mean > quantile(self.examples, of) * self.error()
    }

    /// The smallest difference that this number of examples could tell from chance. It is the one
    /// that [`exceeds`](Self::exceeds) asks for with the standard error that was found, and at
    /// least the smallest share of examples that would count if all others were alike.
    fn detectable(&self, examples: usize, of: usize) -> f64 {
        let quantile = quantile(examples, of);
        (quantile * self.error_of(examples)).max(fewest_share(examples, of)).min(1.0)
    }

    /// The verdict on the largest of `of` differences: a warning over the bound `warn`, a failure
    /// over `fail`.
    pub fn judge(&self, warn: f64, fail: f64, of: usize) -> Judgement {
        let verdict = match (self.exceeds(fail, of), self.exceeds(warn, of)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Warn,
            (false, false) => Verdict::Pass,
        };
        let needed = smallest(|examples| self.detectable(examples, of) <= warn);
        let detectable = self.detectable(self.examples, of);
        let judgement = Judgement::new(verdict, warn, detectable, self.examples, needed);
        // Far below zero, few examples are enough to rule the bound out.
        judgement.at_most(self.mean + detectable)
    }
}

/// The smallest number of examples with which a difference of `bound` can be seen, if all other
/// examples are alike.
pub(super) fn needed_for(bound: f64) -> usize {
    smallest(|examples| fewest_share(examples, 1) <= bound).unwrap_or(usize::MAX)
}

/// The smallest share of differing examples that exceeds chance: p > t √(p (1 − p) / (n − 1)).
fn fewest_share(examples: usize, of: usize) -> f64 {
    let (n, t) = (examples as f64, quantile(examples, of));
    (t * t / ((n - 1.0).max(0.0) + t * t)).max(t / (n + 1.0))
}

/// The number of standard errors that chance exceeds as rarely as two standard errors of a normal
/// law.
fn quantile(examples: usize, of: usize) -> f64 {
    let (freedom, chance) = (examples.saturating_sub(1).max(1) as f64, CHANCE / of.max(1) as f64);
    student_quantile(1.0 - chance, freedom)
}

/// The variance between draws that all examples share: the variance of the means of draws, minus
/// the part that comes from single examples. Draws and examples are crossed samples.
fn variance_over_draws(table: &[Vec<f64>]) -> f64 {
    let each = columns(table);
    let (draws, examples) = (table.len() as f64, each.len() as f64);
    if draws < 2.0 {
        return 0.0;
    }
    let of_draw: Vec<f64> = table.iter().map(|draw| mean(draw)).collect();
    let (all, total) = (mean(&of_draw), variance(&of_draw));
    if examples < 2.0 {
        return total;
    }
    let own = table.iter().zip(&of_draw).flat_map(|(draw, of_draw)| {
        draw.iter().zip(&each).map(move |(value, of_example)| value - of_draw - of_example + all)
    });
    let squares: f64 = own.map(|rest| rest * rest).sum();
    (total - squares / ((draws - 1.0) * (examples - 1.0)) / examples).max(0.0)
}

/// The mean of each column.
fn columns(table: &[Vec<f64>]) -> Vec<f64> {
    let examples = table.first().map_or(0, Vec::len);
    let column = |row: usize| table.iter().map(|draw| draw[row]).sum::<f64>();
    (0..examples).map(|row| column(row) / table.len() as f64).collect()
}

pub(super) fn subtract(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::super::labelled::tests::predictions;
    use super::*;
    use cni_noise::{Key, host_normal};

    fn without(broken: usize, examples: usize) -> LabelledPredictions {
        predictions(&(0..examples).map(|i| i >= broken).collect::<Vec<_>>())
    }

    fn judged(broken: usize, examples: usize) -> Judgement {
        let all = without(0, examples);
        AccuracyDifference::paired(&all, &without(broken, examples)).judge(0.03, 0.1, 1)
    }

    /// Two of 32 examples that differ can be chance, eight cannot. None that differs does not rule
    /// out three points.
    #[test]
    fn a_difference_counts_beyond_two_standard_errors() {
        assert_eq!(judged(0, 32).verdict, Verdict::Inconclusive);
        assert_eq!(judged(2, 32).verdict, Verdict::Inconclusive);
        assert_eq!(judged(8, 32).verdict, Verdict::Fail);
        assert_eq!(judged(32, 32).verdict, Verdict::Fail);
        assert_eq!(judged(0, 200).verdict, Verdict::Pass);
        assert_eq!(without(3, 32).broken_only_here(&without(0, 32)), [0, 1, 2]);
    }

    /// With a warning from 0 points on, a difference that the judgement calls visible is raised,
    /// and one with one example less is not.
    #[test]
    fn the_smallest_visible_difference_is_the_smallest_that_is_raised() {
        for examples in [8, 16, 64, 200, 1000] {
            let all = without(0, examples);
            let of = |broken| AccuracyDifference::paired(&all, &without(broken, examples));
            let first = (1..=examples).find(|&broken| of(broken).exceeds(0.0, 1)).unwrap();
            let visible = of(0).judge(0.0, 1.0, 1).detectable * examples as f64;
            assert!(visible > (first - 1) as f64 - 1e-9, "{examples}: {first} {visible}");
            assert!(visible <= first as f64 + 1e-9, "{examples}: {first} {visible}");
        }
    }

    /// Robust accuracy is halved on 16 images: too few to be sure, so the check does not pass.
    #[test]
    fn a_loss_that_few_examples_cannot_confirm_is_inconclusive() {
        let [two, one] = [14, 15].map(|broken| without(broken, 16));
        let found = AccuracyDifference::paired(&two, &one).judge(0.02, 0.1, 1).limited_by(&two);
        assert_eq!(found.verdict, Verdict::Inconclusive);
        assert!(found.detectable > 0.12 && found.needed().is_some_and(|needed| needed > 500));
        assert!(found.note().contains("16 examples could show no less than"), "{}", found.note());
    }

    /// An attack under which accuracy is a third higher is not the stronger one, as the upper limit
    /// shows.
    #[test]
    fn a_difference_far_below_zero_rules_the_bound_out() {
        let (all, some) = (without(0, 64), without(20, 64));
        let found = AccuracyDifference::paired(&some, &all).judge(0.03, 0.1, 1);
        assert_eq!((found.verdict, found.at_most_seen()), (Verdict::Pass, Some(0.0)));
        assert!(found.detectable > 0.03, "{}", found.detectable);
        assert!(found.note().contains("at most 0.0 points"), "{}", found.note());
    }

    /// Of 100 images 30 are classified correctly only without noise, and 30 others stay correct
    /// under attack only without noise. The mean is 0, and the error is that of 100 differences, 60
    /// of them ±1.
    #[test]
    fn the_error_of_what_an_attack_spares_is_that_of_the_double_difference() {
        let of = |right: std::ops::Range<usize>| {
            predictions(&(0..100).map(|row| right.contains(&row)).collect::<Vec<_>>())
        };
        let (clean_off, off, clean, noisy) = (of(0..100), of(0..70), of(0..70), of(30..70));
        let spared = AccuracyDifference::of_losses([&off, &clean_off], [&noisy, &clean]);
        assert!(spared.mean.abs() < 1e-12, "{}", spared.mean);
        assert!((spared.error() - (0.6f64 / 99.0).sqrt()).abs() < 1e-9, "{}", spared.error());
        let apart = AccuracyDifference::apart(&off, &noisy);
        assert!(spared.error() > 1.5 * apart.error(), "{}", apart.error());
    }

    #[test]
    fn as_many_examples_as_are_needed_are_enough() {
        let needed = judged(0, 32).needed().unwrap();
        assert_eq!(judged(0, needed).verdict, Verdict::Pass);
        assert_eq!(judged(0, needed - 1).verdict, Verdict::Inconclusive);
        assert_eq!(needed, needed_for(0.03));
        // More examples do not make up for draws that differ as a whole.
        let unlucky =
            AccuracyDifference { mean: 0.0, of_one: 0.01, from_draws: 0.01, examples: 50 };
        let found = unlucky.judge(0.03, 0.1, 1);
        assert_eq!((found.verdict, found.needed()), (Verdict::Inconclusive, None));
    }

    /// 40 examples by 20 draws of independent normal numbers, 400 times: the variance of the mean
    /// is 1/800, and the part of the draws must not be counted twice. The mean of the estimates is
    /// off by at most 5 %, five times its standard error.
    #[test]
    fn the_error_of_crossed_examples_and_draws_counts_neither_twice() {
        let values = host_normal(Key::new(3), 0..400 * 800);
        let of = |one: &[f32]| {
            let draws = one.chunks(40).map(|draw| draw.iter().map(|z| f64::from(*z)).collect());
            let table: Vec<Vec<f64>> = draws.collect();
            let spread = variance_over_draws(&table) / 20.0;
            AccuracyDifference::new(&columns(&table), spread).error().powi(2)
        };
        let mean = mean(&values.chunks(800).map(of).collect::<Vec<_>>()) * 800.0;
        // Estimates below zero count as zero, which adds a little.
        assert!((0.95..1.45).contains(&mean), "{mean}");
        // The part that a whole draw shares is found: here its size is one.
        let shared = |draw: usize| vec![f64::from(values[draw]); 40];
        let table: Vec<Vec<f64>> = (0..400).map(shared).collect();
        assert!((0.6..1.4).contains(&variance_over_draws(&table)));
    }
}
