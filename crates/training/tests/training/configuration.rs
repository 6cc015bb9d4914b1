//! Configurations: what is saved and loaded, any optimizer and schedule of Burn, and what ends a
//! run. One file, because every test is the same small run with other settings.

use crate::support::conv_net::{self, Net, Settings, config, data, trainer};
use crate::support::numbers;
use burn::lr_scheduler::exponential::ExponentialLrSchedulerConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, AdamWConfig, LionConfig, RmsPropConfig, SgdConfig};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_noise::Key;
use cni_training::{
    Average, By, CheckpointFault, CheckpointSelector, EarlyStopping, HalfAndHalf, Objective,
    Optimizer, OverfittingWatch, ParameterGroup, Schedule, Sgd, Trainer, TrainingConfig,
    TrainingError, Update, load_run,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

fn full() -> TrainingConfig {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    TrainingConfig {
        accumulation: 2,
        micro_batch: Some(20),
        max_grad_norm: Some(0.5),
        optimizer: AdamWConfig::new().with_weight_decay(0.01).into(),
        groups: vec![
            ParameterGroup::new("vectors").with_optimizer(AdamConfig::new()),
            ParameterGroup::new("noise").with_lr_scale(10.0),
        ],
        schedule: Schedule::burn(ExponentialLrSchedulerConfig::new(0.01, 0.5)).by(By::Epoch),
        updates: vec![Update::clamp("vectors", -1.0, 1.0)],
        average: Some(Average::ema(0.9)),
        validation_attack: Some(Arc::new(attack.clone())),
        early_stopping: Some(EarlyStopping { patience: 3, min_delta: 0.01 }),
        overfitting: Some(OverfittingWatch::fall_back(Threat::linf(0.1).unwrap()).unwrap()),
        keep_last: 1,
        key: Key::new(8),
        ..TrainingConfig::new(2, HalfAndHalf::new(attack).with_start_epoch(1))
    }
}

#[test]
fn a_configuration_comes_back_from_its_file_and_trains() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.json");
    full().save(&path).unwrap();
    let read = TrainingConfig::load(&path).unwrap();
    let value = |config: &TrainingConfig| serde_json::to_value(config).unwrap();
    assert_eq!(value(&read), value(&full()));
    let run = |config, name: &str| {
        let folder = folder.path().join(name);
        let trained = conv_net::run(config, &folder, &Settings::default(), false).unwrap();
        let written = TrainingConfig::load(folder.join("config.json")).unwrap();
        assert_eq!(value(&written), value(&full()));
        numbers(&trained.model)
    };
    assert_eq!(run(full(), "one"), run(read, "two"));
}

#[test]
fn text_after_a_configuration_and_a_value_of_another_kind_are_refused_by_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.json");
    for (text, wanted) in [
        (r#"{"epochs": 1, "objective": "clean"} x"#, "trailing characters"),
        (r#"{"epochs": 1, "objective": "clean", "augment": {}}"#, "augment: invalid type: map"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = TrainingConfig::load(&path).unwrap_err().to_string();
        assert!(error.contains("recipe.json") && error.contains(wanted), "{error}");
    }
}

#[test]
fn a_short_recipe_has_defaults_and_a_wrong_one_is_refused_by_name() {
    let short: TrainingConfig =
        serde_json::from_value(json!({ "epochs": 3, "objective": { "objective": "clean" } }))
            .unwrap();
    let shorter: TrainingConfig =
        serde_json::from_value(json!({ "epochs": 3, "objective": "clean", "key": 0 })).unwrap();
    let value = |config: &TrainingConfig| serde_json::to_value(config).unwrap();
    assert_eq!(value(&short), value(&TrainingConfig::new(3, Objective::clean())));
    assert_eq!(value(&shorter), value(&short));
    let cases = [
        ("/epoch", json!(3), "unknown field `epoch`"),
        ("/objective/objective", json!("trades9"), "objective: got trades9, wanted one of clean"),
        ("/objective/start", json!(2), "half_and_half: start: there is no such setting"),
        ("/objective/attack/attack", json!("pdg"), "no attack of that name"),
        ("/gradient/gradient", json!("awp9"), "gradient: got awp9, wanted one of backward"),
        ("/updates/0/most", json!(2), "update clamp: most: unknown field `most`"),
        ("/updates/0/min", json!("a"), "update clamp: min: invalid type: string"),
        ("/average/average", json!("swa9"), "average: got swa9, wanted one of ema"),
        (
            "/average",
            json!({ "decay": 0.9 }),
            "wanted an object with its name, such as {\"average\"",
        ),
        ("/augment", json!([{ "augmentation": "crop", "padding": -1 }]), "crop: padding: invalid"),
        ("/sampler", json!("poisson9"), "sampler: got poisson9, wanted one of epochs"),
        ("/overfitting/drops", json!(0.3), "unknown field `drops`"),
        ("/overfitting/then", json!("go_on"), "unknown variant `go_on`"),
        ("/overfitting/attack/attack", json!("pdg"), "no attack of that name"),
        ("/key", json!(-1), "32 hexadecimal digits or a seed"),
        (
            "/optimizer/weigth_decay",
            json!(0.1),
            "optimizer adamw: weigth_decay: got 0.1, but there is no such setting, wanted one of",
        ),
        ("/groups/0/optimizer/beta1", json!(0.5), "optimizer adam: beta1: got 0.5, but there is"),
        ("/schedule/burn/scheduler/Exponential/gama", json!(1), "Exponential.gama: got 1, but"),
    ];
    for (path, changed, wanted) in cases {
        let mut recipe = value(&full());
        let (object, field) = path.rsplit_once('/').unwrap();
        recipe.pointer_mut(object).unwrap()[field] = changed;
        let error = serde_json::from_value::<TrainingConfig>(recipe).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}\nlacks {wanted}");
    }
    let out_of_range = [
        (TrainingConfig { accumulation: 0, ..full() }, "accumulation: got 0"),
        (
            TrainingConfig { objective: Objective::clean(), ..full() },
            "overfitting: then: got fall_back with the objective clean",
        ),
        (
            TrainingConfig { average: Some(Average::ema(1.0)), ..full() },
            "average rule ema: decay: got 1",
        ),
        (
            TrainingConfig { updates: vec![Update::clamp("noise", 1.0, 1.0)], ..full() },
            "update rule clamp: min: got 1 with max 1",
        ),
        (
            TrainingConfig { early_stopping: Some(EarlyStopping::new(0)), ..full() },
            "patience: got 0",
        ),
        (
            TrainingConfig { groups: vec![ParameterGroup::new("noise")], ..full() },
            "groups: got noise, wanted another optimizer or learning rate",
        ),
        (
            TrainingConfig {
                schedule: Schedule::burn(ExponentialLrSchedulerConfig::new(2.0, 0.5)),
                ..full()
            },
            "schedule: got ",
        ),
    ];
    for (config, wanted) in out_of_range {
        let error = Trainer::<Net>::new(config, "unused").map(drop).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}\nlacks {wanted}");
    }
}

fn linear() -> LinearConfig {
    LinearConfig::new(64, 10)
}

fn forward(net: &Linear, images: Tensor<4>) -> Tensor<2> {
    net.forward(images.flatten(1, 3))
}

fn linear_run(folder: &Path, config: TrainingConfig, described: bool) -> Vec<f32> {
    let (train, validation) = data();
    let trainer = Trainer::new(config, folder).unwrap().with_validation(validation);
    let trainer = match described {
        true => trainer.with_model_config(&linear()).unwrap(),
        false => trainer,
    };
    let net = cni_layers::keyed_init(linear().init(&Device::flex()), Key::new(1));
    numbers(&trainer.run(net, forward, train).unwrap().model)
}

#[test]
fn a_run_is_loaded_from_its_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let expected = linear_run(folder.path(), config(2), true);
    let device = Device::flex();
    let build = |config: &LinearConfig, device: &Device| -> Result<Linear, TrainingError> {
        Ok(config.init(device))
    };
    let run = load_run(folder.path(), CheckpointSelector::Last, &device, build).unwrap();
    assert_eq!((numbers(&run.model), run.epoch, run.history.len()), (expected, 2, 2));
    assert_eq!((run.model_config.d_input, run.classes.len()), (64, 10));
    let training = serde_json::to_value(run.training_config().unwrap()).unwrap();
    assert_eq!(training, serde_json::to_value(config(2)).unwrap());

    let other = |config: &Value, _: &Device| Err::<Linear, String>(format!("no {config}"));
    let error = load_run(folder.path(), CheckpointSelector::Last, &device, other).unwrap_err();
    let TrainingError::Checkpoint { fault: CheckpointFault::Build(_), .. } = error else {
        panic!("{error}")
    };
    let wrong = |_: &Vec<u8>, device: &Device| Ok::<_, String>(linear().init(device));
    let error = load_run(folder.path(), CheckpointSelector::Last, &device, wrong).unwrap_err();
    assert!(error.to_string().contains("model configuration: invalid type"), "{error}");
    let bare = tempfile::tempdir().unwrap();
    linear_run(bare.path(), config(1), false);
    let error = load_run(bare.path(), CheckpointSelector::Last, &device, build).unwrap_err();
    assert!(error.to_string().contains("wanted that of Trainer::with_model_config"), "{error}");
}

#[test]
fn every_optimizer_of_burn_trains_and_goes_on_where_it_was() {
    let optimizers: [Optimizer; 6] = [
        AdamConfig::new().into(),
        AdamWConfig::new().into(),
        LionConfig::new().into(),
        RmsPropConfig::new().into(),
        Sgd { momentum: 0.9, ..Sgd::default() }.into(),
        Optimizer::custom(json!({ "name": "plain" }), || SgdConfig::new().init()),
    ];
    for optimizer in optimizers {
        let [whole, longer] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let with = |epochs| TrainingConfig {
            optimizer: optimizer.clone(),
            schedule: Schedule::constant(0.003),
            ..config(epochs)
        };
        let expected = linear_run(whole.path(), with(3), true);
        let start = numbers(&cni_layers::keyed_init(linear().init(&Device::flex()), Key::new(1)));
        assert_ne!(expected, start, "{optimizer:?}");
        linear_run(longer.path(), with(2), true);
        let (train, validation) = data();
        let trainer = Trainer::new(with(3), longer.path()).unwrap().with_validation(validation);
        let trainer = trainer.with_model_config(&linear()).unwrap().resume(true);
        let net = cni_layers::keyed_init(linear().init(&Device::flex()), Key::new(1));
        let resumed = trainer.run(net, forward, train).unwrap();
        assert_eq!(numbers(&resumed.model), expected, "{optimizer:?}");
    }
}

/// A custom schedule with the values of a built-in one.
#[test]
fn a_custom_schedule_trains_as_the_formula_that_it_repeats() {
    let [ours, theirs] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let with = |schedule| TrainingConfig { schedule, ..config(2) };
    let custom = Schedule::custom(json!({ "name": "half a cosine" }), |at, of| {
        let cosine = (std::f64::consts::PI * at as f64 / of as f64).cos();
        (0.1 - 0.0) * 0.5 * (1.0 + cosine)
    });
    let expected = linear_run(ours.path(), with(Schedule::cosine(0.1)), true);
    assert_eq!(linear_run(theirs.path(), with(custom), true), expected);
}

#[test]
fn a_run_ends_early_by_its_scores_or_a_callback_and_stays_ended() {
    // A rate of next to nothing: no epoch is better than the first.
    let early = || TrainingConfig {
        schedule: Schedule::constant(1e-12),
        early_stopping: Some(EarlyStopping::new(2)),
        ..config(9)
    };
    let folder = tempfile::tempdir().unwrap();
    let net = || Net::new(&Settings::default());
    let run = |resume| {
        let trainer = trainer(early(), folder.path(), &json!(null)).with_validation(data().1);
        trainer.resume(resume).run(net(), Net::forward, data().0).unwrap()
    };
    let ended = run(false);
    assert_eq!((ended.history.len(), ended.best_epoch), (3, 1));
    assert_eq!(ended.ended.as_deref(), Some("the validation score no longer rises"));
    let again = run(true);
    assert_eq!((numbers(&again.model), again.history), (numbers(&ended.model), ended.history));
    assert_eq!(again.ended, ended.ended);

    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(config(5), folder.path(), &json!(null))
        .with_validation(data().1)
        .with_metric("margin", |logits, _| {
            let sorted = logits.clone().sort_descending(1);
            (sorted.clone().narrow(1, 0, 1) - sorted.narrow(1, 1, 1)).squeeze_dim(1)
        })
        .with_callback(|epoch| {
            assert_eq!(epoch.history.len(), epoch.row.epoch);
            assert!(epoch.row.validation.clean.is_some() && epoch.model.devices().len() == 1);
            match epoch.row.epoch {
                2 => ControlFlow::Break("enough".into()),
                _ => ControlFlow::Continue(()),
            }
        });
    let ended = trainer.run(net(), Net::forward, data().0).unwrap();
    assert_eq!((ended.history.len(), ended.ended.as_deref()), (2, Some("enough")));
    assert!(ended.history[0].validation.more["margin"] > 0.0);
    assert!(folder.path().join("checkpoints/epoch-2/state.json").is_file());
}

#[test]
fn a_run_needs_no_validation_unless_a_setting_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let net = || Net::new(&Settings::default());
    let trainer = |config| trainer(config, folder.path(), &json!(null));
    for config in [
        TrainingConfig { early_stopping: Some(EarlyStopping::new(1)), ..config(2) },
        TrainingConfig {
            validation_attack: Some(Arc::new(Pgd::fgsm(Threat::linf(0.1).unwrap()))),
            ..config(2)
        },
    ] {
        let error = trainer(config).run(net(), Net::forward, data().0).unwrap_err().to_string();
        assert!(error.contains("got no validation set, wanted a validation set"), "{error}");
    }
    let trained = trainer(config(2)).run(net(), Net::forward, data().0).unwrap();
    assert_eq!((trained.history.len(), trained.best_epoch), (2, 2));
    assert!(trained.history[1].train.loss.is_some());
    assert_eq!(trained.history[1].validation, Default::default());
}

/// The state of the version before, as far as that decides.
#[test]
fn a_run_of_an_older_version_is_refused_with_advice_and_its_weights_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let expected = linear_run(folder.path(), config(1), true);
    let path = folder.path().join("checkpoints/epoch-1/state.json");
    let mut state: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for field in ["format", "files", "checksum"] {
        state.as_object_mut().unwrap().remove(field).unwrap();
    }
    std::fs::write(&path, state.to_string()).unwrap();
    let (train, validation) = data();
    let trainer = Trainer::new(config(1), folder.path()).unwrap().with_validation(validation);
    let net = linear().init(&Device::flex());
    let error = trainer.resume(true).run(net.clone(), forward, train).unwrap_err();
    assert!(matches!(error, TrainingError::OldRun { .. }), "{error}");
    assert!(error.to_string().contains("begin a new one in another folder"), "{error}");
    let selector = CheckpointSelector::Last;
    let (loaded, _) = cni_training::load_checkpoint(net, folder.path(), selector).unwrap();
    assert_eq!(numbers(&loaded), expected);
}
