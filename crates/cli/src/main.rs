//! Noisy ResNets on CIFAR: train, evaluate, report, info, and a check of what computes.
//!
//! `cargo run --release --example cifar_resnet -- train --data DIR --out runs/cni`
//! `cargo run --release --example cifar_resnet -- evaluate --data DIR --run runs/cni`
//! `cargo run --release --example cifar_resnet -- report runs/cni/evaluation runs/at/evaluation`
//! `cargo run --release --features cuda --example cifar_resnet -- check-device --device cuda`

mod args;
mod check_device;
mod checkpoint;
mod choices;
mod devices;
mod evaluate;
mod fraction;
mod given;
mod model;
mod suites;
mod train;
mod values;
mod watch;

use args::{Cli, Command, Info, Report};
use burn::tensor::Device;
use clap::{Arg, CommandFactory, FromArgMatches};
use cni_burn::prelude::*;
use cni_burn::training::CheckpointSelector;
use given::{Given, Idle};
use model::Model;
use std::any::TypeId;
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut command = Cli::command().mut_subcommands(|command| command.mut_args(negative));
    let matches = command.get_matches_mut();
    let cli = Cli::from_arg_matches(&matches)?;
    let given = matches.subcommand().and_then(|(name, matches)| {
        command.find_subcommand(name).map(|command| Given::of(command, matches))
    });
    let given = given.unwrap_or_default();
    match cli.command {
        Command::Train(args) => train::train(args, &given)?,
        Command::Evaluate(args) => evaluate::evaluate(args, &given)?,
        Command::Report(args) => report(args)?,
        Command::Info(args) => info(args, &given)?,
        Command::CheckDevice(args) => return check_device::check_device(&args),
    }
    Ok(ExitCode::SUCCESS)
}

/// So that -1 is a number, which can be refused for what it is.
fn negative(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    let numbers = [TypeId::of::<f64>(), TypeId::of::<usize>(), TypeId::of::<u64>()];
    if numbers.into_iter().any(|number| kind == number) {
        return arg.allow_hyphen_values(true);
    }
    arg
}

fn report(args: Report) -> Result<(), Box<dyn Error>> {
    for (i, folder) in args.evaluations.iter().enumerate() {
        if args.evaluations[..i].contains(folder) {
            let folder = folder.display();
            return Err(format!("evaluations: got {folder} twice, wanted each once").into());
        }
    }
    let out = match (args.out, args.evaluations.as_slice()) {
        (Some(out), _) => out,
        (None, [single]) => single.clone(),
        (None, _) => "report".into(),
    };
    cni_burn::report::Report::read(&args.evaluations)?.write(&out)?;
    println!("report: {}", out.join("report.html").display());
    Ok(())
}

fn info(args: Info, given: &Given) -> Result<(), Box<dyn Error>> {
    given.refuse(&[Idle { when: true, flags: &["epsilon"], because: "info attacks nothing" }])?;
    let settings = match &args.run {
        Some(run) => Model::of_run(run, CheckpointSelector::Last, &args.model, given)?,
        None => {
            given.refuse(&args.model.idle())?;
            args.model
        }
    };
    let model = settings.build(&Device::flex())?;
    println!("{model}\n\n{}\n", NoiseSummary::of(&model));
    let noise = NoiseSummary::of(&model).parameters();
    println!("{} parameters, {noise} of them of noise", count_parameters(&model));
    Ok(())
}
