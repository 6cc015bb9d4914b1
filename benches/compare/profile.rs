//! Where the time of an adversarial training step goes, by operation.
//!
//! Burn has no profiler on the CPU, so each operation is timed alone at each shape it has in ResNet-20 and counted. Memory
//! that an operation finds warm here may be new to the process in the step; what that costs is in the rest.

use crate::Result;
use crate::measure::{Bench, Run, median};
use crate::work::{Training, Work, noisy_weights};
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor};
use cni_burn::noise::normal;
use cni_burn::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

/// Forward and backward passes of an attack of seven steps; those of training, on clean and on adversarial images.
const ATTACK: usize = 7;
const TRAINING: usize = 2;
const PASSES: usize = ATTACK + TRAINING;

/// A convolution: channels in and out, size of the image, kernel, stride, and how many of them the model has.
const CONVOLUTIONS: [([usize; 2], usize, usize, usize, usize); 8] = [
    ([3, 16], 32, 3, 1, 1),
    ([16, 16], 32, 3, 1, 6),
    ([16, 32], 32, 3, 2, 1),
    ([16, 32], 32, 1, 2, 1),
    ([32, 32], 16, 3, 1, 5),
    ([32, 64], 16, 3, 2, 1),
    ([32, 64], 16, 1, 2, 1),
    ([64, 64], 8, 3, 1, 5),
];
/// The outputs of a stage: channels, size, and how many batch norms, rectifiers and residual sums it has.
const STAGES: [(usize, usize, [usize; 3]); 3] =
    [(16, 32, [7, 7, 3]), (32, 16, [7, 6, 3]), (64, 8, [7, 6, 3])];

#[derive(Serialize)]
struct Operation {
    class: &'static str,
    shape: String,
    /// Median seconds of one call.
    seconds: f64,
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
    profiler.elementwise();
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
        "peer": peer,
    }))
}

impl Profiler {
    fn push(&mut self, class: &'static str, shape: &str, calls: usize, mut f: impl FnMut() -> f64) {
        // The first call warms up.
        let seconds: Vec<f64> = (0..=self.runs).map(|_| f()).skip(1).collect();
        let (seconds, shape) = (median(&seconds), shape.to_string());
        println!("{class:<28}{shape:<28}{:>9.2} ms x {calls}", seconds * 1e3);
        self.operations.push(Operation { class, shape, seconds, calls });
    }

    /// An operation forwards and, `backwards` times a step, backwards to those of its inputs that want a gradient.
    fn both<const D: usize>(
        &mut self,
        [forward, backward]: [&'static str; 2],
        shape: &str,
        [forwards, backwards]: [usize; 2],
        f: impl Fn() -> Tensor<D>,
    ) {
        if forwards > 0 {
            self.push(forward, shape, forwards, || time(|| black_box(f())).1);
        }
        self.push(backward, shape, backwards, || {
            let output = f();
            time(|| black_box(output.backward())).1
        });
    }

    fn convolutions(&mut self) {
        for ([inputs, outputs], size, kernel, stride, count) in CONVOLUTIONS {
            let pad = kernel / 2;
            let options = || ConvOptions::new([stride; 2], [pad; 2], [1; 2], 1);
            let x = tensor([self.batch, inputs, size, size]);
            let w = tensor([outputs, inputs, kernel, kernel]);
            let shape =
                format!("{inputs} to {outputs}, {size}x{size}, {kernel}x{kernel} / {stride}");
            // The stem's input is the image, whose gradient only the attack wants.
            let to_input = count * if inputs == 3 { ATTACK } else { PASSES };
            let names = ["conv forward", "conv input gradient"];
            let leaf = x.clone().autodiff().require_grad();
            self.both(names, &shape, [count * PASSES, to_input], || {
                conv2d(leaf.clone(), w.clone(), None, options())
            });
            let names = ["", "conv weight gradient"];
            let leaf = w.autodiff().require_grad();
            self.both(names, &shape, [0, count * TRAINING], || {
                conv2d(x.clone(), leaf.clone(), None, options())
            });
        }
    }

    fn elementwise(&mut self) {
        for (channels, size, [norms, rectifiers, sums]) in STAGES {
            let plain = tensor([self.batch, channels, size, size]);
            let leaf = plain.clone().autodiff().require_grad();
            let shape = format!("{channels}, {size}x{size}");
            let names = ["relu forward", "relu backward"];
            self.both(names, &shape, [rectifiers * PASSES; 2], || relu(leaf.clone()));

            let norm: BatchNorm = BatchNormConfig::new(channels).init(&Device::flex().autodiff());
            let frozen = norm.valid();
            let names = ["norm forward, attack", "norm backward, attack"];
            self.both(names, &shape, [norms * ATTACK; 2], || frozen.forward(leaf.clone()));
            let names = ["norm forward, training", "norm backward, training"];
            self.both(names, &shape, [norms * TRAINING; 2], || norm.forward(leaf.clone()));

            // A residual sum, and backwards the sum of the gradients of its two branches.
            self.push("residual sums", &shape, 2 * sums * PASSES, || {
                time(|| black_box(plain.clone() + plain.clone())).1
            });
        }
    }

    fn noise(&mut self) {
        let work = Work::new(ModelNoise::cni(5), 1);
        let (key, frozen) = (Key::new(3), work.model.valid());
        let names = ["noise forward", "noise backward"];
        self.push(names[0], "all weights, attack", ATTACK, || {
            time(|| black_box(noisy_weights(&frozen, key))).1
        });
        let shape = "all weights, training";
        self.both(names, shape, [TRAINING; 2], || noisy_weights(&work.model, key));
    }
}

fn time<R>(f: impl FnOnce() -> R) -> (R, f64) {
    let start = Instant::now();
    let result = f();
    (result, start.elapsed().as_secs_f64())
}

fn tensor(shape: [usize; 4]) -> Tensor<4> {
    normal(Key::new(4), shape, &Device::flex())
}
