//! Two models on the same images.

use super::estimate::variance;
use super::{Accuracy, Estimate, Evaluated, EvaluationError, Record, Row};
use crate::Threat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};
use std::fmt::Display;

/// How two models differ on the same images under the same attacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The name of the first model.
    pub a: String,
    /// The name of the second model.
    pub b: String,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// On the images as they are.
    pub clean: Difference,
    /// Under each attack that both faced with equal parameters, by its name, in the order of the first.
    pub attacks: Vec<(String, Difference)>,
    /// Under the attack that hurts most; absent where the suites are not equal, for then it has no common meaning.
    pub worst_case: Option<Difference>,
}

/// A difference of accuracies, first less second, as fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// The difference.
    pub accuracy: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Two-sided p-value of no difference, from the normal law that gives the interval.
    pub p: f64,
    /// The exact p-value of McNemar's test, where neither model has noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_p: Option<f64>,
}

/// Compares two models example by example.
///
/// With `d` the difference of an example's shares of correct draws, the variance of the mean difference is `s²(d) / n +
/// s²_a / k_a + s²_b / k_b`: over the `n` examples, and over the `k` draws of each model, as in
/// [`Hits::estimate`](super::Hits::estimate). Draws count as independent between the models, which is conservative
/// where equal keys give them equal luck. Where `d` does not vary, or neither model has noise, the interval is that of
/// Agresti and Min (Statistics in Medicine 2005), which adds half an example to each of the four outcomes and is never
/// empty.
///
/// # Errors
///
/// [`EvaluationError::Differs`] for records of different data, threats or confidence, [`EvaluationError::NoData`] for
/// those without examples.
///
/// # Panics
///
/// Where rows do not belong to their record: [`Evaluated::read`] gives none such.
pub fn compare(a: &Evaluated, b: &Evaluated) -> Result<Comparison, EvaluationError> {
    refuse(a, b)?;
    let stochastic = a.record.draws > 1 || b.record.draws > 1;
    let confidence = a.record.confidence;
    let difference = |correct: [&dyn Fn(&Row) -> u32; 2], [of_a, of_b]: [&Accuracy; 2]| {
        let share = |correct: u32, record: &Record| f64::from(correct) / record.draws as f64;
        let d = a.rows.iter().zip(&b.rows).map(|(row_a, row_b)| {
            share(correct[0](row_a), &a.record) - share(correct[1](row_b), &b.record)
        });
        let draws = over_draws(&of_a.one_shot) + over_draws(&of_b.one_shot);
        Difference::new(&d.collect::<Vec<_>>(), draws, confidence, stochastic)
    };
    let shared = a.record.attacks.iter().enumerate().filter_map(|(i, attack)| {
        let j = b.record.attacks.iter().position(|other| other.hash == attack.hash)?;
        let correct: [&dyn Fn(&Row) -> u32; 2] =
            [&|row| row.attacks[i].correct, &|row| row.attacks[j].correct];
        let robust = [&attack.robust, &b.record.attacks[j].robust];
        Some((attack.name.clone(), difference(correct, robust)))
    });
    let attacks: Vec<_> = shared.collect();
    let all = attacks.len() == a.record.attacks.len() && attacks.len() == b.record.attacks.len();
    let worst = a.record.worst_case.as_ref().zip(b.record.worst_case.as_ref());
    Ok(Comparison {
        a: a.record.model.name.clone(),
        b: b.record.model.name.clone(),
        confidence,
        clean: difference([&|row| row.clean; 2], [&a.record.clean, &b.record.clean]),
        worst_case: worst
            .filter(|_| all)
            .map(|(of_a, of_b)| difference([&|row| row.worst_case; 2], [of_a, of_b])),
        attacks,
    })
}

impl Difference {
    /// From each example's difference and the variance over draws.
    fn new(d: &[f64], over_draws: f64, confidence: f64, stochastic: bool) -> Self {
        let n = d.len() as f64;
        let sum: f64 = d.iter().sum();
        let plain = (sum / n, variance(d) / n + over_draws);
        // Rounding leaves something like 1e-33 where every difference is the same.
        let (center, variance) = match stochastic && plain.1 > 1e-15 {
            true => plain,
            false => {
                let squares: f64 = d.iter().map(|d| d * d).sum();
                let center = sum / (n + 2.0);
                (center, ((squares + 1.0) / (n + 2.0) - center * center) / (n + 2.0))
            }
        };
        let deviation = variance.sqrt();
        let half = Normal::standard().inverse_cdf(0.5 + confidence / 2.0) * deviation;
        Self {
            accuracy: sum / n,
            low: (center - half).max(-1.0),
            high: (center + half).min(1.0),
            p: 2.0 * Normal::standard().cdf(-(center / deviation).abs()),
            exact_p: (!stochastic).then(|| mcnemar(d)),
        }
    }
}

/// The probability that as many discordant examples, or more, lie on one side, if each side is as likely.
fn mcnemar(d: &[f64]) -> f64 {
    let [first, second] = [1.0, -1.0].map(|sign| d.iter().filter(|d| **d * sign > 0.0).count());
    let law = Binomial::new(0.5, (first + second) as u64).expect("a half is a probability");
    (2.0 * law.cdf(first.min(second) as u64)).min(1.0)
}

/// The variance of a mean accuracy over the draws of the noise; zero where there is one.
fn over_draws(estimate: &Estimate) -> f64 {
    let per_draw = &estimate.per_draw;
    variance(per_draw) / per_draw.len().max(1) as f64
}

/// Refuses records that are not of the same data and threats.
fn refuse(a: &Evaluated, b: &Evaluated) -> Result<(), EvaluationError> {
    let (x, y) = (&a.record, &b.record);
    equal("data.name", &x.data.name, &y.data.name)?;
    equal("data.fingerprint", &x.data.fingerprint, &y.data.fingerprint)?;
    equal("examples", x.examples, y.examples)?;
    for (x, y) in a.rows.iter().zip(&b.rows) {
        equal("index", x.index, y.index)?;
        if x.label != y.label {
            let of = |row: &Row| format!("{} of example {}", row.label, row.index);
            return Err(differs("label", of(x), of(y)));
        }
    }
    let lacks = |some: &[Threat], all: &[Threat]| some.iter().any(|threat| !all.contains(threat));
    let (threats_x, threats_y) = (&x.threat.threats, &y.threat.threats);
    if lacks(threats_x, threats_y) || lacks(threats_y, threats_x) {
        let words = |threats: &[Threat]| {
            let word = |threat: &Threat| format!("{:?} {}", threat.norm(), threat.epsilon());
            threats.iter().map(word).collect::<Vec<_>>().join(", ")
        };
        return Err(differs("threat.threats", words(threats_x), words(threats_y)));
    }
    equal("threat.goal", &x.threat.goal, &y.threat.goal)?;
    equal("threat.domain", &x.threat.domain, &y.threat.domain)?;
    equal("confidence", x.confidence, y.confidence)?;
    if a.rows.is_empty() {
        return Err(EvaluationError::NoData);
    }
    Ok(())
}

fn equal<T: PartialEq + Display>(field: &'static str, a: T, b: T) -> Result<(), EvaluationError> {
    if a == b {
        return Ok(());
    }
    Err(differs(field, a.to_string(), b.to_string()))
}

fn differs(field: &'static str, a: String, b: String) -> EvaluationError {
    let quiet = |text: String| if text.is_empty() { "nothing".to_string() } else { text };
    EvaluationError::Differs { field, a: quiet(a), b: quiet(b) }
}

#[cfg(test)]
mod tests {
    use super::super::Hits;
    use super::*;
    use cni_noise::{Key, host_normal, host_uniform};

    /// Of 20 examples 6 are right in the first model alone, 2 in the second alone. McNemar: 2 (1 + 8 + 28) / 2⁸ =
    /// 0.2891. Agresti and Min: center 4/22, variance (9/22 - (4/22)²) / 22 = 0.017092.
    #[test]
    fn models_without_noise_give_mcnemars_and_agresti_and_mins_numbers() {
        let mut d = vec![0.0; 12];
        d.extend([1.0; 6]);
        d.extend([-1.0; 2]);
        let difference = Difference::new(&d, 0.0, 0.95, false);
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-4, "{got} {wanted}");
        near(difference.accuracy, 0.2);
        near(difference.exact_p.unwrap(), 0.2891);
        near(difference.low, 4.0 / 22.0 - 1.959_964 * 0.017_092f64.sqrt());
        near(difference.high, 4.0 / 22.0 + 1.959_964 * 0.017_092f64.sqrt());
        // 4/22 / 0.13074 = 1.3907 standard deviations.
        near(difference.p, 0.1643);
    }

    /// Four examples differ by 0.5, 0.5, 0, 0: s² = 1/12. Over draws 0.01 more: 1/48 + 0.01 = 0.030833.
    #[test]
    fn a_noisy_model_adds_the_variance_over_draws() {
        let difference = Difference::new(&[0.5, 0.5, 0.0, 0.0], 0.01, 0.95, true);
        assert_eq!((difference.accuracy, difference.exact_p), (0.25, None));
        let half = (difference.high - difference.low) / 2.0;
        assert!((half - 1.959_964 * 0.030_833_3f64.sqrt()).abs() < 1e-4, "{half}");
        // 0.25 / 0.17559 = 1.4237 standard deviations.
        assert!((difference.p - 0.1545).abs() < 1e-4, "{}", difference.p);
    }

    #[test]
    fn equal_models_differ_by_nothing_and_opposite_ones_surely() {
        let same = Difference::new(&[0.0; 50], 0.0, 0.95, true);
        assert!(same.accuracy == 0.0 && same.p > 0.999 && same.low < 0.0 && same.high > 0.0);
        let opposite = Difference::new(&[1.0; 50], 0.0, 0.95, false);
        assert!(opposite.low > 0.8 && opposite.exact_p.unwrap() < 1e-12, "{opposite:?}");
    }

    /// Two models of one law: examples of differing difficulty, shared by both, under draws of differing luck, each
    /// model's own; a single draw stands for no noise and has no luck. 1,000 simulations of 300 examples; the share of
    /// p-values below 5 % has a standard error of 0.7 %, five of which are allowed above. The test is conservative by
    /// design, so below 1 % is the other bound.
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
        let over = [a, b].map(|hits| over_draws(&hits.estimate(0.95)));
        Difference::new(&d, over[0] + over[1], 0.95, draws > 1)
    }
}
