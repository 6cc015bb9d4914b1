//! A noisy ResNet on CIFAR-10: trained against a fast attack, and judged.
//!
//! `cargo run --release --features download --example cifar_resnet -- --download`
//!
//! The command `cni` does the same with a flag for every setting.

use clap::Parser;
use cni_burn::cards::epochs;
use cni_burn::data::{Split, cifar10, digits};
use cni_burn::device::device;
use cni_burn::evaluation::audit::Audit;
use cni_burn::prelude::*;
use cni_burn::training::Recipe;
use std::error::Error;
use std::path::PathBuf;

/// Trains a ResNet with colored noise on its weights by the recipe `fast-noise`, and judges it.
#[derive(Parser)]
struct Args {
    /// Folder with the binary CIFAR-10 files.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Download the files if the folder lacks them; needs the feature `download`.
    #[arg(long)]
    download: bool,
    /// A minute in place of the whole: a ResNet-8 on the embedded digits.
    #[arg(long, conflicts_with_all = ["data", "download"])]
    small: bool,
    /// Backend: flex, or any other that the program was built with.
    #[arg(long, default_value = "flex")]
    device: String,
    /// Folder of the run: checkpoints, record and report.
    #[arg(long, default_value = "runs/cifar_resnet")]
    out: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let (device, key) = (device(&args.device)?, Key::new(1));
    let threat = Threat::linf(8.0 / 255.0)?;
    if args.download {
        download(&args.data)?;
    }
    let read = |split| match args.small {
        true => Ok(digits(split)),
        false => cifar10(&args.data, split),
    };
    let (data, test) = (read(Split::Train)?, read(Split::Test)?);

    // The model: CNI's noise on every weight.
    let config = match args.small {
        true => ResNetConfig::cifar(8, 10)
            .with_width(0.25)
            .with_images([8, 8], NormalizeConfig::centered(1)),
        false => ResNetConfig::cifar(20, 10),
    };
    let config = config.with_noise(ModelNoise::cni(5).with_scale(NoiseScale::Relative));
    let model = keyed_init(config.init(&device), key.named("weights"));
    println!("{}", NoiseSummary::of(&model));

    // The training: a recipe, which `cni recipes fast-noise` prints.
    let recipe = Recipe::named("fast-noise")?;
    let mut training = recipe.training()?;
    training.key = key.named("training");
    if args.small {
        training.epochs = 3;
        training.batch_size = 64;
        training.augment = Vec::new();
    }
    println!("{}, {} epochs: {}", recipe.name(), training.epochs, recipe.about());
    let validation = if args.small { 200 } else { 1000 };
    let (train, validation) = data.split_validation(validation, key.named("split"))?;
    let trained = Trainer::new(training, &args.out)?
        .with_watch(noise_amplitudes) // how loud the noise has become, after each epoch
        .with_model_config(&config)? // so that the folder alone gives the model again
        .with_recipe(recipe)
        .with_validation(validation)
        .resume(true)
        .run(model, ResNet::forward, train)?;
    println!("best epoch: {} of {}", trained.best_epoch, trained.history.len());

    // The judgement, of the best epoch: attacks, draws that none of them has used, and an audit of
    // the strongest.
    let run = load_run(&args.out, &device)?;
    let test = test.take(if args.small { 60 } else { 1000 });
    let eot = Pgd::new(threat).with_steps(20)?.with_draws(if args.small { 3 } else { 20 })?;
    let attacks: Vec<Box<dyn Attack>> =
        vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::new(threat)), Box::new(eot.clone())];
    let card = ModelCard {
        trained_against: Some(threat),
        history: epochs(run.history),
        ..model_card("ResNet + CNI-W", &run.model)?
    };
    let mut evaluation = Evaluation::new(attacks)?.with_cards(card, data_card(&test)?);
    if !args.small {
        evaluation = evaluation.with_audit(Audit::new(eot))?;
    }
    let model = FrozenModel::new(&run.model, ResNet::forward);
    let evaluated = evaluation.run(&model, test.batches(100, &device))?;
    println!("\n{}", table(&[&evaluated.record]));
    for check in &evaluated.record.checks {
        println!("{:12} {:17} {}", check.verdict, check.name, check.measured);
    }
    let folder = args.out.join("evaluation");
    evaluated.save(&folder)?;
    Report::new(vec![evaluated])?.write(&folder)?;
    println!("report: {}", folder.join("report.html").display());
    Ok(())
}

#[cfg(feature = "download")]
fn download(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    Ok(cni_burn::data::download_cifar10(folder).map(drop)?)
}

#[cfg(not(feature = "download"))]
fn download(_folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    Err("--download: got the flag, wanted a program built with `--features download`".into())
}
