//! Evaluations that are killed and go on.

use crate::threshold::{Threshold, batches, suite};
use burn::tensor::{Int, Tensor};
use cni_attacks::Classifier;
use cni_attacks::evaluation::{Evaluated, Evaluation, EvaluationError, Step};
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

/// A model that fails after a number of calls, wherever that is.
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
    // Once more, all from disk.
    let (again, steps) = run(&model, batches(30, 10), 1, Some(folder.path())).unwrap();
    assert_eq!((again, steps), (whole, 0));
}

#[test]
fn a_state_of_another_evaluation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = Some(folder.path());
    let model = Threshold { sigma: 0.1 };
    run(&model, batches(20, 10), 1, state).unwrap();
    let refused = |error: EvaluationError| {
        assert!(matches!(error, EvaluationError::State { .. }), "{error}");
    };
    refused(run(&model, batches(20, 10), 2, state).unwrap_err());
    refused(run(&model, batches(20, 20), 1, state).unwrap_err());
    refused(run(&Threshold { sigma: 0.2 }, batches(20, 10), 1, state).unwrap_err());
    let flipped = batches(20, 10).into_iter().map(|(x, y)| (x, y.neg() + 1)).collect();
    refused(run(&model, flipped, 1, state).unwrap_err());
    // A file that was damaged is named, and so is what to look for.
    let damaged = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    fs::write(&damaged, "{").unwrap();
    let error = run(&model, batches(20, 10), 1, state).unwrap_err().to_string();
    assert!(error.contains(&damaged.display().to_string()), "{error}");
}
