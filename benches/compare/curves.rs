//! Growth of time with the size of the work, and of memory with its length.

use crate::measure::{Bench, median};
use crate::work::{Training, Work};
use crate::{Result, machine};
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

const SOAK_STEPS: usize = 2_000;
/// The number of steps between two readings of memory.
const READ_EVERY: usize = 100;

/// One curve for each size that can grow. The other sizes are those of ResNet-20 with CNI-W of rank
/// 5 and the bench's batch.
pub fn curves(bench: &Bench, precision: Precision) -> Result<Value> {
    let (batch, runs) = (bench.batch, bench.repeats);
    let resnet = |depth, width, rank| {
        ResNetConfig::cifar(depth, 10).with_width(width).with_noise(ModelNoise::cni(rank))
    };
    let key = Key::new(3);
    let gradients = |config: ResNetConfig, batch| {
        let work = Work::of(config, batch);
        time(runs, || {
            black_box(autocast(precision, || work.gradients(key)));
            Ok(())
        })
    };
    let draws = Work::new(ModelNoise::cni(5), batch);
    Ok(json!({
        "batch": curve("batch", &[16, 32, 64, 128, 256, 512, 1024], |n| {
            gradients(resnet(20, 1.0, 5), n)
        })?,
        "draws": curve("draws of an attack's gradient", &[1, 4, 16, 64], |n| {
            time(runs, || {
                let images = autocast(precision, || draws.input_gradient(key, n))?;
                drop(black_box(images));
                Ok(())
            })
        })?,
        "rank": curve("rank", &[0, 1, 4, 16, 64], |n| gradients(resnet(20, 1.0, n), batch))?,
        "depth": curve("depth", &[20, 32, 56, 110], |n| gradients(resnet(n, 1.0, 5), batch))?,
        "width": curve("width", &[1, 2, 3, 4], |n| gradients(resnet(20, n as f64, 5), batch))?,
    }))
}

/// The seconds at each size, and their growth relative to the first.
fn curve(
    name: &str,
    sizes: &[usize],
    mut seconds: impl FnMut(usize) -> Result<f64>,
) -> Result<Vec<Value>> {
    println!("{name}");
    let mut points = Vec::new();
    let mut first = None;
    for &size in sizes {
        let seconds = seconds(size)?;
        let growth = seconds / *first.get_or_insert(seconds);
        println!("{size:>34}{:>12.1} ms{growth:>9.2} x", seconds * 1e3);
        points.push(json!({ "size": size, "seconds": seconds, "growth": growth }));
    }
    Ok(points)
}

/// The median seconds of some runs after one to warm up.
fn time(runs: usize, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut seconds = Vec::with_capacity(runs);
    for run in 0..=runs {
        let start = Instant::now();
        f()?;
        if run > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(median(&seconds))
}

/// Resident memory over many adversarial steps of a small model, in a process of its own: memory
/// that earlier tasks left to the allocator could hide a leak.
pub fn soak() -> Result<Value> {
    let child = Command::new(std::env::current_exe()?).arg("--child-soak").output()?;
    if !child.status.success() {
        return Err(format!("the child: {}", String::from_utf8_lossy(&child.stderr)).into());
    }
    let report: Value = serde_json::from_slice(&child.stdout)?;
    if let Some(growth) = report["growth"].as_f64() {
        println!("resident memory, step {SOAK_STEPS} / step {}: {growth:.3}", 5 * READ_EVERY);
    }
    Ok(report)
}

/// The process that [`soak`] starts.
pub fn child_soak() -> Result<()> {
    let config = ResNetConfig::cifar(8, 10).with_noise(ModelNoise::cni(5));
    let mut training = Training::of(config, 8)?;
    let mut resident = Vec::new();
    for step in 0..=SOAK_STEPS {
        if step % READ_EVERY == 0 {
            resident.push(machine::own_memory("VmRSS"));
        }
        if step < SOAK_STEPS {
            training.step()?;
        }
    }
    // The allocator settles within the first readings.
    let known: Vec<u64> = resident.iter().copied().flatten().skip(5).collect();
    let growth = known.first().zip(known.last()).map(|(&first, &last)| last as f64 / first as f64);
    let report = json!({
        "steps": SOAK_STEPS,
        "read_every": READ_EVERY,
        "resident_bytes": resident,
        "growth": growth,
    });
    println!("{report}");
    Ok(())
}
