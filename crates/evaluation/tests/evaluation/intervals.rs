//! Intervals against statsmodels and the papers, by `tests/reference/intervals.py`.

use cni_evaluation::{newcombe, newcombe_paired, wilson};
use serde_json::Value;

const DATA: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/data/intervals.json");

#[test]
fn intervals_are_those_of_statsmodels_and_of_newcombes_papers() {
    let data: Value = serde_json::from_str(&std::fs::read_to_string(DATA).unwrap()).unwrap();
    let mut seen = 0;
    for kind in ["wilson", "independent", "paired"] {
        for case in data[kind].as_array().unwrap() {
            let of: Vec<u64> =
                case["of"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let confidence = case["confidence"].as_f64().unwrap();
            let (low, high) = match of[..] {
                [k, n] => wilson(k as f64 / n as f64, n as f64, confidence).unwrap(),
                [a, b, c, d] if kind == "paired" => {
                    newcombe_paired([a, b, c, d], confidence).unwrap()
                }
                [a, b, c, d] => newcombe((a, b), (c, d), confidence).unwrap(),
                _ => panic!("{of:?}"),
            };
            for (name, got) in [("low", low), ("high", high)] {
                let wanted = case[name].as_f64().unwrap();
                assert!(
                    (got - wanted).abs() < 1e-9,
                    "{kind} {of:?} {name}: {got}, wanted {wanted}"
                );
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 66);
}

/// Table II of Newcombe's paper on independent proportions, to its four digits.
#[test]
fn published_differences_have_their_published_intervals() {
    let published = [
        ((56, 70), (48, 80), 0.2000, 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.6000, 0.1705, 0.8090),
        ((5, 56), (0, 29), 0.0893, -0.0381, 0.1926),
    ];
    for (first, second, difference, low, high) in published {
        let got = newcombe(first, second, 0.95).unwrap();
        let share = |(k, n): (u64, u64)| k as f64 / n as f64;
        for (got, wanted) in
            [(share(first) - share(second), difference), (got.0, low), (got.1, high)]
        {
            assert!((got - wanted).abs() < 6e-5, "{first:?} {second:?}: {got}, wanted {wanted}");
        }
    }
}

#[test]
fn what_has_no_interval_is_refused_by_name() {
    let message = |result: Result<(f64, f64), _>| match result {
        Err(error) => format!("{error}"),
        Ok(ends) => format!("{ends:?}"),
    };
    let error: cni_evaluation::StatisticsError = wilson(1.5, 10.0, 0.95).unwrap_err();
    assert_eq!(error.to_string(), "proportion: got 1.5, wanted a number in [0, 1]");
    assert_eq!(message(wilson(0.5, 0.0, 0.95)), "trials: got 0, wanted a number above 0");
    assert_eq!(message(newcombe((1, 0), (1, 2), 0.95)), "trials: got 0, wanted at least 1");
    assert_eq!(message(newcombe_paired([0; 4], 0.95)), "trials: got 0, wanted at least 1");
    let confidence = message(newcombe_paired([1; 4], 1.0));
    assert_eq!(confidence, "confidence: got 1, wanted a number between 0 and 1");
}
