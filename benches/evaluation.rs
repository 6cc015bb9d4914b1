//! The cost of an evaluation beyond the model: its share of the whole time, and memory against the
//! number of examples. `benches/README.md` explains the output.

#[path = "attacks/calls.rs"]
mod calls;
#[path = "compare/machine.rs"]
mod machine;

use burn::tensor::{Device, Int, Tensor};
use calls::Calls;
use clap::Parser;
use cni_burn::evaluation::write_json;
use cni_burn::noise::uniform;
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Times an evaluation of a noisy ResNet-20 with keyed weights on keyed images.
#[derive(Parser)]
struct Cli {
    /// Images whose evaluation is timed.
    #[arg(long, default_value_t = 256)]
    examples: usize,
    /// Images of a batch.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Timed runs.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Images, in units of --examples, up to which the memory is followed.
    #[arg(long, default_value_t = 16)]
    growth: usize,
    /// The file for the record.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

type Forward = fn(&ResNet, Tensor<4>) -> Tensor<2>;

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let device = Device::flex();
    let architecture = Architecture::Cifar { depth: 20, shortcut: Shortcut::Projection };
    let config = ResNetConfig::new(architecture, 10).with_noise(ModelNoise::cni(5));
    let model = keyed_init(config.try_init(&device)?, Key::new(1));
    let frozen = FrozenModel::new(&model, ResNet::forward as Forward);
    let threat = Threat::linf(8.0 / 255.0)?;
    let eot = || Pgd::new(threat).with_draws(4);
    let suite: Vec<Box<dyn Attack>> =
        vec![Box::new(RandomNoise::new(threat)), Box::new(Pgd::fgsm(threat)), Box::new(eot()?)];
    let evaluation = Evaluation::new(suite)?;

    let mut runs = Vec::new();
    for _ in 0..cli.repeats {
        let calls = Calls::default();
        let counted = |x: Tensor<4>| calls.logits(&frozen, x);
        let batches: Vec<_> = batches(cli.examples, cli.batch, &device).collect();
        let started = Instant::now();
        evaluation.run(&counted, batches.clone())?;
        let seconds = started.elapsed().as_secs_f64();
        let model_seconds = calls.seconds(&frozen, &batches[0].0);
        let beyond = (seconds - model_seconds) / model_seconds;
        println!("{seconds:.2} s, {:.1} % beyond the model", 100.0 * beyond);
        runs.push(json!({ "seconds": seconds, "model_seconds": model_seconds, "beyond": beyond }));
    }

    // Attacks of one step, so that memory grows by examples and not by passes.
    let fgsm: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::fgsm(threat))];
    let short = Evaluation::new(fgsm)?.with_draws(2)?;
    let mut memory: Vec<Value> = Vec::new();
    for times in [1, cli.growth] {
        let examples = times * cli.examples;
        short.run(&frozen, batches(examples, cli.batch, &device))?;
        let peak = machine::own_memory("VmHWM");
        println!("{examples} examples: peak {} MiB", peak.unwrap_or(0) >> 20);
        memory.push(json!({ "examples": examples, "peak_bytes": peak }));
    }
    if let Some(out) = &cli.out {
        let record = json!({
            "machine": machine::facts(machine::threads(), None),
            "examples": cli.examples, "batch": cli.batch, "runs": runs, "memory": memory,
        });
        write_json(&root().join(out), &record)?;
    }
    Ok(())
}

/// Images and labels from keys, made when they are asked for.
fn batches(
    examples: usize,
    batch: usize,
    device: &Device,
) -> impl Iterator<Item = (Tensor<4>, Tensor<1, Int>)> {
    (0..examples).step_by(batch.max(1)).map(move |first| {
        let rows = batch.min(examples - first);
        let images = uniform(Key::new(2).child(first as u64), [rows, 3, 32, 32], device);
        let labels: Vec<i32> = (0..rows as i32).map(|row| row % 10).collect();
        (images, Tensor::from_data(labels.as_slice(), device))
    })
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
