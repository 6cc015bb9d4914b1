//! Attacking a model changes nothing in it.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Attack, FrozenModel, Goal, Pgd, Threat};
use cni_noise::{Key, uniform};

#[derive(Module, Debug)]
struct Net {
    norm: BatchNorm,
    head: Linear,
}

impl Net {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.norm.forward(images).flatten::<2>(1, 3))
    }
}

#[test]
fn an_attack_leaves_running_statistics_and_training_mode_alone() {
    let device = Device::flex().autodiff();
    let net = Net {
        norm: BatchNormConfig::new(3).init(&device),
        head: LinearConfig::new(12, 2).init(&device),
    };
    let images = uniform::<4>(Key::new(1), [4, 3, 2, 2], &device);
    let goal = Goal::Misclassify(Tensor::from_ints([0, 1, 0, 1], &device));
    let statistics = || {
        (
            net.norm.running_mean.value_sync().into_data(),
            net.norm.running_var.value_sync().into_data(),
        )
    };
    let before = statistics();

    let frozen = FrozenModel::new(&net, Net::forward);
    let attack = Pgd::new(Threat::linf(0.1).unwrap());
    attack.on(&frozen).with_key(Key::new(2)).perturb(images.clone(), &goal).unwrap();
    assert_eq!(statistics(), before);

    // The model itself still trains: a forward pass of it moves what the attack did not.
    net.forward(images);
    assert_ne!(statistics(), before);
}
