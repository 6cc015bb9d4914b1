//! Training with and without an adversary. One file, because all of it trains the same small
//! networks.

use crate::support::{device, numbers};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use cni_layers::{WeightNoise, keyed_init};
use cni_noise::{Key, Noise, scope};
use cni_registration::RegistrationError;
use cni_registration::adversary::{AdversarialLoss, DiscriminatorConfig};
use cni_registration::fields::{Sampling, integrate, warp};
use cni_registration::losses::{Penalty, dice};
use cni_registration::networks::{LocalNet, LocalNetConfig, Pyramid};
use cni_registration::simulation::{FieldSource, SmoothFields};
use cni_registration::training::{AdversaryConfig, Pairs, RegistrationConfig, RegistrationTrainer};

type Trainer = RegistrationTrainer<
    LocalNet<4>,
    fn(&LocalNet<4>, Tensor<4>, Tensor<4>) -> Result<Tensor<4>, RegistrationError>,
    4,
>;

/// Squares that have moved by up to three voxels, in images of the same.
pub fn pairs(count: usize) -> Pairs<4> {
    let square = |row: f64, column: f64| -> Vec<f32> {
        let inside = |voxel: usize| {
            let [y, x] = [(voxel / 16) as f64, (voxel % 16) as f64];
            (y - row).abs() <= 3.0 && (x - column).abs() <= 3.0
        };
        (0..256).map(|voxel| f32::from(inside(voxel))).collect()
    };
    let images = |moved: bool| {
        let of = |number: usize| {
            let by = if moved { 1.0 } else { 0.0 };
            let turn = 2.1 * number as f64;
            square(8.0 + by * 3.0 * turn.sin(), 7.0 + by * 3.0 * turn.cos())
        };
        let values: Vec<f32> = (0..count).flat_map(of).collect();
        Tensor::<4>::from_data(TensorData::new(values, [count, 1, 16, 16]), &device())
    };
    let (moving, fixed) = (images(true), images(false));
    Pairs::new(moving.clone(), fixed.clone(), moving, fixed).unwrap()
}

pub fn network() -> LocalNet<4> {
    let pyramid = Pyramid { channels: 8, levels: 3, first_kernel: 3, ..Pyramid::default() };
    keyed_init(LocalNetConfig { pyramid }.init(&device()), Key::new(5))
}

pub fn config(loss: Option<AdversarialLoss>) -> RegistrationConfig {
    let mut config =
        RegistrationConfig::new(Key::new(7)).with_penalty(Penalty::BendingEnergy, 0.01);
    config.batch_size = 3;
    config.similarity.sigmas = vec![0.0, 1.0, 2.0];
    if let Some(loss) = loss {
        let discriminator =
            DiscriminatorConfig { channels: 4, levels: 2, ..DiscriminatorConfig::new([16, 16]) };
        let mut adversary = AdversaryConfig::new(discriminator, 0.05);
        (adversary.loss, adversary.updates) = (loss, 2);
        config = config.with_adversary(adversary);
    }
    config
}

fn trainer(config: &RegistrationConfig) -> Trainer {
    config.init(network(), LocalNet::forward as _, &device()).unwrap()
}

fn source() -> SmoothFields {
    SmoothFields::new([16, 16], 3.0, 1.0)
}

/// All weights of a module.
fn weights<M: Module>(module: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }
    let mut all = All(Vec::new());
    module.visit(&mut all);
    all.0
}

#[test]
fn training_lowers_the_loss_and_brings_the_labels_together() {
    let (pairs, config) = (pairs(6), config(Some(AdversarialLoss::NonSaturating)));
    let mut trainer = trainer(&config);
    trainer.run(&pairs, Some(&source()), 40).unwrap();
    let history = trainer.history();
    let mean = |part: &[_]| {
        part.iter().map(|l: &cni_registration::training::StepLosses| l.label).sum::<f64>()
            / part.len() as f64
    };
    let (first, last) = (mean(&history[..4]), mean(&history[36..]));
    assert!(last < 0.7 * first, "{first} {last}");
    assert!(history.iter().all(|losses| losses.penalty.is_some() && losses.adversarial.is_some()));
    let field = trainer.network().forward(pairs.moving(), pairs.fixed()).unwrap();
    let overlap = |warped: &Tensor<4>| dice(&pairs.fixed_labels(), warped).unwrap().concat();
    let before = overlap(&pairs.moving_labels());
    let warped = warp(pairs.moving_labels(), field, Sampling::default()).unwrap();
    let after = overlap(&warped);
    let total = |overlaps: &[f64]| overlaps.iter().sum::<f64>();
    assert!(total(&after) > total(&before) + 0.6, "{before:?} {after:?}");
}

#[test]
fn a_resumed_training_is_the_one_without_a_break() {
    let pairs = pairs(5);
    let folder = tempfile::tempdir().unwrap();
    for (name, loss) in [
        ("none", None),
        ("js", Some(AdversarialLoss::JensenShannon)),
        ("ls", Some(AdversarialLoss::LeastSquares)),
        ("w", Some(AdversarialLoss::Wasserstein { clip: 0.02 })),
    ] {
        let config = config(loss);
        let source = source();
        let fields = loss.map(|_| &source as &dyn FieldSource<4>);
        let mut whole = trainer(&config);
        whole.run(&pairs, fields, 6).unwrap();

        let mut first = trainer(&config);
        first.run(&pairs, fields, 3).unwrap();
        let checkpoint = folder.path().join(name).join("step-3");
        first.save(&checkpoint).unwrap();
        // Another network of the same structure: its weights are replaced.
        let other = keyed_init(network(), Key::new(99));
        let mut second: Trainer =
            config.resume(other, LocalNet::forward as _, &device(), &checkpoint).unwrap();
        assert_eq!(second.history(), first.history());
        second.run(&pairs, fields, 6).unwrap();

        assert_eq!(weights(&second.network()), weights(&whole.network()), "{name}");
        assert_eq!(second.history(), whole.history());
        let discriminators = [&second, &whole].map(|t| t.discriminator().map(|d| weights(&d)));
        assert_eq!(discriminators[0], discriminators[1], "{name}");
        if let Some(clip) = loss.and_then(|loss| loss.clip()) {
            let most = discriminators[0].iter().flatten().fold(0.0_f32, |m, w| m.max(w.abs()));
            assert!(most <= clip as f32, "{most}");
        }
    }
}

#[test]
fn an_adversary_without_weight_changes_nothing_and_one_with_weight_does() {
    let pairs = pairs(4);
    let trained = |weight: Option<f64>| {
        let mut config = config(weight.map(|_| AdversarialLoss::NonSaturating));
        if let (Some(adversary), Some(weight)) = (&mut config.adversary, weight) {
            adversary.weight = weight;
        }
        let source = source();
        let fields = weight.map(|_| &source as &dyn FieldSource<4>);
        let mut trainer = trainer(&config);
        trainer.run(&pairs, fields, 3).unwrap();
        weights(&trainer.network())
    };
    let alone = trained(None);
    assert_eq!(trained(Some(0.0)), alone);
    assert_ne!(trained(Some(1.0)), alone);
}

/// Two of five examples a step: each of them once in five places.
#[test]
fn an_epoch_has_every_pair_once_and_every_label_in_time() {
    let whole = pairs(5);
    // No two images are alike.
    let shades = Tensor::<1>::from_floats([0.2, 0.4, 0.6, 0.8, 1.0], &device());
    let images = whole.moving() * shades.reshape([5, 1, 1, 1]);
    let labels = |labels: Tensor<4>| Tensor::cat(vec![labels.clone(), labels.mul_scalar(0.5)], 1);
    let two = Pairs::new(
        images.clone(),
        whole.fixed(),
        labels(images.clone()),
        labels(whole.fixed_labels()),
    )
    .unwrap();
    let (mut seen, mut halves) = (Vec::new(), 0);
    let known: Vec<Vec<f64>> = numbers(&images).chunks(256).map(<[f64]>::to_vec).collect();
    for step in 0..5 {
        let batch = two.batch(Key::new(1), step, 2);
        assert_eq!(batch.moving_labels.dims(), [2, 1, 16, 16]);
        let moving = numbers(&batch.moving);
        let of_label = numbers(&batch.moving_labels);
        for (image, label) in moving.chunks(256).zip(of_label.chunks(256)) {
            seen.push(known.iter().position(|known| known == image).unwrap());
            let most = |x: &[f64]| x.iter().fold(0.0_f64, |m, v| m.max(*v));
            let scale = most(label) / most(image);
            assert!(image.iter().zip(label).all(|(image, label)| image * scale == *label));
            halves += usize::from(scale == 0.5);
        }
    }
    for epoch in seen.chunks(5) {
        let mut epoch = epoch.to_vec();
        epoch.sort_unstable();
        assert_eq!(epoch, [0, 1, 2, 3, 4]);
    }
    assert!((1..10).contains(&halves), "{halves}");
}

#[test]
fn configurations_are_values() {
    let loss = AdversarialLoss::Wasserstein { clip: 0.02 };
    let written = serde_json::to_value(config(Some(loss))).unwrap();
    let read: RegistrationConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
    let refused = |wrong| serde_json::from_value::<RegistrationConfig>(wrong).unwrap_err();
    let mut wrong = written.clone();
    wrong["regularizer"] = 1.into();
    let error = refused(wrong).to_string();
    assert!(error.contains("unknown field `regularizer`"), "{error}");
    let mut wrong = written;
    wrong["adversary"]["optimization"]["adam"]["beta1"] = 0.5.into();
    let error = refused(wrong).to_string();
    let says = "beta1: got 0.5, but there is no such setting, wanted one of amsgrad, beta_1, ";
    assert!(error.starts_with(says), "{error}");
}

#[test]
fn a_network_of_velocities_trains_through_their_integral() {
    let pairs = pairs(3);
    let flow = |network: &LocalNet<4>, moving: Tensor<4>, fixed: Tensor<4>| {
        integrate(network.forward(moving, fixed)?, 4)
    };
    let mut trainer = config(None).init(network(), flow, &device()).unwrap();
    trainer.run(&pairs, None, 12).unwrap();
    let history = trainer.history();
    assert!(history[11].label < history[0].label, "{history:?}");
}

#[test]
fn a_step_in_three_dimensions_changes_both_networks() {
    let cube = Tensor::<5>::ones([2, 1, 6, 7, 5], &device());
    let pairs = Pairs::new(cube.clone(), cube.clone(), cube.clone(), cube).unwrap();
    let pyramid = Pyramid { channels: 4, levels: 2, groups: 2, ..Pyramid::default() };
    let network = keyed_init(LocalNetConfig { pyramid }.init::<5>(&device()), Key::new(5));
    let discriminator =
        DiscriminatorConfig { channels: 2, levels: 2, ..DiscriminatorConfig::new([6, 7, 5]) };
    let config = RegistrationConfig::new(Key::new(1))
        .with_penalty(Penalty::BendingEnergy, 0.1)
        .with_adversary(AdversaryConfig::new(discriminator, 1.0));
    let before = weights(&network);
    let mut trainer = config.init(network, LocalNet::forward, &device()).unwrap();
    let of_discriminator = weights(&trainer.discriminator().unwrap());
    trainer.run(&pairs, Some(&SmoothFields::new([6, 7, 5], 2.0, 1.0)), 2).unwrap();
    assert_ne!(weights(&trainer.network()), before);
    assert_ne!(weights(&trainer.discriminator().unwrap()), of_discriminator);
}

/// Noise in the network follows the configuration's key and the step, whatever the caller's scope.
#[test]
fn noisy_weights_train_alike_in_any_scope_and_after_a_break() {
    let (pairs, config) = (pairs(3), config(None));
    let noisy = || WeightNoise::colored(2).inject(network());
    let whole = |noise: Noise| {
        let mut trainer: Trainer = config.init(noisy(), LocalNet::forward as _, &device()).unwrap();
        scope(noise, || trainer.run(&pairs, None, 4)).unwrap();
        weights(&trainer.network())
    };
    let wanted = whole(Noise::Fresh);
    assert_eq!(whole(Noise::Off), wanted);
    let mut first: Trainer = config.init(noisy(), LocalNet::forward as _, &device()).unwrap();
    first.run(&pairs, None, 2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("step-2");
    first.save(&checkpoint).unwrap();
    let mut second: Trainer =
        config.resume(noisy(), LocalNet::forward as _, &device(), &checkpoint).unwrap();
    second.run(&pairs, None, 4).unwrap();
    assert_eq!(weights(&second.network()), wanted);
    // It is noise: the same network without it has other losses.
    let mut plain: Trainer = config.init(network(), LocalNet::forward as _, &device()).unwrap();
    plain.run(&pairs, None, 4).unwrap();
    assert_ne!(plain.history().last(), second.history().last());
}

/// A checkpoint has the permissions of any new folder.
#[cfg(unix)]
#[test]
fn a_checkpoint_may_be_read_by_whom_the_umask_says() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let [plain, checkpoint] = ["plain", "checkpoint"].map(|name| folder.path().join(name));
    std::fs::create_dir(&plain).unwrap();
    trainer(&config(None)).save(&checkpoint).unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(checkpoint), mode(plain));
}
