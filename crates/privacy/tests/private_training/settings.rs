//! What a private run is refused for, and what it plans.

use crate::support::{Net, config, data};
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::Sampler;
use cni_layers::{ActivationNoise, ActivationNoiseConfig, Granularity, Per, keyed_init};
use cni_noise::Key;
use cni_privacy::{Accountant, Budget, PoissonPlan, PrivacyError, PrivateSgd, Randomness};
use cni_training::{Gradient, Objective, OverfittingWatch, Progress, TrainingConfig};

fn private(epsilon: f64) -> PrivateSgd {
    PrivateSgd::new(Budget::new(epsilon, 1e-5).unwrap(), 0.5)
}

#[test]
fn the_plan_spends_the_budget_and_never_more() {
    for epsilon in [1.0, 3.0, 8.0] {
        for accountant in [Accountant::rdp(), Accountant::prv()] {
            let run =
                private(epsilon).with_accountant(accountant).plan(config(7, 30), 200).unwrap();
            // 200 / 30 rounded up.
            assert_eq!((run.steps_per_epoch(), run.steps()), (7, 49));
            assert_eq!(run.planned().ledger.steps(), 49);
            assert_eq!(PoissonPlan::new(200, 30, 7).unwrap().steps(), 49);
            assert_eq!(run.gradient().mechanism().sample_rate(), 0.15);
            let planned = run.planned().epsilon;
            assert!(planned <= epsilon && planned > 0.99 * epsilon, "{planned} of {epsilon}");
        }
    }
}

#[test]
fn a_given_noise_ends_the_run_before_the_epoch_that_would_exceed_the_budget() {
    let run = private(2.0).with_noise_multiplier(2.0).plan(config(1000, 20), 200).unwrap();
    let steps = run.steps();
    assert!(steps > 0 && steps < 10_000 && steps.is_multiple_of(10), "{steps}");
    assert!(run.planned().epsilon <= 2.0);
    let mut longer = run.planned().ledger.clone();
    (0..10).for_each(|_| longer.step(run.gradient().mechanism()));
    assert!(Accountant::prv().epsilon(&longer, 1e-5).unwrap() > 2.0);
    let error = private(0.1).with_noise_multiplier(0.5).plan(config(3, 20), 200).unwrap_err();
    let says = "steps: got 0, wanted at least 10, an epoch; raise noise_multiplier";
    assert_eq!(error.to_string(), says);
}

fn refusal(change: impl FnOnce(&mut TrainingConfig)) -> String {
    let mut config = config(3, 20);
    change(&mut config);
    private(1.0).plan(config, 200).unwrap_err().to_string()
}

#[test]
fn a_configuration_that_cannot_be_private_is_refused_by_name() {
    let says = refusal(|config| config.sampler = Sampler::replays(2));
    assert_eq!(
        says,
        "sampler: got \"replays\", wanted epochs or poisson: a private run samples by coins"
    );
    let says = refusal(|config| config.gradient = Gradient::per_example_clip(1.0));
    assert!(says.starts_with("gradient: got \"per_example_clip\", wanted backward"), "{says}");
    let says = refusal(|config| {
        let watch = OverfittingWatch::fall_back(Threat::linf(0.1).unwrap());
        config.overfitting = Some(watch.unwrap());
    });
    assert!(says.starts_with("overfitting: got a watch, wanted none"), "{says}");
    let says = refusal(|config| config.batch_size = 201);
    assert_eq!(says, "expected_batch: got 201, wanted 1 to the number of examples, 200");
    let says = refusal(|config| config.batch_size = 0);
    assert_eq!(says, "expected_batch: got 0, wanted 1 to the number of examples, 200");
    let says = refusal(|config| config.epochs = 0);
    assert!(says.starts_with("epochs: got 0, wanted 1 to "), "{says}");
    let gdp = private(1.0).with_accountant(Accountant::gdp()).plan(config(3, 20), 200);
    let says = gdp.unwrap_err().to_string();
    assert_eq!(says, "accountant: got gdp, wanted rdp or prv, which give upper bounds");
    let loose = PrivateSgd::new(Budget::new(1.0, 0.005).unwrap(), 0.5);
    let says = loose.plan(config(3, 20), 200).unwrap_err().to_string();
    assert_eq!(says, "delta: got 0.005, wanted a number below one over the 200 examples");
    for max_norm in [0.0, -1.0, 1e-7, 1e7, f64::NAN, f64::INFINITY] {
        let private = PrivateSgd { max_norm, ..private(1.0) };
        let says = private.plan(config(3, 20), 200).unwrap_err().to_string();
        assert!(says.starts_with("max_norm: got "), "{says}");
    }
    for sigma in [0.0, -1.0, 1e7, f64::NAN, f64::INFINITY] {
        let private = private(1.0).with_noise_multiplier(sigma);
        let error = private.plan(config(3, 20), 200).unwrap_err();
        assert!(matches!(error, PrivacyError::Value { field: "noise_multiplier", .. }), "{error}");
    }
    assert!(Budget::new(0.0, 1e-5).is_err() && Budget::new(1.0, 0.0).is_err());
}

#[test]
fn the_settings_are_a_file() {
    let settings = private(3.0).per_layer().with_randomness(Randomness::System);
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<PrivateSgd>(&text).unwrap(), settings);
    let short = r#"{"budget": {"epsilon": 3.0, "delta": 1e-5}, "max_norm": 0.5}"#;
    assert_eq!(serde_json::from_str::<PrivateSgd>(short).unwrap(), private(3.0));
    let wrong = r#"{"budget": {"epsilon": 3.0, "delta": 1e-5}, "max_norm": 0.5, "clip": 1}"#;
    assert!(serde_json::from_str::<PrivateSgd>(wrong).unwrap_err().to_string().contains("clip"));
}

#[derive(Module, Debug)]
struct WithBatchNorm {
    norm: BatchNorm,
    out: Linear,
}

#[test]
fn batch_norm_is_refused_by_name_and_other_data_than_planned_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = private(3.0).plan(config(1, 20), 60).unwrap();
    let device = Device::flex();
    let model = WithBatchNorm {
        norm: BatchNormConfig::new(1).init(&device),
        out: LinearConfig::new(64, 10).init(&device),
    };
    let forward = |net: &WithBatchNorm, images: Tensor<4>| {
        net.out.forward(net.norm.forward(images).flatten::<2>(1, 3))
    };
    let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
    let error = trainer.run(model, forward, data(60)).unwrap_err().to_string();
    let says = "gradient: got the gradient rule private_sgd for a model with BatchNorm at \"norm\"";
    assert!(error.starts_with(says), "{error}");
    let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
    let error = trainer.run(Net::new(), Net::forward, data(61)).unwrap_err().to_string();
    let says = "examples: got 61, wanted the 60 that the privacy was planned for";
    assert!(error.contains(says), "{error}");
    // Refused runs count nothing.
    assert!(!folder.path().join("ledger.json").exists());
}

#[test]
fn our_networks_are_refused_with_batch_norm_and_train_without_it() {
    use cni_layers::models::{NormalizeConfig, ResNet, ResNetConfig};
    let run = private(8.0).plan(config(1, 5), 10).unwrap();
    let resnet = ResNetConfig::cifar(8, 10)
        .with_width(0.25)
        .with_images([8, 8], NormalizeConfig::centered(1));
    let train = |config: &ResNetConfig| {
        let folder = tempfile::tempdir().unwrap();
        let model = keyed_init(config.init(&Device::flex()), Key::new(1));
        let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
        trainer.run(model, ResNet::forward, data(10))
    };
    let error = train(&resnet).err().unwrap().to_string();
    assert!(error.contains("a model with BatchNorm at \"bn1\""), "{error}");
    let trained = train(&resnet.without_batch_norm()).unwrap();
    assert_eq!(
        trained.model.forward(data(10).batch(0..3, &Device::flex()).unwrap().0).dims(),
        [3, 10]
    );
}

/// A linear layer, with noise before it or dropout; each image may get the logits of another one.
#[derive(Module, Debug)]
struct Coupled {
    noise: Option<ActivationNoise>,
    dropout: Option<Dropout>,
    out: Linear,
    swaps: bool,
}

impl Coupled {
    fn new() -> Self {
        let out = LinearConfig::new(64, 10).init(&Device::flex());
        keyed_init(Self { noise: None, dropout: None, out, swaps: false }, Key::new(1))
    }

    fn noisy(per: Per) -> Self {
        let noise = ActivationNoiseConfig::white(Granularity::Layer).with_std_per(per);
        let noise = noise.with_name("noise").with_features([64]).init(&Device::flex());
        Self { noise: Some(noise), ..Self::new() }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let mut x = images.flatten::<2>(1, 3);
        if let Some(noise) = &self.noise {
            x = noise.forward(x);
        }
        if let Some(dropout) = &self.dropout {
            x = dropout.forward(x);
        }
        let logits = self.out.forward(x);
        if self.swaps { logits.flip([0]) } else { logits }
    }
}

#[test]
fn examples_that_depend_on_each_other_are_refused_by_the_name_of_what_couples_them() {
    let attack = || Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let refusal = |objective: Objective, model: Coupled| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainingConfig { objective, ..config(1, 5) };
        let run = private(8.0).plan(config, 10).unwrap();
        let trainer = run.trainer(folder.path()).unwrap().with_progress(Progress::Quiet);
        let error = trainer.run(model, Coupled::forward, data(10)).err();
        assert!(!folder.path().join("ledger.json").exists() || error.is_none());
        error.map(|error| error.to_string())
    };
    let (clean, madry) = (Objective::clean, || Objective::madry(attack()));
    let swapping = || Coupled { swaps: true, ..Coupled::new() };
    let dropout = || Some(DropoutConfig::new(0.5).init());
    let dropping = || Coupled { dropout: dropout(), ..Coupled::new() };
    for (objective, model, says) in [
        (madry(), Coupled::noisy(Per::Batch), "for noise at \"noise\" that a batch scales, wanted"),
        (madry(), swapping(), " % another among others, wanted a model, an attack and"),
        (clean(), dropping(), "for a model with Dropout at \"dropout\", wanted a model without it"),
    ] {
        let name = objective.spec()["objective"].to_string().replace('"', "");
        let error = refusal(objective, model).unwrap();
        let got = format!("got the gradient rule private_sgd with the objective {name}");
        assert!(error.starts_with(&format!("gradient: {got}")), "{error}");
        assert!(error.contains(says), "{error}\nlacks {says}");
    }
    // Alone, an example is scaled by itself and has no other to take logits from.
    for (objective, model) in [
        (madry(), Coupled::new()),
        (madry(), Coupled::noisy(Per::Example)),
        (clean(), Coupled::noisy(Per::Batch)),
        (clean(), swapping()),
    ] {
        let told = format!("{objective:?} {model:?}");
        assert_eq!(refusal(objective, model), None, "{told}");
    }
}
