//! The run: exact resume, what stops it, and what it refuses. The model has what makes resume hard:
//! batch norm with its running statistics, noise at every pass, and momentum.
//!
//! One file but for what is refused, because every test is the same small run with one thing gone
//! wrong.

mod refused;

use crate::support::numbers;
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_attacks::{AttackError, Pgd, Threat};
use cni_data::{Augmentation, ImageData, Split, digits};
use cni_noise::{Key, Noise, layer_key, normal_at, scope};
use cni_ops::{Precision, current_precision};
use cni_training::{
    AttackLabels, CheckpointSelector, EpochRow, HalfAndHalf, Objective, Progress, Schedule, Sgd,
    StopReason, Trained, Trainer, TrainingConfig, TrainingError, load_checkpoint,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    norm: BatchNorm,
    alpha: Param<Tensor<1>>,
    out: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        let weights = Initializer::Constant { value: 0.0 };
        let linear = |i, o| LinearConfig::new(i, o).with_initializer(weights.clone()).init(device);
        let mut net = Self {
            hidden: linear(64, 32),
            norm: BatchNormConfig::new(32).init(device),
            alpha: Initializer::Constant { value: 0.1 }.init([32], device),
            out: linear(32, 10),
        };
        for (name, layer) in [("hidden", &mut net.hidden), ("out", &mut net.out)] {
            layer.weight = layer.weight.clone().map(|w| {
                let drawn = normal_at(Key::new(1).named(name), 0, w.dims(), &w).mul_scalar(0.2);
                if w.is_autodiff() { drawn.autodiff().require_grad() } else { drawn }
            });
        }
        net
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.norm.forward(self.hidden.forward(images.flatten::<2>(1, 3)));
        if let Some(key) = layer_key("hidden", &x.device()) {
            x = x.clone() + normal_at(key, 0, x.dims(), &x) * self.alpha.val().unsqueeze();
        }
        self.out.forward(relu(x))
    }
}

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(400).split_validation(80, Key::new(2)).unwrap()
}

fn config() -> TrainingConfig {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let objective =
        HalfAndHalf::new(attack.clone()).with_start_epoch(1).with_labels(AttackLabels::Predicted);
    TrainingConfig {
        batch_size: 64,
        augment: vec![Augmentation::crop(1)],
        optimizer: Sgd::cni().into(),
        max_grad_norm: Some(1.0),
        schedule: Schedule::one_cycle(0.2),
        validation_attack: Some(Arc::new(attack)),
        key: Key::new(3),
        ..TrainingConfig::new(6, objective)
    }
}

fn run(folder: &Path, resume: bool) -> Result<Trained<Net>, TrainingError> {
    run_with(config(), folder, resume, Net::forward)
}

fn run_with(
    config: TrainingConfig,
    folder: &Path,
    resume: bool,
    forward: impl Fn(&Net, Tensor<4>) -> Tensor<2> + Send + Sync + 'static,
) -> Result<Trained<Net>, TrainingError> {
    let (train, validation) = data();
    let device = Device::flex();
    Trainer::new(config, folder)?
        .with_validation(validation)
        .with_progress(Progress::Quiet)
        .with_watch(amplitude)
        .resume(resume)
        .run(Net::new(&device), forward, train)
}

/// The mean amplitude of the model's noise, and a number that is none.
fn amplitude(net: &Net) -> [(String, f64); 2] {
    let mean = net.alpha.val().abs().mean().into_scalar();
    [("alpha".to_string(), mean), ("nothing".to_string(), f64::NAN)]
}

fn epochs(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Not a test of its own: the child that `a_killed_run_resumes_bit_for_bit` kills.
#[test]
fn child() {
    let Ok(folder) = std::env::var("CNI_TRAINING_CHILD") else {
        return;
    };
    // Slow enough that the parent can hit it within an epoch; values do not depend on it.
    let slow = |net: &Net, images: Tensor<4>| {
        std::thread::sleep(Duration::from_millis(10));
        net.forward(images)
    };
    run_with(config(), Path::new(&folder), true, slow).unwrap();
}

#[test]
fn a_killed_run_resumes_bit_for_bit() {
    let root = tempfile::tempdir().unwrap();
    let (whole, killed) = (root.path().join("whole"), root.path().join("killed"));
    let expected = run(&whole, false).unwrap();
    // Killed twice: within epoch 3, and, resumed, within epoch 5.
    for epoch in [2, 4] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "run::child"])
            .env("CNI_TRAINING_CHILD", &killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let checkpoint = killed.join(format!("checkpoints/epoch-{epoch}/state.json"));
        let patience = Instant::now();
        while !checkpoint.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            assert!(
                patience.elapsed() < Duration::from_secs(300),
                "no checkpoint of epoch {epoch}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !killed.join("checkpoints/epoch-6").exists(),
            "the kill came too late to say anything"
        );
    }
    let resumed = run(&killed, true).unwrap();
    assert_eq!(numbers(&resumed.model), numbers(&expected.model));
    assert_eq!(resumed.history, expected.history);
    assert_eq!(resumed.best_epoch, expected.best_epoch);
    assert_eq!(epochs(&killed), epochs(&whole));
    // Resuming a finished run gives its result again.
    let again = run(&killed, true).unwrap();
    assert_eq!(numbers(&again.model), numbers(&expected.model));
}

#[test]
fn a_run_learns_keeps_last_and_best_and_gives_its_history() {
    let folder = tempfile::tempdir().unwrap();
    let trained = run(folder.path(), false).unwrap();
    let (first, last) = (&trained.history[0], &trained.history[5]);
    assert_eq!(trained.history.len(), 6);
    assert!(last.validation.clean.unwrap() > 0.5, "{last:?}");
    assert!(last.validation.robust < last.validation.clean);
    // The first epoch trains on clean images alone, and says so.
    assert!(first.train.robust.is_none() && last.train.robust.is_some());
    assert!(first.train.robust_loss.is_none() && last.train.robust_loss.is_some());
    // Attacks raise the loss, of which half and half is the mean.
    assert!(last.validation.robust_loss > last.validation.loss);
    assert!(last.train.robust_loss > last.train.loss);
    let mut kept =
        vec![format!("epoch-{}", trained.best_epoch), "epoch-5".into(), "epoch-6".into()];
    kept.sort();
    kept.dedup();
    assert_eq!(epochs(folder.path()), kept);

    let device = Device::flex();
    let (model, epoch) =
        load_checkpoint(Net::new(&device), folder.path(), CheckpointSelector::Last).unwrap();
    assert_eq!((numbers(&model), epoch), (numbers(&trained.model), 6));
    let (_, epoch) =
        load_checkpoint(Net::new(&device), folder.path(), CheckpointSelector::Best).unwrap();
    assert_eq!(epoch, trained.best_epoch);
    let error = load_checkpoint(Net::new(&device), folder.path(), CheckpointSelector::Epoch(3))
        .unwrap_err();
    let says = "got no checkpoint of epoch 3, wanted one of 5, 6";
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn training_leaves_the_callers_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (device, (train, validation)) = (Device::flex(), data());
    let model = Net::new(&device.clone().autodiff());
    let before = numbers(&model);
    let config = TrainingConfig { epochs: 1, objective: Objective::clean(), ..config() };
    let trainer = Trainer::new(config, folder.path()).unwrap().with_progress(Progress::Quiet);
    let trainer = trainer.with_validation(validation).with_devices(&device);
    let run = trainer.run(model.clone(), Net::forward, train);
    assert_ne!(numbers(&run.unwrap().model), before);
    assert_eq!(numbers(&model), before);
}

#[test]
fn the_history_has_the_watched_numbers_of_the_model_of_each_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let config = || TrainingConfig { epochs: 2, ..config() };
    let whole = run_with(config(), folder.path(), false, Net::forward).unwrap();
    for row in &whole.history {
        let which = CheckpointSelector::Epoch(row.epoch);
        let (net, _) = load_checkpoint(Net::new(&Device::flex()), folder.path(), which).unwrap();
        let [alpha, _not_finite] = amplitude(&net);
        assert_eq!(row.watched, BTreeMap::from([alpha]));
    }
    assert_ne!(whole.history[0].watched, whole.history[1].watched);

    // Resumed after the first epoch without a watch: its row stays, the next one has nothing to
    // say.
    std::fs::remove_dir_all(folder.path().join("checkpoints/epoch-2")).unwrap();
    let (train, validation) = data();
    let device = Device::flex();
    let trainer = Trainer::new(config(), folder.path()).unwrap().with_progress(Progress::Quiet);
    let net = Net::new(&device);
    let trainer = trainer.with_validation(validation).resume(true);
    let resumed = trainer.run(net, Net::forward, train);
    let resumed = resumed.unwrap().history;
    assert_eq!(resumed[0], whole.history[0]);
    assert_eq!(resumed[1], EpochRow { watched: BTreeMap::new(), ..whole.history[1].clone() });
    // Nothing watched is nothing written, as in histories from before there were watches.
    let text = serde_json::to_string(&resumed[1]).unwrap();
    assert!(!text.contains("watched"), "{text}");
    assert_eq!(serde_json::from_str::<EpochRow>(&text).unwrap(), resumed[1]);
}

/// The loss becomes NaN in the third epoch: in its first batch, and in its validation alone.
#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint() {
    for in_validation in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        // Passes of two epochs; in inference after the two that look at the model, and with five
        // draws a batch.
        let fine = if in_validation { 2 + 2 * 2 * 5 } else { 2 * 5 };
        let passes = AtomicUsize::new(0);
        let broken = move |net: &Net, images: Tensor<4>| {
            let counts = images.is_autodiff() != in_validation;
            let pass = passes.fetch_add(usize::from(counts), Ordering::Relaxed);
            let logits = net.forward(images);
            if counts && pass >= fine { logits.mul_scalar(f64::NAN) } else { logits }
        };
        let config =
            TrainingConfig { objective: Objective::clean(), validation_attack: None, ..config() };
        let error = run_with(config, folder.path(), false, broken).unwrap_err();
        let TrainingError::Stopped { reason, last } = &error else { panic!("{error}") };
        assert_eq!(*last, Some(2), "{reason}");
        assert!(
            matches!(reason, StopReason::NotFinite { value, .. } if value.is_nan()),
            "{reason}"
        );
        assert_eq!(epochs(folder.path()), ["epoch-1", "epoch-2"]);
        load_checkpoint(Net::new(&Device::flex()), folder.path(), CheckpointSelector::Last)
            .unwrap();
        let history = std::fs::read(folder.path().join("history.json")).unwrap();
        let history: Vec<EpochRow> = serde_json::from_slice(&history).unwrap();
        assert_eq!(history.len(), 2);
    }
}

/// The amplitude, used as a bias before a rectifier, gets an infinite gradient in the first step.
/// It is minus infinity from then on, and the rectifier makes a zero of it: every loss is finite.
#[test]
fn a_parameter_that_is_not_finite_stops_the_run_before_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let broken = |net: &Net, images: Tensor<4>| {
        let bias = net.alpha.val().narrow(0, 0, 1).sub_scalar(0.1_f32);
        let scale = relu(bias.mul_scalar(1e30).mul_scalar(1e30).add_scalar(1.0));
        scope(Noise::Off, || net.forward(images)) * scale.reshape([1, 1])
    };
    let config = TrainingConfig {
        epochs: 2,
        objective: Objective::clean(),
        optimizer: Sgd::default().into(),
        max_grad_norm: None,
        validation_attack: None,
        ..config()
    };
    let error = run_with(config, folder.path(), false, broken).unwrap_err();
    let TrainingError::Stopped { reason, last: None } = &error else { panic!("{error}") };
    assert_eq!(reason.to_string(), "the parameter alpha is -inf");
    assert!(epochs(folder.path()).is_empty());
}

#[test]
fn a_model_without_noise_is_judged_once() {
    let folder = tempfile::tempdir().unwrap();
    let silent = |net: &Net, images| scope(Noise::Off, || net.forward(images));
    let config = TrainingConfig { epochs: 2, validation_draws: 3, ..config() };
    let trained = run_with(config, folder.path(), false, silent).unwrap();
    assert_eq!(trained.history[0].validation.draws, Some(1));
}

#[test]
fn an_attack_that_fails_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    // The frozen gives NaN, the model in training does not.
    let broken = |net: &Net, images: Tensor<4>| {
        let attacked = !net.alpha.val().is_autodiff();
        let logits = net.forward(images);
        if attacked { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let config = TrainingConfig {
        objective: Objective::half_and_half(Pgd::training(Threat::linf(0.1).unwrap())),
        ..config()
    };
    let error = run_with(config, folder.path(), false, broken).unwrap_err();
    assert!(error.to_string().contains("NaN or infinite"), "{error}");
    let TrainingError::Stopped { reason: StopReason::Attack(error), last: None } = error else {
        panic!("{error}")
    };
    assert!(matches!(error, AttackError::NonFinite { .. }), "{error}");
}

/// A file stands where the folder of epoch 3 has to be made, as a full disk would have it.
#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_run_and_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("checkpoints");
    let block = move |net: &Net, images: Tensor<4>| {
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join(".epoch-3"), "").unwrap();
        net.forward(images)
    };
    let error = run_with(config(), folder.path(), false, block).unwrap_err();
    assert!(error.to_string().contains("checkpoint of epoch 3 failed"), "{error}");
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }));
    assert_eq!(epochs(folder.path()), [".epoch-3", "epoch-1", "epoch-2"]);
    let whole = tempfile::tempdir().unwrap();
    let resumed = run(folder.path(), true).unwrap();
    assert_eq!(numbers(&resumed.model), numbers(&run(whole.path(), false).unwrap().model));
}

#[test]
fn half_precision_trains_and_full_precision_judges() {
    let folder = tempfile::tempdir().unwrap();
    let passes = Arc::new([const { AtomicUsize::new(0) }; 4]);
    let count = passes.clone();
    let forward = move |net: &Net, images: Tensor<4>| {
        let (half, tracked) = (current_precision() == Precision::Bf16, images.is_autodiff());
        count[usize::from(half) + 2 * usize::from(tracked)].fetch_add(1, Ordering::Relaxed);
        net.forward(images)
    };
    let config = TrainingConfig {
        epochs: 1,
        objective: Objective::clean(),
        validation_attack: None,
        precision: Precision::Bf16,
        ..config()
    };
    run_with(config, folder.path(), false, forward).unwrap();
    let [judged, probed, full_steps, steps] =
        passes.each_ref().map(|count| count.load(Ordering::Relaxed));
    // Two batches by five draws; two passes that look at the model; five batches of 64 of 320.
    assert_eq!([judged, probed, full_steps, steps], [2 * 5, 2, 0, 5]);
}
