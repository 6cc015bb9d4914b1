//! What the commands take.

use crate::devices::Sharing;
use crate::given::Idle;
use crate::model::Model;
use crate::suites::{Checks, Suites};
use crate::values::{above_zero, count, epsilon, zero_or_more};
use clap::{Args, Parser, Subcommand};
use cni_burn::prelude::Precision;
use std::path::PathBuf;

/// Trains, attacks and inspects noisy ResNets on CIFAR-10, CIFAR-100 or the embedded digits.
#[derive(Parser)]
#[command(name = "cni", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Trains a model; defaults are the recipe of CNI's code.
    Train(Train),
    /// Attacks a trained model, checks the attack, and writes a record and a report.
    Evaluate(Evaluate),
    /// Renders the report of an evaluation once more, or compares several.
    Report(Report),
    /// Prints a model, its parameters and its noise.
    Info(Info),
    /// Compares what a device computes with what the CPU does. The exit code says whether all is
    /// the same.
    CheckDevice(CheckDevice),
}

#[derive(Args)]
pub struct Train {
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub source: Source,
    /// Folder of the run: checkpoints, model.json, history.json and the file .lock.
    #[arg(long, default_value = "runs/cni")]
    pub out: PathBuf,
    /// Continue the run in --out from its last checkpoint; begin it where there is none yet.
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
    #[arg(long, default_value_t = 400, value_parser = count)]
    pub epochs: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 256, value_parser = count)]
    pub batch: usize,
    /// Learning rate.
    #[arg(long, default_value_t = 0.1, value_parser = above_zero)]
    pub rate: f64,
    /// One-cycle schedule up to --rate instead of steps; better for few epochs.
    #[arg(long)]
    pub one_cycle: bool,
    /// Weight decay.
    #[arg(long, default_value_t = 1e-4, value_parser = zero_or_more)]
    pub weight_decay: f64,
    /// Leave noise parameters out of the weight decay, as PNI's code does.
    #[arg(long)]
    pub no_noise_decay: bool,
    /// Largest norm of the gradient; 0 for no limit. The recipe limits adversarial training alone.
    #[arg(long, value_parser = zero_or_more)]
    pub clip: Option<f64>,
    /// Train on the first N devices of the backend, each with its share of every batch. On a CPU
    /// this is for trying out.
    #[arg(long, default_value_t = 1, value_parser = count)]
    pub devices: usize,
    /// How several devices share the batches.
    #[arg(long, value_enum, default_value_t = Sharing::Multi)]
    pub parallel: Sharing,
    /// Use only the first N training examples.
    #[arg(long, value_parser = count)]
    pub subset: Option<usize>,
    /// Examples cut from the training set to select the best checkpoint.
    #[arg(long, default_value_t = 1000, value_parser = count)]
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
    #[arg(long, default_value = "runs/cni")]
    pub run: PathBuf,
    /// Which checkpoint: best, last or the number of an epoch of --run; a file or folder among a
    /// run's checkpoints; or a PyTorch file (.pt, .pth, .th, .tar), which goes into the model that
    /// the model flags describe.
    #[arg(long, default_value = "best")]
    pub checkpoint: PathBuf,
    #[command(flatten)]
    pub model: Model,
    #[command(flatten)]
    pub source: Source,
    /// The attacks.
    #[arg(long, value_enum, default_value_t = Suites::Standard)]
    pub suite: Suites,
    /// The checks of the evaluation's honesty; by default quick, and none where AutoAttack attacks.
    #[arg(long, value_enum)]
    pub checks: Option<Checks>,
    /// Test examples to judge, from the first.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub examples: usize,
    /// Examples of a batch.
    #[arg(long, default_value_t = 128, value_parser = count)]
    pub batch: usize,
    /// Draws of the noise that judge each image. A model without noise needs one, and gets one.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub draws: usize,
    /// Steps of the EOT attack, which is also the one that the checks are about.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub eot_steps: usize,
    /// Draws that each gradient of the EOT attack averages over. A model without noise needs one,
    /// and gets one.
    #[arg(long, default_value_t = 20, value_parser = count)]
    pub eot_draws: usize,
    /// Further radii at which each attack runs, for a curve of robust accuracy: 2/255,4/255,16/255.
    #[arg(long, value_delimiter = ',', value_parser = epsilon)]
    pub epsilons: Vec<f64>,
    /// Certify each image by randomized smoothing with Gaussian noise of this standard deviation on
    /// its pixels, whose range is [0, 1].
    #[arg(long, value_parser = above_zero)]
    pub sigma: Option<f64>,
    /// Samples of each certificate. Published ones have 100,000.
    #[arg(long, default_value_t = 1000, value_parser = count)]
    pub samples: usize,
    /// Keep the adversarial images, in the folder `adversarial` of --out.
    #[arg(long)]
    pub keep_adversarial: bool,
    /// Judge the model with its noise switched off.
    #[arg(long)]
    pub noise_off: bool,
    /// Name of the model in tables.
    #[arg(long)]
    pub name: Option<String>,
    /// Seed of attacks and draws.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Folder for the record, the report and the state of an evaluation that was killed; by default
    /// `evaluation` in the run's, and `NAME-evaluation` here for a PyTorch file NAME.pth.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// No progress.
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Args)]
pub struct Report {
    /// Folders of evaluations. Several are compared.
    #[arg(required = true)]
    pub evaluations: Vec<PathBuf>,
    /// Folder for the report; by default that of the first evaluation where it is alone, else
    /// `report`.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub struct Info {
    #[command(flatten)]
    pub model: Model,
    /// Describe the model of a run instead.
    #[arg(long)]
    pub run: Option<PathBuf>,
}

#[derive(Args)]
pub struct CheckDevice {
    /// What computes: flex, or another backend that the program was built with.
    #[arg(long)]
    pub device: String,
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
    /// What convolutions and linear layers multiply in: full, bf16 or f16. The rest is in full
    /// precision.
    #[arg(long, default_value_t = Precision::Full)]
    pub precision: Precision,
}

impl Source {
    /// Flags that the program's features leave without effect.
    pub fn idle(&self) -> Idle<'static> {
        Idle {
            when: !cfg!(feature = "download"),
            flags: &["download"],
            because: "the program is built without `--features download`",
        }
    }
}
