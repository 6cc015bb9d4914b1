//! Speed and memory against PyTorch on the CPU, in turns within one run. `benches/README.md`
//! explains the output.

mod backends;
#[cfg(feature = "band-limited")]
mod bands;
mod curves;
mod machine;
mod measure;
mod memory;
mod objectives;
mod parts;
mod peer;
mod profile;
#[cfg(feature = "binary")]
mod signs;
mod step;
mod tasks;
mod work;

use clap::{Parser, ValueEnum};
use cni_burn::device;
use cni_burn::layers::models::Architecture;
use cni_burn::prelude::Precision;
use measure::Bench;
use peer::Peer;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Times this library and PyTorch in turns, and writes one record.
#[derive(Parser, Serialize)]
struct Args {
    /// Timed runs of each side. The pairs of `noise-share` are four times as many, forward passes
    /// twice, and the steps of ResNet-18 half.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Images of a step.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Only this task; may be given more than once. No record is then written unless --out asks for
    /// it.
    #[arg(long, value_name = "NAME")]
    only: Vec<Task>,
    /// The record, below the repository's root [default: results/bench-cpu.json].
    #[arg(long)]
    #[serde(skip)]
    out: Option<PathBuf>,
    /// The interpreter that has PyTorch.
    #[arg(long, default_value = "python3")]
    #[serde(skip)]
    python: String,
    /// Seconds that one run of a PyTorch task may take, or its warm-up with compilation; a task
    /// that takes longer is skipped.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// The work that the task `memory` runs in a process of its own.
    #[arg(long, hide = true, value_name = "PRECISION")]
    #[serde(skip)]
    child_step: Option<Precision>,
    /// The work that the task `soak` runs in a process of its own.
    #[arg(long, hide = true)]
    #[serde(skip)]
    child_soak: bool,
    /// The work that the task `bands` runs in a process of its own.
    #[cfg(feature = "band-limited")]
    #[arg(long, hide = true, value_name = "METHOD:PERCENT")]
    #[serde(skip)]
    child_band: Option<String>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true)]
    #[serde(skip)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Task {
    /// Keyed normal draws.
    Draws,
    /// One noisy weight: the draw, its scale and the sum.
    NoisyWeight,
    /// The cost that colored noise adds to a training step.
    NoiseShare,
    /// The same in bf16.
    NoiseShareBf16,
    /// One PGD-7 adversarial training step of ResNet-20.
    AdversarialStep,
    /// The same of ResNet-18.
    Resnet18Step,
    /// The same of PreActResNet-18.
    Preact18Step,
    /// PGD-10 with gradients averaged over 8 draws, on a frozen ResNet-20.
    EotAttack,
    /// The gradients of training objectives, against plain ones of as many passes.
    Objectives,
    /// The forward pass of a frozen ResNet-20, as it judges.
    Forward,
    /// The same of ResNet-18.
    Resnet18Forward,
    /// Convolutions of signs, packed and as floats.
    #[cfg(feature = "binary")]
    Signs,
    /// The adversarial step on Flex and on the backends that are compiled in, or those of them that
    /// CNI_DEVICE names.
    Backends,
    /// Forward and backward of a band-limited convolution, by the rate that it leaves out.
    #[cfg(feature = "band-limited")]
    Bands,
    /// The time of attack, gradients, update and noise within that step, in both precisions.
    Parts,
    /// That step's time by operation, in single precision.
    Profile,
    /// Peak memory of that step, in both precisions.
    Memory,
    /// Time of a gradient against batch size, rank, depth and width, and of an attack's gradient
    /// against draws.
    Curves,
    /// The same in bf16.
    CurvesBf16,
    /// Memory over 2,000 adversarial steps.
    Soak,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(precision) = args.child_step {
        return memory::child_step(args.batch.into(), precision);
    }
    if args.child_soak {
        return curves::child_soak();
    }
    #[cfg(feature = "band-limited")]
    if let Some(layer) = &args.child_band {
        return bands::child_band(args.batch.into(), layer);
    }
    let threads = machine::threads();
    let peer = Peer::start(&args.python, threads, args.batch.into(), args.limit.into())?;
    let machine = machine::facts(threads, peer.as_ref().map(Peer::torch));
    println!("{machine:#}");
    let mut bench = Bench {
        repeats: args.repeats.into(),
        batch: args.batch.into(),
        peer,
        skipped: BTreeMap::new(),
    };

    let start = Instant::now();
    let mut reports = Map::new();
    for &task in Task::value_variants() {
        let wanted = match task {
            _ if !args.only.is_empty() => args.only.contains(&task),
            Task::Backends => device::compiled().len() > 1,
            _ => true,
        };
        if !wanted {
            continue;
        }
        let name = serde_json::to_value(task)?.as_str().unwrap_or_default().to_string();
        println!("\n== {name}");
        let report = match task {
            Task::Draws => tasks::draws(&mut bench),
            Task::NoisyWeight => tasks::noisy_weight(&mut bench),
            Task::NoiseShare => tasks::noise_share(&mut bench, Precision::Full),
            Task::NoiseShareBf16 => tasks::noise_share(&mut bench, Precision::Bf16),
            Task::AdversarialStep => step::adversarial_step(&mut bench, Architecture::cifar(20)),
            Task::Resnet18Step => step::adversarial_step(&mut bench, Architecture::ResNet18),
            Task::Preact18Step => step::adversarial_step(&mut bench, Architecture::PreActResNet18),
            Task::EotAttack => step::eot_attack(&mut bench),
            Task::Objectives => objectives::objectives(&mut bench),
            Task::Forward => step::forward(&mut bench, Architecture::cifar(20)),
            Task::Resnet18Forward => step::forward(&mut bench, Architecture::ResNet18),
            #[cfg(feature = "binary")]
            Task::Signs => signs::signs(&mut bench),
            Task::Backends => backends::backends(&mut bench),
            #[cfg(feature = "band-limited")]
            Task::Bands => bands::bands(&mut bench),
            Task::Parts => parts::parts(&bench),
            Task::Profile => profile::profile(&mut bench),
            Task::Memory => memory::memory(&bench),
            Task::Curves => curves::curves(&bench, Precision::Full),
            Task::CurvesBf16 => curves::curves(&bench, Precision::Bf16),
            Task::Soak => curves::soak(),
        }?;
        reports.insert(name, report);
    }

    // The record of a part of the tasks must not replace that of all tasks.
    let default = args.only.is_empty().then(|| "results/bench-cpu.json".into());
    if let Some(out) = args.out.clone().or(default) {
        let record = serde_json::json!({
            "machine": machine,
            "settings": args,
            "wall_seconds": start.elapsed().as_secs_f64(),
            "tasks": Value::Object(reports),
            "skipped": bench.skipped,
        });
        let path = root().join(out);
        cni_burn::evaluation::write_json(&path, &record)?;
        println!("\nrecord: {}", path.display());
    }
    Ok(())
}

/// The root of the repository. Cargo starts benches in the package's folder, not in that of the
/// caller.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
