//! Attacking changes nothing of a model, and faces the noise that is deployed.
//!
//! One file, because its three tests share the model with noise everywhere and the listing of all
//! that it holds.

use burn::module::{Flag, Module, ModuleVisitor, Param, ParamId, Reparameterization};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};
use cni_burn::data::{Loader, Split, digits};
use cni_burn::evaluation::Evaluated;
use cni_burn::layers::LearnedNoise;
use cni_burn::noise::uniform;
use cni_burn::prelude::*;

const CLASSES: usize = 10;

/// Noise on weights, on the image and around every convolution.
fn all_noise() -> ModelNoise {
    ModelNoise::cni(2)
        .with_input(ActivationNoiseConfig::white(Granularity::Layer))
        .with_conv_input(ActivationNoiseConfig::white(Granularity::Channel))
        .with_conv_output(ActivationNoiseConfig::colored(1))
}

/// Equal arguments give equal models, and weights that do not depend on the noise.
fn resnet(noise: ModelNoise, device: &Device) -> ResNet {
    let config = ResNetConfig::cifar(8, CLASSES)
        .with_width(0.25)
        .with_images([8, 8], NormalizeConfig::centered(1))
        .with_noise(noise);
    keyed_init(config.init(device), Key::new(1))
}

fn images(batch: usize) -> Tensor<4> {
    uniform(Key::new(2), [batch, 1, 8, 8], &Device::flex())
}

/// The model's answers without noise, so that a weak attack leaves something to lose.
fn labels(model: &ResNet, images: &Tensor<4>) -> Tensor<1, Int> {
    scope(Noise::Off, || model.valid().forward(images.clone())).argmax(1).squeeze_dim(1)
}

fn frozen(model: &ResNet) -> impl Classifier {
    FrozenModel::new(model, ResNet::forward)
}

/// All that a module holds, bit for bit, with paths and identities.
#[derive(Debug, Default, PartialEq)]
struct State {
    path: Vec<String>,
    floats: Vec<(String, ParamId, bool, Vec<u32>)>,
    flags: Vec<(String, bool)>,
}

impl State {
    fn of(model: &ResNet) -> Self {
        let mut state = Self::default();
        model.visit(&mut state);
        state
    }
}

impl ModuleVisitor for State {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values: Vec<f32> = param.base().try_to_vec_as().unwrap();
        let bits = values.into_iter().map(f32::to_bits).collect();
        self.floats.push((self.path.join("."), param.id, param.is_require_grad(), bits));
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.flags.push((self.path.join("."), flag.is_enabled()));
    }
}

/// The gradients of a training step by the path of their parameter; `None` where there is none.
struct Gradients {
    path: Vec<String>,
    found: GradientsParams,
    by_path: Vec<(String, Option<Vec<f32>>)>,
}

impl ModuleVisitor for Gradients {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // Running statistics and the constants of the normalization are not trained.
        let constant = self.path.first().is_some_and(|name| name == "normalize");
        if constant || self.path.last().is_some_and(|name| name.starts_with("running_")) {
            return;
        }
        let gradient = self.found.get::<D>(param.id).map(|g| g.try_to_vec_as().unwrap());
        self.by_path.push((self.path.join("."), gradient));
    }
}

/// A forward pass in training, which leaves an update of the running statistics pending, and its
/// gradients.
fn training_step(model: &ResNet, key: Key) -> Vec<(String, Option<Vec<f32>>)> {
    let images = images(16).autodiff();
    let logits = scope(Noise::Keyed(key), || model.forward(images));
    let found = GradientsParams::from_grads(logits.square().mean().backward(), model);
    let mut gradients = Gradients { path: Vec::new(), found, by_path: Vec::new() };
    model.visit(&mut gradients);
    gradients.by_path
}

fn attack_in_every_way(model: &ResNet) {
    let threat = Threat::linf(8.0 / 255.0).unwrap();
    let eot = Pgd::new(threat).with_steps(2).and_then(|attack| attack.with_draws(2)).unwrap();
    let suite = || -> Vec<Box<dyn Attack>> {
        vec![
            Box::new(Pgd::fgsm(threat)),
            Box::new(Pgd::training(threat).with_iterate(Iterate::Best)),
            Box::new(eot.clone()),
            Box::new(Apgd::dlr(threat).with_steps(2).and_then(|a| a.with_draws(2)).unwrap()),
            Box::new(Square::new(threat).with_queries(3).unwrap()),
            Box::new(RandomNoise::new(threat).with_samples(2).unwrap()),
        ]
    };
    let images = images(4);
    let labels = labels(model, &images);
    let goal = Goal::Misclassify(labels.clone());
    for attack in suite() {
        attack.on(&frozen(model)).with_key(Key::new(3)).perturb(images.clone(), &goal).unwrap();
        // Also with images that already live on the model's autodiff device.
        let lifted = images.clone().autodiff();
        attack.on(&frozen(model)).with_key(Key::new(3)).perturb(lifted, &goal).unwrap();
    }
    let evaluation = Evaluation::new(suite()).unwrap().with_draws(2).unwrap();
    evaluation.run(&frozen(model), [(images, labels)]).unwrap();
}

#[test]
fn attacking_leaves_no_trace_in_a_model_under_training() {
    let device = Device::flex().autodiff();
    let [attacked, spared] = [(); 2].map(|()| resnet(all_noise(), &device));
    for model in [&attacked, &spared] {
        training_step(model, Key::new(4));
    }
    // `valid` brings pending statistics up to date, and with it what a visitor sees: only the twin
    // that nobody touches can tell what they should be.
    let identities = |model: &ResNet| State::of(model).floats.into_iter().map(|f| f.1);
    let (before, flags) = (identities(&attacked).collect::<Vec<_>>(), State::of(&attacked).flags);
    assert!(flags.iter().all(|flag| flag.1) && !flags.is_empty());

    attack_in_every_way(&attacked);
    assert_eq!(identities(&attacked).collect::<Vec<_>>(), before);
    assert_eq!(State::of(&attacked).flags, flags);
    spared.valid();
    let (a, b) = (State::of(&attacked), State::of(&spared));
    assert_eq!((&a.flags, a.floats.len()), (&b.flags, b.floats.len()));
    for (a, b) in a.floats.iter().zip(&b.floats) {
        assert_eq!((&a.0, a.2, &a.3), (&b.0, b.2, &b.3));
    }
    // From here on not even what a visitor sees changes.
    attack_in_every_way(&attacked);
    assert_eq!(State::of(&attacked), a);

    // It trains on as if nothing had been, noise and all.
    let gradients = training_step(&attacked, Key::new(5));
    assert_eq!(gradients, training_step(&spared, Key::new(5)));
    assert!(gradients.iter().any(|(path, _)| path.contains(LearnedNoise::NAME)));
    for (path, gradient) in gradients {
        let gradient = gradient.unwrap_or_else(|| panic!("{path} got no gradient"));
        assert!(gradient.iter().all(|g| g.is_finite()), "{path}");
        assert!(gradient.iter().any(|&g| g != 0.0), "{path}");
    }
}

fn judge(model: &ResNet, images: &Tensor<4>, labels: &Tensor<1, Int>, threat: Threat) -> Evaluated {
    let attack = Pgd::new(threat).with_steps(5).and_then(|attack| attack.with_draws(4)).unwrap();
    let evaluation = Evaluation::new(vec![Box::new(attack)]).unwrap().with_draws(10).unwrap();
    evaluation.run(&frozen(model), [(images.clone(), labels.clone())]).unwrap()
}

#[test]
fn an_attack_faces_the_noise_in_every_state_of_a_model_unless_the_scope_is_off() {
    let device = Device::flex();
    let noisy = resnet(all_noise(), &device.clone().autodiff());
    let quiet = resnet(ModelNoise::none(), &device);
    let images = images(8);
    let labels = labels(&quiet, &images);
    let threat = Threat::linf(8.0 / 255.0).unwrap();
    let silence = judge(&quiet, &images, &labels, threat);
    for (state, model) in [
        ("in training", noisy.clone()),
        ("valid", noisy.valid()),
        ("frozen", noisy.clone().freeze()),
        ("on a plain device", resnet(all_noise(), &device)),
    ] {
        let found = judge(&model, &images, &labels, threat);
        assert!(found.record.stochastic, "{state}");
        assert_eq!(found.record.draws, 10, "{state}");
        let off = scope(Noise::Off, || judge(&model, &images, &labels, threat));
        assert!(!off.record.stochastic, "{state}");
        assert_eq!(off.record.draws, 1, "{state}");
        assert_eq!(off.rows, silence.rows, "{state}");
    }
}

/// A noisy model that has learned something: 80 steps on digits.
fn trained() -> ResNet {
    let device = Device::flex().autodiff();
    let mut model = resnet(ModelNoise::cni(2), &device);
    let mut optimizer = AdamConfig::new().init();
    let loader = Loader::new(digits(Split::Train), 64, Key::new(6), &device).unwrap();
    for batch in (0..).flat_map(|epoch| loader.epoch(epoch)).take(80) {
        let batch = batch.unwrap();
        let logits = scope(Noise::Keyed(batch.key), || model.forward(batch.images));
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, batch.labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    model
}

/// The draws that judge are the same for every ε, so neighbours are compared draw by draw. The
/// tolerance is three standard errors of the mean difference over the record's draws.
#[test]
fn robust_accuracy_falls_with_epsilon() {
    let (model, test) = (trained(), digits(Split::Test).take(100));
    let (images, labels) = test.batch(0..test.len(), &Device::flex()).unwrap();
    let judged = [0.0, 4.0, 8.0, 16.0, 32.0].map(|epsilon| {
        let threat = Threat::linf(epsilon / 255.0).unwrap();
        judge(&model, &images, &labels, threat).record
    });
    let fall = |a: &Record, b: &Record| -> (f64, f64) {
        let [a, b] = [a, b].map(|record| &record.attacks[0].robust.one_shot.per_draw);
        let falls: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let n = falls.len() as f64;
        let mean = falls.iter().sum::<f64>() / n;
        let variance = falls.iter().map(|fall| (fall - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, 3.0 * (variance / n).sqrt())
    };
    for pair in judged.windows(2) {
        let (fall, tolerance) = fall(&pair[0], &pair[1]);
        assert!(fall >= -tolerance, "accuracy fell by {fall}, tolerance {tolerance}");
    }
    let (fall, tolerance) = fall(&judged[0], &judged[4]);
    assert!(fall > 0.05 + tolerance, "accuracy fell by {fall} in all, tolerance {tolerance}");
    // A ball of radius zero is the image itself.
    assert_eq!(judged[0].attacks[0].robust, judged[0].clean);
}
