//! The comparisons. The result of each is its part of the record.

use crate::measure::{Bench, Run, Timings, median, quantile};
use crate::work::{Training, Work, noisy_weights};
use crate::{Result, machine};
use burn::nn::LinearConfig;
use burn::tensor::Device;
use cni_burn::noise::{host_normal, normal};
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::Command;

/// The number of draws, as in `peer.py`.
const DRAWS: usize = 20;
const DRAW_SIZE: usize = 2_000_000;

pub fn draws(bench: &mut Bench) -> Result<Value> {
    let (device, key) = (Device::flex(), Key::new(1));
    let on_host = || {
        black_box(host_normal(key, 0..DRAW_SIZE as u64));
        Ok(())
    };
    let tensor = || {
        black_box(normal::<1>(key, [DRAW_SIZE], &device));
        Ok(())
    };
    let runs = vec![
        ("host_normal", Run::Ours(DRAWS, Box::new(on_host))),
        ("torch.randn", Run::Peer("randn")),
        ("normal", Run::Ours(DRAWS, Box::new(tensor))),
    ];
    let timings = bench.in_turns(bench.repeats, runs)?;
    let ratios = timings.ratios(&[("host_normal", "torch.randn"), ("normal", "torch.randn")]);
    Ok(json!({ "values": DRAW_SIZE, "timings": timings, "ratios": ratios }))
}

/// White noise on a weight of 2,000,000 values, in inference; ours is one operation.
pub fn noisy_weight(bench: &mut Bench) -> Result<Value> {
    let device = Device::flex();
    let side = 1000;
    let layer = LinearConfig::new(DRAW_SIZE / side, side).with_bias(false).init(&device);
    let layer = WeightNoise::white(Granularity::Layer).inject(layer);
    layer.weight.base();
    let key = Key::new(1);
    let draw = || {
        black_box(scope(Noise::Keyed(key), || layer.weight.val()));
        Ok(())
    };
    let runs = vec![
        ("noisy weight", Run::Ours(DRAWS, Box::new(draw))),
        ("w + a * torch.randn_like(w)", Run::Peer("noisy-weight")),
    ];
    let timings = bench.in_turns(bench.repeats, runs)?;
    let ratios = timings.ratios(&[("noisy weight", "w + a * torch.randn_like(w)")]);
    Ok(json!({ "values": DRAW_SIZE, "timings": timings, "ratios": ratios }))
}

pub fn noise_share(bench: &mut Bench) -> Result<Value> {
    let plain = Work::new(ModelNoise::none(), bench.batch);
    let noisy = Work::new(ModelNoise::cni(5), bench.batch);
    let key = Key::new(3);
    let step = |work| {
        move || {
            black_box(Work::gradients(work, key));
            Ok(())
        }
    };
    let alone = || {
        black_box(noisy_weights(&noisy.model, key).backward());
        Ok(())
    };
    let runs = vec![
        ("plain", Run::ours(step(&plain))),
        ("noisy", Run::ours(step(&noisy))),
        ("noise alone", Run::ours(alone)),
        ("plain, PyTorch", Run::Peer("step-plain")),
        ("noisy, PyTorch", Run::Peer("step-cni")),
    ];
    // The difference is small against the step. The median of n pairs has an error of order
    // 1/sqrt(n).
    let timings = bench.in_turns(4 * bench.repeats, runs)?;
    let alone = timings.find("noise alone").zip(timings.find("plain"));
    let alone = alone.map(|(alone, plain)| alone.median / plain.median);
    if let Some(share) = alone {
        println!("noise alone / plain: {:.2} %", share * 100.0);
    }
    Ok(json!({
        "ours": share(&timings, "plain", "noisy"),
        "ours_noise_alone": alone,
        "peer": share(&timings, "plain, PyTorch", "noisy, PyTorch"),
        "ratios": timings.ratios(&[("plain", "plain, PyTorch"), ("noisy", "noisy, PyTorch")]),
        "timings": timings,
    }))
}

/// The time that noise adds to a plain step, from the differences of neighbouring runs: drift
/// cancels within a pair.
fn share(timings: &Timings, plain: &str, noisy: &str) -> Option<Value> {
    let (plain, noisy) = (timings.find(plain)?, timings.find(noisy)?);
    let pairs = plain.seconds.iter().zip(&noisy.seconds);
    let differences: Vec<f64> = pairs.map(|(plain, noisy)| noisy - plain).collect();
    let of_plain = |seconds: f64| seconds / plain.median;
    let share = of_plain(median(&differences));
    let quartiles = [0.25, 0.75].map(|level| of_plain(quantile(&differences, level)));
    let [low, high] = quartiles.map(|share| share * 100.0);
    println!(
        "({0} - {1}) / {1}: {2:.2} % (quartiles {low:.2} to {high:.2})",
        noisy.name,
        plain.name,
        share * 100.0
    );
    Some(json!({ "share": share, "quartiles": quartiles, "differences": differences }))
}

/// The peers of an adversarial step: with PyTorch's defaults, as published, and as an expert runs
/// it.
const PEERS: [(&str, &str); 6] = [
    ("PyTorch", "adv-step"),
    ("PyTorch, published code", "adv-step-reference"),
    ("PyTorch, channels-last", "adv-step-channels-last"),
    ("PyTorch, channels-last, compiled", "adv-step-channels-last-compiled"),
    ("PyTorch, channels-last, bf16", "adv-step-channels-last-bf16"),
    ("PyTorch, channels-last, bf16, compiled", "adv-step-channels-last-bf16-compiled"),
];

pub fn adversarial_step(bench: &mut Bench) -> Result<Value> {
    let (mut full, mut half) = (Training::new(bench.batch)?, Training::new(bench.batch)?);
    let mut runs = vec![("ours", Run::ours(|| full.step()))];
    if Precision::Bf16.works_on(&Device::flex()) {
        runs.push(("ours, bf16", Run::ours(|| autocast(Precision::Bf16, || half.step()))));
    }
    runs.extend(PEERS.map(|(name, task)| (name, Run::Peer(task))));
    let timings = bench.in_turns(bench.repeats, runs)?;
    let mut pairs = PEERS.map(|(peer, _)| ("ours", peer)).to_vec();
    pairs.extend(
        PEERS
            .iter()
            .filter(|(peer, _)| peer.contains("bf16"))
            .map(|(peer, _)| ("ours, bf16", *peer)),
    );
    let ratios = timings.ratios(&pairs);
    Ok(json!({ "timings": timings, "ratios": ratios }))
}

/// Peak memory. Each side runs in a fresh process and takes the step twice, because the first step
/// makes the state of the optimizer. Compiled steps are left out, because their process also holds
/// the compiler.
pub fn memory(bench: &Bench) -> Result<Value> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--child-step", "--batch", &bench.batch.to_string()])
        .output()?;
    if !child.status.success() {
        return Err(format!("the child: {}", String::from_utf8_lossy(&child.stderr)).into());
    }
    let ours: Value = serde_json::from_slice(&child.stdout)?;
    let grown = |side: &Value, baseline| {
        side["peak_rss_bytes"].as_u64()?.checked_sub(side[baseline].as_u64()?)
    };
    let print = |name: &str, bytes: Option<u64>| {
        if let Some(bytes) = bytes {
            println!("{name:<40}{:>12.0} MiB", bytes as f64 / f64::from(1 << 20));
        }
    };
    let ours_bytes = grown(&ours, "start_rss_bytes");
    print("ours", ours_bytes);
    let mut peers = Vec::new();
    for (name, task) in PEERS.iter().filter(|(name, _)| !name.contains("compiled")) {
        let Some(peer) = &bench.peer else { break };
        let peer = peer.once(task)?;
        let bytes = grown(&peer, "import_rss_bytes");
        print(name, bytes);
        let ratio = ours_bytes.zip(bytes).map(|(ours, peer)| peer as f64 / ours as f64);
        if let Some(ratio) = ratio {
            println!("{name} / ours: {ratio:.2}");
        }
        peers.push(json!({ "name": name, "bytes": bytes, "ratio": ratio, "said": peer }));
    }
    Ok(json!({ "ours": ours, "ours_bytes": ours_bytes, "peers": peers }))
}

/// Our side of [`memory`], in a process that it starts.
pub fn child_step(batch: usize) -> Result<()> {
    let start = machine::own_memory("VmHWM");
    let mut training = Training::new(batch)?;
    training.step()?;
    training.step()?;
    let peak = machine::own_memory("VmHWM");
    println!("{}", json!({ "start_rss_bytes": start, "peak_rss_bytes": peak }));
    Ok(())
}
