use cni_privacy::{PoissonPlan, PrivacyError};

/// The runs of SIDP (arXiv 2006.10919): 10 epochs of MNIST by 32 and 40 of CIFAR-10 by 16.
#[test]
fn rate_and_steps_follow_from_examples_batch_and_epochs() {
    let mnist = PoissonPlan::new(60_000, 32, 10).unwrap();
    assert_eq!((mnist.sample_rate(), mnist.steps()), (32.0 / 60_000.0, 18_750));
    let cifar = PoissonPlan::new(50_000, 16, 40).unwrap();
    assert_eq!((cifar.sample_rate(), cifar.steps()), (16.0 / 50_000.0, 125_000));
    let phase = cifar.phase(10.0).unwrap();
    assert_eq!((phase.steps(), phase.mechanism().noise_multiplier()), (125_000, 10.0));
}

#[test]
fn a_batch_that_does_not_divide_the_examples_rounds_the_steps_of_each_epoch_up() {
    assert_eq!(PoissonPlan::new(100, 30, 1).unwrap().steps(), 4);
    assert_eq!(PoissonPlan::new(100, 30, 3).unwrap().steps(), 12);
}

/// Steps that leave an example out are independent: (1 − q)^(1/q) for 1/q steps.
#[test]
fn an_epoch_touches_63_percent_of_the_examples() {
    let touched = |n, b| PoissonPlan::new(n, b, 1).unwrap().touched_in_an_epoch();
    assert!((touched(60_000, 32) - (1.0 - f64::exp(-1.0))).abs() < 2e-4);
    assert!((touched(10, 1) - (1.0 - 0.9f64.powi(10))).abs() < 1e-15);
    assert_eq!(touched(10, 10), 1.0);
}

#[test]
fn impossible_plans_are_refused_by_name() {
    let refused = [
        ((0, 1, 1), "examples: got 0, wanted at least 1"),
        ((10, 0, 1), "expected_batch: got 0, wanted 1 to the number of examples, 10"),
        ((10, 11, 1), "expected_batch: got 11, wanted 1 to the number of examples, 10"),
        ((10, 5, 0), "epochs: got 0, wanted 1 to"),
        ((10, 5, u64::MAX), "epochs: got 18446744073709551615, wanted 1 to 9223372036854775807"),
    ];
    for ((examples, batch, epochs), wanted) in refused {
        let error = PoissonPlan::new(examples, batch, epochs).unwrap_err();
        assert!(matches!(error, PrivacyError::Count { .. }));
        assert!(error.to_string().starts_with(wanted), "{error}");
    }
    let text = r#"{"examples":10,"expected_batch":11,"epochs":1}"#;
    let error = serde_json::from_str::<PoissonPlan>(text).unwrap_err();
    assert!(error.to_string().contains("expected_batch: got 11"), "{error}");
}
