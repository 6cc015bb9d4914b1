//! Averages of a model with batch norm: the statistics that it is judged and saved with.

use crate::support::linear_net::data;
use crate::support::{broken_off, numbers};
use burn::data::dataloader::DataLoader;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cni_data::{Augmentation, Loader};
use cni_layers::keyed_init;
use cni_noise::Key;
use cni_training::{
    Average, BatchStatistics, CheckpointSelector, Devices, Ema, Objective, Parallel, Progress,
    Schedule, Swa, Trained, Trainer, TrainingConfig, load_checkpoint,
};
use std::path::Path;

#[derive(Module, Debug)]
struct Net {
    hidden: Linear,
    norm: BatchNorm,
    out: Linear,
}

impl Net {
    fn new() -> Self {
        let device = Device::flex();
        let net = Self {
            hidden: LinearConfig::new(64, 16).init(&device),
            norm: BatchNormConfig::new(16).init(&device),
            out: LinearConfig::new(16, 10).init(&device),
        };
        keyed_init(net, Key::new(1))
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let hidden = self.hidden.forward(images.flatten::<2>(1, 3));
        self.out.forward(relu(self.norm.forward(hidden)))
    }
}

/// Three epochs of three steps.
fn config(average: impl Into<Average>) -> TrainingConfig {
    TrainingConfig {
        batch_size: 64,
        schedule: Schedule::constant(0.1),
        augment: vec![Augmentation::crop(1)],
        average: Some(average.into()),
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::clean())
    }
}

fn trainer(config: TrainingConfig, folder: &Path, devices: usize) -> Trainer<Net> {
    let devices = Devices::new(vec![Device::flex(); devices], Parallel::Multi).unwrap();
    let trainer = Trainer::new(config, folder).unwrap().with_devices(devices);
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

fn run(config: TrainingConfig, folder: &Path, devices: usize) -> Trained<Net> {
    trainer(config, folder, devices).run(Net::new(), Net::forward, data().0).unwrap()
}

/// A run that is broken off in the first step of its third epoch, and then goes on.
fn resumed(config: impl Fn() -> TrainingConfig) -> Trained<Net> {
    let trainer = |folder: &Path| trainer(config(), folder, 1);
    let trains = |net: &Net, _: &Tensor<4>| net.out.weight.val().is_require_grad();
    broken_off::resumed(trainer, Net::new, Net::forward, data().0, 6, trains)
}

/// Mean and variance of the first layer's outputs over training images of an epoch, by hand.
fn statistics(net: &Net, epoch: usize, examples: usize) -> [Tensor<1>; 2] {
    let key = Key::new(3).named("statistics");
    let loader = Loader::new(data().0, 64, key, &Device::flex()).unwrap();
    let loader = loader.with_augmentation(Augmentation::crop(1)).unwrap().resume_at(epoch);
    let [mut mean, mut variance] = [(); 2].map(|()| Tensor::<2>::zeros([1, 16], &Device::flex()));
    for batch in loader.slice(0, examples).iter() {
        let images = batch.unwrap().images;
        let share = images.dims()[0] as f64 / examples as f64;
        let hidden = net.hidden.forward(images.flatten::<2>(1, 3));
        let centre = hidden.clone().mean_dim(0);
        let spread = (hidden - centre.clone()).square().mean_dim(0);
        mean = mean + centre.mul_scalar(share);
        variance = variance + spread.mul_scalar(share);
    }
    [mean.squeeze_dim(0), variance.squeeze_dim(0)]
}

fn off(net: &Net, wanted: &[Tensor<1>; 2]) -> f32 {
    let running = [&net.norm.running_mean, &net.norm.running_var];
    let off = running.into_iter().zip(wanted).map(|(running, wanted)| {
        (running.value() - wanted.clone()).abs().max().into_scalar::<f32>()
    });
    off.fold(0.0, f32::max)
}

fn accuracy(net: &Net) -> f64 {
    let loader = Loader::validation(data().1, 64, Key::new(0), &Device::flex()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    let hits = net.forward(batch.images).argmax(1).squeeze_dim::<1>(1).equal(batch.labels);
    hits.float().mean().into_scalar()
}

/// Of 100 examples, in batches of 64 and 36; of all 192, of which more were asked for.
#[test]
fn recomputed_statistics_are_judged_saved_and_resumed() {
    let swa = |n| -> Average {
        Swa { start_epoch: 1, batch_statistics: BatchStatistics::Recomputed(n) }.into()
    };
    let ema = |n| -> Average {
        let batch_statistics = Some(BatchStatistics::Recomputed(n));
        Ema { decay: 0.75, start_epoch: 0, batch_statistics }.into()
    };
    let cases: [(&dyn Fn() -> Average, usize, usize); 4] = [
        (&|| swa(100), 100, 1),
        (&|| Average::swa(1), 192, 1),
        (&|| ema(100), 100, 1),
        (&|| ema(100), 100, 2),
    ];
    for (average, examples, devices) in cases {
        let folder = tempfile::tempdir().unwrap();
        let whole = run(config(average()), folder.path(), devices);
        let wanted = statistics(&whole.model, 2, examples);
        assert!(off(&whole.model, &wanted) < 1e-5, "{:?}", off(&whole.model, &wanted));
        assert!(off(&whole.model, &statistics(&whole.model, 1, examples)) > 1e-3);
        let (loaded, epoch) =
            load_checkpoint(Net::new(), folder.path(), CheckpointSelector::Last).unwrap();
        assert_eq!((numbers(&loaded), epoch), (numbers(&whole.model), 3));
        let judged = whole.history[2].validation.clean.unwrap();
        assert!((judged - accuracy(&loaded)).abs() < 1e-6);
        if devices == 1 {
            let again = resumed(|| config(average()));
            assert_eq!(numbers(&again.model), numbers(&whole.model));
            assert_eq!(again.history, whole.history);
        }
    }
}

/// The weights are not touched, and neither are the averages of a run that recomputes nothing.
#[test]
fn recomputing_changes_statistics_alone() {
    let run = |average: Average| {
        let folder = tempfile::tempdir().unwrap();
        run(config(average), folder.path(), 1).model
    };
    let recomputed = Some(BatchStatistics::Recomputed(100));
    let [averaged, recomputed] = [None, recomputed]
        .map(|batch_statistics| run(Ema { decay: 0.75, start_epoch: 0, batch_statistics }.into()));
    let weights = |net: &Net| [numbers(&net.hidden), numbers(&net.out), numbers(&net.norm.gamma)];
    assert_eq!(weights(&averaged), weights(&recomputed));
    assert_ne!(numbers(&averaged), numbers(&recomputed));
    // A run of a single averaged epoch has the weights of that epoch.
    let last = run(Swa { start_epoch: 2, batch_statistics: BatchStatistics::Averaged }.into());
    let folder = tempfile::tempdir().unwrap();
    let plain = TrainingConfig { average: None, ..config(Average::swa(0)) };
    let plain = trainer(plain, folder.path(), 1);
    let plain = plain.run(Net::new(), Net::forward, data().0).unwrap().model;
    assert_eq!(numbers(&last), numbers(&plain.valid()));
}
