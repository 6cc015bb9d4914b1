//! Exact binomial inference against scipy and statsmodels (numbers by
//! `tests/reference/smoothing.py`), against closed forms, and against its own coverage.

use cni_evaluation::{StatisticsError, binomial_test, clopper_pearson, clopper_pearson_lower};
use serde_json::Value;

const DATA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/smoothing.json");

#[test]
fn bounds_and_p_values_agree_with_statsmodels_and_scipy() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let cases = data["bounds"].as_array().unwrap();
    assert_eq!(cases.len(), 42);
    for case in cases {
        let of = |name: &str| case[name].as_f64().unwrap();
        let [k, n] = ["successes", "trials"].map(|name| case[name].as_u64().unwrap());
        let confidence = 1.0 - of("alpha");
        let (low, high) = clopper_pearson(k, n, confidence).unwrap();
        let lower = clopper_pearson_lower(k, n, confidence).unwrap();
        let p_value = binomial_test(k, n).unwrap();
        for (name, got) in [("low", low), ("high", high), ("lower", lower), ("p_value", p_value)] {
            // The logarithm of the factorial of a million has a relative error of 1e-9 in the
            // exponent.
            let (wanted, what) = (of(name), format!("{name} of {k} in {n}"));
            let scale = if name == "p_value" { wanted } else { wanted.min(1.0 - wanted) };
            assert!((got - wanted).abs() <= 1e-8 * scale + 1e-15, "{what}: {got}, wanted {wanted}");
        }
    }
}

#[test]
fn bounds_of_all_and_of_none_have_closed_forms() {
    for n in [1, 10, 1_000, 100_000, 10_000_000] {
        for alpha in [0.001f64, 0.05, 0.7] {
            let root = |alpha: f64| (alpha.ln() / n as f64).exp();
            let lower = clopper_pearson_lower(n, n, 1.0 - alpha).unwrap();
            assert!((lower - root(alpha)).abs() < 1e-14, "{n} {alpha}: {lower}");
            let (low, high) = clopper_pearson(n, n, 1.0 - alpha).unwrap();
            assert!((low - root(alpha / 2.0)).abs() < 1e-14 && high == 1.0, "{n} {alpha}: {low}");
            let (low, high) = clopper_pearson(0, n, 1.0 - alpha).unwrap();
            assert!((high - 1.0 + root(alpha / 2.0)).abs() < 1e-14 && low == 0.0, "{high}");
        }
    }
}

/// The probability of every count, by its recurrence from the most probable one.
fn pmf(n: u64, p: f64) -> Vec<f64> {
    let mode = (((n + 1) as f64 * p) as u64).min(n) as usize;
    let mut values = vec![0.0; n as usize + 1];
    values[mode] = 1.0;
    let odds = p / (1.0 - p);
    for k in mode..n as usize {
        values[k + 1] = values[k] * (n as usize - k) as f64 / (k + 1) as f64 * odds;
    }
    for k in (0..mode).rev() {
        values[k] = values[k + 1] * (k + 1) as f64 / (n as usize - k) as f64 / odds;
    }
    let sum: f64 = values.iter().sum();
    values.iter().map(|value| value / sum).collect()
}

/// The sum over all outcomes, not a simulation: the interval contains the truth at least as often
/// as it says. The bound is tight, because for some truth on the grid it is contained hardly more
/// often.
#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    for n in [1u64, 2, 7, 30, 100, 301] {
        for confidence in [0.5, 0.9, 0.99] {
            let two: Vec<(f64, f64)> =
                (0..=n).map(|k| clopper_pearson(k, n, confidence).unwrap()).collect();
            let one: Vec<f64> =
                (0..=n).map(|k| clopper_pearson_lower(k, n, confidence).unwrap()).collect();
            let mut least = 1.0f64;
            // The grid, and the bounds themselves, at which the coverage jumps.
            let grid = (1..200).map(|i| f64::from(i) / 200.0);
            let edges = one[1..].iter().map(|bound| bound * (1.0 - 1e-9));
            for p in grid.chain(edges) {
                let pmf = pmf(n, p);
                let covered = |holds: &dyn Fn(usize) -> bool| -> f64 {
                    (0..=n as usize).filter(|&k| holds(k)).map(|k| pmf[k]).sum()
                };
                let both = covered(&|k| (two[k].0..=two[k].1).contains(&p));
                let lower = covered(&|k| one[k] <= p);
                least = least.min(lower);
                assert!(both >= confidence - 1e-9, "{n} {confidence} {p}: {both}");
                assert!(lower >= confidence - 1e-9, "{n} {confidence} {p}: {lower}");
            }
            assert!(least < confidence + 1e-6, "{n} {confidence}: {least}");
        }
    }
}

#[test]
fn the_test_is_twice_the_smaller_tail() {
    assert_eq!(binomial_test(5, 10), Ok(1.0));
    for n in [1u64, 9, 40, 333] {
        let pmf = pmf(n, 0.5);
        for k in 0..=n {
            let farther = k.max(n - k) as usize;
            let wanted = (2.0 * pmf[farther..].iter().sum::<f64>()).min(1.0);
            let got = binomial_test(k, n).unwrap();
            assert!((got - wanted).abs() <= 1e-11 * wanted, "{k} {n}: {got}, wanted {wanted}");
        }
    }
}

#[test]
fn bad_counts_and_confidences_are_refused() {
    let message = |result: Result<(f64, f64), StatisticsError>| result.unwrap_err().to_string();
    assert_eq!(message(clopper_pearson(0, 0, 0.9)), "trials: got 0, wanted at least 1");
    let wanted = "successes: got 11, wanted at most the number of trials";
    assert_eq!(message(clopper_pearson(11, 10, 0.9)), wanted);
    assert_eq!(binomial_test(11, 10).unwrap_err().to_string(), wanted);
    for confidence in [0.0, 1.0, -0.5, 1.5, f64::NAN] {
        let wanted = format!("confidence: got {confidence}, wanted a number between 0 and 1");
        assert_eq!(message(clopper_pearson(1, 10, confidence)), wanted);
        let lower = clopper_pearson_lower(1, 10, confidence);
        assert_eq!(lower.unwrap_err().to_string(), wanted);
    }
}
