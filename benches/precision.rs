//! What half precision does to a result: two trainings that differ in nothing but the precision,
//! and attacks found in half and in full precision. `benches/README.md` says how to read it.

#[path = "compare/machine.rs"]
mod machine;

use burn::tensor::{Device, Tensor};
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
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares results of half precision with those of full precision.
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
    /// Judges the last weights of both runs.
    Judge {
        /// The run in full precision.
        #[arg(long)]
        full: PathBuf,
        /// The run in half precision.
        #[arg(long)]
        half: PathBuf,
        /// Test images for PGD-10 on both.
        #[arg(long, default_value_t = 10_000)]
        images: usize,
        /// Test images for the attacks that are found in both precisions.
        #[arg(long, default_value_t = 1_000)]
        attacked: usize,
        /// The file for the record.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.what {
        What::Train { precision, epochs, out } => train(&cli.data, precision, epochs, &out),
        What::Judge { full, half, images, attacked, out } => {
            judge(&cli.data, [&full, &half], images, attacked, &out)
        }
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

fn judge(data: &Path, runs: [&Path; 2], images: usize, attacked: usize, out: &Path) -> Result<()> {
    let test = cifar10(data, Split::Test)?;
    let mut trainings = Vec::new();
    let mut attacks = Vec::new();
    for run in runs {
        let loaded = load_run_checkpoint(run, CheckpointSelector::Last, &Device::flex())?;
        let precision = loaded.training_config()?.precision;
        let part = test.take(images);
        let weak = Pgd::new(threat()?);
        let [clean, robust] = [None, Some(&weak as &dyn Attack)]
            .map(|attack| accuracy(&loaded.model, attack, Precision::Full, &part));
        trainings.push(json!({
            "precision": precision,
            "images": part.len(),
            "clean": clean?.0,
            "pgd_10": robust?.0,
            "history": loaded.history,
        }));
        let part = test.take(attacked);
        let strong: [Box<dyn Attack>; 2] = [
            Box::new(Pgd::new(threat()?).with_steps(20)?),
            Box::new(Apgd::cross_entropy(threat()?)),
        ];
        for attack in &strong {
            for found_in in [Precision::Full, Precision::Bf16] {
                let (accuracy, seconds) =
                    accuracy(&loaded.model, Some(attack.as_ref()), found_in, &part)?;
                let row = json!({
                    "trained_in": precision, "attack": attack.name(), "found_in": found_in,
                    "judged_in": Precision::Full, "images": part.len(),
                    "robust_accuracy": accuracy, "seconds": seconds,
                });
                println!("{row}");
                attacks.push(row);
            }
        }
    }
    let machine = machine::facts(machine::threads(), None);
    let memory = machine::own_memory("VmHWM");
    let record = json!({ "machine": machine, "peak_rss_bytes": memory, "trainings": trainings, "attacks": attacks });
    Ok(write_json(&root().join(out), &record)?)
}

/// The accuracy of a model without noise, judged in full precision on what an attack has found, if
/// there is one, in another; and the attack's seconds.
fn accuracy(
    model: &ResNet,
    attack: Option<&dyn Attack>,
    found_in: Precision,
    data: &ImageData,
) -> Result<(f64, f64)> {
    let forward =
        move |model: &ResNet, images: Tensor<4>| autocast(found_in, || model.forward(images));
    let (attacked, judged) =
        (FrozenModel::new(model, forward), FrozenModel::new(model, ResNet::forward));
    let (mut right, mut seconds) = (0.0, 0.0);
    for (index, batch) in data.batches(125, &Device::flex()).enumerate() {
        let (images, labels) = batch?;
        let images = match attack {
            Some(attack) => {
                let started = Instant::now();
                let key = Key::new(2).child(index as u64);
                let found = attack.on(&attacked).with_key(key).perturb(images, labels.clone())?;
                seconds += started.elapsed().as_secs_f64();
                found.images
            }
            None => images,
        };
        let predicted = judged.logits(images).argmax(1).flatten::<1>(0, 1);
        right += f64::from(predicted.equal(labels).float().sum().into_scalar::<f32>());
    }
    Ok((right / data.len() as f64, seconds))
}
