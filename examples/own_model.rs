//! A custom model, made noisy by one call, trained in a custom loop, attacked and judged.
//!
//! `cargo run --release --example own_model`

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, loss::CrossEntropyLossConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use cni_burn::data::{Loader, Split, digits};
use cni_burn::ops::{Chain, Epilogue};
use cni_burn::prelude::*;

#[derive(Module, Debug)]
struct Cnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc: Linear,
}

impl Cnn {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 16], [3, 3]).init(device),
            conv2: Conv2dConfig::new([16, 32], [3, 3]).with_stride([2, 2]).init(device),
            fc: LinearConfig::new(32 * 2 * 2, 10).init(device),
        }
    }

    /// Pixels in [0, 1], `[batch, 1, 8, 8]`, to logits `[batch, 10]`. It knows nothing of noise.
    ///
    /// `relu(self.conv1.forward(x))` and so on would do. Described as a chain, the layers use the
    /// kernels of this library, and within `autocast(Precision::Bf16, ..)` they are one operation.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut chain = Chain::new();
        let x = chain.conv2d(&self.conv1, chain.input(), Epilogue::relu());
        chain.conv2d(&self.conv2, x, Epilogue::relu());
        let features = chain.run(images.mul_scalar(2.0).sub_scalar(1.0));
        self.fc.forward(features.flatten(1, 3))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, key) = (Device::default().autodiff(), Key::new(1));
    let threat = Threat::linf(16.0 / 255.0)?;

    // The one call: every weight now carries learnable colored noise of rank 5, in training and at
    // inference.
    let mut model = WeightNoise::colored(5).inject(keyed_init(Cnn::new(&device), key));
    println!("{}", NoiseSummary::of(&model));

    let mut optimizer = AdamConfig::new().init();
    let loader = Loader::new(digits(Split::Train), 64, key, &device)?;
    for batch in (0..10).flat_map(|epoch| loader.epoch(epoch)) {
        let batch = batch?;
        let frozen = FrozenModel::new(&model, Cnn::forward);
        let attack = Pgd::training(threat);
        let adversarial = attack
            .on(&frozen)
            .with_key(batch.key)
            .with_examples(batch.first_example)
            .perturb(batch.images.clone(), batch.labels.clone())?;
        let images = Tensor::cat(vec![batch.images, adversarial.images.autodiff()], 0);
        let labels = batch.labels.repeat_dim(0, 2);
        // The key makes the step's noise, and with it the whole run, repeatable.
        let logits = scope(Noise::Keyed(batch.key), || model.forward(images));
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(3e-3, model, gradients);
    }

    let suite: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd::fgsm(threat)),
        Box::new(Pgd::new(threat)),
        Box::new(Pgd::new(threat).with_draws(5)?),
    ];
    let test = digits(Split::Test);
    let card = model_card("own CNN + CNI-W", &model)?;
    let evaluation = Evaluation::new(suite)?.with_cards(card, data_card(&test)?);
    let batches = test.batches(test.len(), &device);
    let result = evaluation.run(&FrozenModel::new(&model, Cnn::forward), batches)?;
    println!("\n{}", table(&[&result.record]));
    Ok(())
}
