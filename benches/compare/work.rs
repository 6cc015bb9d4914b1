//! The timed work of this library.

use crate::Result;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::Batch;
use cni_burn::layers::models::Block;
use cni_burn::noise::{scope_at, uniform};
use cni_burn::prelude::*;
use cni_burn::training::{Step, clip_by_norm};
use std::hint::black_box;

pub const EPSILON: f64 = 8.0 / 255.0;
const CLIP: f64 = 0.05;
/// The steps of the attack that averages over draws, and the draws, as in `peer_tasks.py`.
const EOT_STEPS: usize = 10;
const EOT_DRAWS: usize = 8;

/// ResNet-20 with images and labels on the autodiff device, which tells batch norm that this is
/// training.
pub struct Work {
    pub model: ResNet,
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Work {
    pub fn new(noise: ModelNoise, batch: usize) -> Self {
        Self::of(ResNetConfig::cifar(20, 10).with_noise(noise), batch)
    }

    /// The same for another model than ResNet-20.
    pub fn of(config: ResNetConfig, batch: usize) -> Self {
        Self::on(Device::flex(), config, batch)
    }

    fn on(device: Device, config: ResNetConfig, batch: usize) -> Self {
        let device = device.autodiff();
        let model = config.init(&device);
        let labels = (0..batch).map(|i| (i % 10) as i32).collect::<Vec<_>>();
        Self {
            model: keyed_init(model, Key::new(1)),
            images: uniform(Key::new(2), [batch, 3, 32, 32], &device),
            labels: Tensor::from_ints(labels.as_slice(), &device),
        }
    }

    /// The gradients of the parameters: a forward and a backward pass, with batch statistics.
    pub fn gradients(&self, key: Key) -> GradientsParams {
        let loss = self.loss(self.images.clone(), key);
        GradientsParams::from_grads(loss.backward(), &self.model)
    }

    /// The gradients of a training objective, its attack included.
    pub fn objective(&self, objective: &Objective, key: Key) -> Result<()> {
        let n = self.images.dims()[0];
        let batch = Batch {
            images: self.images.clone(),
            labels: self.labels.clone(),
            key,
            epoch: 0,
            number: 0,
            batches: 1,
            indices: (0..n).collect(),
            first_example: 0,
            whole: n,
        };
        let step = Step::new(&self.model, ResNet::forward, batch);
        black_box(step.backward(objective.losses(&step)?));
        Ok(())
    }

    /// The input gradient of an attack: in inference mode, averaged over draws of the noise.
    pub fn input_gradient(&self, key: Key, draws: usize) -> Result<Tensor<4>> {
        let frozen = FrozenModel::new(&self.model, ResNet::forward);
        let goal = Goal::Misclassify(self.labels.clone());
        let attack = Pgd::fgsm(Threat::linf(EPSILON)?).with_draws(draws)?;
        let images = self.images.clone().inner();
        Ok(attack.on(&frozen).with_key(key).perturb(images, &goal)?.images)
    }

    /// The images of an attack whose gradients are means over draws of the noise.
    pub fn eot_attack(&self, key: Key) -> Result<Tensor<4>> {
        let frozen = FrozenModel::new(&self.model, ResNet::forward);
        let goal = Goal::Misclassify(self.labels.clone());
        let attack = Pgd::new(Threat::linf(EPSILON)?)
            .with_steps(EOT_STEPS)?
            .with_step_size(EPSILON / 4.0)?
            .with_draws(EOT_DRAWS)?;
        let images = self.images.clone().inner();
        Ok(attack.on(&frozen).with_key(key).perturb(images, &goal)?.images)
    }

    /// The logits of a frozen copy of the model, as for judging.
    pub fn judged(&self, frozen: &ResNet, key: Key) -> Tensor<2> {
        scope_at(Noise::Keyed(key), 0, || frozen.forward(self.images.clone().inner()))
    }

    fn loss(&self, images: Tensor<4>, key: Key) -> Tensor<1> {
        let logits = scope_at(Noise::Keyed(key), 0, || self.model.forward(images));
        Loss::CrossEntropy.per_example(logits, &self.labels).mean()
    }
}

/// Adversarial training, step by step.
pub struct Training {
    work: Work,
    optimizer: ModuleOptimizer,
    attack: Pgd,
    step: u64,
}

impl Training {
    /// The number of steps of the attack.
    pub const ATTACK_STEPS: u64 = 7;

    pub fn new(batch: usize) -> Result<Self> {
        Self::on(Device::flex(), batch)
    }

    /// The same on another device than the CPU.
    pub fn on(device: Device, batch: usize) -> Result<Self> {
        let config = ResNetConfig::cifar(20, 10).with_noise(ModelNoise::cni(5));
        Self::with(Work::on(device, config, batch))
    }

    /// The same for another model than ResNet-20.
    pub fn of(config: ResNetConfig, batch: usize) -> Result<Self> {
        Self::with(Work::of(config, batch))
    }

    fn with(work: Work) -> Result<Self> {
        let optimizer = Sgd::cni().build(&work.model);
        Ok(Self {
            work,
            optimizer,
            attack: Pgd::training(Threat::linf(EPSILON)?).with_step_size(EPSILON / 4.0)?,
            step: 0,
        })
    }

    /// One step: the attack, the gradients and the update.
    pub fn step(&mut self) -> Result<()> {
        let adversarial = self.attack()?;
        let gradients = self.gradients(adversarial);
        self.update(gradients)
    }

    /// A PGD-7 attack in evaluation mode.
    pub fn attack(&self) -> Result<Tensor<4>> {
        let frozen = FrozenModel::new(&self.work.model, ResNet::forward);
        let goal = Goal::Misclassify(self.work.labels.clone());
        let clean = self.work.images.clone().inner();
        let attack = self.attack.on(&frozen).with_key(self.key().named("attack"));
        Ok(attack.perturb(clean, &goal)?.images)
    }

    /// The gradients of half of the sum of two losses: two forward passes with noise of their own.
    pub fn gradients(&self, adversarial: Tensor<4>) -> GradientsParams {
        let (work, key) = (&self.work, self.key());
        let adversarial = work.loss(adversarial.autodiff(), key.named("adversarial"));
        let clean = work.loss(work.images.clone(), key.named("clean"));
        let loss = clean.mul_scalar(0.5) + adversarial.mul_scalar(0.5);
        GradientsParams::from_grads(loss.backward(), &work.model)
    }

    /// Clipping and SGD.
    pub fn update(&mut self, gradients: GradientsParams) -> Result<()> {
        let (gradients, _) = clip_by_norm(&self.work.model, gradients, Some(CLIP));
        let model = self.work.model.clone();
        self.work.model = self.optimizer.step(0.1, model, gradients);
        self.step += 1;
        // A GPU may not have finished its work yet.
        self.work.images.device().sync()?;
        Ok(())
    }

    pub fn model(&self) -> &ResNet {
        &self.work.model
    }

    fn key(&self) -> Key {
        Key::new(self.step)
    }
}

/// The sum of all noisy weights of `model` under a new draw of their noise: the cost of the noise
/// alone.
pub fn noisy_weights(model: &ResNet, key: Key) -> Tensor<1> {
    // A visitor gets the weights without their noise.
    let blocks = [&model.layer1, &model.layer2, &model.layer3].into_iter().flatten();
    let of_block = |block: &Block| {
        let shortcut =
            block.downsample.as_ref().map(|downsample| downsample.conv.conv.weight.val());
        [block.conv1.conv.weight.val(), block.conv2.conv.weight.val()].into_iter().chain(shortcut)
    };
    scope_at(Noise::Keyed(key), 0, || {
        let last = model.fc.linear.weight.val();
        let convolutions = blocks.flat_map(of_block).chain([model.conv1.conv.weight.val()]);
        convolutions.map(factored_sum).fold(factored_sum(last), |sum, term| sum + term)
    })
}

/// The sum with a factor, so that the gradient arrives as a tensor in memory, as from a
/// convolution.
fn factored_sum<const D: usize>(weight: Tensor<D>) -> Tensor<1> {
    let factor = weight.clone().inner();
    (weight * factor).sum()
}
