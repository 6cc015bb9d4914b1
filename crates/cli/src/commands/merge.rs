//! From the shards of an evaluation to its record and its report.

use crate::conclusion::{conclude, write};
use crate::exit::Exit;
use crate::output::Output;
use crate::place::{Force, Place, remove_adversarial};
use clap::Args;
use cni_burn::prelude::Shards;
use std::error::Error;
use std::path::{Path, PathBuf};

/// The flags of `merge`.
#[derive(Args)]
pub struct Merge {
    /// Folders of shards, or folders that contain them, such as --out of `cni evaluate --shard`.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Folder for the record and the report; by default the one that contains the shards.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    /// Exit with code 3 if a check failed. The record is written all the same.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    output: Output,
}

pub fn merge(args: &Merge) -> Result<Exit, Box<dyn Error>> {
    let shards = Shards::read(&args.shards)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => above(&shards)?,
    };
    let evaluated = shards.merge()?;
    if args.strict && evaluated.record.checks.is_empty() {
        let because = "the shards had no checks that could fail";
        return Err(format!("--strict: got the flag, wanted it left out, since {because}").into());
    }
    let (_place, before) = Place::take(&out)?;
    let differs = before.as_ref().and_then(|before| evaluated.record.difference_from(before));
    let replaces = differs.is_some();
    if before.is_some() {
        args.force.allows(&out, "evaluation", differs, args.output)?;
    }
    let record = write(evaluated, &out)?;
    let removed = if replaces { remove_adversarial(&out)? } else { None };
    shards.copy_adversarial(&out.join("adversarial"))?;
    removed.into_iter().try_for_each(|removed| args.output.say(removed))?;
    conclude(&record, &out, "no live noise", args.strict, args.output)
}

/// The folder that contains all shards.
fn above(shards: &Shards) -> Result<PathBuf, String> {
    let mut parents = shards.folders().map(|folder| match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => folder,
    });
    let first = parents.next().unwrap_or(Path::new("."));
    match parents.find(|parent| *parent != first) {
        None => Ok(first.to_path_buf()),
        Some(other) => Err(format!(
            "--out: got none, wanted a folder, since the shards are in {} and in {}",
            first.display(),
            other.display()
        )),
    }
}
