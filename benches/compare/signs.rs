//! Convolutions of signs, packed and as floats.

use crate::Result;
use crate::measure::{Bench, Run};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::Device;
use cni_burn::layers::binary::{BinaryConv2dConfig, PackedConv2d};
use cni_burn::layers::models::{DenseNetConfig, PackedDenseNet};
use cni_burn::noise::{normal, uniform};
use cni_burn::prelude::*;
use serde_json::{Value, json};
use std::hint::black_box;

/// Input channels and size of a unit in each stage of BinaryDenseNet-28; all have 64 outputs.
const UNITS: [[usize; 2]; 4] = [[128, 56], [256, 28], [384, 14], [512, 7]];
/// Images of a unit, and of the whole network.
const BATCHES: [usize; 2] = [16, 8];

const PACKED: &str = "packed";
const FULL: &str = "f32";
const HALF: &str = "bf16";

/// Packed layers and a packed network, against the same in single precision and in bf16.
pub fn signs(bench: &mut Bench) -> Result<Value> {
    let (device, key) = (Device::flex(), Key::new(1));
    let mut units = Vec::new();
    for [channels, size] in UNITS {
        println!("{channels} to 64 channels, {size} by {size}");
        let conv = Conv2dConfig::new([channels, 64], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let layer = keyed_init(BinaryConv2dConfig::new(conv).init(&device), key);
        let packed = PackedConv2d::of(&layer)?;
        let x = normal::<4>(key, [BATCHES[0], channels, size, size], &device);
        let measured = against(bench, || packed.forward(x.clone()), || layer.forward(x.clone()))?;
        units.push(json!({ "channels": [channels, 64], "size": size, "times": measured }));
    }
    println!("BinaryDenseNet-28, 224 by 224");
    let config = DenseNetConfig::binary_28(1000);
    let model = keyed_init(config.init(&device), key);
    let packed = PackedDenseNet::of(&model)?;
    let images = uniform::<4>(key, [BATCHES[1], 3, 224, 224], &device);
    let network =
        against(bench, || packed.forward(images.clone()), || model.forward(images.clone()))?;
    Ok(json!({ "batches": BATCHES, "units": units, "network": network }))
}

/// Times of a packed computation, and of one in floats in both precisions.
fn against<T>(bench: &mut Bench, packed: impl Fn() -> T, floats: impl Fn() -> T) -> Result<Value> {
    let run = |precision: Option<Precision>| {
        let (packed, floats) = (&packed, &floats);
        Run::ours(move || {
            black_box(match precision {
                None => packed(),
                Some(precision) => autocast(precision, floats),
            });
            Ok(())
        })
    };
    let runs = vec![
        (PACKED, run(None)),
        (FULL, run(Some(Precision::Full))),
        (HALF, run(Some(Precision::Bf16))),
    ];
    let timings = bench.in_turns(bench.repeats, runs)?;
    let ratios = timings.ratios(&[(PACKED, FULL), (PACKED, HALF)]);
    Ok(json!({ "ratios": ratios, "timings": timings }))
}
