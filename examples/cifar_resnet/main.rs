//! Noisy ResNets on CIFAR: train, evaluate, info.
//!
//! `cargo run --release --example cifar_resnet -- train --data DIR --out runs/cni`
//! `cargo run --release --example cifar_resnet -- evaluate --data DIR --run runs/cni`

mod args;
mod device;
mod devices;
mod fraction;
mod model;

use args::{Cli, Command, Evaluate, Info, Train};
use burn::tensor::Device;
use clap::Parser;
use cni_burn::attacks::Progress as AttackProgress;
use cni_burn::attacks::evaluation::write_json;
use cni_burn::prelude::*;
use cni_burn::training::data::Split;
use cni_burn::training::{Devices, Labels, Progress, Which, load_checkpoint};
use model::{Dataset, Model};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train(args),
        Command::Evaluate(args) => evaluate(args),
        Command::Info(args) => info(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn train(args: Train) -> Result<(), Box<dyn Error>> {
    let list = devices::devices(&args.source.device, args.devices)?;
    let devices = Devices::new(list, args.parallel.into())?;
    let key = Key::new(args.seed);
    let mut data = args.model.load(&args.source, Split::Train)?;
    if let Some(subset) = args.subset {
        data = data.take(subset);
    }
    if args.validation == 0 || args.validation >= data.len() {
        let wanted = format!("1 to {}, one less than there are examples", data.len() - 1);
        return Err(format!("--validation: got {}, wanted {wanted}", args.validation).into());
    }
    let (train, validation) = data.split_validation(args.validation, key.named("split"));

    let attack = Pgd::training(Threat::linf(args.model.epsilon)?);
    let labels = if args.predicted_labels { Labels::Predicted } else { Labels::True };
    let objective = match args.clean {
        true => Objective::clean(),
        false => Objective::adversarial(attack.clone())
            .with_start_epoch(args.adversarial_from)
            .with_labels(labels),
    };
    let mut config = TrainingConfig::cni(objective);
    config.epochs = args.epochs;
    config.batch_size = args.batch;
    config.optimizer.weight_decay = args.weight_decay;
    config.optimizer.decay_noise = !args.no_noise_decay;
    config.optimizer.clip =
        args.clip.map_or(config.optimizer.clip, |clip| (clip > 0.0).then_some(clip));
    let quarters = [1, 2, 3].map(|quarter| quarter * args.epochs / 4);
    config.schedule = match args.one_cycle {
        true => Schedule::one_cycle(args.rate),
        false => Schedule::multi_step(args.rate, &quarters),
    };
    config.augment.flip &= !matches!(args.model.dataset, Dataset::Digits);
    config.validation_attack = (!args.clean).then(|| Arc::new(attack) as Arc<dyn Attack>);
    config.precision = args.source.precision;
    config.key = key.named("training");

    let model =
        build(&args.model, devices.first()).map(|model| keyed_init(model, key.named("weights")))?;
    println!("{} parameters, {} examples to train on", count_parameters(&model), train.len());
    let progress = if args.tui { Progress::Dashboard } else { Progress::Lines };
    let start = if args.resume { Start::Resume } else { Start::Fresh };
    let trainer = Trainer::new(config, &args.out)?.with_progress(progress);
    // Beside checkpoints stands the model they are of, which a run that is about to be refused must not replace.
    let begun = args.out.join("checkpoints").read_dir().is_ok_and(|mut all| all.next().is_some());
    if !begun {
        write_json(&args.out.join("model.json"), &args.model)?;
    }
    let trained = trainer.run(model, ResNet::forward, train, validation, devices, start)?;
    write_json(&args.out.join("history.json"), &trained.history)?;
    println!("best epoch on the validation slice: {}; run: {}", trained.best, args.out.display());
    Ok(())
}

fn evaluate(args: Evaluate) -> Result<(), Box<dyn Error>> {
    let device = device::device(&args.source.device)?;
    let (model, settings, name) = match &args.pytorch {
        Some(file) => {
            let model = build(&args.model, &device)?.load_pytorch(file)?;
            (model, args.model.clone(), file.display().to_string())
        }
        None => {
            let settings = saved(&args.run)?;
            let which = match args.checkpoint.as_str() {
                "best" => Which::Best,
                "last" => Which::Last,
                epoch => Which::Epoch(epoch.parse().map_err(|_| {
                    format!("--checkpoint: got {epoch:?}, wanted best, last or a number")
                })?),
            };
            let (model, epoch) = load_checkpoint(build(&settings, &device)?, &args.run, which)?;
            (model, settings, format!("{} (epoch {epoch})", args.run.display()))
        }
    };
    let test = settings.load(&args.source, Split::Test)?.take(args.examples);

    let threat = Threat::linf(settings.epsilon)?;
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(RandomNoise::new(threat)),
        Box::new(Pgd::fgsm(threat)),
        Box::new(Pgd::training(threat)),
        Box::new(Pgd::new(threat).with_steps(args.eot_steps)?.with_draws(args.eot_draws)?),
    ];
    let precision = args.source.precision;
    if !precision.works_on(&device) {
        return Err(
            format!("--precision: got {precision}, which {} lacks", args.source.device).into()
        );
    }
    let card = ModelCard {
        name: args.name.unwrap_or(name),
        parameters: count_parameters(&model),
        noise: NoiseSummary::of(&model).to_string(),
        precision: (precision != Precision::Full).then(|| precision.to_string()),
    };
    let data = DataCard { name: test.name().to_string(), fingerprint: test.fingerprint() };
    let batches = (0..test.len()).step_by(args.batch.max(1)).map(|first| {
        let rows: Vec<usize> = (first..test.len().min(first + args.batch.max(1))).collect();
        (test.images(&rows, &device), test.labels(&rows, &device))
    });
    let victim = Victim::new(&model, move |model: &ResNet, images| {
        autocast(precision, || model.forward(images))
    });
    let key = Key::new(args.seed).named("evaluation");
    let out = args.out.unwrap_or_else(|| args.run.join("evaluation"));
    if let Some(suite) = args.suite {
        let suite = suite.suite(threat)?.with_draws(args.draws)?;
        let mut progress = |progress: &AttackProgress| {
            let AttackProgress { attack, first_example, iteration, active, .. } = progress;
            eprint!("\rfrom {first_example}: {attack} {iteration}, {active} left   ");
        };
        let run = suite.on(&victim).with_key(key).with_state(out.join("state"));
        let run = run.with_progress(&mut progress);
        let judge = || run.run(batches);
        let report = if args.noise_off { scope(Noise::Off, judge) } else { judge() }?;
        println!("\n{report}");
        write_json(&out.join("suite.json"), &report)?;
        println!("report: {}", out.join("suite.json").display());
        return Ok(());
    }
    let evaluation =
        Evaluation::new(attacks)?.with_draws(args.draws)?.with_key(key).with_cards(card, data);
    let run = || {
        evaluation.run_with(&victim, batches, |done| eprintln!("judged {done} of {}", test.len()))
    };
    let evaluated = if args.noise_off { scope(Noise::Off, run) } else { run() }?;

    println!("{}", table(&[&evaluated.record]));
    evaluated.record.warnings.iter().for_each(|warning| println!("warning: {warning}"));
    evaluated.save(&out)?;
    println!("record: {}", out.join("record.json").display());
    Ok(())
}

fn info(args: Info) -> Result<(), Box<dyn Error>> {
    let settings = match &args.run {
        Some(run) => saved(run)?,
        None => args.model,
    };
    let model = build(&settings, &Device::flex())?;
    println!("{model}\n\n{}\n", NoiseSummary::of(&model));
    let noise = NoiseSummary::of(&model).parameters();
    println!("{} parameters, {noise} of them of noise", count_parameters(&model));
    Ok(())
}

/// The model that the flags describe.
fn build(settings: &Model, device: &Device) -> Result<ResNet, Box<dyn Error>> {
    Ok(settings.config(settings.classes()).try_init(device)?)
}

/// The model flags that a run was trained with.
fn saved(run: &Path) -> Result<Model, Box<dyn Error>> {
    let path = run.join("model.json");
    let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}
