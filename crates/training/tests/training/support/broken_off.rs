//! Runs that are broken off, and go on.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;
use cni_data::ImageData;
use cni_training::{Trained, Trainer, TrainingError};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A run that is broken off in its third epoch, and then goes on: the logits become NaN after so
/// many training passes, which `trains` tells from others.
pub fn resumed<M: Module + ModuleDisplay + 'static>(
    trainer: impl Fn(&Path) -> Trainer<M>,
    model: impl Fn() -> M,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<2> + Copy + Send + Sync + 'static,
    train: ImageData,
    passes: usize,
    trains: impl Fn(&M, &Tensor<4>) -> bool + Send + Sync + 'static,
) -> Trained<M> {
    let folder = tempfile::tempdir().unwrap();
    let seen = AtomicUsize::new(0);
    let broken = move |model: &M, images: Tensor<4>| {
        let training = trains(model, &images);
        let pass = seen.fetch_add(usize::from(training), Ordering::Relaxed);
        let logits = forward(model, images);
        if training && pass >= passes { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let error = trainer(folder.path()).run(model(), broken, train.clone()).err().unwrap();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    trainer(folder.path()).resume(true).run(model(), forward, train).unwrap()
}
