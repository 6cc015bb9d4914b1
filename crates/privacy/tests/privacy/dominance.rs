//! How the accountants lie to each other, for random settings.

use crate::support::{delta_of_two, epsilon_where, ledger};
use cni_privacy::{PrvAccountant, RdpAccountant};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..Default::default()
    })]

    /// Both bounds of PRV are on their sides of RDP, which is an upper bound of the true epsilon.
    #[test]
    fn prv_is_below_rdp(
        ln_q in -7.0..0.0f64,
        sigma in 0.7..6.0f64,
        ln_steps in 0.0..6.0f64,
        ln_delta in -20.0..-3.0f64,
    ) {
        let run = ledger(&[(sigma, ln_q.exp(), ln_steps.exp() as u64 + 1)]);
        let delta = ln_delta.exp();
        let prv = PrvAccountant::default().epsilon(&run, delta).unwrap();
        let rdp = RdpAccountant::default().epsilon(&run, delta).unwrap();
        prop_assert!(prv.lower <= rdp.epsilon, "{prv:?} {rdp:?}");
        // The share of delta moves epsilon by less than its own error.
        prop_assert!(prv.upper <= rdp.epsilon + 2.0 * prv.epsilon_error, "{prv:?} {rdp:?}");
        prop_assert!(prv.lower <= prv.estimate && prv.estimate <= prv.upper, "{prv:?}");
    }

    #[test]
    fn two_steps_are_within_the_bounds(
        q in 0.001..1.0f64,
        sigma in 0.5..5.0f64,
        other_q in 0.001..1.0f64,
        other_sigma in 0.5..5.0f64,
        ln_delta in -14.0..-3.0f64,
    ) {
        let delta = ln_delta.exp();
        let steps = [(sigma, q), (other_sigma, other_q)];
        let exact = [true, false]
            .map(|first| epsilon_where(delta, |e| delta_of_two(steps, first, e)))
            .into_iter()
            .fold(0.0, f64::max);
        let run = ledger(&[(sigma, q, 1), (other_sigma, other_q, 1)]);
        let prv = PrvAccountant::new(1e-3, 1e-3).unwrap().epsilon(&run, delta).unwrap();
        prop_assert!(prv.lower <= exact && exact <= prv.upper, "{prv:?} {exact}");
        let rdp = RdpAccountant::default().epsilon(&run, delta).unwrap();
        prop_assert!(exact <= rdp.epsilon, "{rdp:?} {exact}");
    }
}
