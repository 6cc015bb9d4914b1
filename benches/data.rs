//! Costs of image folders on disk against the same images in memory: resident memory as the folder
//! grows, and the time of a training epoch. `benches/README.md` says how to read it.

#[path = "compare/machine.rs"]
mod machine;

use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::Device;
use clap::{Parser, Subcommand};
use cni_burn::data::{Augmentation, ImageData, ImageFolder, Loader};
use cni_burn::evaluation::write_json;
use cni_burn::noise::host_uniform;
use cni_burn::prelude::*;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Measures epochs over generated image folders.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Images of a batch.
    #[arg(long, default_value_t = 128, global = true)]
    batch: usize,
    /// The file for the record.
    #[arg(long, global = true)]
    out: Option<PathBuf>,
    /// Passed by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// The peak of the resident memory over folders of JPEG images that grow to --images.
    Memory {
        /// Images of the largest folder.
        #[arg(long, default_value_t = 6_000)]
        images: usize,
        /// Height and width of an image, in pixels.
        #[arg(long, default_value_t = 240)]
        side: u32,
    },
    /// Seconds of a training epoch of a ResNet-20 on PNG images of 32 x 32 pixels.
    Epoch {
        /// Images of the folder.
        #[arg(long, default_value_t = 1_024)]
        images: usize,
        /// Epochs timed of each, in turns, after one that is not.
        #[arg(long, default_value_t = 5)]
        repeats: usize,
        /// PGD steps before each training step; 0 trains on the clean images.
        #[arg(long, default_value_t = 0)]
        attack_steps: usize,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let measured = match cli.what {
        What::Memory { images, side } => memory(images, side, cli.batch)?,
        What::Epoch { images, repeats, attack_steps } => {
            epochs(images, repeats, attack_steps, cli.batch)?
        }
    };
    if let Some(out) = &cli.out {
        let machine = machine::facts(machine::threads(), None);
        write_json(&root().join(out), &json!({ "machine": machine, "measured": measured }))?;
    }
    Ok(())
}

/// A folder of images of ten classes, smooth with some noise, as photographs are.
fn folder(images: usize, side: u32, extension: &str) -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    for class in 0..10.min(images) {
        fs::create_dir_all(dir.path().join(class.to_string()))?;
    }
    for i in 0..images {
        let draws = host_uniform(Key::new(1).child(i as u64), 0..3 + u64::from(side));
        let wave = |x: u32, y: u32, channel: usize| {
            let phase = draws[channel] * (x + 2 * y) as f32 / side as f32;
            let noise = draws[3 + ((x ^ (y * 7)) % side) as usize];
            (200.0 * (0.5 + 0.5 * (6.0 * phase).sin()) + 50.0 * noise) as u8
        };
        let image = RgbImage::from_fn(side, side, |x, y| Rgb([0, 1, 2].map(|c| wave(x, y, c))));
        image.save(dir.path().join(format!("{}/{i:06}.{extension}", i % 10)))?;
    }
    Ok(dir)
}

fn memory(images: usize, side: u32, batch: usize) -> Result<Value> {
    let dir = folder(images, side, "jpg")?;
    let folder = ImageFolder::new(dir.path());
    let decoded = |images: usize| images as u64 * 3 * u64::from(side).pow(2);
    let mut rows = vec![row("before", 0, 0, 0.0)];
    for part in [images / 4, images / 2, images] {
        let (data, started) = (folder.open()?.take(part), Instant::now());
        walk(&data, batch)?;
        let seconds = started.elapsed().as_secs_f64();
        wait(&data, batch)?;
        rows.push(row("on disk", part, decoded(part), seconds));
    }
    let started = Instant::now();
    folder.open()?.fingerprint()?;
    rows.push(row("fingerprint", images, decoded(images), started.elapsed().as_secs_f64()));
    let started = Instant::now();
    walk(&folder.read()?, batch)?;
    rows.push(row("in memory", images, decoded(images), started.elapsed().as_secs_f64()));
    Ok(json!({ "side": side, "batch": batch, "rows": rows }))
}

/// An epoch without a model: nothing hides the time of reading.
fn walk(data: &ImageData, batch: usize) -> Result<()> {
    loader(data, batch)?.epoch(0).try_for_each(|batch| batch.map(drop))?;
    Ok(())
}

/// Batches of an epoch in steps so slow that all that may be read ahead is.
fn wait(data: &ImageData, batch: usize) -> Result<()> {
    for batch in loader(data, batch)?.epoch(0).take(3) {
        let _in_use = batch?;
        thread::sleep(Duration::from_secs(3));
    }
    Ok(())
}

fn loader(data: &ImageData, batch: usize) -> Result<Loader> {
    let loader = Loader::new(data.clone(), batch, Key::new(2), &Device::flex())?;
    Ok(loader.with_augmentation(Augmentation::cifar())?)
}

fn row(what: &str, images: usize, decoded: u64, seconds: f64) -> Value {
    let peak = machine::own_memory("VmHWM");
    println!(
        "{what}: {images} images, {} MiB decoded: peak {} MiB, {seconds:.1} s",
        decoded >> 20,
        peak.unwrap_or(0) >> 20
    );
    json!({
        "what": what, "images": images, "decoded_bytes": decoded, "peak_bytes": peak,
        "seconds": seconds,
    })
}

fn epochs(images: usize, repeats: usize, attack_steps: usize, batch: usize) -> Result<Value> {
    let dir = folder(images, 32, "png")?;
    let folder = ImageFolder::new(dir.path());
    let device = Device::flex().autodiff();
    let loader = |data| {
        Loader::new(data, batch, Key::new(2), &device)?.with_augmentation(Augmentation::cifar())
    };
    let loaders = [loader(folder.read()?)?, loader(folder.open()?)?];
    let architecture = Architecture::Cifar { depth: 20, shortcut: Shortcut::Projection };
    let config = ResNetConfig::new(architecture, 10);
    let mut model = keyed_init(config.try_init(&device)?, Key::new(3));
    let mut optimizer = AdamConfig::new().init();
    let threat = Threat::linf(8.0 / 255.0)?;
    let mut seconds = [Vec::new(), Vec::new()];
    for epoch in 0..=repeats {
        for (loader, seconds) in loaders.iter().zip(&mut seconds) {
            let started = Instant::now();
            for batch in loader.epoch(epoch) {
                let batch = batch?;
                let mut images = batch.images;
                if attack_steps > 0 {
                    let frozen = FrozenModel::new(&model, ResNet::forward);
                    let attack = Pgd::training(threat).with_steps(attack_steps)?;
                    let attack = attack.on(&frozen).with_key(batch.key);
                    images = attack.perturb(images, batch.labels.clone())?.images.autodiff();
                }
                let logits = model.forward(images);
                let loss = CrossEntropyLossConfig::new().init(&device);
                let gradients = loss.forward(logits, batch.labels).backward();
                let gradients = GradientsParams::from_grads(gradients, &model);
                model = optimizer.step(1e-3, model, gradients);
            }
            // The first epoch warms both up.
            if epoch > 0 {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
    }
    let ratios: Vec<f64> = seconds[1].iter().zip(&seconds[0]).map(|(d, m)| d / m).collect();
    let [memory, disk, ratio] = [&seconds[0], &seconds[1], &ratios].map(|list| median(list));
    println!("{images} images: in memory {memory:.2} s, on disk {disk:.2} s, ratio {ratio:.3}");
    Ok(json!({
        "images": images, "batch": batch, "attack_steps": attack_steps,
        "seconds_in_memory": seconds[0], "seconds_on_disk": seconds[1], "ratio": ratio,
    }))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
