//! Records, and the states of what was broken off.

use crate::kind::{Demand, Kind};
use crate::world::{batch, forward, model};
use cni_burn::evaluation::flatness::{AverageFlatness, Flatness, FlatnessRecords, RobustLoss};
use cni_burn::evaluation::{AdversarialImages, EvaluationError, Shard, Shards};
use cni_burn::prelude::*;
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

fn threat() -> Threat {
    Threat::linf(0.1).unwrap()
}

fn evaluate(state: Option<&Path>) -> Result<Evaluated, EvaluationError> {
    let model = model();
    let frozen = FrozenModel::new(&model, forward);
    let evaluation = Evaluation::new(vec![Box::new(Pgd::fgsm(threat()))])?.with_gallery(2);
    evaluation.run_with(&frozen, [batch()], state, &mut |_| {})
}

/// The files in a folder, without those of its sub-folders.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn kind(
    folder: TempDir,
    files: Vec<String>,
    read: impl Fn(&Path) -> Result<String, String> + 'static,
) -> Kind {
    Kind { folder, files, demand: Demand::Equal, read: Box::new(read) }
}

/// A saved evaluation of which this file is mutated.
pub fn record(file: &str) -> Kind {
    let folder = tempdir().unwrap();
    evaluate(None).unwrap().save(folder.path()).unwrap();
    let read = |folder: &Path| match Evaluated::read(folder) {
        Ok(evaluated) => Ok(format!("{evaluated:?}")),
        Err(error) => Err(error.to_string()),
    };
    kind(folder, vec![file.to_string()], read)
}

/// A saved measurement of flatness.
pub fn flatness() -> Kind {
    let folder = tempdir().unwrap();
    let model = model();
    let loss = RobustLoss::new(&model, forward, Pgd::fgsm(threat()), [batch()]).unwrap();
    let average = AverageFlatness::published().with_attempts(2).unwrap();
    let measurement = Flatness::new().with_average(Some(average)).with_worst(None);
    let record = measurement.run(&model, &loss).unwrap();
    FlatnessRecords::new(vec![record]).save(folder.path()).unwrap();
    kind(folder, vec![FlatnessRecords::FILE.to_string()], |folder| {
        let found = FlatnessRecords::read(folder);
        found.map(|found| format!("{found:?}")).map_err(|error| error.to_string())
    })
}

pub fn evaluation_state() -> Kind {
    let folder = tempdir().unwrap();
    evaluate(Some(folder.path())).unwrap();
    let files = files(folder.path());
    kind(folder, files, |folder| {
        let evaluated = evaluate(Some(folder)).map_err(|error| error.to_string())?;
        Ok(without_seconds(&format!("{evaluated:?}")))
    })
}

/// The state of a cascade, which has an entry for each attack.
pub fn cascade_state() -> Kind {
    let folder = tempdir().unwrap();
    let run = |folder: &Path| {
        let model = model();
        let frozen = FrozenModel::new(&model, forward);
        let attacks: Vec<Box<dyn Attack>> =
            vec![Box::new(RandomNoise::new(threat())), Box::new(Pgd::fgsm(threat()))];
        let evaluation = Evaluation::of(Suite::custom("two", attacks).unwrap()).unwrap();
        evaluation.run_with(&frozen, [batch()], Some(folder), &mut |_| {})
    };
    run(folder.path()).unwrap();
    let files = files(folder.path());
    kind(folder, files, move |folder| {
        let evaluated = run(folder).map_err(|error| error.to_string())?;
        Ok(without_seconds(&format!("{evaluated:?}")))
    })
}

/// A file of adversarial images.
pub fn adversarial_images() -> Kind {
    let folder = tempdir().unwrap();
    let model = model();
    let frozen = FrozenModel::new(&model, forward);
    let evaluation = Evaluation::new(vec![Box::new(Pgd::fgsm(threat()))]).unwrap();
    evaluation.with_adversarial(folder.path()).run(&frozen, [batch()]).unwrap();
    let file = "00-FGSM/from-000000.safetensors".to_string();
    kind(folder, vec![file.clone()], move |folder| {
        let found = AdversarialImages::read(folder.join(&file));
        found.map(|found| format!("{found:?}")).map_err(|error| error.to_string())
    })
}

/// The text without durations: those of what is done again are others.
fn without_seconds(text: &str) -> String {
    let mut parts = text.split("seconds: ");
    let first = parts.next().unwrap_or_default().to_string();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| !",} ".contains(c)));
    rest.fold(first, |whole, part| whole + part)
}

/// The results of one of two shards, which a merge reads.
pub fn shard() -> Kind {
    let folder = tempdir().unwrap();
    let model = model();
    let frozen = FrozenModel::new(&model, forward);
    let evaluation = Evaluation::new(vec![Box::new(Pgd::fgsm(threat()))]).unwrap().with_gallery(2);
    let evaluation = evaluation.with_adversarial("in the shard's folder");
    for shard in Shard::all(2) {
        let own = folder.path().join(shard.folder());
        let batches = vec![batch(), batch()];
        evaluation.run_shard(shard, &frozen, batches, &own, &mut |_| {}).unwrap();
    }
    let file = format!("{}/shard.json", Shard::new(2, 2).unwrap().folder());
    kind(folder, vec![file], |folder| {
        let merged = Shards::read([folder]).and_then(|shards| shards.merge());
        merged.map(|merged| format!("{merged:?}")).map_err(|error| error.to_string())
    })
}

pub fn audit_state() -> Kind {
    let folder = tempdir().unwrap();
    let run = |folder: &Path| {
        let model = model();
        let frozen = FrozenModel::new(&model, forward);
        let (images, labels) = batch();
        let audit = Audit::new(Pgd::fgsm(threat())).with_state(folder);
        let audit = audit.with_checks(&["logits", "random-noise", "eight-bit"])?;
        audit.run(&frozen, images, labels, 0, &mut |_| {})
    };
    run(folder.path()).unwrap();
    let files = files(folder.path());
    kind(folder, files, move |folder| {
        run(folder).map(|checks| format!("{checks:?}")).map_err(|error| error.to_string())
    })
}
