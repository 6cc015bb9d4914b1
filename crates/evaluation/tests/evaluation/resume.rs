//! Evaluations that are killed and go on.

use crate::threshold::{EPSILON, Threshold, batches, suite};
use burn::tensor::{Int, Tensor};
use cni_attacks::{Classifier, Pgd, Threat};
use cni_evaluation::audit::Audit;
use cni_evaluation::{DataCard, Evaluated, Evaluation, EvaluationError, ModelCard, Step};
use cni_noise::Key;
use std::cell::Cell;
use std::fs;
use std::path::Path;

type Batches = Vec<(Tensor<4>, Tensor<1, Int>)>;

fn run(
    model: &dyn Classifier,
    data: Batches,
    key: u64,
    state: Option<&Path>,
) -> Result<(Evaluated, usize), EvaluationError> {
    let evaluation = Evaluation::new(suite(3)).unwrap().with_draws(6).unwrap();
    let mut steps = 0;
    let mut count = |_: &Step| steps += 1;
    let evaluation = evaluation.with_key(Key::new(key));
    let mut evaluated = evaluation.run_with(model, data, state, &mut count)?;
    let record = &mut evaluated.record;
    record.seconds = 0.0;
    record.attacks.iter_mut().for_each(|attack| attack.seconds = 0.0);
    Ok((evaluated, steps))
}

/// A model that fails after a number of calls, at whatever place that is.
struct Mortal {
    calls: Cell<usize>,
}

impl Classifier for Mortal {
    fn logits(&self, images: Tensor<4>) -> Tensor<2> {
        let left = self.calls.get();
        self.calls.set(left.saturating_sub(1));
        let logits = Threshold { sigma: 0.1 }.logits(images);
        if left == 0 { logits.mul_scalar(f64::NAN) } else { logits }
    }
}

#[test]
fn an_evaluation_that_dies_goes_on_and_ends_the_same() {
    let model = Threshold { sigma: 0.1 };
    let (whole, all) = run(&model, batches(30, 10), 1, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut deaths = 0;
    let (last, steps) = loop {
        let mortal = Mortal { calls: Cell::new(150) };
        match run(&mortal, batches(30, 10), 1, Some(folder.path())) {
            Ok(done) => break done,
            Err(error) => {
                assert!(error.to_string().contains("NaN"), "{error}");
                deaths += 1;
                assert!(deaths < 20, "no progress between deaths");
            }
        }
    };
    assert!(deaths > 1 && steps < all, "{deaths} deaths, {steps} of {all} steps in the last life");
    assert_eq!(last, whole);
    // The third run reads everything from disk.
    let (again, steps) = run(&model, batches(30, 10), 1, Some(folder.path())).unwrap();
    assert_eq!((again, steps), (whole, 0));
}

/// Runs until the model fails, which leaves an unfinished state.
fn die(calls: usize, data: Batches, key: u64, state: &Path) {
    let mortal = Mortal { calls: Cell::new(calls) };
    let error = run(&mortal, data, key, Some(state)).unwrap_err();
    assert!(error.to_string().contains("NaN"), "{error}");
}

#[test]
fn an_unfinished_state_of_another_evaluation_is_refused_with_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path());
    let model = Threshold { sigma: 0.1 };
    die(150, batches(20, 10), 1, folder.path());
    let refused = |error: EvaluationError, named: &str| {
        let EvaluationError::State { setting, .. } = &error else { panic!("{error}") };
        assert!(setting.starts_with(named), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("{named}: got ")) && text.contains("wanted "), "{text}");
    };
    refused(run(&model, batches(20, 10), 2, state).unwrap_err(), "key");
    refused(run(&model, batches(20, 20), 1, state).unwrap_err(), "batch");
    refused(run(&Threshold { sigma: 0.2 }, batches(20, 10), 1, state).unwrap_err(), "model");
    let flipped = batches(20, 10).into_iter().map(|(x, y)| (x, y.neg() + 1)).collect();
    refused(run(&model, flipped, 1, state).unwrap_err(), "data");
    let with = |change: fn(Evaluation) -> Evaluation| {
        let evaluation = Evaluation::new(suite(3)).unwrap().with_draws(6).unwrap();
        let evaluation = change(evaluation.with_key(Key::new(1)));
        evaluation.run_with(&model, batches(20, 10), state, &mut |_| {}).unwrap_err()
    };
    let text = with(|e| e.with_draws(7).unwrap()).to_string();
    assert!(text.contains("draws: got 7, wanted 6 as of the unfinished evaluation"), "{text}");
    refused(with(|e| e.with_noise_off(false)), "noise states");
    refused(with(|e| e.with_gallery(0)), "gallery");
    let named = |e: Evaluation| {
        let card = ModelCard { fingerprint: "other weights".into(), ..ModelCard::default() };
        e.with_cards(card, DataCard::default())
    };
    refused(with(named), "model.fingerprint");
    let checked = |e: Evaluation| {
        let attack = Pgd::new(Threat::linf(EPSILON).unwrap()).with_draws(3).unwrap();
        e.with_audit(Audit::new(attack)).unwrap()
    };
    refused(with(checked), "checks");
    // The refused runs have not changed the state.
    assert!(run(&model, batches(20, 10), 1, state).is_ok());
    // The error for a damaged file names the file, and says what to do.
    let damaged = folder.path().join("from-000000-live-00.json");
    fs::write(&damaged, "{").unwrap();
    let error = run(&model, batches(20, 10), 1, state).unwrap_err().to_string();
    assert!(error.contains(&damaged.display().to_string()), "{error}");
}

#[test]
fn a_finished_evaluation_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("state");
    let state = Some(at.as_path());
    let model = Threshold { sigma: 0.1 };
    run(&model, batches(20, 10), 1, state).unwrap();
    fs::write(at.join("notes"), "mine").unwrap();
    // Another key, another batch and another model, each after a finished run.
    run(&model, batches(20, 10), 2, state).unwrap();
    run(&model, batches(20, 20), 2, state).unwrap();
    let (last, steps) = run(&Threshold { sigma: 0.2 }, batches(20, 20), 2, state).unwrap();
    assert!(steps > 0 && at.join("notes").exists());
    // A run whose later batches differ begins anew when it finds that.
    let later = || {
        let mut data = batches(20, 10);
        data[1].1 = data[1].1.clone().neg() + 1;
        data
    };
    run(&model, batches(20, 10), 2, state).unwrap();
    let (last, steps) = match run(&model, later(), 2, state) {
        Ok((found, steps)) => {
            assert_eq!(found, run(&model, later(), 2, None).unwrap().0);
            (found, steps.min(last.rows.len()))
        }
        Err(error) => panic!("{error}"),
    };
    assert!(steps > 0);
    // Saving removes the state, but no files of others.
    last.save(folder.path()).unwrap();
    let left: Vec<_> = fs::read_dir(&at).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["notes"]);
    // An unfinished state beside a result stays.
    die(150, batches(20, 10), 3, &at);
    last.save(folder.path()).unwrap();
    assert!(at.join("settings.json").exists());
}

#[test]
fn files_whose_settings_are_lost_are_refused_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    die(150, batches(20, 10), 1, at);
    fs::remove_file(at.join("settings.json")).unwrap();
    fs::write(at.join("from-me-to-you.json"), "mine").unwrap();
    let count = || fs::read_dir(at).unwrap().count();
    let (before, model) = (count(), Threshold { sigma: 0.1 });
    let error = run(&model, batches(20, 10), 1, Some(at)).unwrap_err();
    assert!(matches!(&error, EvaluationError::State { .. }), "{error}");
    assert!(error.to_string().contains("settings.json: got none"), "{error}");
    assert_eq!(count(), before);
    // A file with a similar name does not disturb, and stays as well.
    let ours = |name: &str| name.starts_with("from-0");
    for file in fs::read_dir(at).unwrap().map(|file| file.unwrap()) {
        if ours(file.file_name().to_str().unwrap()) {
            fs::remove_file(file.path()).unwrap();
        }
    }
    run(&model, batches(20, 10), 1, Some(at)).unwrap();
    run(&model, batches(20, 10), 2, Some(at)).unwrap();
    assert!(at.join("from-me-to-you.json").exists());
}

/// Attacks of one name with different step sizes have different audits; so have different
/// surrogates.
#[test]
fn an_unfinished_audit_of_another_attack_or_surrogate_is_refused() {
    let threat = Threat::linf(EPSILON).unwrap();
    let coarse = Pgd::new(threat);
    let fine = coarse.clone().with_step_size(0.01).unwrap();
    let evaluation = |audit: Audit| {
        let suite: Vec<Box<dyn cni_attacks::Attack>> =
            vec![Box::new(Pgd::new(threat)), Box::new(fine.clone())];
        let audit = audit.with_checks(&["steps-sweep"]).unwrap();
        Evaluation::new(suite).unwrap().with_draws(6).unwrap().with_audit(audit).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let run = |model: &dyn Classifier, audit: Audit| {
        evaluation(audit).run_with(model, batches(20, 10), Some(folder.path()), &mut |_| {})
    };
    run(&Mortal { calls: Cell::new(100) }, Audit::new(coarse.clone())).unwrap_err();
    let model = Threshold { sigma: 0.1 };
    let twin = || std::sync::Arc::new(Threshold { sigma: 0.0 });
    let others =
        [Audit::new(fine.clone()), Audit::new(coarse.clone()).with_surrogate("twin", twin())];
    for other in others {
        let error = run(&model, other).unwrap_err();
        let EvaluationError::State { setting, .. } = &error else { panic!("{error}") };
        assert_eq!(setting, "checks", "{error}");
    }
    run(&model, Audit::new(coarse)).unwrap();
}

/// The surrogate has the same name and other weights, so its examples differ.
#[test]
fn a_finished_audit_with_another_surrogate_of_its_name_begins_anew() {
    let attack = Pgd::new(Threat::linf(EPSILON).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let run = |sign: f64| {
        let surrogate = move |x: Tensor<4>| Threshold { sigma: 0.0 }.logits(x).mul_scalar(sign);
        let audit = Audit::new(attack.clone()).with_checks(&["transfer"]).unwrap();
        let audit = audit.with_surrogate("twin", std::sync::Arc::new(surrogate));
        let suite: Vec<Box<dyn cni_attacks::Attack>> = vec![Box::new(attack.clone())];
        let evaluation = Evaluation::new(suite).unwrap().with_audit(audit).unwrap();
        let (model, state) = (Threshold { sigma: 0.0 }, Some(folder.path()));
        let found = evaluation.run_with(&model, batches(20, 10), state, &mut |_| {}).unwrap();
        found.record.checks[0].values["robust_transfer"]
    };
    let (right, wrong) = (run(1.0), run(-1.0));
    assert!(right < wrong, "{right} {wrong}");
}
