//! The attacks of objectives in a step: how many passes they take, and the images that they find.

use super::{config, first_batch, largest, rotation, threat, trained_on, two};
use crate::support::linear_net::Net;
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, softmax};
use cni_attacks::{Norm, Pgd, RandomStart, Threat};
use cni_data::{Batch, Sampler};
use cni_noise::{ExampleIds, normal_rows};
use cni_training::{
    AttackLabels, Awp, EpsilonRamp, Gradient, GradientRule, HalfAndHalf, LabelNoise, Madry,
    Objective, PerExampleClip, Step, TrainingConfig, kl_divergence,
};
use std::cell::Cell;

/// The training passes and those of the attack in a step.
#[test]
fn a_step_takes_no_more_passes_than_its_attack_and_its_loss_need() {
    let three = || two().with_steps(3).unwrap();
    let cases: [(Objective, [usize; 2]); 10] = [
        (Objective::clean(), [1, 0]),
        (Objective::madry(three()), [1, 3]),
        (Objective::madry(Pgd::n_fgsm(threat())), [1, 1]),
        (Objective::half_and_half(three()), [2, 3]),
        (Objective::trades(three()), [2, 3]),
        (Objective::mart(three()), [2, 3]),
        (Objective::elle(three()), [4, 3]),
        // Its head is a function of its own beside that of the step.
        (rotation(), [1, 2]),
        (Objective::free(threat()), [1, 0]),
        // Without a radius nothing is attacked.
        (Madry::new(three()).with_epsilon_ramp(EpsilonRamp::new(2)).into(), [1, 0]),
    ];
    for (objective, wanted) in cases {
        let passes = Cell::new([0; 2]);
        let forward = |net: &Net, images: Tensor<4>| {
            let mut counts = passes.get();
            counts[usize::from(!net.trains())] += 1;
            passes.set(counts);
            net.forward(images)
        };
        let net = Net::new().train();
        let step = Step::new(&net, forward, first_batch());
        objective.losses(&step).unwrap();
        assert_eq!(passes.get(), wanted, "{objective:?}");
    }
}

/// Of each image: the forward passes of training and of the frozen model, which are counted, and
/// the backward ones of either, three of them of the attack.
#[test]
fn the_passes_that_a_configuration_tells_are_those_that_a_step_makes() {
    let three = || two().with_steps(3).unwrap();
    let madry = || Objective::madry(three());
    let half = || Objective::half_and_half(three());
    let predicted =
        || -> Objective { HalfAndHalf::new(three()).with_labels(AttackLabels::Predicted).into() };
    let (awp, clip) = (|| Awp::new(0.01), || PerExampleClip::new(1.0));
    let cases: [(Objective, Gradient, [u64; 2], u64); 9] = [
        (Objective::clean(), Gradient::backward(), [1, 0], 1),
        (Objective::clean(), clip().into(), [1, 0], 1),
        (madry(), Gradient::backward(), [1, 3], 3 + 1),
        (madry(), awp().into(), [2, 3], 3 + 2),
        (half(), clip().into(), [4, 3], 3 + 2),
        (predicted(), Gradient::backward(), [2, 4], 3 + 2),
        (predicted(), awp().into(), [4, 5], 3 + 4),
        (predicted(), clip().into(), [4, 5], 3 + 2),
        (Objective::elle(three()), awp().into(), [8, 3], 3 + 8),
    ];
    for (objective, gradient, wanted, backwards) in cases {
        let images = Cell::new([0; 2]);
        let forward = |net: &Net, x: Tensor<4>| {
            let mut counts = images.get();
            counts[usize::from(!net.trains())] += x.dims()[0] as u64;
            images.set(counts);
            net.forward(x)
        };
        let net = Net::new().train();
        let step = Step::new(&net, forward, first_batch());
        match gradient.spec()["gradient"].as_str() {
            Some("awp") => drop(awp().gradients(&objective, &step).unwrap()),
            Some("backward") => drop(step.backward(objective.losses(&step).unwrap())),
            _ => drop(clip().gradients(&objective, &step).unwrap()),
        }
        let rule = gradient.spec();
        assert_eq!(images.get(), wanted.map(|passes| 64 * passes), "{objective:?} {rule}");
        let told = TrainingConfig { gradient, ..config(objective.clone()) }.passes(10, false);
        assert_eq!(told, wanted.iter().sum::<u64>() + backwards, "{objective:?} {rule}");
    }
    let free = config(Objective::free(threat()));
    let replayed = TrainingConfig { sampler: Sampler::replays(8), ..free.clone() };
    assert_eq!((free.passes(10, false), replayed.passes(10, false)), (2, 16));
}

/// Three steps of ε/4 up the divergence from the clean predictions, from a start that is Gaussian.
#[test]
fn the_attack_of_trades_is_that_of_its_algorithm() {
    let (batch, threat) = (first_batch(), Threat::linf(0.1).unwrap());
    let attack = Pgd::trades(threat).with_steps(3).unwrap();
    let found = trained_on(&Objective::trades(attack.clone()), batch.clone());
    let [clean, found] = found.try_into().unwrap();
    let net = Net::new();
    let key = batch.key.named("attack").child(0).named("start");
    let examples = ExampleIds::from(batch.first_example);
    let change = normal_rows(key, &examples, &clean).mul_scalar(0.001);
    let mut x = Norm::Linf.project(clean.clone() + change, &clean, 0.1);
    let p = softmax(net.forward(clean.clone()), 1);
    for _ in 0..3 {
        let leaf = x.clone().autodiff().require_grad();
        let log = log_softmax(net.forward(leaf.clone()), 1);
        let slope = leaf.grad(&(-(log * p.clone())).sum().backward()).unwrap();
        x = Norm::Linf.project(x + slope.sign().mul_scalar(0.025), &clean, 0.1);
    }
    // The sign of a slope near zero is a matter of rounding.
    let differ = (found.clone() - x).abs().greater_elem(1e-5).float().mean();
    assert!(differ.into_scalar::<f64>() < 1e-2);
    let divergence = |images: Tensor<4>| {
        let [p, q] = [clean.clone(), images].map(|images| net.forward(images));
        kl_divergence(p, q).mean().into_scalar::<f64>()
    };
    // Farther than a random point.
    let far = trained_on(&Objective::trades(attack.with_steps(10).unwrap()), batch.clone());
    let random = Norm::Linf.random_start(batch.key, &clean, 0.1, &examples);
    let random = Norm::Linf.project(clean.clone() + random, &clean, 0.1);
    let [far, random] = [far[1].clone(), random].map(divergence);
    assert!(far > 3.0 * random, "{far}, {random}");
}

/// Examples leave a run of restarts with the row of the reference that is theirs.
#[test]
fn the_best_of_several_starts_diverges_at_least_as_far_in_prediction() {
    let (batch, net) = (first_batch(), Net::new());
    let changed = |attack: Pgd| {
        let found = trained_on(&Objective::trades(attack), batch.clone());
        let [clean, found] = [0, 1].map(|i: usize| net.forward(found[i].clone()).argmax(1));
        clean.not_equal(found).float().sum().into_scalar::<f64>()
    };
    let attack = Pgd::trades(Threat::linf(0.05).unwrap()).with_steps(3).unwrap();
    let several = attack.clone().with_restarts(3).unwrap();
    assert!(changed(several) >= changed(attack));
}

#[test]
fn a_ramp_moves_the_radius_with_every_step() {
    let clean = first_batch();
    let ramp = EpsilonRamp { epochs: 2, from: 0.02 };
    let fgsm = Pgd::fgsm(Threat::linf(0.1).unwrap());
    let objective: Objective = Madry::new(fgsm).with_start_epoch(1).with_epsilon_ramp(ramp).into();
    for (epoch, number, wanted) in
        [(0, 2, 0.0), (1, 0, 0.02), (1, 3, 0.05), (2, 2, 0.08), (3, 0, 0.1), (7, 3, 0.1)]
    {
        let batch = Batch { epoch, number, batches: 4, ..clean.clone() };
        let images = trained_on(&objective, batch).remove(0);
        let moved = largest(images - clean.images.clone().inner());
        assert!((moved - wanted).abs() < 1e-6, "{epoch} {number}: {moved}");
    }
}

#[test]
fn noise_on_labels_and_smoothing_leave_the_attack_alone() {
    let attack = || Pgd::new(threat()).with_random_start(RandomStart::none());
    let plain = trained_on(&Objective::madry(attack()), first_batch());
    let noisy = Madry::new(attack()).with_label_noise(LabelNoise::new(1.0)).unwrap();
    let noisy = noisy.with_label_smoothing(0.5).unwrap();
    let noisy = trained_on(&noisy.into(), first_batch());
    assert_eq!(plain[0].to_data(), noisy[0].to_data());
}
