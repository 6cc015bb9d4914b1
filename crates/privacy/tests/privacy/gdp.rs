use crate::support::{gaussian_delta, ledger};
use cni_privacy::{Accountant, GdpAccountant};

/// For q close to 0 a phase counts with μ² = T q² (e^(1/σ²) − 1); phases add their squares.
#[test]
fn mu_is_that_of_the_central_limit_theorem() {
    let gdp = GdpAccountant {};
    let wanted = 0.04 * f64::sqrt(2250.0 * (f64::exp(1.0 / 2.25) - 1.0));
    assert!((gdp.mu(&ledger(&[(1.5, 0.04, 2250)])) - wanted).abs() < 1e-14);
    let two = gdp.mu(&ledger(&[(1.5, 0.04, 2250), (1.0, 0.01, 100)]));
    let second = 0.01 * f64::sqrt(100.0 * (f64::exp(1.0) - 1.0));
    assert!((two - wanted.hypot(second)).abs() < 1e-14);
}

#[test]
fn epsilon_inverts_delta() {
    let gdp = GdpAccountant {};
    for run in [(1.5, 0.04, 2250), (0.6, 0.02, 400), (30.0, 0.5, 1000)] {
        let run = ledger(&[run]);
        for delta in [1e-12, 1e-5, 0.01] {
            let epsilon = gdp.epsilon(&run, delta).unwrap();
            assert!(epsilon > 0.0);
            let back = gdp.delta(&run, epsilon).unwrap();
            // One unit in the last place of epsilon, and of the logarithm of delta.
            assert!(back <= delta && (back - delta).abs() < 1e-12 * delta, "{delta}: {back}");
        }
    }
}

/// With μ = √T q √(e^(1/σ²) − 1) the curve is that of one Gaussian mechanism with σ = 1/μ.
#[test]
fn delta_is_that_of_the_gaussian_mechanism() {
    let run = ledger(&[(1.5, 0.04, 2250)]);
    let gdp = GdpAccountant {};
    for epsilon in [0.0, 0.5, 3.0, 8.0] {
        let wanted = gaussian_delta(1.0 / gdp.mu(&run), 1, epsilon);
        assert!((gdp.delta(&run, epsilon).unwrap() - wanted).abs() < 1e-15, "{epsilon}");
    }
}

#[test]
fn delta_falls_with_epsilon() {
    let gdp = GdpAccountant {};
    let run = ledger(&[(0.8, 0.02, 1000)]);
    let deltas: Vec<f64> = (0..200).map(|i| gdp.delta(&run, f64::from(i) * 0.2).unwrap()).collect();
    assert!(deltas.windows(2).all(|pair| pair[1] < pair[0]));
    assert!(deltas.iter().all(|delta| *delta > 0.0));
}

#[test]
fn a_large_epsilon_does_not_overflow() {
    let epsilon = GdpAccountant {}.epsilon(&ledger(&[(0.2, 0.5, 10)]), 1e-5).unwrap();
    assert!(epsilon.is_finite() && epsilon > 1e8);
}

#[test]
fn only_gdp_is_no_upper_bound() {
    assert!(!Accountant::gdp().is_upper_bound());
    assert!(Accountant::rdp().is_upper_bound() && Accountant::prv().is_upper_bound());
    let spent = Accountant::gdp().spent(&ledger(&[(1.5, 0.04, 2249)]), 1e-5).unwrap();
    assert!(!spent.upper_bound);
}
