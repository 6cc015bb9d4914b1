use super::bounds::checked_confidence;
use super::guesses::epsilon_at_least;
use super::report::{Measured, MembershipReport, OperatingPoint, PrivacyBound, Verdict};
use super::{max_advantage, max_true_positive_rate};
use crate::{Budget, PrivacyError};
use cni_evaluation::clopper_pearson;

/// The false positive rates that thresholds are chosen for.
const RATES: [f64; 3] = [0.001, 0.01, 0.1];

/// Delta of a lower bound on epsilon, if no privacy gives one.
const DELTA: f64 = 1e-5;

/// The scores that an attack gives to members and to other examples, larger for a likelier member.
#[derive(Clone, Debug, PartialEq)]
pub struct MembershipScores {
    pub(super) members: Vec<f64>,
    pub(super) others: Vec<f64>,
}

impl MembershipScores {
    /// The scores of examples, and whether each is a member.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Setting`] for a score that is NaN, as many scores as there are not examples,
    /// or fewer than four members or four others.
    pub fn new(scores: &[f64], members: &[bool]) -> Result<Self, PrivacyError> {
        if scores.len() != members.len() {
            let got = format!("{} scores", scores.len());
            let wanted = format!("one for each of {} examples", members.len());
            return Err(PrivacyError::setting("scores", got, wanted));
        }
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(PrivacyError::setting("scores", format!("NaN at {at}"), "numbers"));
        }
        let of = |kind: bool| -> Vec<f64> {
            let all = scores.iter().zip(members);
            all.filter(|(_, member)| **member == kind).map(|(score, _)| *score).collect()
        };
        let found = Self { members: of(true), others: of(false) };
        for (field, n) in [("members", found.members.len()), ("others", found.others.len())] {
            if n < 4 {
                return Err(PrivacyError::setting(field, n, "at least 4"));
            }
        }
        Ok(found)
    }

    /// The report of the attack, with intervals of this confidence, held against a privacy if one
    /// is given.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Value`] for a confidence not between 0 and 1.
    pub fn report(
        &self,
        attack: impl Into<String>,
        privacy: Option<Budget>,
        confidence: f64,
    ) -> Result<MembershipReport, PrivacyError> {
        let confidence = checked_confidence(confidence)?;
        let (chosen, measured) = (self.half(0), self.half(1));
        let bound = privacy.map(|privacy| {
            let (epsilon, delta) = (privacy.epsilon(), privacy.delta());
            PrivacyBound { epsilon, delta, advantage: max_advantage(epsilon, delta) }
        });
        let point = |wanted: f64| {
            let threshold = chosen.threshold_for(wanted);
            let [tpr, fpr] = measured.rates(threshold, confidence)?;
            let most = |b: PrivacyBound| max_true_positive_rate(b.epsilon, b.delta, fpr.high);
            Ok(OperatingPoint {
                wanted,
                threshold,
                true_positive_rate: tpr,
                false_positive_rate: fpr,
                bound: bound.map(most),
            })
        };
        let points = RATES.into_iter().map(point).collect::<Result<Vec<_>, PrivacyError>>()?;
        // Each end of the difference rests on one end of both rates.
        let best = chosen.best_threshold();
        let [tpr, fpr] = measured.rates(best, 0.5 + 0.5 * confidence)?;
        let advantage = Measured {
            value: tpr.value - fpr.value,
            low: tpr.low - fpr.high,
            high: tpr.high - fpr.low,
        };
        let delta = bound.map_or(DELTA, |bound| bound.delta);
        let verdict = match bound {
            None => None,
            Some(bound) => Some(measured.verdict(&points, best, bound, confidence)?),
        };
        Ok(MembershipReport {
            attack: attack.into(),
            members: measured.members.len() as u64,
            others: measured.others.len() as u64,
            confidence,
            auc: self.auc(confidence),
            advantage,
            points,
            epsilon_at_least: epsilon_at_least(&chosen, &measured, delta, confidence)?,
            delta,
            bound,
            verdict,
        })
    }

    /// Every other score, from the first or the second on.
    fn half(&self, first: usize) -> Self {
        let half = |scores: &[f64]| scores.iter().skip(first).step_by(2).copied().collect();
        Self { members: half(&self.members), others: half(&self.others) }
    }

    /// The smallest score of another example that at most this share of them is above.
    fn threshold_for(&self, rate: f64) -> f64 {
        let mut others = self.others.clone();
        others.sort_by(f64::total_cmp);
        let above = (rate * others.len() as f64).floor() as usize;
        others[others.len() - 1 - above.min(others.len() - 1)]
    }

    /// The score above which the advantage is largest.
    fn best_threshold(&self) -> f64 {
        let all = self.members.iter().chain(&self.others);
        let advantage = |threshold: f64| {
            let [tpr, fpr] = [&self.members, &self.others]
                .map(|scores| above(scores, threshold) as f64 / scores.len() as f64);
            tpr - fpr
        };
        let scored = all.map(|threshold| (advantage(*threshold), *threshold));
        scored.fold((f64::NEG_INFINITY, 0.0), |best, new| if new.0 > best.0 { new } else { best }).1
    }

    /// The true and the false positive rate at a threshold.
    fn rates(&self, threshold: f64, confidence: f64) -> Result<[Measured; 2], PrivacyError> {
        let rate = |scores: &[f64]| -> Result<Measured, PrivacyError> {
            let (hits, n) = (above(scores, threshold), scores.len() as u64);
            let (low, high) = clopper_pearson(hits, n, confidence)?;
            Ok(Measured { value: hits as f64 / n as f64, low, high })
        };
        Ok([rate(&self.members)?, rate(&self.others)?])
    }

    /// The area under the curve of true against false positive rates; equal scores count half.
    fn auc(&self, confidence: f64) -> Measured {
        // The share of the other kind that each score is above, by its rank.
        let placed = |scores: &[f64], of: &[f64]| -> Vec<f64> {
            let mut of = of.to_vec();
            of.sort_by(f64::total_cmp);
            let place = |score: &f64| {
                let below = of.partition_point(|other| other < score);
                let to = of.partition_point(|other| other <= score);
                0.5 * (below + to) as f64 / of.len() as f64
            };
            scores.iter().map(place).collect()
        };
        let moments = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let spread = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            (mean, spread / n)
        };
        let (value, first) = moments(&placed(&self.members, &self.others));
        let (_, second) = moments(&placed(&self.others, &self.members));
        let reach = normal_quantile(0.5 + 0.5 * confidence) * (first + second).sqrt();
        Measured { value, low: (value - reach).max(0.0), high: (value + reach).min(1.0) }
    }

    fn verdict(
        &self,
        points: &[OperatingPoint],
        best: f64,
        bound: PrivacyBound,
        confidence: f64,
    ) -> Result<Verdict, PrivacyError> {
        let thresholds = points.iter().map(|point| point.threshold).chain([best]);
        // Two intervals for each threshold, all of them together at this confidence.
        let intervals = 2.0 * (points.len() as f64 + 1.0);
        let strict = 1.0 - (1.0 - confidence) / intervals;
        let beats = |[tpr, fpr]: [Measured; 2]| {
            tpr.low > max_true_positive_rate(bound.epsilon, bound.delta, fpr.high)
        };
        for threshold in thresholds {
            if beats(self.rates(threshold, strict)?) {
                return Ok(Verdict::Beaten);
            }
        }
        let (members, others) = (self.members.len() as u64, self.others.len() as u64);
        let (low, _) = clopper_pearson(members, members, strict)?;
        let (_, high) = clopper_pearson(0, others, strict)?;
        let could = low > max_true_positive_rate(bound.epsilon, bound.delta, high);
        Ok(if could { Verdict::Under } else { Verdict::Inconclusive })
    }
}

/// The number of scores above a threshold.
fn above(scores: &[f64], threshold: f64) -> u64 {
    scores.iter().filter(|score| **score > threshold).count() as u64
}

/// The quantile of the standard normal law, by bisection of the error function.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}
