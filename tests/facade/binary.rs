//! Binary dense networks from training to audit.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use cni_burn::data::{Augmentation, Split, digits};
use cni_burn::evaluation::{Check, Verdict};
use cni_burn::layers::binary::{Floats, PackedModel, Quantizer, check_latent, latent_weights};
use cni_burn::layers::models::{DenseConv, DenseNet, DenseNetConfig, PackedDenseNet};
use cni_burn::noise::uniform;
use cni_burn::prelude::*;
use cni_burn::training::{ParameterGroup, Recipe, Schedule, TrainingError, Update};
use std::sync::OnceLock;

const EPSILON: f64 = 0.1;

fn config() -> DenseNetConfig {
    DenseNetConfig::binary_28(10)
        .for_cifar()
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_blocks([3, 3], [2.0])
        .with_growth(16)
        .with_channels(16)
}

fn start() -> DenseNet {
    keyed_init(config().init(&Device::flex()), Key::new(1))
}

/// The rules of the recipe, for so many epochs of digits.
fn rules(epochs: usize) -> TrainingConfig {
    let recipe = Recipe::named("binary-fast").unwrap();
    let mut training = recipe.with("epochs", &epochs.to_string()).unwrap().training().unwrap();
    training.batch_size = 64;
    training.augment = vec![Augmentation::crop(1)];
    training
}

fn train(
    training: TrainingConfig,
    model: DenseNet,
    examples: usize,
) -> Result<DenseNet, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    let (train, validation) =
        digits(Split::Train).take(examples).split_validation(examples / 6, Key::new(1)).unwrap();
    let trainer = Trainer::new(training, folder.path().join("run"))?
        .with_validation(validation)
        .with_progress(cni_burn::training::Progress::Quiet)
        .with_group("latent", |model: &DenseNet| {
            latent_weights(model).into_iter().map(|weight| weight.id).collect()
        })?;
    Ok(trainer.run(model, DenseNet::forward, train)?.model)
}

/// A network trained by the recipe's rules that the tests share.
fn trained() -> &'static DenseNet {
    static MODEL: OnceLock<DenseNet> = OnceLock::new();
    MODEL.get_or_init(|| train(rules(30), start(), 1437).unwrap())
}

/// The share of the first test images of digits that a network gets right.
fn accuracy(model: impl Fn(Tensor<4>) -> Tensor<2>) -> f64 {
    let test = digits(Split::Test);
    let (images, labels) = test.batches(test.len(), &Device::flex()).next().unwrap().unwrap();
    let found = model(images).argmax(1).flatten::<1>(0, 1);
    found.equal(labels).float().mean().into_scalar::<f64>()
}

#[test]
fn a_binary_network_learns_the_digits_by_the_recipes_rules_and_stays_itself_when_packed() {
    let model = trained().valid();
    assert_eq!(check_latent(&model), Ok(()));
    let float = accuracy(|images| model.forward(images));
    assert!(float > 0.95, "{float}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.packed");
    let file = PackedModel::of(&model, &config(), Floats::F32).unwrap();
    file.save(&path).unwrap();
    let packed = PackedDenseNet::load(&path, &Device::flex()).unwrap();
    let images = uniform::<4>(Key::new(3), [50, 1, 8, 8], &Device::flex());
    let numbers = |logits: Tensor<2>| logits.try_to_vec_as::<f32>().unwrap();
    assert_eq!(numbers(packed.forward(images.clone())), numbers(model.forward(images)));
    assert_eq!(accuracy(|images| packed.forward(images)), float);
    // In half precision the numbers that are no signs are rounded.
    let half = PackedModel::of(&model, &config(), Floats::F16).unwrap();
    assert!(half.bytes() < file.bytes());
    half.save(&path).unwrap();
    let packed = PackedDenseNet::load(&path, &Device::flex()).unwrap();
    assert!((accuracy(|images| packed.forward(images)) - float).abs() < 0.02);
}

/// The latent weights of the first unit.
fn first(model: &DenseNet) -> Tensor<4> {
    match &model.stages[0][0].conv {
        DenseConv::Binary(conv) => conv.conv.weight.base().inner(),
        DenseConv::Full(_) => panic!("a binary unit"),
    }
}

/// Moves latent weights to another size.
struct Scaled(f64);

impl ModuleMapper for Scaled {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == 4 { param.map(|weight| weight.mul_scalar(self.0)) } else { param }
    }
}

#[test]
fn latent_weights_from_anywhere_are_within_the_clip_after_a_step_of_the_clamp() {
    let far = || DenseNet { stages: start().stages.map(&mut Scaled(100.0)), ..start() };
    assert!(check_latent(&far()).is_err());
    assert_eq!(check_latent(&train(rules(1), far(), 120).unwrap()), Ok(()));
    // Without the clamp they stay where they were.
    let without = TrainingConfig { updates: Vec::new(), ..rules(1) };
    let error = check_latent(&train(without, far(), 120).unwrap()).unwrap_err().to_string();
    assert!(error.contains("latent weights beyond the clip"), "{error}");
    // What takes them beyond it is within again when the next rule has run.
    let steps = TrainingConfig {
        schedule: Schedule::multi_step(0.9, &[1]),
        updates: vec![Update::clamp("latent", -1.3, 1.3)],
        ..rules(2)
    };
    let model = train(steps, start(), 120).unwrap();
    assert_eq!(check_latent(&model), Ok(()));
    let at_the_clip = first(&model).abs().equal_elem(1.3).any();
    assert!(at_the_clip.into_scalar::<bool>());
}

/// A decay large enough to take everything to zero, from all but the latent weights.
#[test]
fn latent_weights_have_no_decay_by_a_group_of_their_own() {
    let training = |groups: Vec<ParameterGroup>| TrainingConfig {
        optimizer: Sgd { weight_decay: 20.0, ..Sgd::default() }.into(),
        schedule: Schedule::multi_step(0.05, &[1]),
        groups,
        ..rules(2)
    };
    let size = |model: &DenseNet| first(model).abs().mean().into_scalar::<f64>();
    let before = size(&start());
    let decayed = size(&train(training(Vec::new()), start(), 120).unwrap());
    assert!(decayed < 0.1 * before, "{decayed} of {before}");
    let plain = ParameterGroup::new("latent").with_optimizer(Sgd::default());
    let kept = size(&train(training(vec![plain]), start(), 120).unwrap());
    assert!(kept > 0.9 * before, "{kept} of {before}");
}

/// The checks of an attack that follows some gradient of the signs, and robust accuracy under it.
fn audited(surrogate: Quantizer, checks: &[&str]) -> (f64, Vec<Check>) {
    let seen = trained().clone().with_surrogate(surrogate).unwrap();
    let frozen = FrozenModel::new(&seen, DenseNet::forward);
    let pgd = Pgd::new(Threat::linf(EPSILON).unwrap()).with_steps(20).unwrap();
    let audit = Audit::new(pgd.clone()).with_effort(Effort::Quick).with_checks(checks).unwrap();
    let evaluation = Evaluation::new(vec![Box::new(pgd)]).unwrap().with_audit(audit).unwrap();
    let test = digits(Split::Test).take(150);
    let record = evaluation.run(&frozen, test.batches(150, &Device::flex())).unwrap().record;
    (record.attacks[0].robust.one_shot.accuracy, record.checks)
}

/// The cautionary tale: the gradient of the sign itself is zero, so that an attack sees only what
/// passes beside the signs, and calls the network robust.
#[test]
fn the_audit_fails_an_attack_through_a_zero_gradient_and_not_one_through_a_surrogate() {
    // Checks that compare the attack with attackers who know less.
    let checks = ["random-noise", "black-box", "active-test"];
    let failed = |checks: &[Check]| {
        let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
        failed.map(|check| check.name.clone()).collect::<Vec<_>>()
    };
    let (blind, of_blind) = audited(Quantizer::Sign, &checks);
    assert_eq!(failed(&of_blind), checks, "{of_blind:?}");
    // The straight-through estimator sees far more. Queries may still do better.
    let (sighted, of_sighted) = audited(Quantizer::dense_net(), &checks);
    assert!(blind > 0.6 && sighted < 0.4, "{blind} {sighted}");
    let failed_sighted = failed(&of_sighted);
    assert!(failed_sighted.iter().all(|name| name == "black-box"), "{of_sighted:?}");
    // A smooth surrogate leaves nothing that these attackers could add.
    let (smooth, of_smooth) = audited(Quantizer::tanh_sign(2.0), &checks);
    assert!(smooth < sighted && failed(&of_smooth).is_empty(), "{smooth}: {of_smooth:?}");
}
