//! The adversarial step and the forward pass that judges, of each model and in both precisions.

use crate::Result;
use crate::measure::{Bench, Run, Timings};
use crate::work::{Training, Work};
use burn::module::Module;
use cni_burn::layers::models::Architecture;
use cni_burn::prelude::*;
use serde_json::{Value, json};
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

/// The timings, and the ratios of both our rows to every peer and to the fastest of them.
fn report(timings: &Timings, peers: &[(&str, String)]) -> Value {
    let peers: Vec<&str> = peers.iter().map(|(name, _)| *name).collect();
    let pairs = OURS.iter().flat_map(|(ours, _)| peers.iter().map(move |peer| (*ours, *peer)));
    let ratios = timings.ratios(&pairs.collect::<Vec<_>>());
    let best: Vec<_> = OURS.iter().filter_map(|(ours, _)| timings.best(ours, &peers)).collect();
    json!({ "timings": timings, "ratios": ratios, "against_best": best })
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
    Ok(report(&timings, &peers))
}

/// The forward pass of the frozen model, as an evaluation judges: with CNI-W, without gradients.
pub fn forward(bench: &mut Bench, architecture: Architecture) -> Result<Value> {
    let peers = experts(architecture, "forward");
    let config = ResNetConfig::new(architecture, 10).with_noise(ModelNoise::cni(5));
    let work = Work::of(config, bench.batch);
    let frozen = work.model.valid();
    let judge = |precision| {
        let (frozen, work) = (&frozen, &work);
        let mut draw = 0;
        move || {
            draw += 1;
            let key = Key::new(3).child(draw);
            black_box(autocast(precision, || work.judged(frozen, key)));
            Ok(())
        }
    };
    let mut runs: Vec<_> =
        OURS.iter().map(|(name, precision)| (*name, Run::ours(judge(*precision)))).collect();
    runs.extend(peers.iter().map(|(name, task)| (*name, Run::peer(task))));
    let timings = bench.in_turns(2 * bench.repeats, runs)?;
    Ok(report(&timings, &peers))
}
