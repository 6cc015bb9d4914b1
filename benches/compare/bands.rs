//! Time and memory of a band-limited convolution by the rate that it leaves out.

use crate::measure::{Bench, Run, Timings};
use crate::{Result, machine};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor};
use cni_burn::layers::band_limited::{
    Band, BandLimit2dConfig, BandLimitedConv2d, BandLimitedConv2dConfig, Method,
};
use cni_burn::noise::{Key, uniform};
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::Command;

/// The rates, in percent, as in `peer_tasks.py`.
const RATES: [u8; 4] = [0, 30, 50, 70];
const METHODS: [Method; 2] = [Method::Direct, Method::Spectra];
/// Channels in and out, and rows and columns of the images, as in `peer_tasks.py`.
const CHANNELS: usize = 16;
const SIZE: usize = 32;

/// Images for the layer.
fn images(batch: usize, device: &Device) -> Tensor<4> {
    uniform(Key::new(1), [batch, CHANNELS, SIZE, SIZE], device)
}

/// A layer of ResNet-20's first stage, with its gradients.
struct Layer {
    layer: BandLimitedConv2d,
    images: Tensor<4>,
}

impl Layer {
    fn new(batch: usize, method: Method, percent: u8) -> Self {
        let device = Device::flex().autodiff();
        let conv = Conv2dConfig::new([CHANNELS, CHANNELS], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_bias(false);
        let band = Band::Rate(f64::from(percent) / 100.0);
        let layer = BandLimitedConv2dConfig::new(conv, band).with_method(method).init(&device);
        Self { layer, images: images(batch, &device) }
    }

    /// A forward pass, and the gradients of weights and images.
    fn gradients(&self) {
        let images = self.images.clone().require_grad();
        black_box(self.layer.forward(images).sum().backward());
    }
}

/// Our projection of images without gradients, transform and inverse, and Burn's FFT for its
/// transform alone. The FFT knows powers of two, and one axis at a time.
fn transforms(bench: &mut Bench) -> Result<Timings> {
    let images = images(bench.batch, &Device::flex());
    let limit = BandLimit2dConfig::new(Band::Rate(0.5)).init();
    let projection = Run::ours(|| {
        black_box(limit.forward(images.clone()));
        Ok(())
    });
    let transform = Run::ours(|| {
        let (re, im) = burn::signal::rfft(images.clone(), 3, None);
        black_box(burn::signal::cfft(re, im, 2, None));
        Ok(())
    });
    let runs =
        vec![("our projection, 50 % left out", projection), ("Burn's FFT, one way", transform)];
    bench.in_turns(bench.repeats, runs)
}

/// Forward and backward by method and rate, against PyTorch's convolution and the published product
/// of spectra by its FFT; then the memory of each.
pub fn bands(bench: &mut Bench) -> Result<Value> {
    let all = || METHODS.into_iter().flat_map(|method| RATES.map(|rate| (method, rate)));
    let names: Vec<String> = all().map(|(method, rate)| name("ours", method, rate)).collect();
    let layers: Vec<Layer> =
        all().map(|(method, rate)| Layer::new(bench.batch, method, rate)).collect();
    let ours = names.iter().zip(&layers).map(|(name, layer)| {
        let run = Run::ours(|| {
            layer.gradients();
            Ok(())
        });
        (name.as_str(), run)
    });
    let peers = RATES.map(|rate| (name("PyTorch", Method::Spectra, rate), rate));
    let spectra =
        peers.iter().map(|(name, rate)| (name.as_str(), Run::peer(format!("band-{rate}"))));
    let plain = [
        ("PyTorch convolution", Run::peer("band-conv")),
        ("PyTorch convolution, channels-last", Run::peer("band-conv-channels-last")),
    ];
    let timings = bench.in_turns(bench.repeats, ours.chain(plain).chain(spectra).collect())?;
    let pairs: Vec<_> =
        peers.iter().map(|(peer, rate)| (name("ours", Method::Spectra, *rate), peer)).collect();
    let pairs: Vec<_> = pairs.iter().map(|(ours, peer)| (ours.as_str(), peer.as_str())).collect();
    let ratios = timings.ratios(&pairs);
    let transforms = transforms(bench)?;
    let mut memory = Vec::new();
    for (method, rate) in all() {
        let said = child(bench.batch, method, rate)?;
        let grown = || Some(said["peak"].as_u64()?.checked_sub(said["start"].as_u64()?)? as f64);
        let mebibytes = grown().map(|bytes| bytes / f64::from(1 << 20));
        if let Some(mebibytes) = mebibytes {
            println!("{:<40}{mebibytes:>12.0} MiB", name("ours", method, rate));
        }
        memory.push(json!({ "name": name("ours", method, rate), "mebibytes": mebibytes }));
    }
    Ok(json!({
        "layer": { "channels": CHANNELS, "size": SIZE, "batch": bench.batch },
        "timings": timings,
        "ratios": ratios,
        "transforms": transforms,
        "memory": memory,
    }))
}

fn name(side: &str, method: Method, percent: u8) -> String {
    format!("{side}, {method}, {percent} % left out")
}

/// The memory of a layer, from a process of its own.
fn child(batch: usize, method: Method, percent: u8) -> Result<Value> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--child-band", &format!("{method}:{percent}"), "--batch", &batch.to_string()])
        .output()?;
    if !child.status.success() {
        return Err(format!("the child: {}", String::from_utf8_lossy(&child.stderr)).into());
    }
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// The work of a child: the layer `METHOD:PERCENT`, twice.
pub fn child_band(batch: usize, layer: &str) -> Result<()> {
    let (method, percent) = layer.split_once(':').ok_or("--child-band METHOD:PERCENT")?;
    let layer = Layer::new(batch, method.parse()?, percent.parse()?);
    let start = machine::own_memory("VmHWM");
    layer.gradients();
    layer.gradients();
    println!("{}", json!({ "start": start, "peak": machine::own_memory("VmHWM") }));
    Ok(())
}
