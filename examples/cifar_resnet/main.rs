//! Noisy ResNets on CIFAR: train, evaluate, report, info.
//!
//! `cargo run --release --example cifar_resnet -- train --data DIR --out runs/cni`
//! `cargo run --release --example cifar_resnet -- evaluate --data DIR --run runs/cni`
//! `cargo run --release --example cifar_resnet -- report runs/cni/evaluation runs/at/evaluation`

mod args;
mod checkpoint;
mod device;
mod devices;
mod evaluate;
mod fraction;
mod model;
mod watch;

use args::{Cli, Command, Info, Report, Train};
use burn::tensor::Device;
use clap::Parser;
use cni_burn::attacks::evaluation::write_json;
use cni_burn::prelude::*;
use cni_burn::training::data::Split;
use cni_burn::training::{Adversarial, Devices, Labels, Progress};
use model::{Dataset, Model};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train(args),
        Command::Evaluate(args) => evaluate::evaluate(args),
        Command::Report(args) => report(args),
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
    let (train, validation) = data.split_validation(args.validation, key.named("split"))?;

    let attack = Pgd::training(Threat::linf(args.model.epsilon)?);
    let labels = if args.predicted_labels { Labels::Predicted } else { Labels::True };
    let objective = match args.clean {
        true => Objective::clean(),
        false => Objective::adversarial(
            Adversarial::new(attack.clone())
                .with_start_epoch(args.adversarial_from)
                .with_labels(labels),
        ),
    };
    let mut config = TrainingConfig::cni(objective);
    config.epochs = args.epochs;
    config.batch_size = args.batch;
    config.optimizer.weight_decay = args.weight_decay;
    config.optimizer.decay_noise = !args.no_noise_decay;
    config.optimizer.clip =
        args.clip.map_or(config.optimizer.clip, |clip| (clip > 0.0).then_some(clip));
    let mut quarters = [1, 2, 3].map(|quarter| quarter * args.epochs / 4).to_vec();
    quarters.retain(|quarter| *quarter > 0);
    quarters.dedup();
    config.schedule = match args.one_cycle {
        true => Schedule::one_cycle(args.rate),
        false => Schedule::multi_step(args.rate, &quarters),
    };
    config.augment.flip &= !matches!(args.model.dataset, Dataset::Digits);
    config.validation_attack = (!args.clean).then(|| Arc::new(attack) as Arc<dyn Attack>);
    config.precision = args.source.precision;
    config.key = key.named("training");

    let model = keyed_init(args.model.build(devices.first())?, key.named("weights"));
    println!("{} parameters, {} examples to train on", count_parameters(&model), train.len());
    let progress = if args.tui { Progress::Dashboard } else { Progress::Lines };
    let start = if args.resume { Start::Resume } else { Start::Fresh };
    let trainer = Trainer::new(config, &args.out)?.with_progress(progress);
    let trainer = trainer.with_watch(noise_amplitudes).with_model_config(&args.model)?;
    let trained = trainer.run(model, ResNet::forward, train, validation, devices, start)?;
    write_json(&args.out.join("history.json"), &trained.history)?;
    println!("best epoch on the validation slice: {}; run: {}", trained.best, args.out.display());
    Ok(())
}

fn report(args: Report) -> Result<(), Box<dyn Error>> {
    let out = match (args.out, args.evaluations.as_slice()) {
        (Some(out), _) => out,
        (None, [single]) => single.clone(),
        (None, _) => "report".into(),
    };
    cni_burn::report::Report::read(&args.evaluations)?.write(&out)?;
    println!("report: {}", out.join("report.html").display());
    Ok(())
}

fn info(args: Info) -> Result<(), Box<dyn Error>> {
    let settings = match &args.run {
        Some(run) => Model::saved(run)?,
        None => args.model,
    };
    let model = settings.build(&Device::flex())?;
    println!("{model}\n\n{}\n", NoiseSummary::of(&model));
    let noise = NoiseSummary::of(&model).parameters();
    println!("{} parameters, {noise} of them of noise", count_parameters(&model));
    Ok(())
}
