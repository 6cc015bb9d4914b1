use crate::support::{Laplace, delta_of_one, delta_of_two, epsilon_where, gaussian_delta, ledger};
use cni_privacy::{PrivacyError, PrvAccountant, PrvEpsilon};

/// Asserts that the bounds hold and are no wider than stated. `steepness` is an upper limit of
/// −dε / d ln δ, by which the share of delta widens them.
fn assert_holds(got: PrvEpsilon, wanted: f64, share: f64, steepness: f64, context: &str) {
    assert!(got.lower <= wanted && wanted <= got.upper, "{context}: {got:?} {wanted}");
    assert!(got.lower <= got.estimate && got.estimate <= got.upper, "{context}: {got:?}");
    let width = 2.0 * (got.epsilon_error + share * steepness);
    assert!(got.upper - got.lower <= 1.01 * width, "{context}: {got:?}");
}

/// Without subsampling all steps are one Gaussian mechanism, whose delta has a closed form.
#[test]
fn gaussian_mechanisms_match_their_closed_form() {
    let prv = PrvAccountant::new(2e-3, 1e-3).unwrap();
    for (sigma, steps) in [(4.0, 10), (1.0, 1), (0.5, 3), (100.0, 2000), (30.0, 1)] {
        for delta in [1e-9, 1e-5, 1e-2, 0.3] {
            let context = format!("{sigma} {steps} {delta}");
            let got = prv.epsilon(&ledger(&[(sigma, 1.0, steps)]), delta).unwrap();
            let wanted = epsilon_where(delta, |epsilon| gaussian_delta(sigma, steps, epsilon));
            assert_holds(got, wanted, 1e-3, 6.0, &context);
            // Rounding errors of many steps cancel; one step's are up to half a mesh.
            assert!((got.estimate - wanted).abs() < 1e-3, "{context}: {got:?} {wanted}");
        }
    }
}

/// One step has a closed form in both directions; the worse one counts.
#[test]
fn one_subsampled_step_matches_its_closed_form() {
    let prv = PrvAccountant::new(1e-3, 1e-3).unwrap();
    for (sigma, q) in [(1.0, 0.1), (0.5, 0.02), (2.0, 0.5), (0.7, 0.9), (5.0, 0.3), (1.0, 0.999)] {
        for delta in [1e-8, 1e-5, 1e-3] {
            let wanted = [true, false]
                .map(|first| epsilon_where(delta, |e| delta_of_one(sigma, q, first, e)))
                .into_iter()
                .fold(0.0, f64::max);
            let got = prv.epsilon(&ledger(&[(sigma, q, 1)]), delta).unwrap();
            assert_holds(got, wanted, 1e-3, 3.0, &format!("{sigma} {q} {delta}"));
        }
    }
}

/// Two steps, equal ones and different ones, by a double integral.
#[test]
fn two_subsampled_steps_match_their_double_integral() {
    let prv = PrvAccountant::new(1e-3, 1e-3).unwrap();
    let pairs = [
        [(1.0, 0.1), (1.0, 0.1)],
        [(0.6, 0.05), (0.6, 0.05)],
        [(0.8, 0.3), (2.0, 0.5)],
        [(3.0, 0.9), (0.7, 0.01)],
        [(1.0, 0.5), (1.0, 1.0)],
    ];
    for pair in pairs {
        for delta in [1e-6, 1e-3] {
            let wanted = [true, false]
                .map(|first| epsilon_where(delta, |e| delta_of_two(pair, first, e)))
                .into_iter()
                .fold(0.0, f64::max);
            let phases = pair.map(|(sigma, q)| (sigma, q, 1));
            let got = prv.epsilon(&ledger(&phases), delta).unwrap();
            assert_holds(got, wanted, 1e-3, 3.0, &format!("{pair:?} {delta}"));
        }
    }
}

/// Many steps, by the inverse Laplace transform of the exact moments: no mesh, no window, no FFT.
/// The estimate is closer than the bounds by far. Its error is from the variance that rounding adds
/// to every step, the more the smaller the steps' losses are against the mesh.
#[test]
fn many_steps_match_their_laplace_integral() {
    type Run<'a> = (&'a [(f64, f64, u64)], f64);
    let runs: [Run; 7] = [
        (&[(1.5, 0.04, 2249)], 1e-5),
        (&[(1.0, 0.004, 15_000)], 1e-10),
        (&[(7.1, 32.0 / 60_000.0, 18_750)], 1e-5),
        (&[(10.0, 16.0 / 50_000.0, 125_000)], 1e-6),
        (&[(2.0, 0.5, 50)], 1e-3),
        (&[(1.0, 0.01, 500), (2.0, 0.05, 300)], 1e-5),
        (&[(0.8, 0.01, 2000), (1.5, 0.002, 4000), (3.0, 0.1, 50)], 1e-15),
    ];
    for (phases, delta) in runs {
        let got = PrvAccountant::default().epsilon(&ledger(phases), delta).unwrap();
        let exact = [true, false]
            .map(|first| Laplace::new(phases, first, got.estimate))
            .map(|laplace| epsilon_where(delta, |e| laplace.delta(e)))
            .into_iter()
            .fold(0.0, f64::max);
        assert_holds(got, exact, 1e-3, 1.0, &format!("{phases:?}"));
        assert!((got.estimate - exact).abs() < 2e-4, "{phases:?}: {got:?} {exact}");
    }
}

/// All masses fall on a few points of the mesh, and delta is a tiny share of one that is near 1.
#[test]
fn losses_below_the_mesh_are_within_the_bounds() {
    let (run, delta) = ([(5.85, 1.09e-3), (5.85, 1.09e-3)], 2.26e-9);
    let exact = [true, false]
        .map(|first| epsilon_where(delta, |e| delta_of_two(run, first, e)))
        .into_iter()
        .fold(0.0, f64::max);
    let got = PrvAccountant::default().epsilon(&ledger(&[(5.85, 1.09e-3, 2)]), delta).unwrap();
    assert_holds(got, exact, 1e-3, 1.0, "below the mesh");
    assert!(exact > 1e-3, "{exact}");
}

#[test]
fn a_smaller_error_gives_narrower_bounds_within_the_wider_ones() {
    let run = ledger(&[(1.0, 0.01, 300)]);
    let of = |error| PrvAccountant::new(error, 1e-3).unwrap().epsilon(&run, 1e-5).unwrap();
    let errors = [0.1, 0.03, 0.01, 0.003].map(of);
    for pair in errors.windows(2) {
        assert!(pair[0].lower < pair[1].lower && pair[1].upper < pair[0].upper, "{pair:?}");
        assert!((pair[0].estimate - pair[1].estimate).abs() < 1e-3, "{pair:?}");
    }
}

#[test]
fn epsilon_falls_with_delta_and_noise_and_rises_with_rate_and_steps() {
    let prv = PrvAccountant::default();
    let of = |run, delta| prv.epsilon(&ledger(&[run]), delta).unwrap().estimate;
    let rising = |values: &[f64]| values.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(rising(&[1e-2, 1e-3, 1e-5, 1e-8, 1e-12].map(|d| of((1.0, 0.02, 200), d))));
    assert!(rising(&[4.0, 2.0, 1.0, 0.7].map(|sigma| of((sigma, 0.02, 200), 1e-5))));
    assert!(rising(&[0.001, 0.01, 0.1, 0.4].map(|q| of((1.5, q, 100), 1e-5))));
    assert!(rising(&[1, 10, 100, 1000].map(|steps| of((1.0, 0.02, steps), 1e-5))));
}

/// The order of phases does not matter, nor how equal steps are cut into phases.
#[test]
fn phases_commute_and_split() {
    let prv = PrvAccountant::default();
    let of = |phases: &[_]| prv.epsilon(&ledger(phases), 1e-5).unwrap().estimate;
    let one = of(&[(1.0, 0.01, 300), (2.0, 0.05, 100)]);
    let turned = of(&[(2.0, 0.05, 100), (1.0, 0.01, 300)]);
    let split = of(&[(1.0, 0.01, 100), (2.0, 0.05, 100), (1.0, 0.01, 200)]);
    assert!((one - turned).abs() < 1e-9 && (one - split).abs() < 1e-9, "{one} {turned} {split}");
}

/// The tilt keeps the digits of a delta far below the rounding of a transform.
#[test]
fn a_tiny_delta_is_computed() {
    let run = ledger(&[(10.0, 1.0, 40)]);
    for delta in [1e-20, 1e-60] {
        let got = PrvAccountant::default().epsilon(&run, delta).unwrap();
        let wanted = epsilon_where(delta, |epsilon| gaussian_delta(10.0, 40, epsilon));
        assert!((got.estimate - wanted).abs() < 1e-3, "{delta}: {got:?} {wanted}");
    }
}

/// A share so small that the rounding of 2000 steps exceeds it.
#[test]
fn an_error_below_double_precision_is_refused() {
    let prv = PrvAccountant::new(0.01, 1e-12).unwrap();
    let error = prv.epsilon(&ledger(&[(1.0, 0.01, 2000)]), 1e-5).unwrap_err();
    assert!(matches!(error, PrivacyError::Precision { .. }), "{error}");
    assert!(error.to_string().starts_with("delta_error: got 1e-17, wanted at least "), "{error}");
}

#[test]
fn much_noise_costs_nothing_beyond_the_error() {
    let got = PrvAccountant::default().epsilon(&ledger(&[(1e5, 0.01, 10)]), 1e-5).unwrap();
    assert_eq!((got.lower, got.estimate), (0.0, 0.0));
    assert!(got.upper <= got.epsilon_error);
}

#[test]
fn without_a_step_epsilon_is_0() {
    let got = PrvAccountant::default().epsilon(&ledger(&[]), 1e-5).unwrap();
    assert_eq!((got.lower, got.estimate, got.upper), (0.0, 0.0, 0.0));
}

#[test]
fn too_little_noise_for_the_mesh_is_an_error() {
    let error = PrvAccountant::default().epsilon(&ledger(&[(1e-3, 1.0, 100)]), 1e-5).unwrap_err();
    assert!(matches!(error, PrivacyError::Points { .. }), "{error}");
    assert!(error.to_string().contains("wanted at most 16777216"), "{error}");
}
