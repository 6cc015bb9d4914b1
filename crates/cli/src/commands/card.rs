//! The card of a run or of published weights.

use crate::checkpoint::Origin;
use crate::commands::epsilon::sentence;
use crate::conclusion::counts;
use crate::exit::Exit;
use crate::recipe::recipe_of_run;
use crate::threat::trained_against;
use crate::values::line;
use burn::tensor::Device;
use clap::Args;
use cni_burn::layers::binary::BinarySummary;
use cni_burn::layers::models::{NetworkConfig, NormKind};
use cni_burn::prelude::*;
use cni_burn::privacy::spent_of_run;
use cni_burn::run::{NetworkRun, load_network};
use cni_burn::training::CheckpointSelector;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};

/// The flags of `card`.
#[derive(Args)]
pub struct Card {
    /// Folder of the weights, as `publish` makes it, or of a run.
    #[arg(long, default_value = Origin::RUN)]
    run: PathBuf,
    /// Record of an evaluation of these weights, for what attacks leave of them. The card has a link
    /// to it if it lies in the folder of the weights.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Name of the weights; by default that of their folder.
    #[arg(long, value_parser = line)]
    name: Option<String>,
    /// Licence of the weights, such as MIT.
    #[arg(long, value_parser = line)]
    licence: Option<String>,
}

pub fn card(args: &Card) -> Result<Exit, Box<dyn Error>> {
    let run = load_network(&args.run, CheckpointSelector::Best, &Device::flex())?;
    let folder = args.run.canonicalize()?;
    let own = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(own).unwrap_or_else(|| "weights".to_string());
    let mut text = format!("# {}\n\n| | |\n| --- | --- |\n", escaped(&name));
    for (field, value) in facts(args, &run)? {
        writeln!(text, "| {field} | {value} |")?;
    }
    let summary = NoiseSummary::of(&run.model);
    writeln!(text, "\n## Noise\n\n{}", code(&summary.to_string()))?;
    if let Some(path) = &args.record {
        text += &judged(path, &folder, &run)?;
    }
    write!(stdout(), "{text}")?;
    Ok(Exit::Done)
}

/// The rows of the first table.
fn facts(args: &Card, run: &NetworkRun) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let (config, of_noise) = (&run.model_config, NoiseSummary::of(&run.model).parameters());
    let ([height, width], channels) = (config.image_size(), config.normalize().channels());
    let parameters = count_parameters(&run.model);
    let classes: Vec<String> = run.classes.iter().map(|class| escaped(class)).collect();
    let images =
        format!("{channels}x{height}x{width}, pixels in [0, 1]; the first layer normalizes");
    let mut facts = vec![
        ("network", network(config)),
        ("parameters", format!("{parameters}, {of_noise} of them of noise")),
        ("images", images),
        ("classes", classes.join(", ")),
    ];
    let packed = BinarySummary::of(&run.model);
    if packed.binary > 0 {
        facts.push(("packed", packed.to_string()));
    }
    for (field, of) in [("training images", "train"), ("validation images", "validation")] {
        if let Some(fingerprint) = run.run[of].as_str() {
            facts.push((field, format!("fingerprint {fingerprint}")));
        }
    }
    if let Some(key) = run.run["config"]["key"].as_str() {
        facts.push(("key", format!("`{key}`, from which all draws of the training derive")));
    }
    if let Some(recipe) = recipe_of_run(&args.run)? {
        let [about, source] = [recipe.about(), recipe.source()].map(escaped);
        facts.push(("recipe", format!("[recipe.toml](recipe.toml): {about} Source: {source}")));
    }
    if let Some(threat) = trained_against(&run.run) {
        let chosen = run.run.pointer("/config/validation_attack/threat").is_some();
        let of = if chosen { ", that of the attack that chose the epoch" } else { "" };
        facts.push(("threat", format!("{threat}{of}")));
    }
    let gradient = &run.run["config"]["gradient"];
    if gradient["gradient"] == "private_sgd" {
        let clip = &gradient["max_norm"];
        let spent = spent_of_run(&args.run)?;
        facts.push(("privacy", format!("gradients clipped to {clip}; {}", sentence(&spent))));
    }
    // A custom objective has no configuration to read.
    let of = run.training_config().map_or(String::new(), |config| format!(" of {}", config.epochs));
    facts.push(("epoch", format!("{}{of}, trained by cni-burn {}", run.epoch, run.version)));
    if let Some(precision) = run.run["published"]["weights"].as_str() {
        facts.push(("rounded to", precision.to_string()));
    }
    if let Some(licence) = &args.licence {
        facts.push(("licence", escaped(licence)));
    }
    for (file, checksum) in run.checksums()? {
        facts.push(("SHA-256", format!("`{checksum}` of `{file}`")));
    }
    Ok(facts)
}

/// The model in a few words.
fn network(config: &NetworkConfig) -> String {
    let config = match config {
        NetworkConfig::ResNet(config) => config,
        NetworkConfig::DenseNet(config) => return config.to_string(),
    };
    let (architecture, factor, activation) =
        (config.architecture, config.width, config.activation());
    let band = match &config.band {
        Some(input) => format!(", convolutions of the band {}", input.limit.band),
        None => String::new(),
    };
    let norm = match config.norm {
        NormKind::Batch => "",
        NormKind::Group { .. } => ", group norm",
    };
    format!("{architecture}, {factor} of its width, {activation}{norm}{band}")
}

/// The part of the card that a record tells. `folder` is that of the weights.
fn judged(path: &Path, folder: &Path, run: &NetworkRun) -> Result<String, Box<dyn Error>> {
    let record = Record::read(path).map_err(|error| format!("--record: {error}"))?;
    let (got, wanted) = (&record.model.fingerprint, ModelCard::fingerprint_of(&run.model));
    if *got != wanted {
        let of = folder.display();
        return Err(format!(
            "--record: got the record of weights of fingerprint {got}, wanted that of {of}, {wanted}"
        )
        .into());
    }
    let whole = path.canonicalize()?;
    let link = whole.strip_prefix(folder).ok();
    let link = link.map(|place| format!(", [record](<{}>)", place.display())).unwrap_or_default();
    let mut text = String::from("\n## What attacks leave of it\n\n");
    write!(text, "{} examples of {}", record.examples, escaped(&record.data.name))?;
    for threat in &record.threat.threats {
        write!(text, ", {threat}")?;
    }
    if record.stochastic {
        write!(text, ", each by {} draws of the noise", record.draws)?;
    }
    writeln!(text, "{link}:\n\n{}", code(table(&[&record]).trim_end()))?;
    let weak = record.attacks.iter().filter(|attack| !record.is_evidence(attack));
    let weak: Vec<&str> = weak.map(|attack| attack.name.as_str()).collect();
    if !weak.is_empty() {
        let weak = weak.join(", ");
        writeln!(
            text,
            "\nNo evidence, since they do not average over draws of the noise: {weak}."
        )?;
    }
    if !record.checks.is_empty() {
        writeln!(text, "\nChecks of the attack: {}.", counts(&record))?;
    }
    for warning in &record.warnings {
        writeln!(text, "\nWarning: {}", escaped(warning))?;
    }
    Ok(text)
}

/// A text within a line of Markdown.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '|' | '`' | '[' | ']' | '\\' | '*' | '#' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// A block of text as it is, between fences longer than any in it.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}
