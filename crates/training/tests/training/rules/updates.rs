//! Rules that follow the optimizer: bounds of weights and amplitudes, decay, penalties, and the
//! groups that they are for.

use super::{Net, config, data, resumed, run, run_net, trainer};
use crate::support::{distance, numbers};
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use cni_training::{
    GradientRule, NoisePenalty, ParameterValues, RuleState, Sgd, StepError, StepInfo, Trainer,
    TrainingConfig, Update, UpdateRule,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The numbers of each parameter, by its path.
fn by_path(model: &Net) -> BTreeMap<String, Vec<f32>> {
    #[derive(Default)]
    struct Walk(Vec<String>, BTreeMap<String, Vec<f32>>);
    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.insert(self.0.join("."), param.base().try_to_vec_as().unwrap());
        }
    }
    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.1
}

const WEIGHTS: [&str; 2] = ["conv.weight", "out.weight"];
const AMPLITUDES: [&str; 3] =
    ["conv.weight.noise.diagonal", "noise.noise.excess", "out.weight.noise.diagonal"];

/// The smallest and the largest absolute value of some parameters, and of the others.
fn sizes(model: &Net, of: &[&str]) -> [(f32, f32); 2] {
    let all = by_path(model);
    assert!(of.iter().all(|path| all.contains_key(*path)), "{:?}", all.keys());
    [true, false].map(|wanted| {
        let values = all.iter().filter(|(path, _)| of.contains(&path.as_str()) == wanted);
        let values = values.flat_map(|(_, values)| values.iter().map(|value| value.abs()));
        values.fold((f32::MAX, 0.0), |(least, most), v| (v.min(least), v.max(most)))
    })
}

#[test]
fn weights_are_clipped_and_amplitudes_kept_above_a_floor() {
    let [weights, _] = sizes(&run(config()).model, &WEIGHTS);
    let clip = || TrainingConfig { updates: vec![Update::weight_clip(0.125)], ..config() };
    let [clipped, others] = sizes(&run(clip()).model, &WEIGHTS);
    assert!(weights.1 > 0.2 && clipped.1 == 0.125 && others.1 > 0.5, "{weights:?} {clipped:?}");
    // The noise starts at 0.0625 and at 0.9.
    let floor = || TrainingConfig { updates: vec![Update::noise_floor(0.5)], ..config() };
    let [amplitudes, others] = sizes(&run(floor()).model, &AMPLITUDES);
    assert!(amplitudes.0 == 0.5 && others.0 < 0.1, "{amplitudes:?} {others:?}");
    let both = || {
        let penalty = NoisePenalty { weight: -0.3, fade: true };
        let updates = vec![Update::weight_clip(0.25), penalty.into(), Update::noise_floor(0.1)];
        TrainingConfig { updates, ..config() }
    };
    let one = run(both());
    assert!(distance(&one.model, &run_net(Net::new(), 2, both()).unwrap().model) < 1e-5);
    assert_eq!(numbers(&resumed(both, 3).model), numbers(&one.model));
}

/// The gradient zero, so that nothing moves but by decay and by rules.
struct Still;

impl GradientRule for Still {
    fn spec(&self) -> Value {
        json!({ "gradient": "still" })
    }

    fn finish(
        &self,
        gradients: ParameterValues,
        _info: &StepInfo,
        _state: &mut RuleState,
    ) -> Result<ParameterValues, StepError> {
        Ok(gradients.map(|_, gradient| gradient.zeros_like()))
    }
}

/// Every parameter of the model after a run without gradients, over what it was.
fn factors(config: TrainingConfig) -> BTreeMap<String, f32> {
    let config = TrainingConfig { gradient: Still.into(), ..config };
    let (before, after) = (by_path(&Net::new()), by_path(&run(config).model));
    let size = |values: &[f32]| values.iter().map(|value| value.abs()).sum::<f32>();
    let ratio = |(path, was): (String, Vec<f32>)| {
        let is = size(&after[&path]);
        (path, if size(&was) > 0.0 { is / size(&was) } else { 1.0 })
    };
    before.into_iter().map(ratio).collect()
}

#[test]
fn decay_of_weights_alone_is_one_setting_of_a_file() {
    let text = json!({
        "epochs": 1, "batch_size": 32, "objective": "clean", "key": 3,
        "schedule": { "multi_step": { "lr": 0.1, "milestones": [], "gamma": 0.1 } },
        "optimizer": { "optimizer": "sgd", "weight_decay": 5.0, "decay_vectors": false },
    });
    // Three steps that halve.
    for (path, factor) in factors(serde_json::from_value(text).unwrap()) {
        let wanted = if WEIGHTS.contains(&path.as_str()) { 0.125 } else { 1.0 };
        assert!((factor - wanted).abs() < 1e-5, "{path}: {factor}");
    }
    let sgd = Sgd { weight_decay: 5.0, ..Sgd::default() };
    let all = factors(TrainingConfig { epochs: 1, optimizer: sgd.into(), ..config() });
    assert!((all["norm.gamma"] - 0.125).abs() < 1e-5);
}

#[test]
fn a_penalty_moves_the_amplitudes_alone_by_the_rate() {
    let sgd = || Sgd::default().into();
    let still = |weight| TrainingConfig {
        epochs: 1,
        optimizer: sgd(),
        updates: vec![Update::noise_penalty(weight)],
        ..config()
    };
    for (weight, sign) in [(0.02, -1.0), (-0.02, 1.0)] {
        for (path, factor) in factors(still(weight)) {
            // Three steps of 0.1 · 0.02 / (2 · 0.25), about.
            let step = if path.ends_with("diagonal") { 3.0 * 0.004 / 0.0625 } else { 0.0 };
            let near = match path.ends_with("excess") {
                true => sign * (factor - 1.0) > 0.003,
                false => (factor - 1.0 - sign * step).abs() < 0.1 * step + 1e-6,
            };
            assert!(near, "{path}: {factor}");
        }
    }
}

#[test]
fn built_in_groups_hold_what_they_say() {
    struct Record;
    impl UpdateRule for Record {
        fn spec(&self) -> Value {
            json!({ "update": "record" })
        }
        fn after(
            &self,
            weights: ParameterValues,
            info: &StepInfo,
            _state: &mut RuleState,
        ) -> Result<ParameterValues, StepError> {
            assert_eq!(info.lr, 0.1);
            for (parameter, _) in weights.iter() {
                let within = |names: &[&str]| names.contains(&parameter.path.as_str());
                let (noise, vector) =
                    (parameter.path.contains("noise"), parameter.shape.len() == 1);
                let groups = [
                    ("weights", within(&WEIGHTS)),
                    ("amplitudes", within(&AMPLITUDES)),
                    ("noise", noise),
                    ("vectors", vector),
                ];
                for (group, wanted) in groups {
                    assert_eq!(parameter.is_in(group), wanted, "{group}: {}", parameter.path);
                }
            }
            Ok(ParameterValues::default())
        }
    }
    run(TrainingConfig { epochs: 1, updates: vec![Record.into()], ..config() });
}

#[test]
fn rules_of_noise_are_refused_without_noise_and_out_of_range() {
    #[derive(Module, Debug)]
    struct Plain {
        out: Linear,
    }
    for update in [Update::noise_floor(0.1), Update::noise_penalty(0.1)] {
        let folder = tempfile::tempdir().unwrap();
        let name = update.spec()["update"].as_str().unwrap().to_string();
        let config = TrainingConfig { updates: vec![update], ..config() };
        let plain = Plain { out: LinearConfig::new(64, 10).init(&Device::flex()) };
        let forward = |net: &Plain, x: Tensor<4>| net.out.forward(x.flatten::<2>(1, 3));
        let trainer = Trainer::new(config, folder.path().join("run")).unwrap();
        let error = trainer.run(plain, forward, data().0).unwrap_err().to_string();
        let says = format!("group: got amplitudes without a parameter, for the update rule {name}");
        assert!(error.starts_with(&says), "{error}");
        assert!(!folder.path().join("run").exists());
    }
    let refused = |update: Update| {
        let config = TrainingConfig { updates: vec![update], ..config() };
        trainer(config, Path::new("unused")).err().unwrap().to_string()
    };
    for (update, says) in [
        (Update::noise_floor(0.0), "update rule noise_floor: min: got 0, wanted"),
        (Update::noise_floor(f64::INFINITY), "update rule noise_floor: min: got inf, wanted"),
        (Update::noise_penalty(0.0), "update rule noise_penalty: weight: got 0, wanted"),
        (Update::noise_penalty(f64::NAN), "update rule noise_penalty: weight: got NaN, wanted"),
        (Update::weight_clip(0.0), "update rule clamp: min: got -0 with max 0, wanted"),
        (Update::weight_clip(f64::INFINITY), "update rule clamp: min: got -inf, wanted"),
    ] {
        let error = refused(update);
        assert!(error.starts_with(says), "{error}");
    }
    let spec = json!({ "update": "noise_penalty", "weight": -1e-4, "fade": true });
    let read: Update = serde_json::from_value(spec).unwrap();
    assert_eq!(read.spec(), Update::from(NoisePenalty::learn2perturb()).spec());
}
