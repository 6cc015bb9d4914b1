//! What does a network of signs take, and what holds against attacks? A small binary dense network
//! of the digits: trained, packed, attacked through three gradients of the sign, from another
//! network and without gradients; and what the audit says of each gradient.
//!
//! `cargo run --release --example binary_digits --features binary`

use burn::tensor::{Device, Tensor};
use clap::Parser;
use cni_burn::data::{Augmentation, ImageData, Split, digits};
use cni_burn::evaluation::write_json;
use cni_burn::layers::binary::{
    BinarySummary, Floats, PackedModel, Quantizer, check_latent, latent_weights,
};
use cni_burn::layers::models::{DenseNet, DenseNetConfig, DenseUnits, PackedDenseNet};
use cni_burn::prelude::*;
use cni_burn::training::Recipe;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;

/// Trains, packs and attacks a binary dense network of the digits.
#[derive(Parser)]
struct Args {
    /// Epochs of each training.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    epochs: u16,
    /// Test examples to judge, of 360.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=360))]
    examples: u16,
    /// Folder for the packed network and the record.
    #[arg(long, default_value = "runs/binary")]
    out: PathBuf,
}

/// Trains by the rules of the recipe `binary-fast`; a network in full precision has nothing to
/// clamp.
fn train(config: &DenseNetConfig, epochs: u16) -> Result<DenseNet, Box<dyn Error>> {
    let key = Key::new(1);
    let (train, validation) = digits(Split::Train).split_validation(200, key.named("split"))?;
    let recipe = Recipe::named("binary-fast")?.with("epochs", &epochs.to_string())?;
    let mut training = recipe.with("batch_size", "64")?.training()?;
    training.augment = vec![Augmentation::crop(1)];
    let model = keyed_init(config.try_init(&Device::flex())?, key.named("weights"));
    let folder = tempfile::tempdir()?;
    let trainer = match latent_weights(&model).is_empty() {
        true => {
            training.updates.clear();
            Trainer::new(training, folder.path().join("run"))?
        }
        false => Trainer::new(training, folder.path().join("run"))?
            .with_group("latent", |model: &DenseNet| {
                latent_weights(model).into_iter().map(|weight| weight.id).collect()
            })?,
    };
    Ok(trainer.with_validation(validation).run(model, DenseNet::forward, train)?.model)
}

/// The attack of the audits, on images in [0, 1].
fn pgd() -> Result<Pgd, Box<dyn Error>> {
    Ok(Pgd::new(Threat::linf(0.1)?).with_steps(20)?)
}

/// Evaluates a network under PGD through some gradient of its signs and under other attacks, and
/// compares PGD with attackers who know less, or try harder.
fn judge(
    (name, model): (&str, &DenseNet),
    surrogate: Quantizer,
    others: Vec<Box<dyn Attack>>,
    test: &ImageData,
) -> Result<Record, Box<dyn Error>> {
    const CHECKS: [&str; 4] = ["random-noise", "black-box", "stronger-attack", "active-test"];
    let mut attacks: Vec<Box<dyn Attack>> = vec![Box::new(pgd()?)];
    attacks.extend(others);
    let evaluation = Evaluation::new(attacks)?
        .with_audit(Audit::new(pgd()?).with_effort(Effort::Quick).with_checks(&CHECKS)?)?
        .with_cards(model_card(name, model)?, data_card(test)?);
    let seen = FrozenModel::new(&model.clone().with_surrogate(surrogate)?, DenseNet::forward);
    let record = evaluation.run(&seen, test.batches(100, &Device::flex()))?.record;
    println!("{name}, clean: {:.1}", 100.0 * record.clean.one_shot.accuracy);
    for attack in &record.attacks {
        println!("    {:<28}{:5.1}", attack.name, 100.0 * attack.robust.one_shot.accuracy);
    }
    for check in &record.checks {
        println!("    {:<28}{}", check.name, check.verdict);
    }
    Ok(record)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let device = Device::flex();
    let config = DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_blocks([3, 3], [2.0])
        .with_growth(16)
        .with_channels(16);
    let model = train(&config, args.epochs)?;
    check_latent(&model)?;
    let full = train(&config.clone().with_units(DenseUnits::Full), args.epochs)?;

    let path = args.out.join("network.packed");
    let file = PackedModel::of(&model, &config, Floats::F32)?;
    file.save(&path)?;
    let packed = PackedDenseNet::load(&path, &device)?;
    let test = digits(Split::Test).take(args.examples.into());
    let (images, _) = test.batches(test.len(), &device).next().ok_or("no images")??;
    let logits = |logits: Tensor<2>| logits.try_to_vec_as::<f32>();
    let equal = logits(packed.forward(images.clone()))? == logits(model.forward(images))?;
    let summary = BinarySummary::of(&model);
    println!("{summary}\nthe file has {} bytes; logits equal: {equal}", file.bytes());

    println!("\nright of {} digits under changes of at most 0.1, in %\n", test.len());
    let other = FrozenModel::new(&full, DenseNet::forward);
    let others: Vec<Box<dyn Attack>> = vec![
        Box::new(Transfer::new("full precision", other, pgd()?)),
        Box::new(Square::new(Threat::linf(0.1)?).with_queries(1000)?),
    ];
    let records = [
        judge(("zero gradient", &model), Quantizer::Sign, Vec::new(), &test)?,
        judge(("straight-through", &model), Quantizer::dense_net(), others, &test)?,
        judge(("tanh", &model), Quantizer::tanh_sign(2.0), Vec::new(), &test)?,
    ];
    let record = args.out.join("record.json");
    write_json(
        &record,
        &json!({
            "packed": {
                "bytes": file.bytes(),
                "bytes_of_signs": file.bytes_of_signs(),
                "binary": summary.binary,
                "full": summary.full,
                "logits_equal": equal,
            },
            "records": records,
        }),
    )?;
    println!("\nrecord: {}", record.display());
    Ok(())
}
