//! The published rule of noise in the forward pass: what it claims, and what it stores.

use crate::support::{config, data, numbers};
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_data::{Batch, ImageData};
use cni_layers::keyed_init;
use cni_noise::Key;
use cni_privacy::membership::epsilon_from_rates;
use cni_privacy::{
    Accountant, Budget, Conversion, NoisyWeights, Orders, PoissonPlan, PrivateSgd, RdpAccountant,
};
use cni_training::{
    GradientRule, Losses, Objective, ObjectiveRule, Progress, Step, StepError, Trainer,
};
use serde_json::{Value, json};

/// A loss that is linear in the weights: minus the logit of the label.
struct Linearly;

impl ObjectiveRule for Linearly {
    fn spec(&self) -> Value {
        json!({ "objective": "linearly" })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let Batch { images, labels, .. } = step.batch();
        let logits = step.logits("clean", images.clone());
        let own = logits.gather(1, labels.clone().unsqueeze_dim(1)).squeeze_dim::<1>(1);
        Ok(Losses::new(own.neg()))
    }
}

#[derive(Module, Debug)]
struct Model {
    out: Linear,
}

fn model() -> Model {
    let out = LinearConfig::new(64, 10).with_bias(false).init(&Device::flex());
    keyed_init(Model { out }, Key::new(1))
}

fn forward(model: &Model, images: Tensor<4>) -> Tensor<2> {
    model.out.forward(images.flatten::<2>(1, 3))
}

/// Digits, all of them zeros but perhaps for one of label 1.
fn examples(with: bool) -> ImageData {
    let all = data(200);
    let zeros: Vec<usize> = (0..200).filter(|&i| all.label(i).unwrap() == 0).take(9).collect();
    let one = (0..200).find(|&i| all.label(i).unwrap() == 1).unwrap();
    let extra = if with { one } else { (0..200).rfind(|&i| all.label(i).unwrap() == 0).unwrap() };
    all.filter(|i| zeros.contains(&i) || i == extra)
}

const LR: f64 = 0.5;

fn noisy() -> NoisyWeights {
    NoisyWeights { max_norm: 1.0, noise_multiplier: 20.0, lr: LR, batch_size: 10 }
}

/// The mean change of the weights of class 1 after ten steps on all ten examples.
fn mark(with: bool, key: u64, private: bool) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(10, 10);
    (config.key, config.objective) = (Key::new(key), Objective::from(Linearly));
    let trainer = match private {
        false => {
            config.gradient = noisy().into();
            Trainer::new(config, folder.path()).unwrap()
        }
        true => {
            let private = PrivateSgd::new(Budget::new(50.0, 1e-5).unwrap(), 1.0);
            let private = private.with_noise_multiplier(20.0);
            private.plan(config, 10).unwrap().trainer(folder.path()).unwrap()
        }
    };
    let before = numbers(&model());
    let trained = trainer.with_progress(Progress::Quiet).run(model(), forward, examples(with));
    let change = numbers(&trained.unwrap().model).into_iter().zip(before).map(|(a, b)| a - b);
    // Row-major [64, 10].
    let of_class = change.skip(1).step_by(10).map(f64::from);
    of_class.sum::<f64>() / 64.0
}

/// 40 trainings, half of them with one example of another class in place of one. (That is a change
/// of two under "one example more", so that the claim is doubled.)
#[test]
fn stored_weights_without_noise_show_an_example_whatever_epsilon_is_claimed() {
    let plan = PoissonPlan::new(10, 10, 10).unwrap();
    let rdp = Accountant::rdp();
    let claimed = noisy().claimed_epsilon(plan, 1e-5, &rdp).unwrap();
    assert!(claimed > 0.5 && claimed < 1.0, "{claimed}");
    assert_eq!(noisy().released_epsilon(), f64::INFINITY);
    // The rate η falls out of the noise multiplier.
    assert_eq!(noisy().noise_std(), LR * 20.0 / 10.0);
    let marks = |private| -> [Vec<f64>; 2] {
        [true, false].map(|with| (0..20).map(|key| mark(with, key, private)).collect())
    };
    let rates = |[with, without]: &[Vec<f64>; 2], threshold: f64| {
        let hits =
            |marks: &[f64]| marks.iter().filter(|mark| mark.abs() > threshold).count() as u64;
        [[hits(with), 20], [hits(without), 20]]
    };
    // Whatever the noise was, the stored weights are a function of the examples.
    let stored = marks(false);
    assert!(stored[0].windows(2).all(|two| (two[0] - two[1]).abs() < 1e-6), "{stored:?}");
    let [hits, alarms] = rates(&stored, 1e-6);
    assert_eq!((hits, alarms), ([20, 20], [0, 20]));
    let at_least = epsilon_from_rates(hits, alarms, 1e-5, 0.95).unwrap();
    assert!(at_least > 1.2 && at_least > claimed, "{at_least} of {claimed}");
    // With the noise in the weights the same attack finds nothing.
    let [hits, alarms] = rates(&marks(true), 1e-6);
    assert_eq!(epsilon_from_rates(hits, alarms, 1e-5, 0.95).unwrap(), 0.0);
}

#[test]
fn gradients_are_those_at_the_noisy_weights_the_same_for_parts() {
    use crate::support::{Net, batch, flat, largest_difference};
    use cni_training::PerExampleClip;
    let net = Net::new().train();
    let rule = NoisyWeights { max_norm: 0.5, noise_multiplier: 2.0, lr: 1.0, batch_size: 10 };
    let of = |rule: &dyn GradientRule| {
        let step = Step::new(&net, Net::forward, batch(&[0, 3, 5]));
        flat(&rule.gradients(&Objective::clean(), &step).unwrap().gradients)
    };
    let still = NoisyWeights { noise_multiplier: 1e-9, ..rule };
    assert!(largest_difference(&of(&still), &of(&PerExampleClip::new(0.5))) < 1e-5);
    assert!(largest_difference(&of(&rule), &of(&still)) > 1e-3);
    assert_eq!(of(&rule), of(&rule));
    for wrong in [
        NoisyWeights { max_norm: 0.0, ..rule },
        NoisyWeights { noise_multiplier: f64::NAN, ..rule },
        NoisyWeights { lr: -1.0, ..rule },
        NoisyWeights { batch_size: 0, ..rule },
    ] {
        assert!(wrong.check().is_err());
    }
}

/// The sizes of the paper's MNIST run: batches of 32 of 60,000, 10 epochs, σ 7.1.
#[test]
fn the_claimed_epsilon_is_that_of_the_paper() {
    let rule = NoisyWeights { max_norm: 3.1, noise_multiplier: 7.1, lr: 0.1, batch_size: 32 };
    let plan = PoissonPlan::new(60_000, 32, 10).unwrap();
    // An epsilon so small needs high orders.
    let rdp = RdpAccountant::new(Orders::whole(600).unwrap(), Conversion::Improved);
    let claimed = rule.claimed_epsilon(plan, 1e-5, &Accountant::Rdp(rdp)).unwrap();
    assert!((claimed - 0.032).abs() < 1e-3, "{claimed}");
}
