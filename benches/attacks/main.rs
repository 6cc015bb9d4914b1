//! Attacks against their reference implementations: the same weights, the same images, the same
//! parameters. `benches/README.md` explains the output.

mod calls;
mod export;
#[path = "../compare/machine.rs"]
mod machine;
mod ours;
mod record;
mod theirs;

use burn::tensor::Device;
use clap::{Args, Parser, Subcommand};
use cni_burn::data::{Split, cifar10};
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointSelector, load_checkpoint};
use export::export;
use ours::{Model, Name};
use record::{Comparison, Found, Parity, Precisions, Speed, Turn};
use serde::Serialize;
use std::error::Error;
use std::path::{Path, PathBuf};
use theirs::Theirs;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Compares attacks with pyautoattack, torchattacks and foolbox.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Robust accuracy of both sides, example by example.
    Parity(ParityArgs),
    /// Robust accuracy under our attacks in bf16 and in full precision, both judged in full
    /// precision.
    Precision(PrecisionArgs),
    /// Seconds of both sides in turns, and the share spent outside the model.
    Speed(SpeedArgs),
}

/// The model, the images and the parameters of the attacks.
#[derive(Args, Clone, Serialize)]
struct Settings {
    /// The run of a ResNet-20 without noise, made by `cni train --noise none`.
    #[arg(long)]
    #[serde(skip)]
    run: PathBuf,
    /// The folder with the binary CIFAR-10 files.
    #[arg(long)]
    #[serde(skip)]
    data: PathBuf,
    /// Test images, from the first on.
    #[arg(long, default_value_t = 1000)]
    examples: usize,
    /// Largest change of a pixel: a fraction such as 8/255, or a number.
    #[arg(long, default_value = "8/255")]
    epsilon: String,
    /// The norm of the threat: linf, l2 or l1.
    #[arg(long, default_value = "linf")]
    norm: String,
    /// Iterations of each of APGD-T's and FAB-T's nine targets.
    #[arg(long, default_value_t = 100)]
    targeted_iterations: usize,
    /// Queries of the Square attack outside the suite.
    #[arg(long, default_value_t = 1000)]
    queries: usize,
    /// Rounds of the search for Carlini and Wagner's constant.
    #[arg(long, default_value_t = 5)]
    cw_search: usize,
    /// Iterations of each such round.
    #[arg(long, default_value_t = 100)]
    cw_steps: usize,
    /// Images attacked at once.
    #[arg(long, default_value_t = 250)]
    batch: usize,
    /// The attacks.
    #[arg(long, value_enum, value_delimiter = ',')]
    attacks: Vec<Name>,
    /// The file for the record.
    #[arg(long)]
    #[serde(skip)]
    out: PathBuf,
    /// The interpreter that has PyTorch and the references.
    #[arg(long, default_value = "python3")]
    #[serde(skip)]
    python: String,
}

#[derive(Args, Clone)]
struct ParityArgs {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Clone)]
struct PrecisionArgs {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Clone)]
struct SpeedArgs {
    #[command(flatten)]
    settings: Settings,
    /// Timed runs of each side.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Parity(args) => parity(args.settings),
        Command::Precision(args) => precision(args.settings),
        Command::Speed(args) => speed(args.settings, args.repeats),
    }
}

/// The inputs of both sides.
struct Given {
    model: Model,
    weights: tempfile::TempDir,
}

fn given(settings: &Settings) -> Result<Given> {
    let device = Device::flex();
    let config =
        ResNetConfig::new(Architecture::Cifar { depth: 20, shortcut: Shortcut::Projection }, 10);
    let (model, epoch) =
        load_checkpoint(config.try_init(&device)?, &settings.run, CheckpointSelector::Last)?;
    println!("{} (epoch {epoch}), ε = {}", settings.run.display(), settings.epsilon);
    let weights = tempfile::tempdir()?;
    export(&model, &weights.path().join("weights.safetensors"))?;
    let test = cifar10(&settings.data, Split::Test)?.take(settings.examples);
    let (images, labels) = test.batch(0..test.len(), &device)?;
    let name = settings.run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let card = serde_json::json!({
        "name": name, "epoch": epoch, "data": test.name(), "fingerprint": test.fingerprint()?,
    });
    Ok(Given { model: Model::new(&model, images, labels, card), weights })
}

fn parity(settings: Settings) -> Result<()> {
    let given = given(&settings)?;
    let weights = given.weights.path().join("weights.safetensors");
    let mut theirs = Theirs::run(&settings, &weights, &given.weights.path().join("peer.json"))?;
    let mut record = Parity::new(&settings, &given.model, &mut theirs)?;
    for &name in &settings.attacks {
        let ours = ours::run(name, &settings, &given.model, settings.examples)?;
        let comparison = Comparison::new(name, ours, theirs.attack(name)?)?;
        println!("{comparison}");
        record.add(name, comparison);
        record.save(&settings.out)?;
    }
    Ok(())
}

fn precision(settings: Settings) -> Result<()> {
    let given = given(&settings)?;
    let mut record = Precisions::new(&settings, &given.model);
    for &name in &settings.attacks {
        let run =
            |precision| ours::run_in(precision, name, &settings, &given.model, settings.examples);
        let found = Found::new(run(Precision::Full)?, run(Precision::Bf16)?);
        println!("{found}");
        record.add(name, found);
        record.save(&settings.out)?;
    }
    Ok(())
}

fn speed(settings: Settings, repeats: usize) -> Result<()> {
    let given = given(&settings)?;
    let weights = given.weights.path().join("weights.safetensors");
    let mut theirs = Theirs::serve(&settings, &weights, false)?;
    let mut channels_last = Theirs::serve(&settings, &weights, true)?;
    let mut record = Speed::new(&settings, &given.model, theirs.versions(), repeats);
    for &name in &settings.attacks {
        let mut turns = Vec::new();
        for _ in 0..repeats {
            turns.push(Turn {
                ours: ours::run(name, &settings, &given.model, settings.examples)?.cost(),
                theirs: theirs.once(name, settings.examples)?,
                theirs_channels_last: channels_last.once(name, settings.examples)?,
            });
        }
        println!("{}", record.add(name, turns)?);
        record.save(&settings.out)?;
    }
    Ok(())
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
