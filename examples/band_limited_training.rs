//! What do networks lose that are trained without high frequencies, and are they harder to fool?
//! ResNet-20 on CIFAR-10 at four compression rates, under attackers who know of the bands or do
//! not.
//!
//! `cargo run --release --example band_limited_training --features band-limited -- --data DIR`

use burn::tensor::{Device, Tensor};
use clap::Parser;
use cni_burn::attacks::bpda;
use cni_burn::data::{Split, cifar10, digits};
use cni_burn::evaluation::write_json;
use cni_burn::layers::band_limited::{Band, BandLimitedInputConfig};
use cni_burn::prelude::*;
use cni_burn::training::{CheckpointSelector, Recipe, load_checkpoint};
use std::error::Error;
use std::path::PathBuf;

/// Trains networks of several bands by the recipe `band-limited`, and attacks them.
#[derive(Parser)]
struct Args {
    /// Folder with the binary CIFAR-10 files.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// A minute in place of hours: a ResNet-8 on the embedded digits.
    #[arg(long, conflicts_with = "data")]
    small: bool,
    /// Compression rates in percent.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 30, 50, 70])]
    rates: Vec<u8>,
    /// Folder of the runs and of the record; runs that are there go on.
    #[arg(long, default_value = "runs/band-limited-training")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (device, key) = (Device::flex(), Key::new(1));
    // Networks that were trained on clean images withstand little.
    let threat = Threat::linf(if args.small { 0.1 } else { 2.0 / 255.0 })?;
    let read = |split| match args.small {
        true => Ok(digits(split)),
        false => cifar10(&args.data, split),
    };
    let validation = if args.small { 200 } else { 1000 };
    let (train, validation) =
        read(Split::Train)?.split_validation(validation, key.named("split"))?;
    let test = read(Split::Test)?.take(1000);
    let plain = match args.small {
        true => ResNetConfig::cifar(8, 10)
            .with_width(0.25)
            .with_images([8, 8], NormalizeConfig::centered(1)),
        false => ResNetConfig::cifar(20, 10),
    };
    let mut records = Vec::new();
    for &percent in &args.rates {
        let rate = Band::Rate(f64::from(percent) / 100.0);
        let config = match percent {
            0 => plain.clone(),
            _ => plain.clone().with_band(BandLimitedInputConfig::new(rate)),
        };
        let recipe = Recipe::named("band-limited")?;
        let mut training = recipe.training()?;
        if args.small {
            (training.epochs, training.batch_size) = (5, 64);
            training.augment = Vec::new();
        }
        let run = args.out.join(format!("rate-{percent}"));
        Trainer::new(training, &run)?
            .with_model_config(&config)?
            .with_validation(validation.clone())
            .resume(true)
            .run(
                keyed_init(config.init(&device), key.named("weights")),
                ResNet::forward,
                train.clone(),
            )?;

        // The unaware attacker has the same weights without bands; that of BPDA runs the model as
        // it is and takes its gradient for that of those.
        let model = load_run(&run, &device)?.model;
        let (without, _) = load_checkpoint(plain.init(&device), &run, CheckpointSelector::Best)?;
        let both = (model.clone(), without.clone());
        let through =
            FrozenModel::new(&both, |(model, without): &(ResNet, ResNet), x: Tensor<4>| {
                bpda(x, |x| model.forward(x), |x| without.forward(x))
            });
        let unaware = FrozenModel::new(&without, ResNet::forward);
        let pgd = Pgd::new(threat).with_steps(20)?;
        let suite: Vec<Box<dyn Attack>> = vec![
            Box::new(Transfer::new("no bands", unaware, pgd.clone())),
            Box::new(Transfer::new("BPDA", through, pgd.clone())),
            Box::new(pgd),
        ];
        let name = format!("{percent} % left out");
        let card = ModelCard {
            config: Some(serde_json::to_value(&config)?),
            ..model_card(&name, &model)?
        };
        let record = Evaluation::new(suite)?
            .with_key(key.named("evaluation"))
            .with_cards(card, data_card(&test)?)
            .run(&FrozenModel::new(&model, ResNet::forward), test.batches(100, &device))?
            .record;
        println!("{}", table(&[&record]));
        records.push(record);
    }
    let path = args.out.join("record.json");
    write_json(&path, &records)?;
    println!("record: {}", path.display());
    Ok(())
}
