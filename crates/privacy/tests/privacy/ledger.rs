use crate::support::{ledger, mechanism};
use cni_privacy::{Accountant, LEDGER_VERSION, Ledger, PrivacyError, Spent};

#[test]
fn equal_steps_in_a_row_are_one_phase() {
    let mut steps = Ledger::new();
    for (sigma, count) in [(1.0, 3), (2.0, 2), (1.0, 1)] {
        (0..count).for_each(|_| steps.step(mechanism(sigma, 0.1)));
    }
    assert_eq!(steps, ledger(&[(1.0, 0.1, 3), (2.0, 0.1, 2), (1.0, 0.1, 1)]));
    assert_eq!(steps.steps(), 6);
    assert_eq!(ledger(&[(1.0, 0.1, 3), (1.0, 0.1, 4)]).phases().len(), 1);
    assert!(Ledger::new().is_empty() && !steps.is_empty());
}

#[test]
fn a_saved_ledger_is_read_back_bit_for_bit_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run").join("privacy.json");
    let mut saved = ledger(&[(1.1, 0.1 + 0.2, 7), (0.7, 1.0 / 3.0, 1)]);
    saved.save(&path).unwrap();
    let mut read = Ledger::load(&path).unwrap();
    assert_eq!(read, saved);
    read.step(mechanism(0.7, 1.0 / 3.0));
    read.save(&path).unwrap();
    saved.step(mechanism(0.7, 1.0 / 3.0));
    assert_eq!(Ledger::load(&path).unwrap(), saved);
    // Nothing else is left in the folder.
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn the_file_is_this_json() {
    let mechanism = r#"{"noise_multiplier":1.5,"sample_rate":0.04}"#;
    let text = format!(r#"{{"version":1,"phases":[{{"mechanism":{mechanism},"steps":2250}}]}}"#);
    assert_eq!(serde_json::to_string(&ledger(&[(1.5, 0.04, 2250)])).unwrap(), text);
    assert_eq!(LEDGER_VERSION, 1);
}

#[test]
fn a_file_that_is_no_ledger_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("privacy.json");
    let phase = |sigma: &str, q: &str, steps: &str| {
        let mechanism = format!(r#"{{"noise_multiplier":{sigma},"sample_rate":{q}}}"#);
        format!(r#"{{"version":1,"phases":[{{"mechanism":{mechanism},"steps":{steps}}}]}}"#)
    };
    let texts = [
        (r#"{"version":2,"phases":[]}"#.to_string(), "version: got 2, wanted 1"),
        (r#"{"phases":[]}"#.to_string(), "missing field `version`"),
        (r#"{"version":1,"phases":[],"seed":1}"#.to_string(), "unknown field `seed`"),
        (phase("0", "0.1", "1"), "noise_multiplier: got 0, wanted a number above 0"),
        (phase("-1", "0.1", "1"), "noise_multiplier: got -1"),
        (phase("1", "0", "1"), "sample_rate: got 0, wanted a number in (0, 1]"),
        (phase("1", "1.5", "1"), "sample_rate: got 1.5"),
        (phase("1", "0.1", "0"), "steps: got 0, wanted at least 1"),
        (phase("1", "0.1", "-1"), "invalid value"),
        (phase("1", r#"0.1,"clip":1"#, "1"), "unknown field `clip`"),
        (phase("1", "0.1", r#"1,"note":"x""#), "unknown field `note`"),
        ("{".to_string(), "EOF"),
    ];
    for (text, wanted) in texts {
        std::fs::write(&path, &text).unwrap();
        let error = Ledger::load(&path).unwrap_err();
        assert!(matches!(error, PrivacyError::Json { .. }));
        let message = error.to_string();
        assert!(message.contains(wanted) && message.contains("privacy.json"), "{text}: {message}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let inside = file.join("ledger.json");
    let errors = [Ledger::load(&missing).unwrap_err(), Ledger::new().save(&inside).unwrap_err()];
    for (error, path) in errors.into_iter().zip([missing, inside]) {
        assert!(matches!(error, PrivacyError::File { .. }));
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
}

#[test]
fn what_was_spent_is_plain_data_with_all_it_rests_on() {
    let run = ledger(&[(7.1, 32.0 / 60_000.0, 18_750)]);
    for accountant in [Accountant::rdp(), Accountant::gdp(), Accountant::prv()] {
        let spent = accountant.spent(&run, 1e-5).unwrap();
        assert_eq!(spent.epsilon, accountant.epsilon(&run, 1e-5).unwrap());
        assert_eq!(spent.warning.is_some(), accountant.name() == "rdp");
        let text = serde_json::to_string(&spent).unwrap();
        assert!(text.starts_with(&format!(r#"{{"accountant":{{"{}":{{"#, accountant.name())));
        assert_eq!(serde_json::from_str::<Spent>(&text).unwrap(), spent);
    }
}
