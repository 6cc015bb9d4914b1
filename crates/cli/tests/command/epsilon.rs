//! The epsilon of a private training, and the noise for one.

use crate::program::{plain, refused, works};
use serde_json::Value;

/// The result of a command.
pub fn json(arguments: &str) -> Value {
    serde_json::from_str(&works(plain(&format!("{arguments} --json")))).unwrap()
}

/// The privacy that is spent by the flags of `epsilon`.
pub fn epsilon(flags: &str) -> Value {
    json(&format!("epsilon {flags}"))["spent"].take()
}

/// Opacus's values for σ 1.5, q 0.04, 2,250 steps and δ 1e-5.
#[test]
fn epsilon_is_that_of_opacus_by_each_accountant() {
    let run = "--noise-multiplier 1.5 --sample-rate 0.04 --steps 2250 --delta 1e-5";
    for (name, low, high, bound) in
        [("rdp", 7.32911, 7.32912, true), ("prv", 6.7773, 6.8, true), ("gdp", 6.59, 6.61, false)]
    {
        let spent = epsilon(&format!("{run} --accountant {name}"));
        let epsilon = spent["epsilon"].as_f64().unwrap();
        assert!(epsilon >= low && epsilon <= high, "{name}: {epsilon}");
        assert_eq!((&spent["upper_bound"], &spent["delta"]), (&bound.into(), &1e-5.into()));
        let said = works(plain(&format!("epsilon {run} --accountant {name}")));
        assert!(said.contains("2250 steps of noise multiplier 1.5000"), "{said}");
        assert!(said.contains("no certified guarantee"), "{said}");
        assert_eq!(said.contains("can be too small"), !bound, "{said}");
    }
    // PRV unless asked for another.
    assert!(epsilon(run)["accountant"]["prv"].is_object());
}

#[test]
fn the_noise_for_an_epsilon_spends_no_more_than_it() {
    let spent =
        epsilon("--epsilon 8 --sample-rate 0.04 --steps 2250 --delta 1e-5 --accountant rdp");
    let sigma = spent["ledger"]["phases"][0]["mechanism"]["noise_multiplier"].as_f64().unwrap();
    assert!((sigma - 1.4158).abs() < 2e-4, "{sigma}");
    assert!(spent["epsilon"].as_f64().unwrap() <= 8.0);
    let plan = "--epsilon 3 --examples 60000 --batch 600 --epochs 2 --delta 1e-5";
    let spent = epsilon(plan);
    let phase = &spent["ledger"]["phases"][0];
    assert_eq!((&phase["steps"], &phase["mechanism"]["sample_rate"]), (&200.into(), &0.01.into()));
}

#[test]
fn nonsense_is_refused_by_the_name_of_its_flag() {
    let rest = "--sample-rate 0.04 --steps 100 --delta 1e-5";
    for (flags, says) in [
        (
            format!("--noise-multiplier 0 {rest}"),
            "--noise-multiplier: got 0, wanted a number above 0",
        ),
        (format!("--noise-multiplier -1 {rest}"), "--noise-multiplier: got -1, wanted"),
        (format!("--noise-multiplier nan {rest}"), "--noise-multiplier: got NaN, wanted"),
        (format!("--epsilon 0 {rest}"), "--epsilon: got 0, wanted a finite number above 0"),
        (format!("--epsilon inf {rest}"), "--epsilon: got inf, wanted a finite number above 0"),
        (
            "--noise-multiplier 1 --sample-rate 1.5 --steps 9 --delta 1e-5".into(),
            "--sample-rate: got 1.5, wanted a number in (0, 1]",
        ),
        (
            "--noise-multiplier 1 --sample-rate 0.5 --steps 0 --delta 1e-5".into(),
            "--steps: got 0, wanted at least 1",
        ),
        (
            "--noise-multiplier 1 --sample-rate 0.5 --steps 9 --delta 1".into(),
            "--delta: got 1, wanted a number between 0 and 1",
        ),
        (
            "--noise-multiplier 1 --examples 10 --batch 11 --epochs 1 --delta 1e-5".into(),
            "--batch: got 11, wanted 1 to the number of examples, 10",
        ),
        (
            "--noise-multiplier 1 --examples 10 --batch 2 --epochs 1 --delta 0.1".into(),
            "--delta: got 0.1, wanted a number below one over the 10 examples",
        ),
        (
            "--noise-multiplier 1 --delta 1e-5".into(),
            "--sample-rate: got none, wanted --sample-rate and --steps, or --examples",
        ),
        (
            "--noise-multiplier 1 --accountant moments --delta 1e-5".into(),
            "invalid value 'moments' for '--accountant",
        ),
        (format!("--noise-multiplier 1 --epsilon 2 {rest}"), "cannot be used with"),
        (rest.into(), "the following required arguments were not provided"),
        ("--run nowhere --delta 1e-5".into(), "nowhere/privacy.json: "),
    ] {
        let said = refused(plain(&format!("epsilon {flags}")));
        assert!(said.contains(says), "{flags}: {said}");
    }
}
