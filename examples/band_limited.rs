//! Is leaving out high frequencies a defence? Three bands in front of one trained network, against
//! an attacker who does not know of them, as in the authors' own study, and against two who do.
//!
//! `cargo run --release --example band_limited --features band-limited`

use burn::tensor::{Device, Tensor};
use clap::Parser;
use cni_burn::attacks::straight_through;
use cni_burn::data::{Split, digits};
use cni_burn::evaluation::write_json;
use cni_burn::layers::band_limited::{Band, BandLimit2dConfig, spectral_energy};
use cni_burn::prelude::*;
use std::error::Error;
use std::path::PathBuf;

/// Attacks a network of the digits through bands of frequencies.
#[derive(Parser)]
struct Args {
    /// Epochs of the training.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Test examples to judge, of 360.
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u16).range(1..=360))]
    examples: u16,
    /// Folder for the record.
    #[arg(long, default_value = "runs/band-limited")]
    out: PathBuf,
}

/// Energy in rings, from the mean to the corner of the spectrum.
fn rings(shares: &[f64]) -> String {
    shares.iter().map(|share| format!("{:6.1}", 100.0 * share)).collect::<Vec<_>>().join("")
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (device, key, threat) = (Device::flex(), Key::new(1), Threat::linf(0.1)?);
    let (train, validation) = digits(Split::Train).split_validation(200, key.named("split"))?;
    let test = digits(Split::Test).take(args.examples.into());
    let config = ResNetConfig::cifar(8, 10)
        .with_width(0.5)
        .with_images([8, 8], NormalizeConfig::centered(1));
    let model = keyed_init(config.init(&device), key.named("weights"));
    let mut training = TrainingConfig::new(args.epochs.into(), Objective::clean());
    training.batch_size = 64;
    training.schedule = Schedule::triangular(0.2, 0.4);
    let checkpoints = tempfile::tempdir()?;
    let trained = Trainer::new(training, checkpoints.path().join("run"))?
        .with_validation(validation)
        .run(model, ResNet::forward, train)?
        .model;

    let pgd = Pgd::new(threat).with_steps(20)?;
    let eot = pgd.clone().with_draws(20)?;
    println!("\nright of {} digits under changes of at most 0.1, in %\n", test.len());
    println!("band                  clean  unaware     BPDA    aware");
    let mut records = Vec::new();
    for (name, band) in [
        ("all frequencies", Band::ALL),
        ("half left out", Band::Rate(0.5)),
        ("drawn, 0.3 to 0.8", Band::Random { from: 0.3, to: 0.8 }),
    ] {
        let limit = BandLimit2dConfig::new(band).with_name("input").init();
        let band = limit.clone();
        let defended = FrozenModel::new(&trained, move |model: &ResNet, images: Tensor<4>| {
            model.forward(band.forward(images))
        });
        // The unaware attacker has the network without the band; that of BPDA takes the band for
        // the identity in its gradients alone.
        let unaware = FrozenModel::new(&trained, ResNet::forward);
        let through = limit.clone();
        let bpda = FrozenModel::new(&trained, move |model: &ResNet, images: Tensor<4>| {
            model.forward(straight_through(images, |images| through.forward(images)))
        });
        let suite: Vec<Box<dyn Attack>> = vec![
            Box::new(Transfer::new("no band", unaware, pgd.clone())),
            Box::new(Transfer::new("BPDA", bpda, eot.clone())),
            Box::new(eot.clone()),
        ];
        let evaluation = Evaluation::new(suite)?
            .with_draws(20)?
            .with_key(key.named("evaluation"))
            .with_cards(model_card(name, &trained)?, data_card(&test)?);
        let record = evaluation.run(&defended, test.batches(120, &device))?.record;
        let attacks = record.attacks.iter().map(|attack| &attack.robust);
        let row = std::iter::once(&record.clean).chain(attacks);
        let row = row.map(|of| format!("{:9.1}", 100.0 * of.one_shot.accuracy));
        println!("{name:19}{}", row.collect::<String>());
        records.push(record);
    }
    let path = args.out.join("record.json");
    write_json(&path, &records)?;
    println!("\nrecord: {}", path.display());

    let (images, _) = test.batches(test.len(), &device).next().ok_or("no images")??;
    println!("\nenergy by radius in the spectrum, in %\n");
    println!("{:40}{}", "the digits", rings(&spectral_energy(images)?.by_radius(8)));
    let attacked = |record: &Record| Some(record.attacks.last()?.spectrum.clone()?.shares);
    for record in &records {
        let shares = attacked(record).ok_or("no image was changed")?;
        println!("{:40}{}", format!("what is added to {}", record.model.name), rings(&shares));
    }
    Ok(())
}
