//! The slots of a step: custom rules work, their state resumes exactly, and a broken contract is
//! named. One file, because every test is the same small run with another rule in it.

use crate::support::linear_net::Net;
use crate::support::numbers::numbers;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};
use cni_attacks::{Pgd, Threat};
use cni_data::{
    Augmentation, AugmentationRule, DataError, ImageData, Loader, Sampler, SamplerRule, Split,
    digits,
};
use cni_noise::{Key, host_uniform};
use cni_training::{
    Average, AverageRule, CheckpointSelector, Devices, GradientRule, Losses, Objective,
    ObjectiveRule, Parallel, ParameterGroup, ParameterValues, Progress, RuleState, Schedule, Sgd,
    Step, StepError, StepGradients, StepInfo, StopReason, Trained, Trainer, TrainingConfig,
    TrainingError, Update, UpdateRule, load_checkpoint, parameter_ids,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn data() -> (ImageData, ImageData) {
    digits(Split::Train).take(240).split_validation(48, Key::new(2)).unwrap()
}

/// Three epochs of three steps.
fn config() -> TrainingConfig {
    TrainingConfig {
        batch_size: 64,
        key: Key::new(3),
        ..TrainingConfig::new(3, Objective::clean())
    }
}

fn trainer(config: TrainingConfig, folder: &Path) -> Trainer<Net> {
    let trainer = Trainer::new(config, folder).unwrap();
    trainer.with_validation(data().1).with_progress(Progress::Quiet)
}

fn run(config: TrainingConfig) -> Result<Trained<Net>, TrainingError> {
    let folder = tempfile::tempdir().unwrap();
    trainer(config, folder.path()).run(Net::new(), Net::forward, data().0)
}

/// A run that is broken off in the first step of its third epoch, and then goes on.
fn resumed(config: impl Fn() -> TrainingConfig) -> Trained<Net> {
    let folder = tempfile::tempdir().unwrap();
    let passes = AtomicUsize::new(0);
    let broken = move |net: &Net, images: Tensor<4>| {
        let training = images.is_autodiff() && net.out.weight.val().is_autodiff();
        let pass = passes.fetch_add(usize::from(training), Ordering::Relaxed);
        let logits = net.forward(images);
        if training && pass >= 6 { logits.mul_scalar(f64::NAN) } else { logits }
    };
    let error = trainer(config(), folder.path()).run(Net::new(), broken, data().0).unwrap_err();
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }), "{error}");
    let trainer = trainer(config(), folder.path()).resume(true);
    trainer.run(Net::new(), Net::forward, data().0).unwrap()
}

/// So many batches with replacement; from epoch `broken` on with an example that is not there.
struct Bootstrap {
    batches: usize,
    broken: usize,
}

impl Bootstrap {
    const OF_FIVE: Self = Self { batches: 5, broken: usize::MAX };
}

impl SamplerRule for Bootstrap {
    fn spec(&self) -> Value {
        json!({ "sampler": "bootstrap", "batches": self.batches })
    }

    fn plan(&self, key: Key, epoch: usize, examples: usize, batch_size: usize) -> Vec<Vec<usize>> {
        let index = |u: f32| (f64::from(u) * examples as f64) as usize;
        let batch = |n: usize| -> Vec<usize> {
            let draws = host_uniform(key.child(epoch as u64).child(n as u64), 0..batch_size as u64);
            draws.into_iter().map(index).collect()
        };
        let mut plan: Vec<_> = (0..self.batches).map(batch).collect();
        if epoch >= self.broken {
            plan[1][3] = examples;
        }
        plan
    }

    fn batches(&self, _examples: usize, _batch_size: usize) -> usize {
        self.batches
    }
}

/// The gradient itself; it expects five steps an epoch.
struct FiveSteps;

impl GradientRule for FiveSteps {
    fn spec(&self) -> Value {
        json!({ "gradient": "five_steps" })
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        assert_eq!(info.step / 5, info.epoch);
        Ok(gradients)
    }
}

#[test]
fn a_custom_sampler_decides_the_batches_and_resumes_exactly() {
    let three = || TrainingConfig {
        sampler: Bootstrap { batches: 3, ..Bootstrap::OF_FIVE }.into(),
        ..config()
    };
    let whole = run(three()).unwrap();
    assert_eq!(numbers(&resumed(three).model), numbers(&whole.model));
    assert_ne!(numbers(&run(config()).unwrap().model), numbers(&whole.model));
    let five = TrainingConfig {
        sampler: Bootstrap::OF_FIVE.into(),
        gradient: FiveSteps.into(),
        schedule: Schedule::custom(json!({ "name": "flat" }), |at, of| {
            assert!(at < of && of == 15);
            0.1
        }),
        ..config()
    };
    assert_eq!(run(five).unwrap().history.len(), 3);
}

#[test]
fn another_sampler_is_another_run() {
    let folder = tempfile::tempdir().unwrap();
    let bootstrap = TrainingConfig { sampler: Bootstrap::OF_FIVE.into(), ..config() };
    trainer(bootstrap, folder.path()).run(Net::new(), Net::forward, data().0).unwrap();
    let other = trainer(config(), folder.path()).resume(true);
    let error = other.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.contains(r#"config/sampler/sampler was "bootstrap", is "epochs""#), "{error}");
}

#[test]
fn a_sampler_that_breaks_its_contract_is_named() {
    let broken = |epoch| TrainingConfig {
        sampler: Bootstrap { broken: epoch, ..Bootstrap::OF_FIVE }.into(),
        ..config()
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let says =
        |epoch| format!("sampler bootstrap: example in batch 1 of epoch {epoch}: got 192, wanted");
    let error = trainer(broken(0), &out).run(Net::new(), Net::forward, data().0).unwrap_err();
    assert!(error.to_string().contains(&says(0)), "{error}");
    assert!(!out.exists());
    let error = trainer(broken(2), &out).run(Net::new(), Net::forward, data().0).unwrap_err();
    assert!(error.to_string().contains(&says(2)), "{error}");
    assert!(matches!(error, TrainingError::Stopped { last: Some(2), .. }));
}

/// The sign of the gradients, and a setting.
struct Sign(f64);

impl GradientRule for Sign {
    fn spec(&self) -> Value {
        json!({ "gradient": "sign", "size": self.0 })
    }

    fn check(&self) -> Result<(), TrainingError> {
        match self.0 > 0.0 {
            true => Ok(()),
            false => Err(TrainingError::setting("size", self.0, "a number above 0")),
        }
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        Ok(gradients.map(|_, gradient| gradient.sign().mul_scalar(self.0)))
    }
}

/// A finite loss whose gradient is not, and one without a gradient.
enum Strange {
    Gradient,
    NoTape,
}

impl ObjectiveRule for Strange {
    fn spec(&self) -> Value {
        json!({ "objective": "strange" })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let logits = step.logits("clean", step.batch().images.clone());
        let loss = step.cross_entropy(logits);
        Ok(Losses::new(match self {
            // The root of zero has an infinite gradient, and zero times that is none.
            Self::Gradient => loss.clone() + loss.mul_scalar(0.0).sqrt(),
            Self::NoTape => loss.inner(),
        }))
    }
}

#[test]
fn a_rule_cannot_hide_a_gradient_that_is_not_finite() {
    let objective = || Objective::from(Strange::Gradient);
    let hidden = TrainingConfig { gradient: Sign(0.1).into(), objective: objective(), ..config() };
    let error = run(hidden).unwrap_err().to_string();
    let says = "the gradient of hidden.weight, before the gradient rule sign";
    assert!(error.contains(says), "{error}");
}

#[test]
fn a_loss_without_the_tape_is_named() {
    let error = run(TrainingConfig { objective: Strange::NoTape.into(), ..config() }).unwrap_err();
    let says = "objective strange: loss: got a tensor without the tape, wanted one on the tape";
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_setting_that_a_rule_refuses_is_named_with_its_rule() {
    let refused = |config| Trainer::<Net>::new(config, "never").err().unwrap().to_string();
    let sign = TrainingConfig { gradient: Sign(-1.0).into(), ..config() };
    assert_eq!(refused(sign), "gradient rule sign: size: got -1, wanted a number above 0");
    let ema = TrainingConfig { average: Some(Average::ema(1.5)), ..config() };
    assert_eq!(refused(ema), "average rule ema: decay: got 1.5, wanted a number in [0, 1)");
}

/// Scales all pixels of an image by a random factor in [0, `most`).
struct Scale {
    most: f32,
}

impl AugmentationRule for Scale {
    fn spec(&self) -> Value {
        json!({ "augmentation": "scale", "most": self.most })
    }

    fn check(&self, [channels, ..]: [usize; 3]) -> Result<(), DataError> {
        match channels {
            1 => Ok(()),
            _ => Err(DataError::setting("channels", channels, 1)),
        }
    }

    fn apply(&self, key: Key, _shape: [usize; 3], image: &mut [f32]) {
        let factor = self.most * host_uniform(key, 0..1)[0];
        image.iter_mut().for_each(|pixel| *pixel *= factor);
    }
}

#[test]
fn custom_augmentations_follow_built_in_ones_and_resume_exactly() {
    let with = |augment| TrainingConfig { augment, ..config() };
    let scaled = || with(vec![Augmentation::crop(1), Scale { most: 1.0 }.into()]);
    let whole = run(scaled()).unwrap();
    assert_eq!(numbers(&resumed(scaled).model), numbers(&whole.model));
    let cropped = run(with(vec![Augmentation::crop(1)])).unwrap();
    assert_ne!(numbers(&cropped.model), numbers(&whole.model));
    let error = run(with(vec![Scale { most: 90.0 }.into()])).unwrap_err().to_string();
    assert!(error.contains("augmentation scale: pixel "), "{error}");
}

#[test]
fn policies_on_mixed_batches_resume_exactly() {
    // Three steps of 32 labelled examples and as many of the 96 behind them.
    let mixed = || TrainingConfig {
        augment: vec![Augmentation::auto_augment(), Augmentation::trivial_augment()],
        sampler: Sampler::mixture(96),
        ..config()
    };
    let whole = run(mixed()).unwrap();
    assert_eq!(numbers(&resumed(mixed).model), numbers(&whole.model));
    let plain = run(TrainingConfig { augment: Vec::new(), ..mixed() }).unwrap();
    assert_ne!(numbers(&plain.model), numbers(&whole.model));
    let error = run(TrainingConfig { sampler: Sampler::mixture(192), ..config() }).unwrap_err();
    let says = "sampler mixture: extra: got 192, wanted 1..192";
    assert!(error.to_string().contains(says), "{error}");
}

/// Cross-entropy against labels of which a share is spread over all classes.
struct LabelSmoothing(f64);

impl ObjectiveRule for LabelSmoothing {
    fn spec(&self) -> Value {
        json!({ "objective": "label_smoothing", "smoothing": self.0 })
    }

    fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
        let logits = step.logits("clean", step.batch().images.clone());
        let log = log_softmax(logits.clone(), 1);
        let uniform = -log.clone().mean_dim(1).squeeze_dim::<1>(1);
        let confidence = log.inner().exp().max_dim(1).squeeze_dim::<1>(1);
        let hits = step.hits(logits.clone());
        let loss = step.cross_entropy(logits).mul_scalar(1.0 - self.0) + uniform.mul_scalar(self.0);
        Ok(Losses::new(loss).with_score("clean", hits).with_score("confidence", confidence))
    }

    fn scores(&self) -> Vec<String> {
        vec!["confidence".into()]
    }
}

#[test]
fn a_custom_objective_trains_and_reports_its_scores() {
    let smoothed =
        run(TrainingConfig { objective: LabelSmoothing(0.5).into(), ..config() }).unwrap();
    let plain = run(TrainingConfig { objective: LabelSmoothing(0.0).into(), ..config() }).unwrap();
    let clean = run(config()).unwrap();
    // Without smoothing it is the clean objective.
    assert_eq!(numbers(&plain.model), numbers(&clean.model));
    let confidence = |run: &Trained<Net>| run.history[2].train.more["confidence"];
    assert!(confidence(&smoothed) < confidence(&plain));
    assert!(smoothed.history[2].train.loss < smoothed.history[0].train.loss);
}

/// The sign of a running mean of the gradients, and the number of steps.
struct SignMomentum;

impl GradientRule for SignMomentum {
    fn spec(&self) -> Value {
        json!({ "gradient": "sign_momentum" })
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        info: &StepInfo,
        state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        let steps = state.number("steps").unwrap_or(0.0);
        assert_eq!((steps as usize, info.step / 3), (info.step, info.epoch));
        state.set_number("steps", steps + 1.0);
        Ok(gradients.map(|parameter, gradient| {
            let mean = match state.tensor(&parameter.path) {
                Some(mean) => mean.mul_scalar(0.9) + gradient.mul_scalar(0.1),
                None => gradient,
            };
            state.set_tensor(&parameter.path, mean.clone());
            mean.sign().mul_scalar(0.05)
        }))
    }
}

#[test]
fn a_gradient_rule_with_state_resumes_bit_for_bit() {
    let config = || TrainingConfig { gradient: SignMomentum.into(), ..config() };
    let whole = run(config()).unwrap();
    assert!(whole.history[2].train.loss < whole.history[0].train.loss);
    let resumed = resumed(config);
    assert_eq!(numbers(&resumed.model), numbers(&whole.model));
    assert_eq!(resumed.history, whole.history);
}

#[test]
fn an_additive_rule_trains_on_two_devices_as_on_one_and_another_is_refused() {
    struct Shy;
    impl GradientRule for Shy {
        fn spec(&self) -> Value {
            json!({ "gradient": "shy" })
        }
    }
    let two = || Devices::new(vec![Device::flex(); 2], Parallel::Multi).unwrap();
    let on_two = |config: TrainingConfig| {
        let folder = tempfile::tempdir().unwrap();
        let trainer = trainer(config, folder.path()).with_devices(two());
        trainer.run(Net::new(), Net::forward, data().0)
    };
    // A running mean without its sign, which would turn rounding into steps.
    struct Mean;
    impl GradientRule for Mean {
        fn spec(&self) -> Value {
            json!({ "gradient": "mean" })
        }
        fn is_additive(&self) -> bool {
            true
        }
        fn finish(
            &self,
            gradients: ParameterValues,
            _info: &StepInfo,
            state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(gradients.map(|parameter, gradient| {
                let mean = match state.tensor(&parameter.path) {
                    Some(mean) => mean.mul_scalar(0.5) + gradient.mul_scalar(0.5),
                    None => gradient,
                };
                state.set_tensor(&parameter.path, mean.clone());
                mean
            }))
        }
    }
    let config = |gradient| TrainingConfig { gradient, max_grad_norm: Some(1.0), ..config() };
    let one = run(config(Mean.into())).unwrap();
    let two = on_two(config(Mean.into())).unwrap();
    assert!(distance(&one.model, &two.model) < 1e-5);
    let error = on_two(config(Shy.into())).unwrap_err().to_string();
    assert!(error.contains("devices: got 2 with the gradient rule shy"), "{error}");
    let split = TrainingConfig { accumulation: 2, ..config(Shy.into()) };
    let error = Trainer::<Net>::new(split, "unused").map(drop).unwrap_err().to_string();
    assert!(error.contains("accumulation: got 2 with the gradient rule shy"), "{error}");
}

fn distance(a: &Net, b: &Net) -> f32 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Adversarial weight perturbation in one rule (Wu et al., arXiv 2004.05884, equation 10): the
/// gradient at the weights plus the worst relative change of each matrix.
struct WeightPerturbation(f64);

impl GradientRule for WeightPerturbation {
    fn spec(&self) -> Value {
        json!({ "gradient": "weight_perturbation", "gamma": self.0 })
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let here = step.backward(objective.losses(step)?);
        let matrices = step.weights().filter(|parameter| parameter.shape.len() > 1);
        let worst = matrices.map(|parameter, weight| {
            let Some(gradient) = here.gradients.get(&parameter.path) else { return weight };
            let norm = |value: &Tensor<1>| value.clone().square().sum().sqrt();
            let size = norm(&weight) / norm(gradient).add_scalar(1e-12);
            weight + gradient.clone() * size.mul_scalar(self.0)
        });
        let there = step.at(worst);
        let worst = there.backward(objective.losses(&there)?);
        Ok(StepGradients { losses: here.losses, ..worst })
    }
}

#[test]
fn a_rule_can_differentiate_at_other_weights_with_the_images_of_one_attack() {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let madry = |gamma| TrainingConfig {
        gradient: WeightPerturbation(gamma).into(),
        objective: Objective::madry(attack.clone()),
        ..config()
    };
    let (near, far) = (run(madry(0.0)).unwrap(), run(madry(0.05)).unwrap());
    let plain = TrainingConfig { objective: Objective::madry(attack.clone()), ..config() };
    let plain = run(plain).unwrap();
    assert!(distance(&near.model, &plain.model) < 1e-6);
    assert!(distance(&far.model, &plain.model) > 1e-3);
    assert!(far.history[2].train.robust.is_some());
}

/// Clipping each example's gradient (Abadi et al., arXiv 1607.00133, algorithm 1, without noise).
struct PerExample(f64);

impl GradientRule for PerExample {
    fn spec(&self) -> Value {
        json!({ "gradient": "per_example", "max_norm": self.0 })
    }

    fn is_additive(&self) -> bool {
        true
    }

    fn gradients(
        &self,
        objective: &Objective,
        step: &Step<'_>,
    ) -> Result<StepGradients, StepError> {
        let losses = objective.losses(step)?;
        let examples = step.batch().images.dims()[0];
        let mut sum: Option<ParameterValues> = None;
        for example in 0..examples {
            let part = step.part(example..example + 1);
            let own = part.backward(objective.losses(&part)?).gradients;
            let norm = own.norm().unwrap().into_scalar::<f64>() * step.batch().whole as f64;
            let scale = (self.0 / norm).min(1.0);
            sum = Some(match sum {
                None => own.map(|_, gradient| gradient.mul_scalar(scale)),
                Some(sum) => sum.map(|parameter, sum| {
                    sum + own.get(&parameter.path).unwrap().clone().mul_scalar(scale)
                }),
            });
        }
        Ok(StepGradients { gradients: sum.unwrap_or_default(), losses })
    }
}

#[test]
fn the_gradients_of_single_examples_add_up_to_that_of_the_batch() {
    let one = |gradient| TrainingConfig { epochs: 1, gradient, ..config() };
    let plain = run(TrainingConfig { epochs: 1, ..config() }).unwrap();
    let all = run(one(PerExample(f64::INFINITY).into())).unwrap();
    assert!(distance(&plain.model, &all.model) < 1e-5);
    let clipped = run(one(PerExample(0.01).into())).unwrap();
    assert!(distance(&Net::new(), &clipped.model) < distance(&Net::new(), &plain.model));
}

#[test]
fn an_update_rule_changes_the_weights_after_every_step() {
    /// Keeps the weights of the first layer at most as large as at first, and counts.
    struct Shrink;
    impl UpdateRule for Shrink {
        fn spec(&self) -> Value {
            json!({ "update": "shrink" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            let steps = state.number("steps").unwrap_or(0.0) + 1.0;
            state.set_number("steps", steps);
            let first = weights.filter(|parameter| parameter.path.starts_with("hidden"));
            Ok(first.map(|_, weight| weight.mul_scalar(1.0 - 0.01 * steps)))
        }
    }
    let updates = || vec![Shrink.into(), Update::clamp("vectors", -0.01, 0.01)];
    let config = || TrainingConfig { updates: updates(), ..config() };
    let whole = run(config()).unwrap();
    let bias = |model: &Net| -> f32 {
        let bias = model.out.bias.as_ref().unwrap().val();
        bias.abs().max().into_scalar()
    };
    assert_eq!(bias(&whole.model), 0.01);
    assert!(bias(&run(self::config()).unwrap().model) > 0.01);
    // The count of the first rule, which decides how far it shrinks, comes back with the run.
    assert_eq!(numbers(&resumed(config).model), numbers(&whole.model));
    let unknown = TrainingConfig { updates: vec![Update::clamp("none", -1.0, 1.0)], ..config() };
    let error = run(unknown).unwrap_err().to_string();
    assert!(
        error.contains("group: got none, with the groups amplitudes, noise, vectors, weights"),
        "{error}"
    );
}

#[test]
fn groups_have_optimizers_and_rates_of_their_own() {
    let train = |settings: ParameterGroup| {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainingConfig { groups: vec![settings], ..config() };
        let trainer = trainer(config, folder.path());
        let trainer = trainer.with_group("first", |net: &Net| parameter_ids(&net.hidden)).unwrap();
        trainer.run(Net::new(), Net::forward, data().0)
    };
    let still = train(ParameterGroup::new("first").with_lr_scale(0.0)).unwrap().model;
    let hidden = |net: &Net| numbers(&net.hidden);
    assert_eq!(hidden(&still), hidden(&Net::new()));
    assert!(distance(&still, &Net::new()) > 0.01);
    // The settings of the run, as a group of its own.
    let sgd = Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4, ..Sgd::default() };
    let same = train(ParameterGroup::new("first").with_optimizer(sgd.clone())).unwrap().model;
    assert_eq!(numbers(&same), numbers(&run(config()).unwrap().model));
    let heavy = Sgd { weight_decay: 0.5, ..sgd };
    let heavy = train(ParameterGroup::new("first").with_optimizer(heavy)).unwrap().model;
    let size = |net: &Net| hidden(net).iter().map(|v| v * v).sum::<f32>();
    assert!(size(&heavy) < 0.9 * size(&same));
    let error = train(ParameterGroup::new("second").with_lr_scale(2.0)).unwrap_err().to_string();
    assert!(
        error.contains("group: got second, with the groups amplitudes, first, noise"),
        "{error}"
    );
}

#[test]
fn a_broken_contract_is_named() {
    /// An objective with losses of other examples, one that is NaN, and a score without a name.
    struct Broken(&'static str);
    impl ObjectiveRule for Broken {
        fn spec(&self) -> Value {
            json!({ "objective": "broken", "how": self.0 })
        }
        fn losses(&self, step: &Step<'_>) -> Result<Losses, StepError> {
            let logits = step.logits("clean", step.batch().images.clone());
            let loss = step.cross_entropy(logits);
            Ok(match self.0 {
                "mean" => Losses::new(loss.mean()),
                "nan" => Losses::new(loss.mul_scalar(f64::NAN)),
                "score" => Losses::new(loss.clone()).with_score("mystery", loss),
                _ => return Err(StepError::custom("the moon is full")),
            })
        }
    }
    /// A rule that forgets a parameter, and one that changes a shape, before or after the sum.
    struct Careless(&'static str);
    impl GradientRule for Careless {
        fn spec(&self) -> Value {
            json!({ "gradient": "careless", "how": self.0 })
        }
        fn gradients(
            &self,
            objective: &Objective,
            step: &Step<'_>,
        ) -> Result<StepGradients, StepError> {
            let StepGradients { gradients, losses } = step.backward(objective.losses(step)?);
            let gradients = match self.0 {
                "forgets" => gradients.filter(|parameter| parameter.path != "out.weight"),
                "cuts" => gradients.map(|_, gradient| gradient.narrow(0, 0, 3)),
                _ => gradients,
            };
            Ok(StepGradients { gradients, losses })
        }
        fn finish(
            &self,
            gradients: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(match self.0 {
                "forgets all" => ParameterValues::default(),
                _ => gradients,
            })
        }
    }
    struct Stretch;
    impl UpdateRule for Stretch {
        fn spec(&self) -> Value {
            json!({ "update": "stretch" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            Ok(weights.map(|_, weight| weight.repeat_dim(0, 2)))
        }
    }
    struct Beyond;
    impl AverageRule for Beyond {
        fn spec(&self) -> Value {
            json!({ "average": "beyond" })
        }
        fn weight(&self, _info: &StepInfo) -> Option<f64> {
            Some(1.5)
        }
    }
    let objective = |how| TrainingConfig { objective: Broken(how).into(), ..config() };
    let gradient = |how| TrainingConfig { gradient: Careless(how).into(), ..config() };
    let cases = [
        (objective("mean"), "objective broken: loss: got 1 values, wanted one for each of 64"),
        (objective("nan"), "the loss of the objective broken is NaN"),
        (objective("score"), "objective broken: score: got mystery, wanted one of those that it"),
        (objective("error"), "the moon is full"),
        (gradient("forgets"), "gradient rule careless: gradient of out.weight: got none, wanted"),
        (gradient("cuts"), "gradient rule careless: gradient of hidden.weight: got 3 values, want"),
        (gradient("forgets all"), "gradient rule careless: gradient of hidden.weight: got none"),
        (
            TrainingConfig { updates: vec![Stretch.into()], ..config() },
            "update rule stretch: weight of hidden.weight: got 2048 values, wanted the 1024 of its",
        ),
        (
            TrainingConfig { average: Some(Beyond.into()), ..config() },
            "average rule beyond: weight: got 1.5, wanted a number in [0, 1]",
        ),
    ];
    for (config, wanted) in cases {
        let error = run(config).unwrap_err();
        assert!(matches!(error, TrainingError::Stopped { last: None, .. }), "{error}");
        assert!(error.to_string().starts_with(wanted), "{error}\nlacks {wanted}");
    }
    let error = run(objective("error")).unwrap_err();
    let custom = matches!(
        error,
        TrainingError::Stopped { reason: StopReason::Step(StepError::Custom(_)), .. }
    );
    assert!(custom);
    // A rule without a name, and a metric of another length.
    struct Nameless;
    impl ObjectiveRule for Nameless {
        fn spec(&self) -> Value {
            json!({})
        }
        fn losses(&self, _step: &Step<'_>) -> Result<Losses, StepError> {
            unreachable!("it is refused before")
        }
    }
    let nameless = TrainingConfig { objective: Nameless.into(), ..config() };
    let error = Trainer::<Net>::new(nameless, "unused").map(drop).unwrap_err().to_string();
    assert!(error.starts_with("objective: got {}, wanted an object"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(config(), folder.path());
    let trainer = trainer.with_metric("top", |logits, _| logits.clone().max().reshape([1]));
    let error = trainer.run(Net::new(), Net::forward, data().0).unwrap_err().to_string();
    assert!(error.starts_with("metric top: values: got 1, wanted one for each of 48"), "{error}");
}

/// The weights after each step, from the definition: 0.75 of the average before.
#[test]
fn an_average_is_validated_saved_and_resumed() {
    let config = || TrainingConfig { average: Some(Average::ema(0.75)), ..config() };
    let folder = tempfile::tempdir().unwrap();
    let whole = trainer(config(), folder.path()).run(Net::new(), Net::forward, data().0).unwrap();
    // A custom rule records the model after each step.
    struct Record(std::sync::Arc<std::sync::Mutex<Vec<Vec<f32>>>>);
    impl UpdateRule for Record {
        fn spec(&self) -> Value {
            json!({ "update": "record" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            _info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            let all = weights.iter().map(|(_, weight)| weight.try_to_vec_as::<f32>().unwrap());
            self.0.lock().unwrap().push(all.flatten().collect());
            Ok(ParameterValues::default())
        }
    }
    let steps = std::sync::Arc::default();
    let recorded = TrainingConfig {
        updates: vec![Record(std::sync::Arc::clone(&steps)).into()],
        ..self::config()
    };
    let plain = run(recorded).unwrap();
    let steps = steps.lock().unwrap();
    assert_eq!((steps.len(), &steps[8]), (9, &numbers(&plain.model)));
    let mut average = steps[0].clone();
    for step in &steps[1..] {
        average
            .iter_mut()
            .zip(step)
            .for_each(|(average, step)| *average += 0.25 * (step - *average));
    }
    let got = numbers(&whole.model);
    let off = got.iter().zip(&average).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-6, "{off}");
    // What is loaded is what was validated.
    let (loaded, epoch) =
        load_checkpoint(Net::new(), folder.path(), CheckpointSelector::Last).unwrap();
    assert_eq!((numbers(&loaded), epoch), (got, 3));
    let loader = Loader::validation(data().1, 64, Key::new(0), &Device::flex()).unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    let hits = loaded.forward(batch.images).argmax(1).squeeze_dim::<1>(1).equal(batch.labels);
    let accuracy: f64 = hits.float().mean().into_scalar();
    assert!((whole.history[2].validation.clean.unwrap() - accuracy).abs() < 1e-6);
    let again = resumed(config);
    assert_eq!(numbers(&again.model), numbers(&whole.model));
    assert_eq!(again.history, whole.history);
}

/// Parts of 21, 21 and 22 examples, the last batch of 16 and 5 of them smaller; measured to be off
/// by 1e-7.
#[test]
fn gradients_that_are_accumulated_are_those_of_the_whole_batch() {
    let attack = Pgd::training(Threat::linf(0.1).unwrap()).with_steps(2).unwrap();
    let with = |accumulation| TrainingConfig {
        accumulation,
        augment: vec![Augmentation::crop(1)],
        objective: Objective::half_and_half(attack.clone()),
        max_grad_norm: Some(0.5),
        ..config()
    };
    let whole = run(with(1)).unwrap();
    for parts in [3, 100] {
        let accumulated = run(with(parts)).unwrap();
        assert!(distance(&whole.model, &accumulated.model) < 1e-5, "{parts} parts");
        let [one, other] = [&whole, &accumulated].map(|run| run.history[2].train.clone());
        assert!((one.loss.unwrap() - other.loss.unwrap()).abs() < 1e-5);
        assert_eq!((one.clean, one.robust), (other.clean, other.robust));
    }
}
