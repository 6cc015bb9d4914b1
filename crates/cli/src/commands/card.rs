//! The card of a run or of published weights.

use crate::checkpoint::{Origin, trained_against};
use crate::data::Dataset;
use crate::exit::Exit;
use crate::recipe::recipe_of_run;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use cni_burn::evaluation::Verdict;
use cni_burn::prelude::*;
use cni_burn::run::ResNetRun;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};

/// The flags of `card`.
#[derive(Args)]
pub struct Card {
    /// Folder of the weights, as `publish` makes it, or of a run.
    #[arg(long, default_value = Origin::RUN)]
    run: PathBuf,
    /// Record of an evaluation of these weights, for what attacks leave of them. The card names it
    /// by its path from the folder of the weights, if it lies there.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Name of the weights; by default that of their folder.
    #[arg(long)]
    name: Option<String>,
    /// Licence of the weights, such as MIT.
    #[arg(long)]
    licence: Option<String>,
}

pub fn card(args: &Card) -> Result<Exit, Box<dyn Error>> {
    let run = load_run(&args.run, &Device::flex())?;
    let own = args.run.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(own).unwrap_or_else(|| "weights".to_string());
    let mut text = format!("# {name}\n\n");
    writeln!(text, "| | |\n| --- | --- |")?;
    for (field, value) in facts(args, &run)? {
        writeln!(text, "| {field} | {value} |")?;
    }
    let summary = NoiseSummary::of(&run.model);
    writeln!(text, "\n## Noise\n\n```text\n{summary}\n```")?;
    if let Some(path) = &args.record {
        text += &judged(path, args, &run)?;
    }
    write!(stdout(), "{text}")?;
    Ok(Exit::Done)
}

/// The rows of the first table.
fn facts(args: &Card, run: &ResNetRun) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let (config, of_noise) = (&run.model_config, NoiseSummary::of(&run.model).parameters());
    let [height, width] = config.image_size;
    let (factor, channels) = (config.width, config.normalize.channels());
    let parameters = count_parameters(&run.model);
    let mut facts = vec![
        (
            "network",
            format!("{}, {factor} of its width, {}", config.architecture, config.activation()),
        ),
        ("parameters", format!("{parameters}, {of_noise} of them of noise")),
        (
            "images",
            format!("{channels}x{height}x{width}, pixels in [0, 1]; the first layer normalizes"),
        ),
        ("classes", run.classes.join(", ")),
    ];
    if let Some(set) = Dataset::of(config).and_then(|set| set.to_possible_value()) {
        facts.push(("data", set.get_name().to_string()));
    }
    for (field, of) in [("training images", "train"), ("validation images", "validation")] {
        if let Some(fingerprint) = run.run[of].as_str() {
            facts.push((field, format!("fingerprint {fingerprint}")));
        }
    }
    if let Some(recipe) = recipe_of_run(&args.run)? {
        // Flags and `--set` have changed it on the way; the file has all changes.
        let began = format!("began as `{}`: {}", recipe.name(), recipe.source());
        facts.push(("recipe", format!("[recipe.toml](recipe.toml), which {began}")));
    }
    if let Some(threat) = trained_against(&run.run) {
        facts.push(("trained against", threat.to_string()));
    }
    // A custom objective has no configuration to read.
    let of = run.training_config().map_or(String::new(), |config| format!(" of {}", config.epochs));
    facts.push(("epoch", format!("{}{of}, trained by cni-burn {}", run.epoch, run.version)));
    if let Some(precision) = run.run["published"]["weights"].as_str() {
        facts.push(("rounded to", precision.to_string()));
    }
    if let Some(licence) = &args.licence {
        facts.push(("licence", licence.clone()));
    }
    for file in ["model.bpk", "state.json"] {
        let path = args.run.join(file);
        if path.is_file() {
            let digest = Sha256::digest(fs::read(&path)?);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            facts.push(("SHA-256", format!("`{hex}` of `{file}`")));
        }
    }
    Ok(facts)
}

/// The part of the card that a record tells.
fn judged(path: &Path, args: &Card, run: &ResNetRun) -> Result<String, Box<dyn Error>> {
    let record = Record::read(path)?;
    let (got, wanted) = (&record.model.fingerprint, ModelCard::fingerprint_of(&run.model));
    if *got != wanted {
        let run = args.run.display();
        return Err(format!(
            "--record: got the record of weights of fingerprint {got}, wanted that of {run}, {wanted}"
        )
        .into());
    }
    let place = path.strip_prefix(&args.run).unwrap_or(path);
    let (examples, data) = (record.examples, &record.data.name);
    let mut text = format!("\n## What attacks leave of it\n\n{examples} examples of {data}");
    for threat in &record.threat.threats {
        write!(text, ", {threat}")?;
    }
    if record.stochastic {
        write!(text, ", each by {} draws of the noise", record.draws)?;
    }
    writeln!(text, ", [record]({}):\n\n```text", place.display())?;
    writeln!(text, "{}\n```", table(&[&record]).trim_end())?;
    if !record.checks.is_empty() {
        let verdicts =
            [Verdict::Pass, Verdict::Warn, Verdict::Fail, Verdict::Inconclusive, Verdict::Skipped];
        let counts = verdicts.map(|verdict| {
            let of = record.checks.iter().filter(|check| check.verdict == verdict);
            format!("{} {verdict}", of.count())
        });
        writeln!(text, "\nChecks of the attack: {}.", counts.join(", "))?;
    }
    for warning in &record.warnings {
        writeln!(text, "\nWarning: {warning}")?;
    }
    Ok(text)
}
