//! What keeps a chain from being one operation, and what it refuses.

use super::net::{Net, error};
use burn::module::Module;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{Device, Tensor};
use cni_noise::{Key, normal};
use cni_ops::{Chain, Epilogue, Obstacle, ObstacleReason, Precision, autocast};

#[test]
fn obstacles_are_named_and_the_chain_runs_all_the_same() {
    let device = Device::flex();
    let net = Net::new(true, &device);
    let shape = [2, 3, 16, 16];
    assert_eq!(net.chain().obstacle(shape), None);
    let x = normal::<4>(Key::new(1), shape, &device);
    let ran = |chain: &Chain| {
        let full = chain.run(x.clone());
        let half = autocast(Precision::Bf16, || chain.run(x.clone()));
        let error = error(&half, &full);
        assert!(error > 0.0 && error < 0.02, "{error}");
    };
    let grouped = Conv2dConfig::new([16, 16], [3, 3]).with_groups(4).init(&device);
    let dilated = Conv2dConfig::new([16, 16], [3, 3]).with_dilation([2, 2]).init(&device);
    let biased = Conv2dConfig::new([16, 16], [3, 3]).init(&device);
    let begin = || {
        let mut chain = Chain::new();
        let x = chain.conv2d(&net.convs[0], chain.input(), Epilogue::relu());
        (chain, x)
    };
    let named = |chain: &Chain, step, reason| {
        assert_eq!(chain.obstacle(shape), Some(Obstacle { step, reason }));
        ran(chain);
    };
    for layer in [&grouped, &dilated] {
        let (mut chain, x) = begin();
        chain.conv2d(layer, x, Epilogue::relu());
        named(&chain, 2, ObstacleReason::GroupsOrDilation);
    }
    let (mut chain, x) = begin();
    chain.conv2d_batch_norm(&biased, &net.norms[1], x, Epilogue::relu());
    named(&chain, 2, ObstacleReason::BiasBeforeNorm);
    let (mut chain, x) = begin();
    chain.apply(x, |x| x.mul_scalar(2.0));
    named(&chain, 2, ObstacleReason::Function);
    let (mut chain, x) = begin();
    chain.conv2d(&net.convs[1], x, Epilogue::default());
    chain.conv2d(&net.convs[1], x, Epilogue::default());
    named(&chain, 2, ObstacleReason::Unread);
    let text = chain.obstacle(shape).unwrap().to_string();
    assert_eq!(text, "step 2: a result that no later step reads");
    let mut chain = Chain::new();
    chain.subsample(chain.input(), 0, [0, 0]);
    let shapes = Some(Obstacle { step: 1, reason: ObstacleReason::Shape });
    assert_eq!(chain.obstacle(shape), shapes);
    // A chain without a step gives its input.
    let empty = Some(Obstacle { step: 1, reason: ObstacleReason::Empty });
    assert_eq!(Chain::new().obstacle(shape), empty);
    assert_eq!(Chain::new().run(x_of(&device)).into_data(), x_of(&device).into_data());
}

fn x_of(device: &Device) -> Tensor<4> {
    normal::<4>(Key::new(1), [1, 1, 2, 2], device)
}

#[test]
#[should_panic(expected = "wanted one of this")]
fn values_of_another_chain_are_refused() {
    let device = Device::flex();
    let net = Net::new(true, &device);
    let mut other = Chain::new();
    let x = other.conv2d(&net.convs[0], other.input(), Epilogue::default());
    Chain::new().conv2d(&net.convs[1], x, Epilogue::default());
}

/// A step that changes nothing breaks the chain into layers, whose results are rounded otherwise.
#[test]
fn without_an_obstacle_the_chain_is_one_operation() {
    let device = Device::flex();
    let net = Net::new(true, &device).valid();
    let x = normal::<4>(Key::new(1), [3, 3, 16, 16], &device);
    let run = |chain: &Chain| autocast(Precision::Bf16, || chain.run(x.clone()));
    let mut broken = Chain::new();
    let middle = broken.apply(broken.input(), |x| x);
    let (first, norm) = (&net.convs[0], &net.norms[0]);
    let out = broken.conv2d_batch_norm(first, norm, middle, Epilogue::relu());
    broken.conv2d_batch_norm(&net.convs[1], &net.norms[1], out, Epilogue::add_relu(out));
    let mut unbroken = Chain::new();
    let out = unbroken.conv2d_batch_norm(first, norm, unbroken.input(), Epilogue::relu());
    unbroken.conv2d_batch_norm(&net.convs[1], &net.norms[1], out, Epilogue::add_relu(out));
    let (ours, layers) = (run(&unbroken), run(&broken));
    assert_ne!(ours.to_data(), layers.to_data());
    assert!(error(&ours, &layers) < 0.01);
}
