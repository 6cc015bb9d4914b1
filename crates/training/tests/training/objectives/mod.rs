//! The built-in objectives in runs and in single steps: exact resume, two devices, the passes that
//! a step takes, the images that attacks find, and refused settings.

mod attacks;
mod free;
mod losses;
mod rotation;
mod runs;
mod settings;

use crate::support::linear_net::{self, Net, data};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::{Batch, Loader};
use cni_noise::Key;
use cni_training::{
    AttackLabels, Clean, Elle, EpsilonRamp, Free, HalfAndHalf, LabelNoise, Madry, Mart, Objective,
    Rotation, Step, Trades, Trainer, TrainingConfig,
};
use std::cell::RefCell;
use std::path::Path;

/// Steps in L2 follow the gradient evenly: the sign of a gradient near zero would turn the rounding
/// of sums, in which devices differ, into steps.
fn threat() -> Threat {
    Threat::l2(0.5).unwrap()
}

fn two() -> Pgd {
    Pgd::two_steps(threat())
}

fn trades() -> Pgd {
    Pgd::trades(threat()).with_steps(2).unwrap()
}

/// Turns told from the hidden units, by the weights of the first four classes.
fn turns(net: &Net, images: Tensor<4>) -> Tensor<2> {
    net.forward(images).narrow(1, 0, 4)
}

fn rotation() -> Objective {
    Rotation::new(Objective::madry(two()), turns).with_weight(0.5).unwrap().into()
}

fn every() -> Vec<Objective> {
    let noise = LabelNoise { share: 0.2, key: Key::new(4) };
    let ramp = EpsilonRamp { epochs: 2, from: 0.1 };
    vec![
        Clean::new().with_label_smoothing(0.1).unwrap().with_label_noise(noise).unwrap().into(),
        Objective::madry(Pgd::random_fgsm(threat())),
        Madry::new(Pgd::n_fgsm(threat())).with_label_smoothing(0.3).unwrap().into(),
        HalfAndHalf::new(two())
            .with_start_epoch(1)
            .with_epsilon_ramp(ramp)
            .with_labels(AttackLabels::Predicted)
            .with_label_noise(noise)
            .unwrap()
            .into(),
        Objective::trades(trades()),
        Trades::new(trades()).with_beta(2.0).unwrap().with_epsilon_ramp(ramp).into(),
        Mart::new(trades()).with_start_epoch(1).into(),
        Elle::new(Pgd::fgsm(threat())).with_lambda(10.0).unwrap().into(),
        rotation(),
        Free { threat: threat(), step_size: Some(0.2) }.into(),
    ]
}

/// Three epochs of three steps.
fn config(objective: Objective) -> TrainingConfig {
    TrainingConfig { objective, ..linear_net::config() }
}

fn trainer(objective: Objective, folder: &Path) -> Trainer<Net> {
    linear_net::trainer(config(objective), folder)
}

fn first_batch() -> Batch {
    let loader = Loader::new(data().0, 64, Key::new(3), &Device::flex().autodiff()).unwrap();
    loader.epoch(0).next().unwrap().unwrap()
}

/// The images of the training passes of a step, in their order.
fn trained_on(objective: &Objective, batch: Batch) -> Vec<Tensor<4>> {
    let seen = RefCell::new(Vec::new());
    let forward = |net: &Net, images: Tensor<4>| {
        if net.trains() {
            seen.borrow_mut().push(images.clone().inner());
        }
        net.forward(images)
    };
    let net = Net::new().train();
    objective.losses(&Step::new(&net, forward, batch)).unwrap();
    seen.into_inner()
}

fn largest<const D: usize>(values: Tensor<D>) -> f64 {
    values.abs().max().into_scalar()
}
