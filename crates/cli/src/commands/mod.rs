//! The commands, one file each: its flags, and what it does.

mod ablate;
mod card;
mod check_device;
mod completions;
#[cfg(test)]
mod documented;
mod epsilon;
mod evaluate;
mod flatness;
mod info;
mod merge;
mod private_train;
mod publish;
mod recipes;
mod report;
mod train;

use crate::exit::{Exit, HELP};
use crate::given::Given;
use ablate::Ablate;
use card::Card;
use check_device::CheckDevice;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};
use completions::Completions;
use evaluate::Evaluate;
use flatness::Flatness;
use info::Info;
use merge::Merge;
use publish::Publish;
use recipes::Recipes;
use report::Report;
use std::any::TypeId;
use std::error::Error;
use std::ffi::OsString;
use train::Train;

/// The variables of the environment as `--help` lists them.
const ENVIRONMENT: &str = "\
Environment:
  CNI_HALF_PRECISION  how a CPU computes in bf16: amx, avx512_bf16, vectors, or layers for Burn's
                      own operations, layer by layer; by default the fastest of the processor
  RAYON_NUM_THREADS   threads that a CPU computes with; by default one for each core";

/// Trains noisy and binary networks, attacks and judges them, and writes records and reports.
#[derive(Parser)]
#[command(name = "cni", version, after_help = format!("{HELP}\n\n{ENVIRONMENT}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a model by a recipe.
    Train(Box<Train>),
    /// Lists the recipes, with their sources, costs and published numbers, or prints one as a file.
    Recipes(Recipes),
    /// Attacks a trained model, checks the attack, and writes a record and a report.
    #[command(after_help = HELP)]
    Evaluate(Box<Evaluate>),
    /// Trains and judges many runs by a plan, and says what they show together.
    #[command(after_help = HELP)]
    Ablate(Ablate),
    /// Measures how flat the robust loss is around a model's weights, and writes a record and a
    /// page; by default about a thousand gradients of each example.
    Flatness(Box<Flatness>),
    /// Merges the shards of an evaluation to its record and its report.
    #[command(after_help = HELP)]
    Merge(Merge),
    /// Writes the weights of a run into a folder of their own, for others.
    Publish(Publish),
    /// Prints a card of weights, as Markdown: how they were trained and what attacks leave of them.
    Card(Card),
    /// Renders the report of an evaluation once more, or compares several.
    Report(Report),
    /// Trains a model with private SGD, within a budget of epsilon; by default by the recipe
    /// `clean`, with group norm in place of batch norm. Beside the files of every run it writes
    /// privacy.json, ledger.json and spent.json.
    PrivateTrain(Box<private_train::PrivateTrain>),
    /// Says what epsilon a private training spends, or what noise an epsilon needs.
    Epsilon(epsilon::Epsilon),
    /// Prints a model, its parameters and its noise.
    Info(Info),
    /// Compares what a device computes with what the CPU does.
    #[command(after_help = HELP)]
    CheckDevice(CheckDevice),
    /// Prints a script that completes commands and flags in a shell.
    Completions(Completions),
}

/// Reads the arguments of the program, its name first.
fn read(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(Cli, Given, clap::Command), clap::Error> {
    let mut command = Cli::command().mut_subcommands(|command| command.mut_args(negative));
    let matches = command.try_get_matches_from_mut(arguments)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let given = matches.subcommand().and_then(|(name, matches)| {
        command.find_subcommand(name).map(|command| Given::of(command, matches))
    });
    Ok((cli, given.unwrap_or_default(), command))
}

/// Refuses arguments of `train` or `evaluate` that the command would refuse before it reads data or
/// a run.
///
/// # Errors
///
/// A sentence that names the flag or the setting, what it got and what was wanted.
pub fn check(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let program = std::iter::once("cni".to_string());
    let (cli, given, _) = read(program.chain(arguments.iter().cloned())).map_err(|error| {
        // Without the usage.
        let text = error.to_string();
        let said = text.split("\n\nUsage").next().unwrap_or_default().trim();
        said.strip_prefix("error: ").unwrap_or(said).to_string()
    })?;
    match cli.command {
        Command::Train(args) => train::check(&args, &given),
        Command::Evaluate(args) => evaluate::check(&args, &given),
        _ => Ok(()),
    }
}

/// Does what the arguments of the program say.
///
/// # Errors
///
/// A sentence that names the flag or the setting, what it got and what was wanted.
pub fn run() -> Result<Exit, Box<dyn Error>> {
    // A command of an ablation ends with it.
    let _tie = crate::ablation::tie()?;
    let (cli, given, command) = read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match cli.command {
        Command::Train(args) => train::train(*args, &given),
        Command::Recipes(args) => recipes::recipes(&args),
        Command::Evaluate(args) => evaluate::evaluate(&args, &given),
        Command::Ablate(args) => ablate::ablate(&args, &given),
        Command::Flatness(args) => flatness::flatness(&args, &given),
        Command::Merge(args) => merge::merge(&args),
        Command::Publish(args) => publish::publish(&args),
        Command::Card(args) => card::card(&args),
        Command::Report(args) => report::report(args),
        Command::PrivateTrain(args) => private_train::private_train(*args, &given),
        Command::Epsilon(args) => epsilon::epsilon(&args),
        Command::Info(args) => info::info(&args, &given),
        Command::CheckDevice(args) => check_device::check_device(&args),
        Command::Completions(args) => completions::completions(&args, command),
    }
}

/// Lets numbers begin with a minus, so that -1 can be refused for what it is.
fn negative(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    let numbers = [TypeId::of::<f64>(), TypeId::of::<usize>(), TypeId::of::<u64>()];
    if numbers.into_iter().any(|number| kind == number) {
        return arg.allow_hyphen_values(true);
    }
    arg
}
