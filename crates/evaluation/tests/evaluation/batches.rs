//! Batches that can fail.

use crate::threshold::{Threshold, batches, suite};
use cni_evaluation::{Evaluation, EvaluationError};
use std::io::Error;

#[test]
fn batches_come_as_they_are_or_as_results() {
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let model = Threshold { sigma: 0.0 };
    let plain = evaluation.run(&model, batches(20, 10)).unwrap();
    let results = batches(20, 10).into_iter().map(Ok::<_, Error>);
    assert_eq!(evaluation.run(&model, results).unwrap().rows, plain.rows);
    let boxed = batches(20, 10).into_iter().map(Ok::<_, Box<dyn std::error::Error + Send + Sync>>);
    assert_eq!(evaluation.run(&model, boxed).unwrap().rows, plain.rows);
}

#[test]
fn a_batch_that_cannot_be_had_ends_the_evaluation_with_its_error_and_keeps_what_is_done() {
    let evaluation = Evaluation::new(suite(1)).unwrap();
    let model = Threshold { sigma: 0.0 };
    let folder = tempfile::tempdir().unwrap();
    let torn = || {
        let broken = Err(Error::other("the disk is gone"));
        batches(20, 10).into_iter().take(1).map(Ok).chain([broken])
    };
    let run = |batches: Vec<Result<_, Error>>| {
        let mut steps = 0;
        let state = Some(folder.path());
        let found = evaluation.run_with(&model, batches, state, &mut |_| steps += 1);
        (found, steps)
    };
    let error = run(torn().collect()).0.unwrap_err();
    assert_eq!(error.to_string(), "batch from example 10: the disk is gone");
    let EvaluationError::Batch { first, source } = error else { panic!() };
    assert_eq!((first, source.is::<Error>()), (10, true));
    // The first batch is not attacked again.
    let (found, steps) = run(batches(20, 10).into_iter().map(Ok).collect());
    let mut all = 0;
    let whole = evaluation.run_with(&model, batches(20, 10), None, &mut |_| all += 1).unwrap();
    assert_eq!(found.unwrap().rows, whole.rows);
    assert!(0 < steps && steps < all, "{steps} of {all}");
    let error = evaluation.run(&model, [Err::<(_, _), _>(Error::other("none"))]).unwrap_err();
    assert_eq!(error.to_string(), "batch from example 0: none");
}
