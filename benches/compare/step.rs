//! The adversarial step, the attack of an evaluation and the forward pass that judges, of each model
//! and in both precisions.

use crate::Result;
use crate::measure::{Bench, Run, Timings};
use crate::work::{Training, Work};
use burn::module::Module;
use cni_burn::layers::models::Architecture;
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::hint::black_box;

/// The peers: with PyTorch's defaults, as published, and as an expert runs it. Beside each name is
/// the end of its task's name.
pub const PEERS: [(&str, &str); 6] = [
    ("PyTorch", ""),
    (PUBLISHED, "-reference"),
    ("PyTorch, channels-last", "-channels-last"),
    ("PyTorch, channels-last, compiled", "-channels-last-compiled"),
    ("PyTorch, channels-last, bf16", "-channels-last-bf16"),
    ("PyTorch, channels-last, bf16, compiled", "-channels-last-bf16-compiled"),
];
const PUBLISHED: &str = "PyTorch, published code";

/// Our side in single precision and in bf16.
pub const OURS: [(&str, Precision); 2] =
    [("ours", Precision::Full), ("ours, bf16", Precision::Bf16)];

/// The peers that run a model as an expert would, with the names of their tasks for `work`.
fn experts(architecture: Architecture, work: &str) -> Vec<(&'static str, String)> {
    let prefix = match architecture {
        Architecture::Cifar { .. } => String::new(),
        other => format!("{}-", other.family()),
    };
    let peers = PEERS.iter().filter(|(name, _)| *name != PUBLISHED);
    peers.map(|(name, suffix)| (*name, format!("{prefix}{work}{suffix}"))).collect()
}

/// The timings, the images of each a second, and the ratios of both our rows to every peer and to
/// the fastest of them.
fn report(timings: &Timings, peers: &[(&str, String)], batch: usize) -> Value {
    let peers: Vec<&str> = peers.iter().map(|(name, _)| *name).collect();
    let pairs = OURS.iter().flat_map(|(ours, _)| peers.iter().map(move |peer| (*ours, *peer)));
    let ratios = timings.ratios(&pairs.collect::<Vec<_>>());
    let best: Vec<_> = OURS.iter().filter_map(|(ours, _)| timings.best(ours, &peers)).collect();
    let speeds = timings.0.iter().map(|timing| (timing.name.clone(), batch as f64 / timing.median));
    let speeds: BTreeMap<String, f64> = speeds.collect();
    speeds.iter().for_each(|(name, speed)| println!("{name}: {speed:.1} images a second"));
    json!({
        "timings": timings,
        "images_per_second": speeds,
        "ratios": ratios,
        "against_best": best,
    })
}

/// The step of a model with CNI-W. A model above the size of ResNet-20 gets half of the rounds.
pub fn adversarial_step(bench: &mut Bench, architecture: Architecture) -> Result<Value> {
    let small = matches!(architecture, Architecture::Cifar { .. });
    let mut peers = experts(architecture, "adv-step");
    if small {
        peers.insert(1, (PUBLISHED, "adv-step-reference".into()));
    }
    let training = || {
        let config = ResNetConfig::new(architecture, 10).with_noise(ModelNoise::cni(5));
        Training::of(config, bench.batch)
    };
    let (mut full, mut half) = (training()?, training()?);
    let mut runs = vec![
        ("ours", Run::ours(|| full.step())),
        ("ours, bf16", Run::ours(|| autocast(Precision::Bf16, || half.step()))),
    ];
    runs.extend(peers.iter().map(|(name, task)| (*name, Run::peer(task))));
    let rounds = if small { bench.repeats } else { bench.repeats.div_ceil(2) };
    let timings = bench.in_turns(rounds, runs)?;
    Ok(report(&timings, &peers, bench.batch))
}

/// PGD on the frozen model with CNI-W, whose gradients are means over draws of the noise.
pub fn eot_attack(bench: &mut Bench) -> Result<Value> {
    let architecture = Architecture::cifar(20);
    let config = ResNetConfig::new(architecture, 10).with_noise(ModelNoise::cni(5));
    let work = Work::of(config, bench.batch);
    let attack = |key| work.eot_attack(key).map(|images| drop(black_box(images)));
    in_both(bench, bench.repeats, &experts(architecture, "eot-attack"), attack)
}

/// The forward pass of the frozen model, as an evaluation judges: with CNI-W, without gradients.
pub fn forward(bench: &mut Bench, architecture: Architecture) -> Result<Value> {
    let config = ResNetConfig::new(architecture, 10).with_noise(ModelNoise::cni(5));
    let work = Work::of(config, bench.batch);
    let frozen = work.model.valid();
    let judge = |key| {
        black_box(work.judged(&frozen, key));
        Ok(())
    };
    in_both(bench, 2 * bench.repeats, &experts(architecture, "forward"), judge)
}

/// The timings of work of ours, with a key for each draw, in both precisions, and of the peers.
fn in_both(
    bench: &mut Bench,
    rounds: usize,
    peers: &[(&'static str, String)],
    work: impl Fn(Key) -> Result<()>,
) -> Result<Value> {
    let work = &work;
    let mut runs: Vec<_> = Vec::new();
    for (name, precision) in OURS {
        let mut draw = 0;
        let ours = move || {
            draw += 1;
            autocast(precision, || work(Key::new(3).child(draw)))
        };
        runs.push((name, Run::ours(ours)));
    }
    runs.extend(peers.iter().map(|(name, task)| (*name, Run::peer(task))));
    let timings = bench.in_turns(rounds, runs)?;
    Ok(report(&timings, peers, bench.batch))
}
