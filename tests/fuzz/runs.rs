//! The folder of a training run.

use crate::kind::{Demand, Kind};
use crate::world::{data, forward, model};
use burn::nn::Linear;
use cni_burn::prelude::*;
use cni_burn::training::{
    CheckpointSelector, Progress, Trained, TrainingError, checkpoint_info, load_checkpoint,
};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Two epochs of training, or those that are left.
fn train(folder: &Path, resume: bool) -> Result<Trained<Linear>, TrainingError> {
    let config = TrainingConfig { batch_size: 4, ..TrainingConfig::new(2, Objective::clean()) };
    Trainer::new(config, folder)?
        .with_validation(data())
        .with_progress(Progress::Quiet)
        .resume(resume)
        .run(model(), forward, data())
}

fn weights_of(model: &Linear) -> String {
    let bias = model.bias.as_ref().map(|bias| bias.val().try_to_vec_as::<f32>().unwrap());
    format!("{:?} {bias:?}", model.weight.val().try_to_vec_as::<f32>().unwrap())
}

fn trained(
    epoch: usize,
    files: &[&str],
    read: impl Fn(&Path) -> Result<String, String> + 'static,
) -> Kind {
    let folder = tempdir().unwrap();
    train(folder.path(), false).unwrap();
    let files = files.iter().map(|file| format!("checkpoints/epoch-{epoch}/{file}")).collect();
    Kind { folder, files, demand: Demand::Equal, read: Box::new(read) }
}

/// The last weights, and what the state of that checkpoint says.
pub fn weights() -> Kind {
    let read = |folder: &Path| {
        let (model, epoch) = load_checkpoint(model(), folder, CheckpointSelector::Last)
            .map_err(|error| error.to_string())?;
        let info =
            checkpoint_info(folder, CheckpointSelector::Last).map_err(|error| error.to_string())?;
        Ok(format!("{epoch} {} {info:?}", weights_of(&model)))
    };
    trained(2, &["model.bpk", "state.json"], read)
}

/// A run that goes on after its first epoch, with all that optimizer and schedule remember.
pub fn resumed() -> Kind {
    let read = |folder: &Path| {
        let rest = folder.join("checkpoints/epoch-2");
        if rest.exists() {
            fs::remove_dir_all(rest).unwrap();
        }
        let trained = train(folder, true).map_err(|error| error.to_string())?;
        Ok(format!("{:?} {}", trained.history, weights_of(&trained.model)))
    };
    trained(1, &["model.bpk", "optimizer.bpk", "schedule.bpk", "state.json"], read)
}
