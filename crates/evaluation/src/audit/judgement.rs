//! Judgements: the verdict of a rule, and the smallest difference that it could have seen.

use super::labelled::LabelledPredictions;
use crate::Verdict;

/// The verdict of a rule, with what the check could have seen.
#[derive(Clone, Debug)]
pub(super) struct Judgement {
    pub verdict: Verdict,
    /// The difference, or share, that the rule names.
    pub bound: f64,
    /// The smallest difference, or share, that could have been told from chance.
    pub detectable: f64,
    /// The number of examples behind the verdict.
    pub examples: usize,
    /// The number of examples that would be needed to see the bound.
    needed: Option<usize>,
    /// The upper confidence limit of the difference, if the pass rests on it.
    nothing: Option<f64>,
}

impl Judgement {
    /// A verdict; a pass becomes inconclusive if the bound could not have been seen.
    pub fn new(
        verdict: Verdict,
        bound: f64,
        detectable: f64,
        examples: usize,
        needed: Option<usize>,
    ) -> Self {
        let verdict = match verdict {
            Verdict::Pass if detectable > bound => Verdict::Inconclusive,
            verdict => verdict,
        };
        Self { verdict, bound, detectable, examples, needed, nothing: None }
    }

    /// The judgement of `count` examples of `of`: a warning if `warns` holds, a failure if `fails`
    /// holds. It is inconclusive if this number of examples cannot show a share of `bound`.
    pub fn of_count(
        count: usize,
        of: usize,
        bound: f64,
        warns: impl Fn(usize, usize) -> bool,
        fails: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let verdict = match (fails(count, of), warns(count, of)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Warn,
            (false, false) => Verdict::Pass,
        };
        let visible = |of: usize| {
            let first = (1..=of).find(|&count| warns(count, of) || fails(count, of));
            first.map_or(1.0, |count| count as f64 / of as f64)
        };
        let needed = smallest(|examples| visible(examples) <= bound);
        Self::new(verdict, bound, visible(of), of, needed)
    }

    /// Takes the robust accuracy under the audited attack into account, because no attack can win
    /// more.
    pub fn limited_by(self, left: &LabelledPredictions) -> Self {
        self.at_most(left.at_most())
    }

    /// Takes an upper limit of the difference into account: an inconclusive check passes if the
    /// limit is within the bound.
    pub fn at_most(self, most: f64) -> Self {
        let most = most.max(0.0);
        match self.verdict {
            Verdict::Inconclusive if most <= self.bound => {
                Self { verdict: Verdict::Pass, nothing: Some(most), ..self }
            }
            _ => self,
        }
    }

    /// The same judgement with a verdict that is at least this grave, for reasons that the
    /// measurement gives.
    pub fn at_least(self, verdict: Verdict) -> Self {
        Self { verdict: self.verdict.max(verdict), ..self }
    }

    /// The same judgement, inconclusive: the draws are too few to tell which examples are
    /// misclassified.
    pub fn of_few_draws(self) -> Self {
        let verdict = match self.verdict {
            Verdict::Pass => Verdict::Inconclusive,
            verdict => verdict,
        };
        Self { verdict, detectable: 1.0, needed: None, nothing: None, ..self }
    }

    /// The graver of two judgements, with the larger of the two detectable differences. The pass
    /// rests on an upper limit only if both do.
    pub fn and(self, other: Self) -> Self {
        let [first, second] = match other.verdict > self.verdict {
            true => [other, self],
            false => [self, other],
        };
        let larger = first.detectable.max(second.detectable);
        let (detectable, nothing) = match (first.nothing, second.nothing) {
            (Some(a), Some(b)) => (larger, Some(a.max(b))),
            (Some(_), None) => (second.detectable, None),
            (None, Some(_)) => (first.detectable, None),
            (None, None) => (larger, None),
        };
        let needed = match (first.needed, second.needed) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
        Self { detectable, needed, nothing, ..first }
    }

    /// The upper limit of the difference, if the check passes because of it.
    pub fn at_most_seen(&self) -> Option<f64> {
        self.nothing.filter(|_| self.verdict == Verdict::Pass)
    }

    /// The number of examples that an inconclusive check would need.
    pub fn needed(&self) -> Option<usize> {
        self.needed.filter(|_| self.verdict == Verdict::Inconclusive)
    }

    /// The note on the verdict that is added to the measurement.
    pub fn note(&self) -> String {
        let points = |share: f64| format!("{:.1}", 100.0 * share);
        let [detectable, bound] = [self.detectable, self.bound].map(points);
        match (self.verdict, self.nothing) {
            (Verdict::Pass, Some(most)) => {
                format!("; at most {} points could be won", points(most))
            }
            (Verdict::Inconclusive, None) if self.detectable > self.bound => {
                let needed = match self.needed {
                    Some(needed) => format!("{needed} examples would show"),
                    None => "more draws, and not more examples, would show".to_string(),
                };
                format!(
                    "; {} examples could show no less than {detectable} points, {needed} the \
                     {bound} of the rule",
                    self.examples
                )
            }
            _ => String::new(),
        }
    }
}

/// The smallest number of examples for which `holds` is true, to three digits; none if a million
/// are not enough.
pub(super) fn smallest(holds: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (0, 1);
    while !holds(high) {
        (low, high) = (high, 2 * high);
        if high > 1 << 20 {
            return None;
        }
    }
    while high - low > (high / 1000).max(1) {
        let middle = low + (high - low) / 2;
        match holds(middle) {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::super::difference::AccuracyDifference;
    use super::super::labelled::tests::predictions;
    use super::*;

    #[test]
    fn where_nothing_is_left_nothing_can_be_won() {
        let nothing = |examples| {
            let left = predictions(&vec![false; examples]);
            let same = AccuracyDifference::paired(&left, &left).judge(0.03, 0.1, 4);
            same.limited_by(&left)
        };
        assert_eq!(nothing(16).verdict, Verdict::Inconclusive);
        assert_eq!(nothing(150).verdict, Verdict::Pass);
        assert!(nothing(150).note().contains("at most 2.5 points"), "{}", nothing(150).note());
        let most = nothing(150).at_most_seen().unwrap();
        assert!(most <= 0.03 && nothing(150).detectable > 0.03 && most < nothing(150).detectable);
        // If all are classified correctly, 150 are too few to see three points in four comparisons.
        let all = predictions(&[true; 150]);
        let same = AccuracyDifference::paired(&all, &all).judge(0.03, 0.1, 4).limited_by(&all);
        assert_eq!(same.verdict, Verdict::Inconclusive);
    }

    #[test]
    fn a_judgement_of_two_rests_on_what_is_left_only_where_both_do() {
        let seen = || Judgement::new(Verdict::Pass, 0.03, 0.02, 200, None);
        let left = || Judgement::new(Verdict::Pass, 0.03, 0.05, 100, None).at_most(0.01);
        let both = left().and(left());
        assert_eq!((both.detectable, both.at_most_seen()), (0.05, Some(0.01)));
        for mixed in [seen().and(left()), left().and(seen())] {
            assert_eq!((mixed.verdict, mixed.at_most_seen()), (Verdict::Pass, None));
            assert_eq!(mixed.detectable, 0.02);
        }
        assert_eq!(left().at_least(Verdict::Fail).at_most_seen(), None);
    }

    #[test]
    fn counts_that_few_examples_cannot_reach_are_inconclusive() {
        let rule = |count, of| {
            let warns = |count: usize, _| count >= 2;
            let fails = |count: usize, of: usize| count as f64 > 0.05 * of as f64 && count >= 2;
            Judgement::of_count(count, of, 0.03, warns, fails)
        };
        assert_eq!(rule(0, 16).verdict, Verdict::Inconclusive);
        assert_eq!((rule(0, 16).detectable, rule(0, 16).needed()), (0.125, Some(67)));
        assert_eq!(rule(1, 100).verdict, Verdict::Pass);
        assert_eq!(rule(2, 100).verdict, Verdict::Warn);
        assert_eq!(rule(2, 16).verdict, Verdict::Fail);
    }
}
