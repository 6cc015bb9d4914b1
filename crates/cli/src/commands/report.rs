//! Reports made from records.

use crate::exit::Exit;
use crate::output::Output;
use crate::place::{Force, Place, title};
use clap::Args;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;

/// The flags of `report`.
#[derive(Args)]
pub struct Report {
    /// Folders of evaluations. Several are compared.
    #[arg(required = true)]
    evaluations: Vec<PathBuf>,
    /// Folder for the report; by default that of the evaluation if there is one only, and `report`
    /// otherwise.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
    #[command(flatten)]
    output: Output,
}

pub fn report(args: Report) -> Result<Exit, Box<dyn Error>> {
    for (i, folder) in args.evaluations.iter().enumerate() {
        // By whatever path.
        let whole = |folder: &PathBuf| folder.canonicalize().unwrap_or(folder.clone());
        if args.evaluations[..i].iter().any(|other| whole(other) == whole(folder)) {
            let folder = folder.display();
            return Err(format!("evaluations: got {folder} twice, wanted each once").into());
        }
    }
    let out = match (args.out, args.evaluations.as_slice()) {
        (Some(out), _) => out,
        (None, [single]) => single.clone(),
        (None, _) => "report".into(),
    };
    let report = cni_burn::report::Report::read(&args.evaluations)?;
    let (_place, before) = Place::take_for_report(&out)?;
    let about = title(&report.markdown());
    let own = args.evaluations == [out.clone()];
    let differs = match before {
        Some(before) if before != about => Some(format!("title: got {about}, wanted {before}")),
        Some(_) if !own && !report.is_in(&out) => {
            Some("evaluations: got others of these names, wanted those of the report there".into())
        }
        _ => None,
    };
    if differs.is_some() {
        args.force.allows(&out, "report", differs, args.output)?;
    }
    report.write(&out)?;
    let page = out.join("report.html");
    args.output.say(format_args!("report: {}", page.display()))?;
    args.output.result(&json!({ "report": page.to_string_lossy() }))?;
    Ok(Exit::Done)
}
