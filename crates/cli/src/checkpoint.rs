//! Where the weights of an evaluation come from.

use crate::args::Evaluate;
use crate::given::{Given, Idle};
use crate::model::Model;
use burn::tensor::Device;
use cni_burn::evaluation::Epoch;
use cni_burn::prelude::{ResNet, Threat};
use cni_burn::training::{
    CheckpointInfo, CheckpointSelector, EpochRow, Scores, checkpoint_info, load_checkpoint,
};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

/// A model with its weights.
pub struct Checkpoint {
    pub model: ResNet,
    /// The flags of the model and its data.
    pub settings: Model,
    /// What tables call it.
    pub name: String,
    /// The folder that its evaluation goes to unless told otherwise.
    pub out: PathBuf,
    /// The classes that it was trained on; empty where they are not known.
    pub classes: Vec<String>,
    /// The epochs that led to it, where they are known.
    pub history: Vec<Epoch>,
    /// What it was trained against, where that is known.
    pub trained: Option<Threat>,
}

/// Finds what `--checkpoint` names, and loads it.
pub fn open(args: &Evaluate, given: &Given, device: &Device) -> Result<Checkpoint, Box<dyn Error>> {
    let path = args.checkpoint.as_path();
    let extension = path.extension().and_then(|extension| extension.to_str());
    if matches!(extension, Some("pt" | "pth" | "th" | "tar")) {
        let because = "a PyTorch file belongs to no run";
        given.refuse(&[Idle { when: true, flags: &["run"], because }])?;
        given.refuse(&args.model.idle())?;
        let (model, report) = args.model.build(device)?.import_pytorch(path)?;
        println!("{}: {report}", path.display());
        let (own, asked) = (&report.normalization, args.model.config()?.normalize);
        let from_file = report.normalization_from.is_some();
        if from_file && given.has("normalization") && *own != asked {
            return Err(given.refusal("normalization", own, "the file brings its own").into());
        }
        return Ok(Checkpoint {
            model,
            settings: args.model.clone(),
            name: path.display().to_string(),
            out: format!("{}-evaluation", path.file_stem().unwrap_or_default().display()).into(),
            classes: Vec::new(),
            history: Vec::new(),
            trained: None,
        });
    }
    let of_run = |which| (args.run.clone(), which);
    let (run, which) = match path.to_str() {
        Some("best") => of_run(CheckpointSelector::Best),
        Some("last") => of_run(CheckpointSelector::Last),
        text => match text.and_then(|text| text.parse().ok()) {
            Some(epoch) => of_run(CheckpointSelector::Epoch(epoch)),
            None => within_run(path)?,
        },
    };
    if run != args.run && given.has("run") {
        let because = "that is where --checkpoint leads";
        return Err(given.refusal("run", run.display(), because).into());
    }
    let settings = Model::of_run(&run, which, &args.model, given)?;
    given.refuse(&[settings.idle_source()])?;
    let (model, epoch) = load_checkpoint(settings.build(device)?, &run, which)?;
    println!("{}: normalization: {}", run.display(), model.normalize.config()?);
    let name = format!("{} (epoch {epoch})", run.display());
    let CheckpointInfo { classes, history, run: configuration, .. } =
        checkpoint_info(&run, CheckpointSelector::Epoch(epoch))?;
    let threat = configuration.pointer("/config/objective/attack/threat");
    Ok(Checkpoint {
        model,
        settings,
        name,
        out: run.join("evaluation"),
        classes,
        history: epochs(history),
        trained: threat.and_then(|threat| serde_json::from_value(threat.clone()).ok()),
    })
}

/// The run, and the epoch, that a path such as `runs/cni/checkpoints/epoch-8/model.bpk` leads into.
fn within_run(path: &Path) -> Result<(PathBuf, CheckpointSelector), Box<dyn Error>> {
    let of_epoch = |folder: &Path| -> Option<(PathBuf, CheckpointSelector)> {
        let epoch = folder.file_name()?.to_str()?.strip_prefix("epoch-")?.parse().ok()?;
        let run = folder.parent()?.parent().filter(|run| !run.as_os_str().is_empty())?;
        Some((run.to_path_buf(), CheckpointSelector::Epoch(epoch)))
    };
    // A relative path can begin below the run's folder.
    let whole = std::path::absolute(path)?;
    let mut ways = path.ancestors().chain(whole.ancestors());
    let found = ways.find_map(of_epoch).filter(|_| path.exists());
    found.ok_or_else(|| {
        format!(
            "--checkpoint: got {}, wanted best, last, a number, an existing file or folder among \
             a run's checkpoints (such as checkpoints/epoch-8) or a PyTorch file \
             (.pt, .pth, .th, .tar)",
            path.display()
        )
        .into()
    })
}

/// A history as records have it.
fn epochs(rows: Vec<EpochRow>) -> Vec<Epoch> {
    let named = |set: &str, scores: Scores| {
        let all = [("loss", scores.loss), ("clean", scores.clean), ("robust", scores.robust)];
        all.map(|(name, value)| value.map(|value| (format!("{set} {name}"), value)))
    };
    let epoch = |row: EpochRow| Epoch {
        epoch: row.epoch,
        scores: BTreeMap::from_iter(
            [named("train", row.train), named("validation", row.validation)]
                .into_iter()
                .flatten()
                .flatten(),
        ),
        noise: row.watched,
    };
    rows.into_iter().map(epoch).collect()
}
