//! Values that are refused, each by the name of its field.

use crate::support::ledger;
use cni_privacy::{
    Accountant, Budget, GdpAccountant, Mechanism, Orders, Phase, PrivacyError, PrvAccountant,
    RdpAccountant, noise_multiplier_for,
};
use std::fmt::Debug;

const NO_NUMBERS: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

fn assert_refused<T: Debug>(result: Result<T, PrivacyError>, start: &str) {
    let text = result.unwrap_err().to_string();
    assert!(text.starts_with(start) && text.contains(", wanted "), "{text}, not {start}");
}

fn bad(values: &[f64]) -> impl Iterator<Item = f64> {
    values.iter().copied().chain(NO_NUMBERS)
}

#[test]
fn mechanisms_and_phases() {
    for sigma in bad(&[0.0, -1.0]) {
        assert_refused(Mechanism::new(sigma, 0.1), &format!("noise_multiplier: got {sigma}"));
    }
    for q in bad(&[0.0, -0.1, 1.0 + 1e-12]) {
        assert_refused(Mechanism::new(1.0, q), &format!("sample_rate: got {q}"));
    }
    assert_refused(Phase::new(Mechanism::new(1.0, 1.0).unwrap(), 0), "steps: got 0");
}

#[test]
fn budgets() {
    for epsilon in bad(&[0.0, -1.0]) {
        assert_refused(Budget::new(epsilon, 0.1), &format!("epsilon: got {epsilon}"));
    }
    for delta in bad(&[0.0, -0.1, 1.0, 2.0]) {
        assert_refused(Budget::new(1.0, delta), &format!("delta: got {delta}"));
    }
    let budget = Budget::new(1.0, 1e-5).unwrap();
    for accountant in [Accountant::rdp(), Accountant::prv()] {
        assert_refused(noise_multiplier_for(budget, 0.1, 0, &accountant), "steps: got 0");
        assert_refused(noise_multiplier_for(budget, 1.1, 9, &accountant), "sample_rate: got 1.1");
    }
}

/// Delta is checked also when there is no step and epsilon is 0 whatever it is.
#[test]
fn deltas_of_every_accountant() {
    for accountant in [Accountant::rdp(), Accountant::gdp(), Accountant::prv()] {
        for run in [ledger(&[(1.0, 0.1, 5)]), ledger(&[])] {
            for delta in bad(&[0.0, -0.1, 1.0, 2.0]) {
                assert_refused(accountant.epsilon(&run, delta), &format!("delta: got {delta}"));
                assert_refused(accountant.spent(&run, delta), &format!("delta: got {delta}"));
            }
        }
    }
}

#[test]
fn epsilons_of_gdp() {
    for epsilon in bad(&[-1e-9]) {
        let result = GdpAccountant {}.delta(&ledger(&[(1.0, 0.1, 5)]), epsilon);
        assert_refused(result, &format!("epsilon: got {epsilon}"));
    }
}

#[test]
fn orders() {
    assert_refused(Orders::new(vec![]), "orders: got an empty list");
    assert_refused(Orders::whole(1), "orders: got an empty list");
    for order in bad(&[1.0, 0.5, 0.0, -2.0]) {
        assert_refused(Orders::new(vec![1.5, order]), &format!("orders[1]: got {order}"));
    }
    assert_refused(Orders::new(vec![2.0, 3.0, 3.0]), "orders[2]: got 3, wanted a number above the");
    let text = r#"{"orders":[2.0,1.5],"conversion":"improved"}"#;
    let error = serde_json::from_str::<RdpAccountant>(text).unwrap_err().to_string();
    assert!(error.contains("orders[1]: got 1.5"), "{error}");
}

#[test]
fn errors_of_prv() {
    for error in bad(&[0.0, -0.1]) {
        assert_refused(PrvAccountant::new(error, 0.1), &format!("epsilon_error: got {error}"));
    }
    for share in bad(&[0.0, 1.0, -0.1]) {
        assert_refused(PrvAccountant::new(0.1, share), &format!("delta_error_share: got {share}"));
    }
}

#[test]
fn fields_that_no_accountant_has() {
    for text in [
        r#"{"rdp":{"orders":[2.0],"conversion":"classic","alphas":[3.0]}}"#,
        r#"{"gdp":{"poisson":false}}"#,
        r#"{"prv":{"epsilon_error":0.1,"delta_error_share":0.1,"max":1}}"#,
        r#"{"moments":{}}"#,
    ] {
        let error = serde_json::from_str::<Accountant>(text).unwrap_err().to_string();
        assert!(error.contains("unknown"), "{error}");
    }
}

/// So little noise that a number overflows.
#[test]
fn an_infinite_epsilon_is_an_error() {
    let run = ledger(&[(1e-160, 0.5, 1)]);
    for accountant in [Accountant::rdp(), Accountant::gdp()] {
        let error = accountant.epsilon(&run, 1e-5).unwrap_err();
        assert!(matches!(error, PrivacyError::Unbounded { .. }), "{error}");
        assert!(error.to_string().starts_with("epsilon: got inf from "), "{error}");
    }
    let error = Accountant::prv().epsilon(&run, 1e-5).unwrap_err();
    assert!(matches!(error, PrivacyError::Points { .. }), "{error}");
}
