//! Catastrophic overfitting: a run that falls stops, or goes back and on with another attack, and
//! either resumes exactly. One file, because every test is the same small run.

use crate::support::{distance, numbers};
use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Attack, Loss, Pgd, Threat};
use cni_data::{Augmentation, ImageData, Split, digits};
use cni_noise::{Key, current_examples, layer_key, normal_at};
use cni_training::{
    Average, Devices, EpochRow, Fall, Losses, Objective, ObjectiveRule, Overfitting,
    OverfittingWatch, Parallel, Progress, Remedy, Schedule, Sgd, Step, StepError, Trained, Trainer,
    TrainingConfig, TrainingError,
};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const HIDDEN: usize = 32;
/// The epoch that falls, from 1.
const FALL: usize = 3;

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    norm: Option<BatchNorm>,
    out: Linear,
}

impl Net {
    fn new(norm: bool) -> Self {
        let device = Device::flex();
        let zeros = Initializer::Constant { value: 0.0 };
        let linear = |name: &str, i, o| {
            let mut layer = LinearConfig::new(i, o).with_initializer(zeros.clone()).init(&device);
            let drawn = normal_at(Key::new(1).named(name), 0, [i, o], &layer.weight.val());
            layer.weight = Param::from_tensor(drawn.mul_scalar(0.2));
            layer
        };
        let norm = norm.then(|| BatchNormConfig::new(HIDDEN).init(&device));
        Self { hidden: linear("hidden", 64, HIDDEN), norm, out: linear("out", HIDDEN, 10) }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = self.hidden.forward(images.flatten::<2>(1, 3));
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        if let Some(key) = layer_key("hidden", &x.device()) {
            let first = current_examples().id(0) * HIDDEN as u64;
            x = x.clone() + normal_at(key, first, x.dims(), &x).mul_scalar(0.05);
        }
        self.out.forward(relu(x))
    }
}

/// Cross-entropy on adversarial images, which as long as it is fragile turns to wrong labels in one
/// epoch: a fall as steep as that of overfitting, and without its chance. Another attack mends it.
struct Fragile {
    attack: Arc<dyn Attack>,
    fragile: bool,
    /// An epoch, from 1, in which it fails while it is fragile or no longer so; no part of the run.
    fails: Option<(usize, bool)>,
}

impl Fragile {
    fn new(fragile: bool) -> Self {
        Self { attack: Arc::new(attack(1)), fragile, fails: None }
    }
}

impl ObjectiveRule for Fragile {
    fn spec(&self) -> Value {
        json!({ "objective": "fragile", "attack": self.attack.spec(), "fragile": self.fragile })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let epoch = step.epoch() + 1;
        if self.fails == Some((epoch, self.fragile)) {
            return Err(StepError::custom("asked to fail"));
        }
        let images = step.perturb("attack", self.attack.as_ref(), step.labels().clone())?;
        let logits = step.logits("adversarial", images);
        let hits = step.hits(logits.clone());
        let labels = match self.fragile && epoch == FALL {
            true => step.labels().clone().add_scalar(1).remainder_scalar(10),
            false => step.labels().clone(),
        };
        let loss = Loss::CrossEntropy.per_example(logits, &labels);
        Ok(Losses::new(loss).with_score("robust", hits))
    }

    fn attacks(&self) -> Vec<&dyn Attack> {
        vec![self.attack.as_ref()]
    }

    fn with_attack(&self, attack: Arc<dyn Attack>) -> Option<Objective> {
        Some(Self { attack, fragile: false, fails: self.fails }.into())
    }
}

fn attack(steps: usize) -> Pgd {
    Pgd::training(Threat::linf(0.02).unwrap()).with_steps(steps).unwrap()
}

fn watch(then: Remedy) -> OverfittingWatch {
    OverfittingWatch { then, ..OverfittingWatch::stop(Threat::linf(0.02).unwrap()).unwrap() }
}

/// Back, and on with the very attack that the run began with.
fn back() -> OverfittingWatch {
    watch(Remedy::FallBack(Arc::new(attack(1))))
}

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(720).split_validation(80, Key::new(2)).unwrap()
}

/// Six epochs of ten steps, with all that makes going back hard: momentum, an average, a rate that
/// moves with every step, batch norm and noise.
fn config(objective: impl Into<Objective>, watch: OverfittingWatch) -> TrainingConfig {
    TrainingConfig {
        batch_size: 64,
        augment: vec![Augmentation::crop(1)],
        optimizer: Sgd::cni().into(),
        schedule: Schedule::one_cycle(0.2),
        average: Some(Average::ema(0.5)),
        validation_attack: Some(Arc::new(attack(2))),
        overfitting: Some(watch),
        keep_last: 1,
        key: Key::new(3),
        ..TrainingConfig::new(6, objective)
    }
}

fn trainer(config: TrainingConfig, folder: &Path) -> Trainer<Net> {
    let trainer = Trainer::new(config, folder).unwrap();
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

fn run(config: TrainingConfig, folder: &Path, resume: bool) -> Result<Trained<Net>, TrainingError> {
    trainer(config, folder).resume(resume).run(Net::new(true), Net::forward, data().0)
}

fn in_scratch(config: TrainingConfig) -> Trained<Net> {
    run(config, tempfile::tempdir().unwrap().path(), false).unwrap()
}

/// The falls that the rows tell, with their epochs.
fn falls(history: &[EpochRow]) -> Vec<(usize, Fall)> {
    let fell = |row: &EpochRow| Some((row.epoch, row.overfitting?.fell?));
    history.iter().filter_map(fell).collect()
}

fn same(one: &Trained<Net>, other: &Trained<Net>) {
    assert_eq!(numbers(&one.model), numbers(&other.model));
    assert_eq!(one.history, other.history);
    assert_eq!((one.best_epoch, &one.ended), (other.best_epoch, &other.ended));
}

#[test]
fn a_run_that_falls_ends_with_the_reason_and_stays_ended() {
    let folder = tempfile::tempdir().unwrap();
    let config = || config(Fragile::new(true), watch(Remedy::Stop));
    let trained = run(config(), folder.path(), false).unwrap();
    let seen: Vec<f64> =
        trained.history.iter().map(|row| row.overfitting.unwrap().robust).collect();
    assert!(seen.len() == FALL && seen[FALL - 2] - seen[FALL - 1] > 0.2, "{seen:?}");
    let reason = trained.ended.clone().unwrap();
    let says = "catastrophic overfitting: accuracy under PGD-5 on training images fell from ";
    assert!(reason.starts_with(says), "{reason}");
    assert!(trained.best_epoch < FALL, "{:?}", trained.history);
    same(&run(config(), folder.path(), true).unwrap(), &trained);
}

/// What goes back and on with the attack that it had is the run that never fell.
#[test]
fn a_run_that_goes_back_is_the_run_without_the_epoch_that_fell() {
    let folder = tempfile::tempdir().unwrap();
    let called = Arc::new(Mutex::new(Vec::new()));
    let (calls, path) = (called.clone(), folder.path().join("history.json"));
    let fallen = trainer(config(Fragile::new(true), back()), folder.path())
        .with_callback(move |ended| {
            // The file has every epoch as soon as it has ended.
            let written: Vec<EpochRow> =
                serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(written, ended.history);
            calls.lock().unwrap().push(ended.row.epoch);
            ControlFlow::Continue(())
        })
        .run(Net::new(true), Net::forward, data().0)
        .unwrap();
    assert_eq!(*called.lock().unwrap(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(fallen.ended, None);
    let [(FALL, fall)] = falls(&fallen.history)[..] else { panic!("{:?}", fallen.history) };
    assert!(fall.from - fall.to > 0.2, "{fall:?}");
    let says = "epoch 3: catastrophic overfitting: accuracy under PGD-5";
    let [notice] = &fallen.notices[..] else { panic!("{:?}", fallen.notices) };
    assert!(notice.starts_with(says) && notice.contains("back to the end of epoch 2"), "{notice}");

    let sound = in_scratch(config(Fragile::new(false), back()));
    assert!(falls(&sound.history).is_empty());
    let mut told = fallen.clone();
    for row in &mut told.history {
        row.overfitting = row.overfitting.map(|seen| Overfitting { fell: None, ..seen });
    }
    same(&told, &sound);
    // Another attack is another run from then on.
    let two = watch(Remedy::FallBack(Arc::new(attack(2))));
    let other = in_scratch(config(Fragile::new(true), two));
    assert_eq!(falls(&other.history), falls(&fallen.history));
    assert_eq!(other.history[..FALL - 1], fallen.history[..FALL - 1]);
    assert_ne!(numbers(&other.model), numbers(&fallen.model));
}

/// The run is broken off in the epoch that falls, in the one that takes its place, and after it.
#[test]
fn a_run_that_goes_back_resumes_exactly_before_and_after() {
    let expected = in_scratch(config(Fragile::new(true), back()));
    assert_eq!(falls(&expected.history).len(), 1);
    for fails in [(FALL, true), (FALL, false), (FALL + 1, false)] {
        let folder = tempfile::tempdir().unwrap();
        let broken = Fragile { fails: Some(fails), ..Fragile::new(true) };
        let error = run(config(broken, back()), folder.path(), false).unwrap_err();
        let TrainingError::Stopped { last, .. } = error else { panic!("{error}") };
        assert_eq!(last, Some(fails.0 - 1), "{fails:?}");
        let resumed = run(config(Fragile::new(true), back()), folder.path(), true).unwrap();
        same(&resumed, &expected);
    }
}

/// Not a test of its own: the child that `a_killed_run_goes_back_as_one_that_was_not` kills.
#[test]
fn child() {
    let Ok(folder) = std::env::var("CNI_OVERFITTING_CHILD") else { return };
    let slow = |net: &Net, images: Tensor<4>| {
        std::thread::sleep(Duration::from_millis(5));
        net.forward(images)
    };
    let trainer = trainer(config(Fragile::new(true), back()), Path::new(&folder)).resume(true);
    trainer.run(Net::new(true), slow, data().0).unwrap();
}

#[test]
fn a_killed_run_goes_back_as_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let expected = in_scratch(config(Fragile::new(true), back()));
    // Before the switch, or while it is made; and after it.
    for epoch in [FALL - 1, FALL] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "overfitting::child"])
            .env("CNI_OVERFITTING_CHILD", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let checkpoint = folder.path().join(format!("checkpoints/epoch-{epoch}/state.json"));
        let patience = Instant::now();
        while !checkpoint.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            assert!(patience.elapsed() < Duration::from_secs(300), "no epoch {epoch}");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!folder.path().join("checkpoints/epoch-6").exists(), "the kill came too late");
    }
    let resumed = run(config(Fragile::new(true), back()), folder.path(), true).unwrap();
    same(&resumed, &expected);
}

/// Without batch norm, which looks at the share of a device: up to the rounding of sums.
#[test]
fn a_run_on_two_devices_goes_back_as_on_one() {
    let on = |devices: usize| {
        let folder = tempfile::tempdir().unwrap();
        let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap();
        trainer(config(Fragile::new(true), back()), folder.path())
            .with_devices(devices)
            .run(Net::new(false), Net::forward, data().0)
            .unwrap()
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(falls(&one.history).len(), 1);
    let epochs = |run: &Trained<Net>| falls(&run.history).iter().map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(epochs(&one), epochs(&two));
    let off = distance(&one.model, &two.model);
    assert!(off < 1e-4, "{off}");
    for (a, b) in one.history.iter().zip(&two.history) {
        // An example on the boundary may flip: of 64, each judged by five draws.
        let [a, b] = [a, b].map(|row| row.overfitting.unwrap().robust);
        assert!((a - b).abs() < 2.0 / (64.0 * 5.0), "{a} {b}");
    }
}

/// A model whose logits are zero finds the first class, a tenth of the digits.
#[test]
fn a_run_that_does_not_learn_is_warned_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        batch_size: 12,
        overfitting: None,
        ..config(Objective::clean(), watch(Remedy::Stop))
    };
    let config = TrainingConfig { epochs: 4, ..config };
    let blind = |net: &Net, images| net.forward(images).mul_scalar(0.0);
    let trainer = trainer(config, folder.path());
    let trained = trainer.run(Net::new(true), blind, data().0).unwrap();
    let [warning] = &trained.notices[..] else { panic!("{:?}", trained.notices) };
    assert!(warning.starts_with("warning: after 2 epochs training "), "{warning}");
    assert!(warning.contains("the learning rate, the clipping of gradients"), "{warning}");
}
