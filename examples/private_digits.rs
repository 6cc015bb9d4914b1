//! What does privacy cost, and what does it keep? A small network learns digits with private SGD at
//! epsilon 1, 3 and 8 and without, and an attack asks each which canaries it was trained on: digits
//! with labels drawn at random, which a network can only know by heart.
//!
//! `cargo run --release --example private_digits --features privacy`

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use clap::Parser;
use cni_burn::data::{ImageData, Split, digits};
use cni_burn::evaluation::{clopper_pearson, write_json};
use cni_burn::noise::host_uniform;
use cni_burn::prelude::*;
use cni_burn::privacy::membership::{
    MembershipReport, MembershipScores, confidences, fair_members,
};
use cni_burn::privacy::{Budget, PrivateSgd, Spent};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;

/// Trains a network on the digits with private SGD, and attacks it.
#[derive(Parser)]
struct Args {
    /// Epochs of the trainings that are to generalize.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Epochs of the one that is to overfit.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u16).range(1..))]
    overfit: u16,
    /// Folder for the record.
    #[arg(long, default_value = "runs/private-digits")]
    out: PathBuf,
}

/// A network of one hidden layer.
#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    out: Linear,
}

impl Mlp {
    fn new(key: Key, device: &Device) -> Self {
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        keyed_init(Self { hidden: linear(64, 64), out: linear(64, 10) }, key)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(images.flatten::<2>(1, 3))))
    }
}

/// One training in the record.
#[derive(Serialize)]
struct Row {
    name: String,
    epochs: usize,
    noise_multiplier: Option<f64>,
    spent: Option<Spent>,
    right: usize,
    tested: usize,
    /// The accuracy on test images, with its interval.
    accuracy: [f64; 3],
    attack: MembershipReport,
}

const CANARIES: usize = 400;
const DELTA: f64 = 1e-4;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (device, key) = (Device::flex(), Key::new(1));
    let all = digits(Split::Train);
    let labels = host_uniform(key.named("labels"), 0..CANARIES as u64);
    let labels: Vec<u16> = labels.iter().map(|draw| (draw * 10.0) as u16).collect();
    let canaries = all.take(CANARIES).with_labels(labels)?;
    let members = fair_members(key, CANARIES);
    let train = ImageData::join(&all.filter(|i| i >= CANARIES), &canaries.filter(|i| members[i]))?;
    let test = digits(Split::Test);
    let inside = members.iter().filter(|member| **member).count();
    println!("{} digits to train on, {inside} of {CANARIES} canaries among them", train.len());
    println!("\ntraining      σ      ε    accuracy   AUC   advantage   ε at least   bound");

    let mut rows = Vec::new();
    for (name, epochs, epsilon) in [
        ("overfitted", args.overfit, None),
        ("plain", args.epochs, None),
        ("epsilon 8", args.epochs, Some(8.0)),
        ("epsilon 3", args.epochs, Some(3.0)),
        ("epsilon 1", args.epochs, Some(1.0)),
    ] {
        let mut config = TrainingConfig::new(epochs.into(), Objective::clean());
        (config.batch_size, config.key) = (128, key.named("training"));
        config.optimizer = Sgd { momentum: 0.9, weight_decay: 0.0, ..Sgd::default() }.into();
        config.schedule = Schedule::constant(0.2);
        let budget = epsilon.map(|epsilon| Budget::new(epsilon, DELTA)).transpose()?;
        let run =
            budget.map(|budget| PrivateSgd::new(budget, 1.0).plan(config.clone(), train.len()));
        let run = run.transpose()?;
        let folder = tempfile::tempdir()?;
        let trainer = match &run {
            Some(run) => run.trainer(folder.path())?,
            None => Trainer::new(config, folder.path())?,
        };
        let trainer = trainer.with_progress(cni_burn::training::Progress::Quiet);
        let net = Mlp::new(key.named("weights"), &device);
        let model = trainer.run(net, Mlp::forward, train.clone())?.model;
        let spent = run.as_ref().map(|run| run.spent(folder.path())).transpose()?;

        let frozen = FrozenModel::new(&model, Mlp::forward);
        let sure = confidences(&frozen, &canaries, 1, key, &device)?;
        // A likelier member is one with a smaller loss.
        let scores = MembershipScores::new(&sure, &members)?;
        let attack = scores.report("loss-threshold", budget, 0.95)?;
        let (images, labels) = test.batch(0..test.len(), &device)?;
        let hits = model.forward(images).argmax(1).squeeze_dim::<1>(1).equal(labels);
        let right = hits.int().sum().into_scalar::<i64>() as usize;
        let accuracy = right as f64 / test.len() as f64;
        let (low, high) = clopper_pearson(right as u64, test.len() as u64, 0.95)?;
        let sigma = run.map(|run| run.gradient().mechanism().noise_multiplier());
        let text = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.2}"));
        println!(
            "{name:10}{:>6} {:>6} {:>10.1} % {:>6.3} {:>9.3} {:>11.2}   {}",
            text(sigma),
            text(spent.as_ref().map(|spent| spent.epsilon)),
            100.0 * accuracy,
            attack.auc.value,
            attack.advantage.value,
            attack.epsilon_at_least,
            attack.verdict.map_or("none to beat".into(), |v| format!("{v:?}").to_lowercase()),
        );
        rows.push(Row {
            name: name.to_string(),
            epochs: epochs.into(),
            noise_multiplier: sigma,
            spent,
            right,
            tested: test.len(),
            accuracy: [accuracy, low, high],
            attack,
        });
    }
    let path = args.out.join("record.json");
    write_json(&path, &rows)?;
    println!("\nrecord: {}", path.display());
    Ok(())
}
