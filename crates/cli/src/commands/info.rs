//! A model, its parameters and its noise.

use crate::compute::{F16, by};
use crate::exit::Exit;
use crate::given::Given;
use crate::model::{Asked, ModelFlags, config_of_run};
use crate::output::Output;
use burn::tensor::Device;
use clap::Args;
use cni_burn::layers::binary::BinarySummary;
use cni_burn::layers::models::Network;
use cni_burn::ops::HalfPrecision;
use cni_burn::prelude::{NoiseSummary, count_parameters};
use cni_burn::training::CheckpointSelector;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;

/// The flags of `info`.
#[derive(Args)]
pub struct Info {
    #[command(flatten)]
    model: ModelFlags,
    /// Describe the model of a run instead.
    #[arg(long)]
    run: Option<PathBuf>,
    /// List all layers with their settings before the rest.
    #[arg(long)]
    layers: bool,
    #[command(flatten)]
    output: Output,
}

pub fn info(args: &Info, given: &Given) -> Result<Exit, Box<dyn Error>> {
    let (flags, output) = (&args.model, args.output);
    let config = match &args.run {
        Some(run) => {
            let config = config_of_run(run, CheckpointSelector::Last)?;
            Asked { flags, folder: false, given, defaults: false }.agrees_with(&config, run)?;
            config
        }
        None => {
            given.refuse(&flags.idle())?;
            flags.config(&flags.dataset.about())?
        }
    };
    let model = config.try_init(&Device::flex())?;
    let (summary, parameters) = (NoiseSummary::of(&model), count_parameters(&model));
    if args.layers {
        output.say(format_args!("{model}\n"))?;
    }
    output.say(&summary)?;
    let of_noise = summary.parameters();
    output.say(format_args!("{parameters} parameters, {of_noise} of them of noise"))?;
    let binary = BinarySummary::of(&model);
    if binary.binary > 0 {
        output.say(binary)?;
    }
    let ([height, width], channels) = (config.image_size(), config.normalize().channels());
    let obstacle = match &model {
        Network::ResNet(model) => {
            let obstacle = model.body().obstacle([1, channels, height, width]);
            obstacle.map(|obstacle| obstacle.to_string())
        }
        Network::DenseNet(_) => Some("the joined channels of a dense network".to_string()),
    };
    let way = HalfPrecision::in_force()?;
    let rest = match &obstacle {
        _ if way == HalfPrecision::Layers => String::new(),
        None => ", all layers up to the classifier as one operation".to_string(),
        Some(obstacle) => format!(", one layer at a time in training because of {obstacle}"),
    };
    output.say(format_args!("bf16 on this CPU: {}{rest}", by(way)))?;
    output.say(
        "CNI_HALF_PRECISION=amx, avx512_bf16, vectors or layers chooses how bf16 is computed",
    )?;
    output.say(format_args!("f16 on this CPU: {F16}"))?;
    output.result(&json!({
        "config": config,
        "half_precision": { "by": way.to_string(), "obstacle": obstacle },
        "parameters": parameters,
        "binary": (binary.binary > 0).then_some(binary),
        "noise_parameters": of_noise,
        "noise": summary.to_string(),
    }))?;
    Ok(Exit::Done)
}
