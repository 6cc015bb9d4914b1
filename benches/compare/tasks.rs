//! The comparisons of draws and noise. The result of each is its part of the record.

use crate::Result;
use crate::measure::{Bench, Run, Timings, median, quantile};
use crate::work::{Work, noisy_weights};
use burn::nn::LinearConfig;
use burn::tensor::Device;
use cni_burn::noise::{host_normal, normal};
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::hint::black_box;

/// The number of draws, as in `peer_tasks.py`.
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
        ("torch.randn", Run::peer("randn")),
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
        ("w + a * torch.randn_like(w)", Run::peer("noisy-weight")),
    ];
    let timings = bench.in_turns(bench.repeats, runs)?;
    let ratios = timings.ratios(&[("noisy weight", "w + a * torch.randn_like(w)")]);
    Ok(json!({ "values": DRAW_SIZE, "timings": timings, "ratios": ratios }))
}

/// The cost that CNI-W adds to a forward and a backward pass in a precision.
pub fn noise_share(bench: &mut Bench, precision: Precision) -> Result<Value> {
    let plain = Work::new(ModelNoise::none(), bench.batch);
    let noisy = Work::new(ModelNoise::cni(5), bench.batch);
    let key = Key::new(3);
    let step = |work| {
        move || {
            black_box(autocast(precision, || Work::gradients(work, key)));
            Ok(())
        }
    };
    let alone = || {
        black_box(noisy_weights(&noisy.model, key).backward());
        Ok(())
    };
    let [plain_peer, noisy_peer] = match precision {
        Precision::Full => ["step-plain", "step-cni"],
        _ => ["step-plain-bf16", "step-cni-bf16"],
    };
    let runs = vec![
        ("plain", Run::ours(step(&plain))),
        ("noisy", Run::ours(step(&noisy))),
        ("noise alone", Run::ours(alone)),
        ("plain, PyTorch", Run::peer(plain_peer)),
        ("noisy, PyTorch", Run::peer(noisy_peer)),
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
