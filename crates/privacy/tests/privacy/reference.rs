//! Values of other libraries. `tests/reference` has the scripts that made them, which print and
//! store the versions.

use crate::support::ledger;
use cni_privacy::{
    Accountant, Budget, Conversion, GdpAccountant, Orders, PrvAccountant, RdpAccountant,
    noise_multiplier_for,
};
use serde_json::Value;

fn opacus() -> Value {
    serde_json::from_str(include_str!("../reference/opacus.json")).unwrap()
}

fn run(row: &Value) -> cni_privacy::Ledger {
    let phases: Vec<(f64, f64, u64)> = serde_json::from_value(row["phases"].clone()).unwrap();
    ledger(&phases)
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"))
}

#[test]
fn epsilons_match_opacus() {
    for row in opacus()["epsilons"].as_array().unwrap() {
        let (run, delta) = (run(row), number(row, "delta"));
        let got = RdpAccountant::default().epsilon(&run, delta).unwrap().epsilon;
        // Opacus ends its series at e^−30 for each step; its error grows with the steps.
        let tolerance = 1e-13 * run.steps() as f64 / 0.1 + 1e-12;
        assert!((got - number(row, "rdp")).abs() < tolerance, "{row}: {got}");
        if row.get("gdp").is_some() {
            let got = GdpAccountant {}.epsilon(&run, delta).unwrap();
            // Opacus finds its root to 2e-12 and 9e-16 of epsilon.
            assert!((got - number(row, "gdp")).abs() < 1e-11, "{row}: {got}");
        }
        if row.get("prv").is_some() {
            let got = PrvAccountant::default().epsilon(&run, delta).unwrap();
            // Both are upper bounds with the same stated errors, but on different meshes: they
            // differ by the true error of discretisation, a thousandth of the stated one.
            assert!((got.upper - number(row, "prv")).abs() < 2e-5, "{row}: {got:?}");
        }
    }
}

/// The values in the tests of Opacus for σ = 1.5, q = 0.04, δ = 1e-5. Its test of RDP has
/// `int(90 / 0.04)` = 2250 steps; those of GDP and PRV have `int(90 // 0.04)` = 2249.
#[test]
fn the_values_in_opacus_own_tests_are_met() {
    let run = |steps| ledger(&[(1.5, 0.04, steps)]);
    let rdp = RdpAccountant::default().epsilon(&run(2250), 1e-5).unwrap().epsilon;
    assert!((rdp - 7.32911117143).abs() < 1e-7, "{rdp}");
    let gdp = GdpAccountant {}.epsilon(&run(2249), 1e-5).unwrap();
    assert!(6.59 < gdp && gdp < 6.60, "{gdp}");
    let prv = PrvAccountant::default().epsilon(&run(2249), 1e-5).unwrap();
    assert!((prv.upper - 6.777395712).abs() < 1e-6, "{prv:?}");
    assert!(prv.lower < gdp + 0.2 && gdp < prv.lower, "GDP underestimates: {gdp} {prv:?}");
    assert!(prv.upper < rdp, "{prv:?} {rdp}");
}

#[test]
fn divergences_match_opacus() {
    for row in opacus()["divergences"].as_array().unwrap() {
        let orders = Orders::new(vec![number(row, "order")]).unwrap();
        let rdp = RdpAccountant::new(orders, Conversion::Improved);
        let got = rdp.divergences(&ledger(&[(number(row, "sigma"), number(row, "q"), 1)]))[0];
        let wanted = number(row, "divergence");
        // Opacus sums A and not A − 1, so ln A has an error of 1e-13; ours is smaller.
        let tolerance = 1e-12 * wanted + 2e-13 / (number(row, "order") - 1.0);
        assert!((got - wanted).abs() < tolerance, "{row}: {got}");
    }
}

/// The search of Opacus ends as soon as epsilon is in 7.99 to 8. So its σ spends an epsilon in that
/// range by our accountants too, and ours, which spends 8 at most, is smaller by little or equal.
#[test]
fn noise_multipliers_match_opacus() {
    let opacus = opacus();
    let rows = opacus["noise_multipliers"].as_array().unwrap();
    assert_eq!(rows.len(), 5);
    for row in rows {
        let accountant = match row["accountant"].as_str().unwrap() {
            "rdp" => Accountant::rdp(),
            "gdp" => Accountant::gdp(),
            _ => Accountant::prv(),
        };
        let (steps, theirs) = (row["steps"].as_u64().unwrap(), number(row, "sigma"));
        let spent = |sigma| accountant.epsilon(&ledger(&[(sigma, 0.04, steps)]), 1e-5).unwrap();
        let at_theirs = spent(theirs);
        // The two PRV accountants differ by 1e-5.
        assert!((7.99 - 1e-5..=8.0 + 1e-5).contains(&at_theirs), "{row}: {at_theirs}");
        let budget = Budget::new(8.0, 1e-5).unwrap();
        let ours = noise_multiplier_for(budget, 0.04, steps, &accountant).unwrap();
        assert!(spent(ours) <= 8.0, "{row}: {ours}");
        // Epsilon falls by 7 to 10 for each 1 of σ, so 0.01 of it is 0.0015 of σ at most.
        assert!(ours <= theirs && theirs - ours < 0.0015, "{row}: {ours}");
    }
}

/// dp-accounting rounds privacy losses up for `pessimistic`, by connecting dots, and down for
/// `optimistic`. The former is close, as its rounding keeps both means. Deltas below 1e-8 are left
/// to other tests: at 1e-10 its epsilon of 15 000 steps is too small by 2e-4, which is what the
/// rounding of an untilted transform costs there.
#[test]
fn prv_matches_dp_accounting() {
    let text = include_str!("../reference/dp_accounting.json");
    let rows: Value = serde_json::from_str(text).unwrap();
    let rows = rows["epsilons"].as_array().unwrap();
    for row in rows {
        let got = PrvAccountant::default().epsilon(&run(row), number(row, "delta")).unwrap();
        let (low, high) = (number(row, "optimistic"), number(row, "pessimistic"));
        assert!(low <= got.estimate + 1e-9 && got.lower <= high, "{row}: {got:?}");
        assert!(high <= got.upper, "{row}: {got:?}");
        assert!((got.estimate - high).abs() < 1e-4, "{row}: {got:?}");
    }
    assert_eq!(rows.len(), 13);
}
