//! Runs of the version before, whose command was an example that described models by its flags.

use crate::program::{evaluate, plain, record, scratch, works};
use burn::tensor::Device;
use cni_burn::data::{Split, digits};
use cni_burn::prelude::*;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// A run as that example left it.
fn earlier() -> PathBuf {
    let run = scratch("earlier");
    let flags = json!({
        "dataset": "digits", "family": "cifar", "depth": 8, "width": 0.25, "shortcut": "projection",
        "normalization": null, "noise": "pni", "place": ["weights", "image"], "rank": 5,
        "convention": "scaled", "granularity": "channel", "epsilon": 0.05,
    });
    let noise = ModelNoise::pni(Granularity::Channel)
        .with_input(ActivationNoiseConfig::white(Granularity::Channel))
        .with_scale(NoiseScale::Relative);
    let config = ResNetConfig::cifar(8, 10)
        .with_width(0.25)
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_noise(noise);
    let model = keyed_init(config.init(&Device::flex()), Key::new(1));
    let (train, validation) =
        digits(Split::Train).take(60).split_validation(20, Key::new(2)).unwrap();
    Trainer::new(TrainingConfig::new(1, Objective::clean()), &run)
        .unwrap()
        .with_validation(validation)
        .with_model_config(&flags)
        .unwrap()
        .run(model, ResNet::forward, train)
        .unwrap();
    run
}

#[test]
fn a_run_of_the_version_before_is_described_and_judged_as_it_was_trained() {
    let (run, out) = (earlier(), scratch("of-earlier"));
    let flags = "--dataset digits --depth 8 --width 0.25 --noise pni --place weights,image \
                 --scale relative --granularity channel";
    let described = works(plain(&format!("info --run {}", run.display())));
    assert_eq!(described, works(plain(&format!("info {flags}"))));
    works(evaluate(&run, &out, "--suite quick"));
    let model = &record(&out)["model"];
    assert!(model["name"].as_str().unwrap().ends_with("(epoch 1)"), "{model}");
    assert!(model["layers"].as_array().unwrap().len() > 1, "{model}");
    // Without checkpoints its flags are in the file beside them.
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    assert_eq!(works(plain(&format!("info --run {}", run.display()))), described);
}
