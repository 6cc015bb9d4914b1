//! Trainings in half and in full precision that differ in nothing else. `benches/README.md` says
//! how to read the record.

#[path = "compare/machine.rs"]
mod machine;

use burn::tensor::Device;
use clap::{Parser, Subcommand};
use cni_burn::data::{Augmentation, ImageData, Split, cifar10};
use cni_burn::evaluation::write_json;
use cni_burn::prelude::*;
use cni_burn::run::load_run_checkpoint;
use cni_burn::training::{CheckpointSelector, Objective, Schedule, Sgd, TrainingConfig};
use serde_json::json;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares trainings in half and in full precision.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// The folder with the binary files of CIFAR-10.
    #[arg(long, global = true, default_value = "data")]
    data: PathBuf,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// Trains a ResNet-20 without noise against RS-FGSM in one precision, or goes on with it.
    Train {
        /// full or bf16.
        #[arg(long)]
        precision: Precision,
        /// Epochs of a one-cycle schedule up to 0.2.
        #[arg(long, default_value_t = 10)]
        epochs: usize,
        /// The folder of the run.
        #[arg(long)]
        out: PathBuf,
    },
    /// Judges the last weights of both runs in full precision: clean, and under PGD-10.
    Judge {
        /// The run in full precision.
        #[arg(long)]
        full: PathBuf,
        /// The run in half precision.
        #[arg(long)]
        half: PathBuf,
        /// Test images.
        #[arg(long, default_value_t = 10_000)]
        images: usize,
        /// The file for the record.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.what {
        What::Train { precision, epochs, out } => train(&cli.data, precision, epochs, &out),
        What::Judge { full, half, images, out } => judge(&cli.data, [&full, &half], images, &out),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn threat() -> Result<Threat> {
    Ok(Threat::linf(8.0 / 255.0)?)
}

/// The recipe of both runs: but for the precision, they are the same function of the same key.
fn train(data: &Path, precision: Precision, epochs: usize, out: &Path) -> Result<()> {
    let key = Key::new(1);
    let config = ResNetConfig::cifar(20, 10);
    let model = keyed_init(config.init(&Device::flex().autodiff()), key.named("weights"));
    let data = cifar10(data, Split::Train)?;
    let (train, validation) = data.split_validation(1_000, key.named("split"))?;
    let mut training = TrainingConfig::new(epochs, Objective::madry(Pgd::random_fgsm(threat()?)));
    training.optimizer = Sgd { weight_decay: 5e-4, ..Sgd::default() }.into();
    training.schedule = Schedule::one_cycle(0.2);
    training.augment = vec![Augmentation::cifar()];
    training.validation_attack = Some(Arc::new(Pgd::new(threat()?)));
    training.precision = precision;
    training.key = key.named("training");
    Trainer::new(training, out)?
        .with_model_config(&config)?
        .with_validation(validation)
        .resume(true)
        .run(model, ResNet::forward, train)?;
    Ok(())
}

fn judge(data: &Path, runs: [&Path; 2], images: usize, out: &Path) -> Result<()> {
    let test = cifar10(data, Split::Test)?.take(images);
    let mut trainings = Vec::new();
    for run in runs {
        let run = load_run_checkpoint(run, CheckpointSelector::Last, &Device::flex())?;
        let row = json!({
            "precision": run.training_config()?.precision,
            "images": test.len(),
            "clean": accuracy(&run.model, None, &test)?,
            "pgd_10": accuracy(&run.model, Some(&Pgd::new(threat()?)), &test)?,
            "history": run.history,
        });
        println!("{row:#}");
        trainings.push(row);
    }
    let machine = machine::facts(machine::threads(), None);
    let memory = machine::own_memory("VmHWM");
    let record = json!({ "machine": machine, "peak_rss_bytes": memory, "trainings": trainings });
    Ok(write_json(&root().join(out), &record)?)
}

/// The accuracy of a model without noise in full precision, under an attack if there is one.
fn accuracy(model: &ResNet, attack: Option<&dyn Attack>, data: &ImageData) -> Result<f64> {
    let frozen = FrozenModel::new(model, ResNet::forward);
    let mut right = 0.0;
    for (index, batch) in data.batches(125, &Device::flex()).enumerate() {
        let (mut images, labels) = batch?;
        if let Some(attack) = attack {
            let key = Key::new(2).child(index as u64);
            images = attack.on(&frozen).with_key(key).perturb(images, labels.clone())?.images;
        }
        let predicted = frozen.logits(images).argmax(1).flatten::<1>(0, 1);
        right += f64::from(predicted.equal(labels).float().sum().into_scalar::<f32>());
    }
    Ok(right / data.len() as f64)
}
