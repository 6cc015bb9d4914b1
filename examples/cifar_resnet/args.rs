//! What the commands take.

use crate::devices::Sharing;
use crate::model::Model;
use clap::{Args, Parser, Subcommand, ValueEnum};
use cni_burn::attacks::AttackError;
use cni_burn::prelude::{Precision, Suite, Threat};
use std::path::PathBuf;

/// Trains, attacks and inspects noisy ResNets on CIFAR-10, CIFAR-100 or the embedded digits.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Trains a model; defaults are the recipe of CNI's code.
    Train(Train),
    /// Attacks a trained model and writes a record.
    Evaluate(Evaluate),
    /// Prints a model, its parameters and its noise.
    Info(Info),
}

#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub source: Source,
    /// Folder of the run: checkpoints, model.json, history.json.
    #[arg(long, default_value = "runs/cifar_resnet")]
    pub out: PathBuf,
    /// Continue the run in --out from its last checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Train on clean images alone.
    #[arg(long)]
    pub clean: bool,
    /// First epoch, from 0, that trains on adversarial images. PNI's code: 5.
    #[arg(long, default_value_t = 0)]
    pub adversarial_from: usize,
    /// Attack the model's own predictions instead of the labels, as PNI's code does.
    #[arg(long)]
    pub predicted_labels: bool,
    /// Number of epochs. The rate falls by ten after each quarter of them, as in the recipe's 400.
    #[arg(long, default_value_t = 400)]
    pub epochs: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 256)]
    pub batch: usize,
    /// Learning rate.
    #[arg(long, default_value_t = 0.1)]
    pub rate: f64,
    /// One-cycle schedule up to --rate instead of steps; better for few epochs.
    #[arg(long)]
    pub one_cycle: bool,
    /// Weight decay.
    #[arg(long, default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// Leave noise parameters out of the weight decay, as PNI's code does.
    #[arg(long)]
    pub no_noise_decay: bool,
    /// Largest norm of the gradient; 0 for no limit. The recipe limits adversarial training alone.
    #[arg(long)]
    pub clip: Option<f64>,
    /// Train on the first N devices of the backend, each with its share of every batch. On a CPU this is for trying out.
    #[arg(long, default_value_t = 1)]
    pub devices: usize,
    /// How several devices share the batches.
    #[arg(long, value_enum, default_value_t = Sharing::Multi)]
    pub parallel: Sharing,
    /// Use only the first N training examples.
    #[arg(long)]
    pub subset: Option<usize>,
    /// Examples cut from the training set to select the best checkpoint.
    #[arg(long, default_value_t = 1000)]
    pub validation: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Burn's terminal dashboard; needs the feature `tui`.
    #[arg(long)]
    pub tui: bool,
}

#[derive(Args)]
pub struct Evaluate {
    /// Folder of the run to evaluate.
    #[arg(long, default_value = "runs/cifar_resnet")]
    pub run: PathBuf,
    /// Evaluate a PyTorch checkpoint in place of the run's own, into the model that the model flags describe.
    #[arg(long)]
    pub pytorch: Option<PathBuf>,
    #[command(flatten)]
    pub model: Model,
    /// Which checkpoint of the run: best, last or the number of an epoch.
    #[arg(long, default_value = "best")]
    pub checkpoint: String,
    #[command(flatten)]
    pub source: Source,
    /// Test examples to judge, from the first.
    #[arg(long, default_value_t = 1000)]
    pub examples: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 128)]
    pub batch: usize,
    /// Draws of the noise that judge each image.
    #[arg(long, default_value_t = 20)]
    pub draws: usize,
    /// Steps of the EOT attack.
    #[arg(long, default_value_t = 20)]
    pub eot_steps: usize,
    /// Draws that each gradient of the EOT attack averages over.
    #[arg(long, default_value_t = 20)]
    pub eot_draws: usize,
    /// Judge the model with its noise switched off.
    #[arg(long)]
    pub noise_off: bool,
    /// Run a suite of AutoAttack instead, each attack on what those before it have left. A run that was killed continues.
    #[arg(long, value_enum)]
    pub suite: Option<Suites>,
    /// Name of the model in tables.
    #[arg(long)]
    pub name: Option<String>,
    /// Seed of attacks and draws.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for record.json and rows.jsonl; by default `evaluation` in the run's.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// AutoAttack's suites.
#[derive(Clone, Copy, ValueEnum)]
pub enum Suites {
    /// APGD-CE, APGD-T, FAB-T, Square.
    Standard,
    /// The same with more restarts, and the untargeted forms.
    Plus,
    /// For noisy models: APGD-CE and APGD-DLR over 20 draws.
    Rand,
    /// The same and EOT-Square.
    RandPlus,
}

impl Suites {
    pub fn suite(self, threat: Threat) -> Result<Suite, AttackError> {
        match self {
            Self::Standard => Suite::standard(threat),
            Self::Plus => Suite::plus(threat),
            Self::Rand => Suite::rand(threat),
            Self::RandPlus => Suite::rand_plus(threat),
        }
    }
}

#[derive(Args)]
pub struct Info {
    #[command(flatten)]
    pub model: Model,
    /// Describe the model of a run instead.
    #[arg(long)]
    pub run: Option<PathBuf>,
}

/// Where data come from and what computes.
#[derive(Args)]
pub struct Source {
    /// Folder with the binary CIFAR files, or to download them to.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// Download the data where --data lacks them; needs the feature `download`.
    #[arg(long)]
    pub download: bool,
    /// What computes: flex, or another backend that the program was built with.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// What convolutions and linear layers multiply in: full, bf16 or f16. The rest is in full precision.
    #[arg(long, default_value_t = Precision::Full)]
    pub precision: Precision,
}
