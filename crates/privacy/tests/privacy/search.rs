use crate::support::{ledger, mechanism};
use cni_privacy::{
    Accountant, Budget, Ledger, PrivacyError, PrvAccountant, SIGMA_TOLERANCE, noise_multiplier_for,
    steps_for,
};

/// PRV with a wide error, for its time.
fn all() -> [Accountant; 3] {
    let prv = PrvAccountant::new(0.05, 1e-3).unwrap();
    [Accountant::rdp(), Accountant::gdp(), Accountant::Prv(prv)]
}

#[test]
fn the_noise_multiplier_is_within_the_budget_and_hardly_any_smaller_one_is() {
    for accountant in all() {
        for (epsilon, delta, q, steps) in [
            (8.0, 1e-5, 0.04, 500),
            (1.0, 1e-6, 0.01, 1000),
            (0.5, 1e-3, 0.2, 20),
            (50.0, 1e-5, 0.1, 9),
        ] {
            let budget = Budget::new(epsilon, delta).unwrap();
            let sigma = noise_multiplier_for(budget, q, steps, &accountant).unwrap();
            let spent = |sigma| accountant.epsilon(&ledger(&[(sigma, q, steps)]), delta).unwrap();
            let name = accountant.name();
            assert!(spent(sigma) <= epsilon, "{name} {epsilon}: {sigma}");
            let below = sigma * (1.0 - 2.0 * SIGMA_TOLERANCE);
            assert!(spent(below) > epsilon, "{name} {epsilon}: {sigma}");
        }
    }
}

#[test]
fn the_steps_are_within_the_budget_and_one_more_is_not() {
    for accountant in all() {
        let budget = Budget::new(2.0, 1e-5).unwrap();
        let spent_before = ledger(&[(2.0, 0.05, 30)]);
        for before in [Ledger::new(), spent_before] {
            let steps = steps_for(budget, &before, mechanism(1.2, 0.01), &accountant).unwrap();
            assert!(steps > 1000, "{steps}");
            let spent = |more| {
                let mut after = before.clone();
                (0..more).for_each(|_| after.step(mechanism(1.2, 0.01)));
                accountant.epsilon(&after, 1e-5).unwrap()
            };
            assert!(spent(steps) <= 2.0 && spent(steps + 1) > 2.0, "{}", accountant.name());
        }
    }
}

#[test]
fn no_step_fits_a_budget_below_one_step() {
    let budget = Budget::new(0.5, 1e-5).unwrap();
    let steps = steps_for(budget, &Ledger::new(), mechanism(0.5, 0.5), &Accountant::rdp()).unwrap();
    assert_eq!(steps, 0);
}

/// With orders up to 63 the improved conversion cannot go below 0.103 at δ = 1e-5; the PRV upper
/// bound cannot go below its own error.
#[test]
fn a_target_that_no_noise_reaches_is_refused_with_what_can_be_reached() {
    for (accountant, epsilon) in [(Accountant::rdp(), 0.05), (Accountant::prv(), 0.005)] {
        let budget = Budget::new(epsilon, 1e-5).unwrap();
        let error = noise_multiplier_for(budget, 0.01, 100, &accountant).unwrap_err();
        assert!(matches!(error, PrivacyError::Target { .. }), "{error}");
        let text = error.to_string();
        let start = format!("epsilon: got {epsilon}, wanted at least 0.");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.ends_with("that of noise_multiplier 1000000"), "{text}");
    }
}

#[test]
fn a_target_that_needs_hardly_any_noise_is_refused() {
    let budget = Budget::new(1e9, 1e-5).unwrap();
    let error = noise_multiplier_for(budget, 0.01, 1, &Accountant::rdp()).unwrap_err();
    assert!(error.to_string().contains("wanted below"), "{error}");
}

#[test]
fn a_ledger_beyond_the_budget_is_refused_with_what_it_has_spent() {
    let budget = Budget::new(1.0, 1e-5).unwrap();
    let before = ledger(&[(1.0, 0.1, 100)]);
    let error = steps_for(budget, &before, mechanism(1.0, 0.1), &Accountant::rdp()).unwrap_err();
    assert!(error.to_string().contains("which the ledger has spent"), "{error}");
}

#[test]
fn endless_steps_are_refused() {
    let budget = Budget::new(1.0, 1e-5).unwrap();
    let noisy = mechanism(1e6, 1e-6);
    let error = steps_for(budget, &Ledger::new(), noisy, &Accountant::gdp()).unwrap_err();
    assert!(error.to_string().contains("1099511627776 steps"), "{error}");
}
