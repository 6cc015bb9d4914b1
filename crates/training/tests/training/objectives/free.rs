//! Free training against its algorithm, and what an objective with a memory cannot have.

use super::{config, threat, trainer};
use crate::support::distance;
use crate::support::linear_net::{Net, data};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Loss, Norm, Threat};
use cni_data::{Batch, Loader, Sampler};
use cni_noise::Key;
use cni_training::{
    Devices, Free, Objective, Parallel, Progress, Schedule, Sgd, Trainer, TrainingConfig,
};

/// Two replays of each of three batches with plain gradient descent, against a loop by hand.
#[test]
fn free_training_is_its_algorithm() {
    let threat = Threat::linf(0.1).unwrap();
    let config = TrainingConfig {
        epochs: 1,
        sampler: Sampler::replays(2),
        optimizer: Sgd::default().into(),
        schedule: Schedule::constant(0.2),
        ..config(Objective::free(threat))
    };
    let folder = tempfile::tempdir().unwrap();
    let trainer = Trainer::new(config, folder.path()).unwrap().with_progress(Progress::Quiet);
    let trained = trainer.run(Net::new(), Net::forward, data().0).unwrap();

    let loader = Loader::new(data().0, 64, Key::new(3), &Device::flex()).unwrap();
    let loader = loader.with_sampler(Sampler::replays(2)).unwrap();
    let mut net = Net::new();
    let mut change = Tensor::<4>::zeros([64, 1, 8, 8], &Device::flex());
    let mut steps = 0;
    for batch in loader.epoch(0) {
        let Batch { images, labels, .. } = batch.unwrap();
        let leaf = (images.clone() + change).clamp(0.0, 1.0).autodiff().require_grad();
        let on_tape = net.clone().train();
        let loss = Loss::CrossEntropy.per_example(on_tape.forward(leaf.clone()), &labels).mean();
        let gradients = loss.backward();
        let moved = leaf.clone().inner() + leaf.grad(&gradients).unwrap().sign() * 0.1;
        change = Norm::Linf.project(moved, &images, 0.1) - images;
        let descend = |layer: &Linear| {
            let down = |param: Tensor<2>, gradient: Tensor<2>| param.inner() - gradient * 0.2;
            let (weight, bias) = (layer.weight.val(), layer.bias.as_ref().unwrap().val());
            let [of_weight, of_bias] =
                [weight.grad(&gradients).unwrap(), bias.grad(&gradients).unwrap().unsqueeze()];
            let bias = down(bias.unsqueeze::<2>(), of_bias).squeeze_dim::<1>(0);
            let weight = Param::from_tensor(down(weight, of_weight));
            Linear { weight, bias: Some(Param::from_tensor(bias)) }
        };
        net = Net { hidden: descend(&on_tape.hidden), out: descend(&on_tape.out) };
        steps += 1;
    }
    assert_eq!(steps, 6);
    let moved = distance(&net, &Net::new());
    let off = distance(&trained.model, &net);
    assert!(off < 1e-5 && moved > 0.01, "{off} off after a move of {moved}");
}

#[test]
fn what_an_objective_with_a_memory_cannot_have_is_refused_by_name() {
    let refused = |config| Trainer::<Net>::new(config, "never").err().unwrap().to_string();
    let free = || Objective::free(threat());
    let parts = TrainingConfig { accumulation: 2, ..config(free()) };
    let error = refused(parts);
    assert!(error.starts_with("accumulation: got 2 with the objective free, wanted 1"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let devices = Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
    let error = trainer(free(), folder.path()).with_devices(devices);
    let error = error.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.starts_with("devices: got 2 with the objective free, wanted one"), "{error}");
    let size = Free { threat: threat(), step_size: Some(0.0) };
    let error = refused(config(size.into()));
    assert_eq!(error, "objective free: step_size: got 0, wanted a finite number above 0");
    for bad in [Threat::unbounded(Norm::L2), Threat::l2(0.0).unwrap()] {
        let error = refused(config(Objective::free(bad)));
        assert!(error.starts_with("objective free: threat: got L2 "), "{error}");
    }
}
