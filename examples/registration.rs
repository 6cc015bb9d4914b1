//! Can an adversary take the place of a smoothness penalty? A network learns to register pictures
//! of two kinds from the outlines of a simulated gland: without a regularizer, with bending energy,
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
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Weights of the bending energy.
    #[arg(long, value_delimiter = ',', default_values_t = [0.5, 5.0])]
    bending: Vec<f64>,
    /// Weights of the adversary.
    #[arg(long, value_delimiter = ',', default_values_t = [0.001, 0.003])]
    adversary: Vec<f64>,
    /// Folder for the record.
    #[arg(long, default_value = "runs/registration")]
    #[serde(skip)]
    out: PathBuf,
}

/// What a kind of training reaches on the test pairs of each seed: the means over them.
#[derive(Serialize)]
struct Row {
    name: String,
    /// With the key of the first seed; none for fields of no motion.
    config: Option<RegistrationConfig>,
    /// Overlap of the fixed label and the warped moving one.
    dice: Vec<f64>,
    /// Folded voxels of a field.
    folds: Vec<f64>,
    /// Distance of the field from the true one within the gland, in voxels.
    distance: Vec<f64>,
}

const SIZE: [usize; 2] = [32, 32];
const PAIRS: usize = 64;

fn motion() -> GlandMotion {
    GlandMotion { probe: 7.0, pressure: 0.2, ..GlandMotion::new(SIZE) }
}

/// Pairs of a gland before its motion, bright, and after it, dark, with the true fields.
fn pictures(key: Key, device: &Device) -> Result<(Pairs<4>, Tensor<4>), RegistrationError> {
    let labels = (0..PAIRS as u64).map(|n| Ok(motion().gland(key.child(n))?.label(device)));
    let label = Tensor::cat(labels.collect::<Result<Vec<_>, RegistrationError>>()?, 0);
    let fields = motion().draw(key, PAIRS, device)?;
    // The moving label has where a displacement ends what the fixed one has where it begins.
    let moved = warp(label.clone(), Inverse::default().of(fields.clone())?, Sampling::default())?;
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
    let plain = RegistrationConfig { batch_size: 8, ..RegistrationConfig::new(Key::new(1)) };
    let row = |name: &str, config| {
        let (name, config) = (name.to_string(), Some(config));
        Row { name, config, dice: vec![], folds: vec![], distance: vec![] }
    };
    let still = Row { config: None, ..row("no motion", plain.clone()) };
    let mut rows = vec![still, row("no regularizer", plain.clone())];
    rows.extend(args.bending.iter().map(|&weight| {
        let config = plain.clone().with_penalty(Penalty::BendingEnergy, weight);
        row(&format!("bending energy, {weight}"), config)
    }));
    rows.extend(args.adversary.iter().map(|&weight| {
        let adversary = AdversaryConfig::new(DiscriminatorConfig::new(SIZE), weight);
        row(&format!("adversary, {weight}"), plain.clone().with_adversary(adversary))
    }));

    for key in (1..=args.seeds).map(Key::new) {
        let (pairs, _) = pictures(key.named("training"), &device)?;
        let (test, truth) = pictures(key.named("test"), &device)?;
        let simulated = FieldBank::new(motion().draw(key.named("simulated"), 256, &device)?)?;
        for row in &mut rows {
            let field = match row.config.clone() {
                None => truth.zeros_like(),
                Some(config) => {
                    let source: Option<&dyn FieldSource<4>> = match config.adversary {
                        Some(_) => Some(&simulated),
                        None => None,
                    };
                    let pyramid =
                        Pyramid { channels: 8, levels: 3, first_kernel: 3, ..Pyramid::default() };
                    let network = LocalNetConfig { pyramid }.init(&device);
                    let network = keyed_init(network, key.named("weights"));
                    let config = RegistrationConfig { key, ..config };
                    let mut trainer = config.init(network, LocalNet::forward, &device)?;
                    trainer.run(&pairs, source, args.steps)?;
                    trainer.network().forward(test.moving(), test.fixed())?
                }
            };
            let warped = warp(test.moving_labels(), field.clone(), Sampling::default())?;
            row.dice.push(mean(dice(&test.fixed_labels(), &warped)?.concat()));
            row.folds.push(mean(folds(&field)?.into_iter().map(|folds| folds as f64)));
            row.distance.push(mean(mean_distance(&field, &truth, &test.fixed_labels())?));
        }
    }
    println!("means of {PAIRS} test pairs for each of {} seeds; distances in voxels\n", args.seeds);
    println!("regularizer and weight   Dice   folds  distance from the true field");
    for row in &rows {
        let [dice, folds, distance] =
            [&row.dice, &row.folds, &row.distance].map(|of| mean(of.clone()));
        println!("{:22} {dice:6.3} {folds:7.2} {distance:9.2}", row.name);
    }
    let path = args.out.join("record.json");
    let (version, pairs) = (env!("CARGO_PKG_VERSION"), PAIRS);
    let record = serde_json::json!({
        "version": version, "settings": args, "motion": motion(), "test_pairs": pairs, "rows": rows
    });
    write_json(&path, &record)?;
    println!("\nrecord: {}", path.display());
    Ok(())
}
