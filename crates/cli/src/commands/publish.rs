//! The weights of a run for others.

use crate::checkpoint::Origin;
use crate::exit::Exit;
use crate::output::Output;
use crate::selector::selector;
use clap::Args;
use cni_burn::training::{checkpoint_info, publish_checkpoint};
use serde_json::json;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

/// The flags of `publish`.
#[derive(Args)]
pub struct Publish {
    /// Folder of the run.
    #[arg(long, default_value = Origin::RUN)]
    run: PathBuf,
    /// Checkpoint: best, last or the number of an epoch.
    #[arg(long, default_value = "best")]
    checkpoint: String,
    /// Round the weights to half precision (f16), for half the bytes. The accuracy of the rounded
    /// model is to be measured by itself.
    #[arg(long)]
    half: bool,
    /// Folder for the weights and the description of their run, which is new or empty. `--run`
    /// takes it in place of the run's.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
}

pub fn publish(args: &Publish) -> Result<Exit, Box<dyn Error>> {
    let Some(selector) = selector(&args.checkpoint) else {
        let got = &args.checkpoint;
        return Err(format!("--checkpoint: got {got}, wanted best, last or a number").into());
    };
    let of_run = checkpoint_info(&args.run, selector)?.run;
    if of_run.pointer("/config/gradient/gradient").is_some_and(|rule| rule == "private_sgd") {
        let run = args.run.display();
        return Err(format!(
            "--run: got {run}, a private run, wanted another: beside the weights `publish` gives \
             the key of the run, a fingerprint of its training images and their scores away, which \
             epsilon does not cover; give the file model.bpk of a checkpoint alone, with model.json"
        )
        .into());
    }
    let epoch = publish_checkpoint(&args.run, selector, &args.out, args.half)?;
    let file = args.out.join("model.bpk");
    let bytes = fs::metadata(&file)?.len();
    let megabytes = bytes as f64 / 1e6;
    let (run, out) = (args.run.display(), args.out.display());
    args.output.say(format_args!(
        "{out}: the weights of {run} after epoch {epoch}, {megabytes:.2} MB\n\
         cni evaluate --run {out} judges them"
    ))?;
    args.output.result(&json!({
        "folder": args.out.to_string_lossy(),
        "epoch": epoch,
        "bytes": bytes,
    }))?;
    Ok(Exit::Done)
}
