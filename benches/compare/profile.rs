//! Where the time of an adversarial training step goes, by operation.
//!
//! Burn has no profiler on the CPU, so each operation is timed alone at each shape it has in ResNet-20 and counted, beside
//! Burn's own operation for the same. A gradient begins here with a tensor made for it, which the step does not pay for: the
//! rest can be less than nothing. One file, because it is one table of ResNet-20's operations and the ways to time them.

use crate::Result;
use crate::measure::{Bench, Run, median};
use crate::work::{Training, Work, noisy_weights};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_burn::noise::normal;
use cni_burn::ops::{Epilogue, batch_norm, conv2d, conv2d_batch_norm};
use cni_burn::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

/// Forward and backward passes of an attack of seven steps; those of training, on clean and on adversarial images.
const ATTACK: usize = 7;
const TRAINING: usize = 2;
const PASSES: usize = ATTACK + TRAINING;

/// Channels in and out, size of the image, kernel, stride, and counts.
type Convolution = ([usize; 2], usize, usize, usize, [usize; 3]);

/// A convolution with its norm: channels in and out, size of the image, kernel, stride, and how many of them the model has
/// with a rectifier alone, with a residual sum and a rectifier, and with neither.
const CONVOLUTIONS: [Convolution; 8] = [
    ([3, 16], 32, 3, 1, [1, 0, 0]),
    ([16, 16], 32, 3, 1, [3, 3, 0]),
    ([16, 32], 32, 3, 2, [1, 0, 0]),
    ([16, 32], 32, 1, 2, [0, 0, 1]),
    ([32, 32], 16, 3, 1, [2, 3, 0]),
    ([32, 64], 16, 3, 2, [1, 0, 0]),
    ([32, 64], 16, 1, 2, [0, 0, 1]),
    ([64, 64], 8, 3, 1, [2, 3, 0]),
];

/// The outputs of a stage: channels, size, and how many norms it has by what follows, as above.
const STAGES: [(usize, usize, [usize; 3]); 3] =
    [(16, 32, [4, 3, 0]), (32, 16, [3, 3, 1]), (64, 8, [3, 3, 1])];

#[derive(Serialize)]
struct Operation {
    class: &'static str,
    shape: String,
    /// Median seconds of one call.
    seconds: f64,
    /// The same by Burn's own operations, where ours are others.
    burn_seconds: Option<f64>,
    /// Calls in one step.
    calls: usize,
}

struct Profiler {
    runs: usize,
    batch: usize,
    operations: Vec<Operation>,
}

pub fn profile(bench: &mut Bench) -> Result<Value> {
    let mut training = Training::new(bench.batch)?;
    let runs = vec![("step", Run::ours(|| training.step()))];
    let timings = bench.in_turns(bench.repeats, runs)?;
    let whole = timings.0[0].median;
    let mut profiler = Profiler { runs: 2 * bench.repeats, batch: bench.batch, operations: vec![] };
    profiler.convolutions();
    profiler.norms();
    profiler.noise();

    let mut shares: Vec<(&str, f64)> = Vec::new();
    for operation in &profiler.operations {
        let share = operation.seconds * operation.calls as f64 / whole;
        match shares.iter_mut().find(|(class, _)| *class == operation.class) {
            Some((_, sum)) => *sum += share,
            None => shares.push((operation.class, share)),
        }
    }
    let rest = 1.0 - shares.iter().map(|(_, share)| share).sum::<f64>();
    shares.push(("rest", rest));
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    println!();
    for (class, share) in &shares {
        println!("{class:<34}{:>12.1} %", share * 100.0);
    }
    let shares: Vec<Value> =
        shares.iter().map(|(name, share)| json!({ "name": name, "share": share })).collect();

    let burn_ratios = ["conv", "norm"].map(|kind| {
        let operations =
            profiler.operations.iter().filter(|operation| operation.class.starts_with(kind));
        let [mut ours, mut burns] = [0.0; 2];
        for operation in operations {
            let Some(seconds) = operation.burn_seconds else { continue };
            ours += operation.seconds * operation.calls as f64;
            burns += seconds * operation.calls as f64;
        }
        println!("{:<34}{:>12.1}", format!("Burn's own / ours, {kind}"), burns / ours);
        json!({ "kind": kind, "ratio": burns / ours })
    });

    let peer = bench.peer.as_ref().map(|peer| peer.once("profile-adv-step")).transpose()?;
    let peer = peer.map(|peer| peer["operations"].clone());
    if peer.is_some() {
        println!("\nPyTorch's profiler");
    }
    for operation in peer.iter().filter_map(Value::as_array).flatten() {
        let (name, share) = (operation["name"].as_str(), operation["share"].as_f64());
        println!("{:<34}{:>12.1} %", name.unwrap_or("?"), share.unwrap_or(f64::NAN) * 100.0);
    }
    Ok(json!({
        "timings": timings,
        "shares": shares,
        "operations": profiler.operations,
        "burn_ratios": burn_ratios,
        "peer": peer,
    }))
}

/// What is timed: seconds of one run.
type Timed<'a> = &'a mut dyn FnMut() -> f64;

impl Profiler {
    fn push(
        &mut self,
        class: &'static str,
        shape: &str,
        calls: usize,
        f: Timed,
        mut burn: Option<Timed>,
    ) {
        let (mut ours, mut burns) = (Vec::new(), Vec::new());
        for run in 0..=self.runs {
            let seconds = (f(), burn.as_mut().map(|f| f()));
            // The first run warms up.
            if run > 0 {
                ours.push(seconds.0);
                burns.extend(seconds.1);
            }
        }
        let (seconds, shape) = (median(&ours), shape.to_string());
        let burn_seconds = (!burns.is_empty()).then(|| median(&burns));
        let burns = burn_seconds.map_or(String::new(), |s| format!("{:>9.2} ms by Burn", s * 1e3));
        println!("{class:<32}{shape:<28}{:>9.2} ms x {calls:<4}{burns}", seconds * 1e3);
        self.operations.push(Operation { class, shape, seconds, burn_seconds, calls });
    }

    /// An operation forwards, and backwards to those of its inputs that want a gradient: ours, and Burn's.
    fn both<const D: usize>(
        &mut self,
        classes: [&'static str; 2],
        shape: &str,
        calls: [usize; 2],
        f: &dyn Fn() -> Tensor<D>,
        burn: Option<&dyn Fn() -> Tensor<D>>,
    ) {
        let seconds = |f: &dyn Fn() -> Tensor<D>, backward: bool| {
            let (output, seconds) = time(f);
            if backward { time(|| black_box(output.backward())).1 } else { seconds }
        };
        for (i, (class, calls)) in classes.into_iter().zip(calls).enumerate() {
            if calls > 0 {
                let mut by_burn = burn.map(|burn| move || seconds(burn, i == 1));
                let by_burn = by_burn.as_mut().map(|f| f as Timed);
                self.push(class, shape, calls, &mut || seconds(f, i == 1), by_burn);
            }
        }
    }

    /// Convolutions: in the attack with the norm and what follows in one operation.
    fn convolutions(&mut self) {
        for ([inputs, outputs], size, kernel, stride, counts) in CONVOLUTIONS {
            let shape =
                format!("{inputs} to {outputs}, {size}x{size}, {kernel}x{kernel} / {stride}");
            let (tracked, layer) = layer([inputs, outputs], kernel, stride);
            let x = tensor([self.batch, inputs, size, size]);
            let leaf = x.clone().autodiff().require_grad();
            let frozen: BatchNorm = BatchNormConfig::new(outputs).init(&Device::flex());
            let output = [self.batch, outputs, size / stride, size / stride];
            for (count, after) in followers(counts, output) {
                self.both(
                    ["conv, norm forward, attack", "conv, norm backward, attack"],
                    &shape,
                    [count * ATTACK; 2],
                    &|| conv2d_batch_norm(&layer, &frozen, leaf.clone(), after.clone()),
                    Some(&|| burns(frozen.forward(layer.forward(leaf.clone())), &after)),
                );
            }
            let count = counts.iter().sum::<usize>() * TRAINING;
            // The stem's input is the image, whose gradient only the attack wants.
            let to_input = if inputs == 3 { 0 } else { count };
            self.both(
                ["conv forward, training", "conv input gradient, training"],
                &shape,
                [count, to_input],
                &|| conv2d(&layer, leaf.clone()),
                Some(&|| layer.forward(leaf.clone())),
            );
            self.both(
                ["", "conv weight gradient, training"],
                &shape,
                [0, count],
                &|| conv2d(&tracked, x.clone()),
                Some(&|| tracked.forward(x.clone())),
            );
        }
    }

    /// Norms and what follows, in training.
    fn norms(&mut self) {
        for (channels, size, counts) in STAGES {
            let output = [self.batch, channels, size, size];
            let leaf = tensor(output).autodiff().require_grad();
            let shape = format!("{channels}, {size}x{size}");
            let layer: BatchNorm = BatchNormConfig::new(channels).init(&Device::flex().autodiff());
            for (count, after) in followers(counts, output) {
                self.both(
                    ["norm forward, training", "norm backward, training"],
                    &shape,
                    [count * TRAINING; 2],
                    &|| batch_norm(&layer, leaf.clone(), after.clone()),
                    Some(&|| burns(layer.forward(leaf.clone()), &after)),
                );
            }
            // Backwards the gradients of the two branches of each block are added.
            let plain = leaf.clone().inner();
            let sum = &mut || time(|| black_box(plain.clone() + plain.clone())).1;
            self.push("sums of gradients", &shape, counts[1] * PASSES, sum, None);
        }
    }

    fn noise(&mut self) {
        let work = Work::new(ModelNoise::cni(5), 1);
        let (key, frozen) = (Key::new(3), work.model.valid());
        let names = ["noise forward", "noise backward"];
        let forward = &mut || time(|| black_box(noisy_weights(&frozen, key))).1;
        self.push(names[0], "all weights, attack", ATTACK, forward, None);
        let shape = "all weights, training";
        self.both(names, shape, [TRAINING; 2], &|| noisy_weights(&work.model, key), None);
    }
}

/// What follows the norms of a stage, each with its count.
fn followers([relus, sums, plain]: [usize; 3], output: [usize; 4]) -> Vec<(usize, Epilogue)> {
    let residual = tensor(output).autodiff().require_grad();
    let all = [
        (relus, Epilogue::relu()),
        (sums, Epilogue::add_relu(residual)),
        (plain, Epilogue::default()),
    ];
    all.into_iter().filter(|(count, _)| *count > 0).collect()
}

/// What follows a norm, by Burn's operations.
fn burns(out: Tensor<4>, after: &Epilogue) -> Tensor<4> {
    let out = match &after.residual {
        Some(residual) => out + residual.clone(),
        None => out,
    };
    if after.relu { relu(out) } else { out }
}

/// A convolution whose weight wants a gradient, and the same without.
fn layer(channels: [usize; 2], kernel: usize, stride: usize) -> (Conv2d, Conv2d) {
    let pad = kernel / 2;
    let tracked = Conv2dConfig::new(channels, [kernel; 2])
        .with_stride([stride; 2])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .init(&Device::flex().autodiff());
    let plain = tracked.valid();
    (tracked, plain)
}

fn time<R>(f: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = f();
    (result, start.elapsed().as_secs_f64())
}

fn tensor(shape: [usize; 4]) -> Tensor<4> {
    normal(Key::new(4), shape, &Device::flex())
}
