//! An adversarial objective of this library in Burn's own trainer: its `Learner`, its metrics, its
//! early stopping, any of its optimizers.
//!
//! `cargo run --release --example own_training`

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamConfig;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use burn::train::metric::store::{Aggregate, Direction, Split as Part};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, MetricEarlyStoppingStrategy, StoppingCondition,
    SupervisedTraining, TrainOutput, TrainStep,
};
use cni_burn::data::{Batch, Loader, Split, digits};
use cni_burn::prelude::*;
use cni_burn::training::{Losses, Step};
use std::sync::Arc;

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

    /// Pixels in [0, 1], `[batch, 1, 8, 8]`, to logits `[batch, 10]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(images.mul_scalar(2.0).sub_scalar(1.0)));
        self.fc.forward(relu(self.conv2.forward(x)).flatten(1, 3))
    }
}

/// The model with its objective, for Burn's `Learner`.
#[derive(Module, Debug)]
struct Robust {
    cnn: Cnn,
    #[module(skip)]
    objective: Objective,
}

impl TrainStep for Robust {
    type Input = Batch;
    type Output = Losses;

    fn step(&self, batch: Batch) -> TrainOutput<Losses> {
        // The step makes the attack and the noise a function of the batch's key.
        let step = Step::new(&self.cnn, Cnn::forward, batch);
        let losses = self.objective.losses(&step).expect("the attack suits the model");
        TrainOutput::new(self, losses.loss().clone().mean().backward(), losses.inner())
    }
}

impl InferenceStep for Robust {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        let logits = scope(Noise::Keyed(batch.key), || self.cnn.forward(batch.images));
        let loss = Loss::CrossEntropy.per_example(logits.clone(), &batch.labels).mean();
        ClassificationOutput::new(loss, logits, batch.labels)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (device, key) = (Device::default(), Key::new(1));
    let threat = Threat::linf(16.0 / 255.0)?;
    let (train, validation) = digits(Split::Train).split_validation(200, key.named("split"))?;
    let autodiff = device.clone().autodiff();
    let loader = Loader::new(train, 64, key, &autodiff)?;
    let validation = Loader::validation(validation, 100, key.named("validation"), &device)?;

    let cnn = WeightNoise::colored(5).inject(keyed_init(Cnn::new(&autodiff), key));
    let objective = Objective::half_and_half(Pgd::training(threat));
    let epochs = 10;
    let steps = loader.batches_per_epoch();
    let scheduler = Schedule::one_cycle(3e-3).scheduler(epochs, steps);
    let learner = Learner::new(Robust { cnn, objective }, AdamConfig::new().init(), scheduler);

    let folder = tempfile::tempdir()?;
    let patience = StoppingCondition::NoImprovementSince { n_epochs: 3 };
    let accuracy = AccuracyMetric::new();
    let early = MetricEarlyStoppingStrategy::new(
        &accuracy,
        Aggregate::Mean,
        Direction::Highest,
        Part::Valid,
        patience,
    );
    let result = SupervisedTraining::new(folder.path(), Arc::new(loader), Arc::new(validation))
        .metric_train_numeric(LossMetric::new())
        .metric_valid_numeric(LossMetric::new())
        .metric_valid_numeric(accuracy)
        .early_stopping(early)
        .with_default_checkpointers()
        .with_application_logger(None)
        .num_epochs(epochs)
        .summary()
        .launch(learner);

    let frozen = FrozenModel::new(&result.model.cnn, Cnn::forward);
    let test = digits(Split::Test);
    let (images, labels) = test.batch(0..test.len(), &device)?;
    let found = Pgd::new(threat).with_draws(5)?.on(&frozen).run(images, labels)?;
    println!("robust accuracy under PGD: {:.1} %", 100.0 * found.robust_accuracy());
    Ok(())
}
