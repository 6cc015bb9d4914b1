//! Can an adversary take the place of a smoothness penalty? One network learns to register pictures
//! of two kinds from the outlines of a simulated gland, without a regularizer, with bending energy,
//! and with an adversary that has seen simulated motion.
//!
//! `cargo run --release --example registration --features registration`

use burn::tensor::{Device, Tensor};
use clap::Parser;
use cni_burn::evaluation::write_json;
use cni_burn::layers::keyed_init;
use cni_burn::noise::{Key, normal};
use cni_burn::registration::RegistrationError;
use cni_burn::registration::adversary::DiscriminatorConfig;
use cni_burn::registration::fields::{Inverse, Sampling, folds, mean_distance, warp};
use cni_burn::registration::losses::{Penalty, dice};
use cni_burn::registration::networks::{LocalNet, LocalNetConfig, Pyramid};
use cni_burn::registration::simulation::{FieldBank, FieldSource, GlandMotion};
use cni_burn::registration::training::{AdversaryConfig, Pairs, RegistrationConfig};
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;

/// Registers simulated pictures with three regularizers.
#[derive(Parser, Serialize)]
struct Args {
    /// Training steps of each network.
    #[arg(long, default_value_t = 300)]
    steps: usize,
    /// Trainings of each kind, each with pictures and weights of its own.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Weight of the bending energy.
    #[arg(long, default_value_t = 0.5)]
    bending: f64,
    /// Weight of the adversary.
    #[arg(long, default_value_t = 0.05)]
    adversary: f64,
    /// Folder for the record.
    #[arg(long, default_value = "runs/registration")]
    #[serde(skip)]
    out: PathBuf,
}

/// What a kind of training reaches on the test pairs: a mean over them for each seed.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// Overlap of the fixed label and the warped moving one.
    dice: Vec<f64>,
    /// Folded voxels of a field.
    folds: Vec<f64>,
    /// Distance of the field from the true one within the gland, in voxels.
    distance: Vec<f64>,
}

const SIZE: [usize; 2] = [32, 32];
const ROWS: [&str; 4] = ["no motion", "no regularizer", "bending energy", "adversary"];

/// Pairs of a gland before its motion, bright, and after it, dark, with the true fields.
fn pictures(key: Key, count: u64, device: &Device) -> Result<(Pairs<4>, Tensor<4>), RegistrationError> {
    let motion = GlandMotion::new(SIZE);
    let glands = (0..count).map(|n| motion.gland(key.child(n))).collect::<Result<Vec<_>, _>>()?;
    let fields = motion.draw(key, count as usize, device)?;
    let label = Tensor::cat(glands.iter().map(|gland| gland.label(device)).collect(), 0);
    // The moving label has at the end of each displacement what the fixed one has at its beginning.
    let back = Inverse::default().of(fields.clone())?;
    let moved = warp(label.clone(), back, Sampling::default())?;
    let noise = |name: &str| normal::<4>(key.named(name), label.dims(), device).mul_scalar(0.1);
    let fixed = label.clone().mul_scalar(0.5).add_scalar(0.2) + noise("fixed");
    let moving = moved.clone().mul_scalar(-0.4).add_scalar(0.8) + noise("moving");
    Ok((Pairs::new(moving, fixed, moved, label)?, fields))
}

fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    values.iter().sum::<f64>() / values.len() as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let (args, device) = (Args::parse(), Device::flex());
    let none = |name| Row { name, dice: vec![], folds: vec![], distance: vec![] };
    let mut rows = ROWS.map(none);
    for seed in 1..=args.seeds {
        let key = Key::new(seed);
        let (pairs, _) = pictures(key.named("training"), 64, &device)?;
        let (test, truth) = pictures(key.named("test"), 64, &device)?;
        let simulated = GlandMotion::new(SIZE).draw(key.named("simulated"), 256, &device)?;
        let simulated = FieldBank::new(simulated)?;
        let mut plain = RegistrationConfig::new(key);
        plain.batch_size = 8;
        let adversary = AdversaryConfig::new(DiscriminatorConfig::new(SIZE), args.adversary);
        let pyramid = Pyramid { channels: 8, levels: 3, first_kernel: 3, ..Pyramid::default() };
        for row in &mut rows {
            let config = match row.name {
                "bending energy" => plain.clone().with_penalty(Penalty::BendingEnergy, args.bending),
                "adversary" => plain.clone().with_adversary(adversary.clone()),
                _ => plain.clone(),
            };
            let true_fields: Option<&dyn FieldSource<4>> = match config.adversary {
                Some(_) => Some(&simulated),
                None => None,
            };
            let network = keyed_init(LocalNetConfig { pyramid }.init(&device), key.named("weights"));
            let mut trainer = config.init(network, LocalNet::forward, &device)?;
            // Before its first step a network predicts no motion.
            let steps = if row.name == "no motion" { 0 } else { args.steps };
            trainer.run(&pairs, true_fields, steps)?;

            let field = trainer.network().forward(test.moving(), test.fixed())?;
            let warped = warp(test.moving_labels(), field.clone(), Sampling::default())?;
            row.dice.push(mean(dice(&test.fixed_labels(), &warped)?.concat()));
            row.folds.push(mean(folds(&field)?.into_iter().map(|folds| folds as f64)));
            row.distance.push(mean(mean_distance(&field, &truth, &test.fixed_labels())?));
        }
    }
    println!("means of 64 test pairs and {} seeds; distances in voxels\n", args.seeds);
    println!("training           Dice   folds  distance from the true field");
    for row in &rows {
        let [dice, folds, distance] = [&row.dice, &row.folds, &row.distance];
        let [dice, folds, distance] = [dice, folds, distance].map(|of| mean(of.clone()));
        println!("{:16} {dice:6.3} {folds:7.2} {distance:9.3}", row.name);
    }
    let path = args.out.join("record.json");
    let version = env!("CARGO_PKG_VERSION");
    write_json(&path, &serde_json::json!({ "version": version, "settings": args, "rows": rows }))?;
    println!("\nrecord: {}", path.display());
    Ok(())
}
