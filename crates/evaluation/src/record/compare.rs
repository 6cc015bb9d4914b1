//! Comparison of two models on the same images. One file: the matching of attacks, and the test of
//! each pair.

use crate::binomial_test;
use crate::record::comparable::refuse;
use crate::record::spec::without_draws;
use crate::statistics::intervals::{newcombe_paired, quantile};
use crate::statistics::laws::normal_below;
use crate::statistics::shares::variance;
use crate::{Accuracy, AttackRecord, Estimate, Evaluated, EvaluationError, Record, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// The comparison of two models on the same images under the same attacks.
///
/// Its `Display` has a line for each kind of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The name of the first model.
    pub a: String,
    /// The name of the second model.
    pub b: String,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// The difference on clean images.
    pub clean: Difference,
    /// The difference under each attack that both models faced, by its
    /// [name](crate::Record::heading) in a table, in the order of the first record. If the attack
    /// has another name in the second record, because draws have no meaning for one of the models,
    /// both names are given.
    pub attacks: Vec<(String, Difference)>,
    /// The difference under the attack that hurts most; absent if the suites differ, because it
    /// then has no common meaning.
    pub worst_case: Option<Difference>,
}

/// A difference of accuracies: the first minus the second, as fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The difference, in [−1, 1].
    pub accuracy: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end of its interval.
    pub high: f64,
    /// The two-sided p-value of the hypothesis that there is no difference. It is that of McNemar's
    /// exact test if neither model has noise, and else that of the normal law that gives the
    /// interval.
    pub p: f64,
    /// The exact p-value of McNemar's test; absent if a model has noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_p: Option<f64>,
    /// True if the difference is evidence about the models. It is not if the attack ignores the
    /// draws of a noisy model: the accuracy then shows how far the noise misled the attack. Nor is
    /// it if a [budget](crate::Record::budget) ended the attack early: it then shows how far the
    /// budget went.
    #[serde(default = "yes")]
    pub evidence: bool,
}

fn yes() -> bool {
    true
}

/// Compares two models example by example.
///
/// Attacks match if their settings are equal. Draws have no meaning for a model without noise. If
/// one of the models has no noise, attacks that differ only in draws match too: `EOT-PGD-20x8` on a
/// noisy model is compared with `PGD-20` on one without noise. If several attacks of one model
/// match one attack of the other, each is compared with it. Worst cases are compared if every
/// attack has a match. In cascades attacks match if those before them match as well. An attack of a
/// cascade does not match an attack by itself.
///
/// If neither model has noise, the interval is Newcombe's for paired proportions
/// ([`newcombe_paired`]) and the test is McNemar's exact test. If one has noise, let `d` be the
/// difference of an example's shares of correct draws. The variance of the mean difference is
/// `s²(d) / n + s²_a / k_a + s²_b / k_b`: over the `n` examples, and over the `k` draws of each
/// model, as in [`Hits::estimate`](crate::Hits::estimate). Draws count as independent between the
/// models, which is conservative if equal keys give them equal luck. If `d` does not vary, the
/// interval is that of Agresti and Min (Statistics in Medicine 2005), which adds half an example to
/// each of the four outcomes and is never empty.
///
/// # Errors
///
/// [`EvaluationError::Differs`] for records of different data, threats or confidence,
/// [`EvaluationError::NoData`] for those without examples, and [`EvaluationError::Field`] for what
/// [`Evaluated::check`] refuses.
pub fn compare(a: &Evaluated, b: &Evaluated) -> Result<Comparison, EvaluationError> {
    a.check()?;
    b.check()?;
    refuse(a, b)?;
    let confidence = a.record.confidence;
    let stochastic = a.record.stochastic || b.record.stochastic;
    let difference = |correct: [&dyn Fn(&Row) -> u32; 2], [of_a, of_b]: [&Accuracy; 2]| {
        let pairs: Vec<(u32, u32)> =
            a.rows.iter().zip(&b.rows).map(|(x, y)| (correct[0](x), correct[1](y))).collect();
        if !stochastic {
            let right = |count: u32, record: &Record| 2 * count as usize > record.draws;
            let outcomes = pairs.iter().map(|(x, y)| (right(*x, &a.record), right(*y, &b.record)));
            return Difference::paired(&outcomes.collect::<Vec<_>>(), confidence);
        }
        let share = |count: u32, record: &Record| f64::from(count) / record.draws as f64;
        let d: Vec<f64> =
            pairs.iter().map(|(x, y)| share(*x, &a.record) - share(*y, &b.record)).collect();
        let draws = over_draws(&of_a.one_shot) + over_draws(&of_b.one_shot);
        Difference::over_draws(&d, draws, confidence)
    };
    let whole = |attacks: &[AttackRecord]| attacks.iter().all(|attack| !attack.exhausted);
    let tells = |record: &Record, at: usize| {
        record.is_evidence(&record.attacks[at]) && whole(record.behind(at))
    };
    let Matches { pairs, all } = matches(&a.record, &b.record);
    let mut attacks = Vec::new();
    for (i, j) in pairs {
        let (of_a, of_b) = (&a.record.attacks[i], &b.record.attacks[j]);
        let correct: [&dyn Fn(&Row) -> u32; 2] =
            [&|row| row.attacks[i].correct, &|row| row.attacks[j].correct];
        let evidence = tells(&a.record, i) && tells(&b.record, j);
        // In a cascade the difference is that after the attack and those before it.
        let name = match of_a.name == of_b.name {
            true => a.record.heading(of_a),
            false => format!("{} and {}", a.record.heading(of_a), of_b.name),
        };
        let found = difference(correct, [&of_a.robust, &of_b.robust])?;
        attacks.push((name, Difference { evidence, ..found }));
    }
    let worst = a.record.worst_case.as_ref().zip(b.record.worst_case.as_ref()).filter(|_| all);
    let worst_case = match worst {
        Some((of_a, of_b)) => {
            let found = difference([&|row| row.worst_case; 2], [of_a, of_b])?;
            let tells = |record: &Record| record.worst_case_is_evidence() && whole(&record.attacks);
            let evidence = tells(&a.record) && tells(&b.record);
            Some(Difference { evidence, ..found })
        }
        None => None,
    };
    Ok(Comparison {
        a: a.record.model.name.clone(),
        b: b.record.model.name.clone(),
        confidence,
        clean: difference([&|row| row.clean; 2], [&a.record.clean, &b.record.clean])?,
        attacks,
        worst_case,
    })
}

/// The matching attacks of two records.
pub(crate) struct Matches {
    /// The places of a matching attack in the first record and in the second, in the order of the
    /// first.
    pub pairs: Vec<(usize, usize)>,
    /// True if every attack has a match.
    pub all: bool,
}

pub(crate) fn matches(a: &Record, b: &Record) -> Matches {
    let noisy = a.stochastic && b.stochastic;
    let same = |x: &AttackRecord, y: &AttackRecord| x.hash == y.hash;
    let alike = |x: &AttackRecord, y: &AttackRecord| {
        !noisy && without_draws(&x.spec) == without_draws(&y.spec)
    };
    // An attack with equal settings comes first, then the first that differs only in draws. In a
    // cascade a number includes all attacks so far, which must therefore match too.
    let counterpart = |at: usize, own: &Record, other: &Record| {
        let (all, among) = (&own.attacks, &other.attacks);
        match (&own.cascade, &other.cascade) {
            (None, None) => {
                let equal = among.iter().position(|of_other| same(&all[at], of_other));
                equal.or_else(|| among.iter().position(|of_other| alike(&all[at], of_other)))
            }
            (Some(_), Some(_)) => {
                let mut pairs = all[..=at].iter().zip(among);
                let equal = pairs.all(|(x, y)| same(x, y) || alike(x, y));
                (at < among.len() && equal).then_some(at)
            }
            _ => None,
        }
    };
    let of_a: Vec<_> = (0..a.attacks.len()).map(|at| counterpart(at, a, b)).collect();
    let of_b: Vec<_> = (0..b.attacks.len()).map(|at| counterpart(at, b, a)).collect();
    let all = of_a.iter().chain(&of_b).all(Option::is_some);
    let forth = of_a.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?)));
    let back = of_b.iter().enumerate().filter_map(|(j, i)| Some(((*i)?, j)));
    let mut pairs: Vec<(usize, usize)> = forth.chain(back).collect();
    pairs.sort_unstable();
    pairs.dedup();
    Matches { pairs, all }
}

impl Difference {
    /// The difference of two models without noise, from whether each example is right in the first
    /// and in the second.
    fn paired(outcomes: &[(bool, bool)], confidence: f64) -> Result<Self, EvaluationError> {
        let count = |both: (bool, bool)| outcomes.iter().filter(|o| **o == both).count() as u64;
        let [e, f, g, h] = [(true, true), (true, false), (false, true), (false, false)].map(count);
        let (low, high) = newcombe_paired([e, f, g, h], confidence)?;
        // Without a difference both sides are equally likely.
        let p = if f + g > 0 { binomial_test(f, f + g)? } else { 1.0 };
        let accuracy = (f as f64 - g as f64) / outcomes.len() as f64;
        Ok(Self { accuracy, low, high, p, exact_p: Some(p), evidence: true })
    }

    /// The difference from each example's difference of shares of draws, and the variance over
    /// draws.
    fn over_draws(d: &[f64], over_draws: f64, confidence: f64) -> Result<Self, EvaluationError> {
        let n = d.len() as f64;
        let sum: f64 = d.iter().sum();
        let plain = (sum / n, variance(d) / n + over_draws);
        // Rounding leaves variances like 1e-33 if all differences are equal.
        let (center, variance) = match plain.1 > 1e-15 {
            true => plain,
            false => {
                let squares: f64 = d.iter().map(|d| d * d).sum();
                let center = sum / (n + 2.0);
                (center, ((squares + 1.0) / (n + 2.0) - center * center) / (n + 2.0))
            }
        };
        let deviation = variance.sqrt();
        let half = quantile(confidence)? * deviation;
        Ok(Self {
            accuracy: sum / n,
            low: (center - half).max(-1.0),
            high: (center + half).min(1.0),
            p: 2.0 * normal_below(-(center / deviation).abs()),
            exact_p: None,
            evidence: true,
        })
    }
}

/// The variance of a mean accuracy over the draws of the noise; zero for a single draw.
fn over_draws(estimate: &Estimate) -> f64 {
    let per_draw = &estimate.per_draw;
    variance(per_draw) / per_draw.len().max(1) as f64
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} less {}, percentage points", self.a, self.b)?;
        let attacks = self.attacks.iter().map(|(name, of)| (name.as_str(), of));
        let worst = self.worst_case.iter().map(|of| ("worst case", of));
        let all = std::iter::once(("clean", &self.clean)).chain(attacks).chain(worst);
        let all: Vec<(&str, &Difference)> = all.collect();
        let width = all.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, of) in all {
            let [value, low, high] = [of.accuracy, of.low, of.high].map(|v| 100.0 * v);
            let mark = if of.evidence { "" } else { "  no evidence" };
            writeln!(
                f,
                "{name:<width$}  {value:+5.1} [{low:+5.1}, {high:+5.1}]  p = {:.2}{mark}",
                of.p
            )?;
        }
        if self.worst_case.is_none() {
            writeln!(f, "the suites are not equal, so the worst cases have no common meaning")?;
        }
        if self.attacks.iter().map(|(_, of)| of).chain(&self.worst_case).any(|of| !of.evidence) {
            writeln!(
                f,
                "no evidence: the attack does not average over the draws of a noisy model (EOT), \
                 looks for its nearest image, or was ended early by a budget"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hits;
    use cni_noise::{Key, host_normal, host_uniform};

    /// Of 20 examples 10 are right in both models, 6 in the first alone, 2 in the second alone, 2
    /// in neither. McNemar: 2 (1 + 8 + 28) / 2⁸ = 0.2891. The interval is that of
    /// `tests/reference/intervals.py`.
    #[test]
    fn models_without_noise_give_mcnemars_and_newcombes_numbers() {
        let mut outcomes = vec![(true, true); 10];
        outcomes.extend([(true, false); 6]);
        outcomes.extend([(false, true); 2]);
        outcomes.extend([(false, false); 2]);
        let difference = Difference::paired(&outcomes, 0.95).unwrap();
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-4, "{got} {wanted}");
        near(difference.accuracy, 0.2);
        near(difference.exact_p.unwrap(), 0.2891);
        near(difference.low, -0.081948);
        near(difference.high, 0.444520);
        assert_eq!(difference.p, difference.exact_p.unwrap());
    }

    /// Four examples differ by 0.5, 0.5, 0, 0: s² = 1/12. Over draws 0.01 more: 1/48 + 0.01 =
    /// 0.030833.
    #[test]
    fn a_noisy_model_adds_the_variance_over_draws() {
        let difference = Difference::over_draws(&[0.5, 0.5, 0.0, 0.0], 0.01, 0.95).unwrap();
        assert_eq!((difference.accuracy, difference.exact_p), (0.25, None));
        let half = (difference.high - difference.low) / 2.0;
        assert!((half - 1.959_964 * 0.030_833_3f64.sqrt()).abs() < 1e-4, "{half}");
        // 0.25 / 0.17559 = 1.4237 standard deviations.
        assert!((difference.p - 0.1545).abs() < 1e-4, "{}", difference.p);
    }

    #[test]
    fn equal_models_differ_by_nothing_and_opposite_ones_surely() {
        let same = Difference::over_draws(&[0.0; 50], 0.0, 0.95).unwrap();
        assert!(same.accuracy == 0.0 && same.p > 0.999 && same.low < 0.0 && same.high > 0.0);
        let opposite = Difference::paired(&[(true, false); 50], 0.95).unwrap();
        assert!(opposite.low > 0.8 && opposite.exact_p.unwrap() < 1e-12, "{opposite:?}");
    }

    /// Two models of one law: examples of differing difficulty, shared by both, under draws of
    /// differing luck, which each model has of its own; a single draw stands for no noise and has
    /// no luck. 1,000 simulations of 300 examples: the share of p-values below 5 % has a standard
    /// error of 0.7 %, and five of these are allowed above. The test is conservative by design, so
    /// the lower bound is 1 %.
    #[test]
    fn a_difference_is_seen_in_about_one_of_twenty_equal_pairs() {
        for draws in [1, 20] {
            let small = |i| simulate(Key::new(7).child(i), 300, draws).p < 0.05;
            let seen = (0..1_000).filter(|&i| small(i)).count();
            assert!((10..=85).contains(&seen), "{seen} of 1000 with {draws} draws");
        }
    }

    fn simulate(key: Key, n: u64, draws: u64) -> Difference {
        let difficulty = host_normal(key.child(0), 0..n);
        let model = |key: Key| {
            let luck = host_normal(key.child(1), 0..draws);
            let scale = if draws > 1 { 0.3 } else { 0.0 };
            let coins = host_uniform(key.child(2), 0..n * draws);
            let hit = |d: u64, i: u64| {
                let x = 0.5 + 2.0 * difficulty[i as usize] + scale * luck[d as usize];
                coins[(d * n + i) as usize] < 1.0 / (1.0 + (-x).exp())
            };
            let mut hits = Hits::new(draws as usize);
            let batch = (0..draws).map(|d| (0..n).map(|i| hit(d, i)).collect());
            hits.extend(&batch.collect::<Vec<_>>());
            hits
        };
        let [a, b] = [1, 2].map(|child| model(key.child(child)));
        let share = |count: &u32| f64::from(*count) / draws as f64;
        let pairs = a.per_example.iter().zip(&b.per_example);
        let d: Vec<f64> = pairs.map(|(a, b)| share(a) - share(b)).collect();
        if draws == 1 {
            let pairs = a.per_example.iter().zip(&b.per_example);
            let outcomes: Vec<_> = pairs.map(|(a, b)| (*a > 0, *b > 0)).collect();
            return Difference::paired(&outcomes, 0.95).unwrap();
        }
        let over = [a, b].map(|hits| over_draws(&hits.estimate(0.95).unwrap()));
        Difference::over_draws(&d, over[0] + over[1], 0.95).unwrap()
    }
}
