//! What a run is, what it may go on from, and what it is refused for before the first step.

use crate::support::conv_net::{Net, Settings, config, data, run, trainer};
use crate::support::numbers;
use burn::module::{Module, ModuleDisplay};
use burn::nn::activation::RReluConfig;
use burn::nn::{DropoutConfig, GaussianNoiseConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_data::{ImageData, Loader};
use cni_layers::{ActivationNoiseConfig, Granularity, Per};
use cni_noise::NoiseScale;
use cni_training::{
    CheckpointSelector, Devices, Parallel, Progress, Schedule, Trained, Trainer, TrainingConfig,
    TrainingError, checkpoint_info, load_checkpoint,
};
use serde_json::{Value, json};

/// Shapes and weights are the same in all of them.
#[test]
fn a_run_goes_on_with_its_own_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::default();
    run(config(2), folder.path(), &settings, false).unwrap();
    let per_batch = ActivationNoiseConfig::white(Granularity::Layer).with_draw_per(Per::Batch);
    let changed = [
        (Settings { mean: 0.4, ..settings.clone() }, "normalize"),
        (Settings { stride: 2, ..settings.clone() }, "model/layers/conv"),
        (
            Settings { dropout: 0.5, ..settings.clone() },
            "model/layers/dropout/prob was \"0\", is \"0.5\"",
        ),
        (
            Settings { scale: NoiseScale::Reference, ..settings.clone() },
            "scale was \"relative\", is \"reference\"",
        ),
        (
            Settings { activation: per_batch, ..settings.clone() },
            "draw_per was \"Example\", is \"Batch\"",
        ),
    ];
    for (settings, wanted) in changed {
        let error = run(config(2), folder.path(), &settings, true).unwrap_err();
        assert!(matches!(error, TrainingError::OtherRun { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}\nlacks {wanted}");
    }
    // What the caller says of the model counts too.
    let ((train, validation), net) = (data(), Net::new(&settings));
    let trainer = trainer(config(2), folder.path(), &json!({"width": 8}));
    let error = trainer.with_validation(validation).resume(true).run(net, Net::forward, train);
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("different: model/config/width was 4, is 8"), "{error}");
    run(config(2), folder.path(), &settings, true).unwrap();
}

#[test]
fn a_longer_run_goes_on_where_its_rates_do_not_depend_on_the_length() {
    let settings = Settings::default();
    let with = |epochs, schedule| TrainingConfig { schedule, ..config(epochs) };
    for schedule in [Schedule::constant(0.1), Schedule::multi_step(0.1, &[1, 3])] {
        let [whole, longer] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let run = |epochs, folder: &tempfile::TempDir, resume| {
            run(with(epochs, schedule.clone()), folder.path(), &settings, resume)
        };
        let expected = run(4, &whole, false).unwrap();
        run(2, &longer, false).unwrap();
        let got = run(4, &longer, true).unwrap();
        assert_eq!(numbers(&got.model), numbers(&expected.model));
        assert_eq!(got.history, expected.history);
        // Not shorter than it is.
        let error = run(3, &longer, true).unwrap_err().to_string();
        assert!(error.contains("config/epochs was 4, is 3; it has 4 epochs already"), "{error}");
    }
    let refused = [
        (Schedule::one_cycle(0.1), Schedule::one_cycle(0.1)),
        (Schedule::cosine(0.1), Schedule::cosine(0.1)),
        (Schedule::multi_step(0.1, &[1]), Schedule::multi_step(0.1, &[2])),
    ];
    for (before, after) in refused {
        let folder = tempfile::tempdir().unwrap();
        run(with(2, before), folder.path(), &settings, false).unwrap();
        let error = run(with(4, after), folder.path(), &settings, true);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("config/epochs was 2, is 4"), "{error}");
        assert!(error.contains("begin a new run in another folder"), "{error}");
    }
}

/// A fresh run of one epoch.
fn on(
    devices: impl Into<Devices>,
    net: Net,
    train: ImageData,
    validation: ImageData,
) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(config(1), folder.path(), &Value::Null);
    trainer.with_validation(validation).with_devices(devices).run(net, Net::forward, train)
}

fn with_classes(data: &ImageData, classes: Vec<String>) -> ImageData {
    let all = 0..data.len();
    let pixels: Vec<u8> = all.clone().flat_map(|i| data.item(i).unwrap().to_bytes()).collect();
    let labels: Vec<u16> = all.map(|i| data.label(i).unwrap() as u16).collect();
    ImageData::new("digits", data.image_shape(), pixels, labels, classes).unwrap()
}

#[test]
fn a_model_has_an_output_for_each_class_before_the_first_step() {
    let names = |n: usize| (0..n).map(|i| format!("class {i}")).collect::<Vec<_>>();
    let wide = |data: &ImageData| with_classes(data, names(20));
    let (train, validation) = data();
    let (net, settings) = (Net::with_outputs, Settings::default());
    let error = on(&Device::flex(), net(&settings, 10), wide(&train), wide(&validation));
    let wanted = "forward: got 10 outputs for 20 classes of data, wanted an output for each class";
    assert_eq!(error.unwrap_err().to_string(), wanted);
    // Outputs without a class are no harm.
    on(&Device::flex(), net(&settings, 12), train, validation).unwrap();
}

#[test]
fn training_and_validation_have_one_list_of_classes() {
    let (train, validation) = data();
    let mut other = train.classes().to_vec();
    other.swap(2, 3);
    let net = || Net::new(&Settings::default());
    let error = on(&Device::flex(), net(), train.clone(), with_classes(&validation, other));
    let wanted = "validation: got class 2 \"3\" beside \"2\", wanted the training set's list of \
                  classes";
    assert_eq!(error.unwrap_err().to_string(), wanted);
    let error = on(&Device::flex(), net(), train.clone(), train.take(0)).unwrap_err();
    assert_eq!(error.to_string(), "validation: got no examples, wanted at least one");
}

#[test]
fn a_layer_of_burns_that_draws_is_refused_on_several_devices_by_its_name() {
    #[derive(Module, Debug)]
    struct With<L: Module> {
        linear: Linear,
        inner: L,
    }
    fn refused<L: Module + ModuleDisplay + 'static>(inner: L) -> String {
        let (train, validation) = data();
        let two = Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
        let net = With { linear: LinearConfig::new(64, 10).init(&Device::flex()), inner };
        let forward = |net: &With<L>, images: Tensor<4>| net.linear.forward(images.flatten(1, 3));
        let folder = tempfile::tempdir().unwrap();
        let trainer = Trainer::new(config(1), folder.path()).unwrap();
        let trainer = trainer.with_validation(validation).with_devices(two);
        let run = trainer.run(net, forward, train);
        run.map(drop).unwrap_err().to_string()
    }
    let texts = [
        ("Dropout", refused(DropoutConfig::new(0.1).init())),
        ("GaussianNoise", refused(GaussianNoiseConfig::new(0.1).init())),
        ("RRelu", refused(RReluConfig::new().init())),
    ];
    for (layer, text) in texts {
        let wanted = format!("devices: got 2 for a model with {layer} at \"inner\"");
        assert!(text.starts_with(&wanted), "{text}");
    }
}

#[cfg(not(feature = "tui"))]
#[test]
fn a_dashboard_that_was_not_built_is_refused() {
    let ((train, validation), net) = (data(), Net::new(&Settings::default()));
    let folder = tempfile::tempdir().unwrap();
    let trainer =
        trainer(config(1), folder.path(), &json!(null)).with_progress(Progress::Dashboard);
    let error = trainer.with_validation(validation).run(net, Net::forward, train);
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("progress: got dashboard, wanted lines or quiet"), "{error}");
}

/// 32 examples, 3 draws: accuracies are multiples of 1/96.
#[test]
fn validation_judges_a_noisy_model_by_the_mean_over_its_draws() {
    use burn::data::dataloader::DataLoader;
    use cni_noise::{Noise, scope_at};
    let folder = tempfile::tempdir().unwrap();
    let config = || TrainingConfig { validation_draws: 3, ..config(2) };
    let settings = Settings { scale: NoiseScale::Reference, ..Settings::default() };
    let trained = run(config(), folder.path(), &settings, false).unwrap();
    let key = config().key.named("validation");
    let loader = Loader::validation(data().1, 64, key, &Device::flex()).unwrap();
    let batch = loader.iter().next().unwrap().unwrap();
    for row in &trained.history {
        assert_eq!((row.validation.draws, row.train.draws), (Some(3), None));
        let which = CheckpointSelector::Epoch(row.epoch);
        let (net, _) = load_checkpoint(Net::new(&settings), folder.path(), which).unwrap();
        let correct = (0..3).map(|draw| {
            let noise = Noise::Keyed(batch.key.named("clean").child(draw));
            let logits = scope_at(noise, 0, || net.forward(batch.images.clone()));
            let hits = logits.argmax(1).squeeze_dim::<1>(1).equal(batch.labels.clone());
            hits.float().sum().into_scalar::<f64>()
        });
        let mean = correct.sum::<f64>() / 96.0;
        assert!((row.validation.clean.unwrap() - mean).abs() < 1e-6, "{row:?} ≠ {mean}");
    }
}

/// As where noise starts at zero.
#[test]
fn noise_that_no_output_shows_yet_is_judged_by_all_draws() {
    use cni_noise::{Noise, scope_at};
    let ((train, validation), folder) = (data(), tempfile::tempdir().unwrap());
    let silent = |net: &Net, images| scope_at(Noise::Off, 0, || net.forward(images));
    let config = TrainingConfig { validation_draws: 3, ..config(1) };
    let trainer = trainer(config, folder.path(), &json!(null));
    let net = Net::new(&Settings::default());
    let trained = trainer.with_validation(validation).run(net, silent, train).unwrap();
    assert_eq!(trained.history[0].validation.draws, Some(3));
}

#[test]
fn a_checkpoint_tells_its_classes_and_its_model() {
    let folder = tempfile::tempdir().unwrap();
    run(config(2), folder.path(), &Settings::default(), false).unwrap();
    let info = checkpoint_info(folder.path(), CheckpointSelector::Last).unwrap();
    assert_eq!((info.epoch, info.history.len()), (2, 2));
    assert_eq!(info.classes, data().0.classes());
    assert_eq!(info.model_config, Some(json!({"width": 4})));
    assert_eq!(info.run["config"]["batch_size"], 64);
    assert!(checkpoint_info(folder.path(), CheckpointSelector::Epoch(7)).is_err());
}
