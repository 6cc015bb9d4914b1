//! What epsilon and delta allow, and what attacks say of epsilon.

use cni_noise::Key;
use cni_privacy::membership::{
    epsilon_from_guesses, epsilon_from_rates, max_advantage, max_true_positive_rate,
};
use rand::Rng;

#[test]
fn the_largest_advantage_is_the_largest_distance_of_the_curve() {
    for (epsilon, delta) in [(0.1, 0.0), (1.0, 1e-5), (3.0, 0.01), (8.0, 1e-5), (800.0, 1e-5)] {
        let rates = (0..=100_000).map(|i| f64::from(i) / 1e5);
        let gap = rates.map(|fpr| max_true_positive_rate(epsilon, delta, fpr) - fpr);
        let wanted = gap.fold(0.0, f64::max);
        let got = max_advantage(epsilon, delta);
        assert!(got >= wanted - 1e-12 && got - wanted < 1e-3, "{epsilon}: {got} {wanted}");
    }
    assert!((max_true_positive_rate(1.0, 1e-5, 0.01) - 0.0271928).abs() < 1e-6);
    assert_eq!(max_true_positive_rate(1.0, 0.5, 1.0), 1.0);
    // Both bounds meet where the rates of hits and of false alarms add up to one.
    let (e, fpr) = (1.0_f64.exp(), 1.0 / (1.0 + 1.0_f64.exp()));
    assert!((max_true_positive_rate(1.0, 0.0, fpr) - e / (1.0 + e)).abs() < 1e-12);
}

/// Randomized response: a bit that is told the other way round with probability 1 / (1 + e^ε) has
/// exactly epsilon.
#[test]
fn lower_bounds_stay_below_the_epsilon_of_randomized_response_and_come_near() {
    for epsilon in [0.5_f64, 2.0] {
        let lie = 1.0 / (1.0 + epsilon.exp());
        let (trials, n) = (400, 1000_u64);
        let mut generator = Key::new(4).generator();
        let mut told = |member: bool| {
            let lies = (generator.next_u64() as f64) < lie * 2f64.powi(64);
            member != lies
        };
        let (mut above, mut sums) = ([0, 0], [0.0, 0.0]);
        for _ in 0..trials {
            let hits = (0..n).filter(|_| told(true)).count() as u64;
            let alarms = (0..n).filter(|_| told(false)).count() as u64;
            let by_rates = epsilon_from_rates([hits, n], [alarms, n], 1e-9, 0.95).unwrap();
            let correct = hits + n - alarms;
            let by_guesses = epsilon_from_guesses(2 * n, 2 * n, correct, 1e-9, 0.95).unwrap();
            for (i, bound) in [by_rates, by_guesses].into_iter().enumerate() {
                above[i] += u32::from(bound > epsilon);
                sums[i] += bound / f64::from(trials);
            }
        }
        // 5 % of 400 may be above: 20, and five standard errors, 22.
        assert!(above.iter().all(|count| *count <= 42), "{above:?}");
        assert!(sums.iter().all(|mean| *mean > 0.7 * epsilon), "{sums:?} of {epsilon}");
    }
}

#[test]
fn lower_bounds_match_closed_forms() {
    // All of n guesses right: q^n = 0.05 with q = e^ε / (1 + e^ε).
    let q = 0.05_f64.powf(0.01);
    let got = epsilon_from_guesses(100, 100, 100, 1e-300, 0.95).unwrap();
    assert!((got - (q / (1.0 - q)).ln()).abs() < 1e-6, "{got}");
    // Delta makes it smaller, half of the guesses right leave nothing.
    assert!(epsilon_from_guesses(100, 100, 100, 1e-3, 0.95).unwrap() < got);
    assert_eq!(epsilon_from_guesses(100, 100, 50, 1e-5, 0.95).unwrap(), 0.0);
    assert_eq!(epsilon_from_guesses(100, 0, 0, 1e-5, 0.95).unwrap(), 0.0);
    // No false alarm in n: Clopper and Pearson's ends are (α/2)^(1/n) and its complement.
    let end = 0.0125_f64.powf(1.0 / 50.0);
    let got = epsilon_from_rates([50, 50], [0, 50], 1e-5, 0.95).unwrap();
    assert!((got - ((end - 1e-5) / (1.0 - end)).ln()).abs() < 1e-6, "{got}");
}

#[test]
fn nonsense_is_refused() {
    for (delta, confidence) in
        [(0.0, 0.95), (1.0, 0.95), (f64::NAN, 0.95), (1e-5, 0.0), (1e-5, 1.0)]
    {
        assert!(epsilon_from_rates([1, 2], [1, 2], delta, confidence).is_err());
        assert!(epsilon_from_guesses(4, 2, 1, delta, confidence).is_err());
    }
    assert!(epsilon_from_rates([3, 2], [1, 2], 1e-5, 0.95).is_err());
    assert!(epsilon_from_rates([0, 0], [1, 2], 1e-5, 0.95).is_err());
    let error = epsilon_from_guesses(4, 5, 1, 1e-5, 0.95).unwrap_err().to_string();
    assert_eq!(error, "guesses: got 5, wanted at most 4");
    let error = epsilon_from_guesses(4, 3, 4, 1e-5, 0.95).unwrap_err().to_string();
    assert_eq!(error, "correct: got 4, wanted at most 3");
}
